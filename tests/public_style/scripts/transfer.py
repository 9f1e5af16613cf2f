"""Weights of one network in another: parts that fit, a new head, frozen layers, hooks, a GAN."""

import os
import warnings

import lucid as torch
from lucid import nn
from lucid.nn import functional as F


def backbone(classes):
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(3, 6, 3, stride=2))
    net.add_module("norm", nn.BatchNorm2d(6))
    net.add_module("fc", nn.Linear(6, classes))
    return net.double()


class Tuned(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.features = nn.Sequential(*list(net.children())[:-1])
        self.num_ftrs = net.fc.in_features
        self.fc = nn.Linear(self.num_ftrs, 3).double()

    def forward(self, x):
        x = F.relu(self.features(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def main(images, labels, state, folder):
    path = os.path.join(folder, "pretrained.pth")
    torch.save({k: torch.from_numpy(v) for k, v in state.items()}, path)
    net = backbone(3)
    pretrained = torch.load(path, map_location="cpu", weights_only=True)
    own = net.state_dict()
    fitting = {k: v for k, v in pretrained.items() if k in own and v.size() == own[k].size()}
    own.update(fitting)
    net.load_state_dict(own)
    result = net.load_state_dict({"extra": torch.zeros(1), **fitting}, strict=False)
    history = [len(fitting), len(result.missing_keys), len(result.unexpected_keys)]

    model = Tuned(net)
    with torch.no_grad():
        model.fc.weight.copy_(torch.from_numpy(state["fc.weight"])[:3])
        model.fc.bias.zero_()
    for name, param in model.named_parameters():
        if not name.startswith("fc"):
            param.requires_grad = False
    seen, gradients = {}, []
    warnings.filterwarnings("ignore", "Full backward hook is firing")  # no input wants a gradient
    hook = model.features.register_forward_hook(lambda m, i, o: seen.update(features=o.detach()))
    model.fc.register_full_backward_hook(lambda m, gi, go: gradients.append(go[0].norm().item()))
    optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=1e-2)
    x, y = torch.from_numpy(images), torch.from_numpy(labels) % 3
    for phase in ["train", "val", "train"]:
        model.train() if phase == "train" else model.eval()
        optimizer.zero_grad()
        with torch.set_grad_enabled(phase == "train"):
            outputs = model(x)
            _, preds = torch.max(outputs, 1)
            loss = F.nll_loss(F.log_softmax(outputs, dim=1), y)
            if phase == "train":
                loss.backward()
                optimizer.step()
        history += [loss.item(), torch.sum(preds == y.data).item(), seen["features"].std().item()]
    hook.remove()
    history += gradients
    history += [p.grad is None for p in model.parameters()]

    # layers are thawed, with their own rate
    for param in model.features.parameters():
        param.requires_grad_(True)
    optimizer.add_param_group({"params": model.features.parameters(), "lr": 1e-3})
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    history += [p.sum().item() for p in model.parameters()]
    history += [sum(p.numel() for p in model.parameters() if p.requires_grad)]

    # two players
    D = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.2, True), nn.Linear(4, 1), nn.Sigmoid())
    D.double().apply(lambda m: isinstance(m, nn.Linear) and nn.init.constant_(m.weight, 0.3))
    for m in D:
        if hasattr(m, "bias"):
            nn.init.zeros_(m.bias)
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(D.parameters(), lr=2e-2, betas=(0.5, 0.999))
    optimizer_g = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    label = torch.full((len(x), 1), 1.0, dtype=torch.float64)
    real = F.one_hot(y, 3).double()
    for _ in range(2):
        D.zero_grad()
        label.fill_(1)
        real_error = criterion(D(real), label)
        real_error.backward()
        fake = model(x)
        label.fill_(0)
        fake_error = criterion(D(fake.detach()), label)
        fake_error.backward()
        optimizer_d.step()
        model.zero_grad()
        label.fill_(1)
        deceived = criterion(D(fake), label)
        deceived.backward()
        optimizer_g.step()
        history += [(real_error + fake_error).item(), deceived.item(), D(fake).data.mean().item()]
    return history

"""Training as scripts of today do it: groups, warm-up, accumulation, clipping, averaged weights."""

import copy
import math

import lucid as torch
from lucid import nn, optim
from lucid.nn import functional as F
from lucid.optim.lr_scheduler import LambdaLR, _LRScheduler
from lucid.utils.data import DataLoader, Dataset, Subset, random_split


class WarmUpLR(_LRScheduler):
    def __init__(self, optimizer, total_iters, last_epoch=-1):
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * self.last_epoch / (self.total_iters + 1e-8) for base in self.base_lrs]


class Images(Dataset):
    def __init__(self, images, labels, transform=None):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, label = self.images[index], int(self.labels[index])
        if self.transform:
            image = self.transform(image)
        return {"image": image, "label": label, "index": torch.tensor(index)}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2)
        self.norm = nn.GroupNorm(2, 6)
        self.fc = nn.Linear(6, 5)

    def forward(self, x, targets=None):
        features = F.silu(self.norm(self.conv(x))).mean((-2, -1))
        logits = self.fc(features)
        if targets is None:
            return logits
        return logits, F.cross_entropy(logits, targets, label_smoothing=0.1)


@torch.no_grad()
def update_ema(ema, model, decay=0.9):
    for e, p in zip(ema.parameters(), model.parameters(), strict=True):
        e.mul_(decay).add_(p.detach(), alpha=1 - decay)


@torch.no_grad()
def evaluate(model, loader, device):
    model.eval()
    correct = torch.zeros((), dtype=torch.long, device=device)
    for batch in loader:
        pred = model(batch["image"].to(device, non_blocking=True)).argmax(dim=-1)
        correct += (pred == batch["label"].to(device)).sum()
    return correct.item() / len(loader.dataset)


def main(images, labels, state, folder):
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model = Net().double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(state[name]))
    model = model.to(device)
    ema = copy.deepcopy(model).requires_grad_(False)
    whole = Images(images, labels, transform=torch.as_tensor)
    parts = random_split(whole, [len(whole) - 8, 8], generator=torch.Generator().manual_seed(0))
    train = DataLoader(Subset(whole, range(len(whole) - 8)), batch_size=4, num_workers=0)
    valid = DataLoader(Subset(whole, list(range(len(whole) - 8, len(whole)))), batch_size=8)
    decay = [p for p in model.parameters() if p.ndim >= 2]
    no_decay = [p for n, p in model.named_parameters() if p.ndim < 2 or n.endswith("bias")]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": no_decay, "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), eps=1e-4)
    warmup = WarmUpLR(optimizer, total_iters=3)
    scaler = torch.amp.GradScaler("cuda", enabled=False)
    history, accumulate, step = [float(len(p)) for p in parts], 2, 0
    for epoch in range(2):
        model.train()
        for i, batch in enumerate(train):
            x, y = batch["image"].to(device), batch["label"].to(device)
            with torch.autocast(device_type=device.type, enabled=False):
                _, loss = model(x, y)
            scaler.scale(loss / accumulate).backward()
            history.append(loss.item())
            if (i + 1) % accumulate:
                continue
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            update_ema(ema, model)
            step += 1
            if step <= 3:
                warmup.step()
            history += [norm.item(), *(g["lr"] for g in optimizer.param_groups)]
        history += [evaluate(model, valid, device), evaluate(ema, valid, device)]
        if epoch == 0:
            schedule = LambdaLR(optimizer, lambda e: 0.5 * (1 + math.cos(math.pi * e / 4)))
        optimizer.step()  # without gradients: nothing happens
        schedule.step()
        history += schedule.get_last_lr()
    history += [sum(p.double().pow(2).sum().item() for p in m.parameters()) for m in (model, ema)]
    return history

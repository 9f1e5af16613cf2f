"""Training as scripts of 2017 do it: meters, a rate set by hand, checkpoints, DataParallel."""

import os
import shutil
from collections import OrderedDict

import lucid.backends.cudnn as cudnn

import lucid as torch
import lucid.nn as nn
import lucid.nn.parallel
import lucid.optim
import lucid.utils.data
from lucid.autograd import Variable


class AverageMeter(object):  # noqa: UP004  (an old habit)
    def __init__(self):
        self.reset()

    def reset(self):
        self.val = self.avg = self.sum = self.count = 0

    def update(self, val, n=1):
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = self.sum / self.count


def accuracy(output, target, topk=(1,)):
    maxk, batch_size = max(topk), target.size(0)
    _, pred = output.topk(maxk, 1, True, True)
    correct = pred.t().eq(target.view(1, -1).expand_as(pred.t()))
    res = []
    for k in topk:
        correct_k = correct[:k].contiguous().view(-1).float().sum(0, keepdim=True)
        res.append(correct_k.mul_(100.0 / batch_size))
    return res


def adjust_learning_rate(optimizer, epoch, lr=0.1):
    lr = lr * (0.1 ** (epoch // 2))
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr


def save_checkpoint(state, is_best, folder):
    filename = os.path.join(folder, "checkpoint.pth.tar")
    torch.save(state, filename)
    if is_best:
        shutil.copyfile(filename, os.path.join(folder, "model_best.pth.tar"))


def network(state):
    model = nn.Sequential(
        OrderedDict(
            [
                ("conv", nn.Conv2d(3, 6, 3, stride=2)),
                ("norm", nn.BatchNorm2d(6)),
                ("relu", nn.ReLU(inplace=True)),
                ("flat", nn.Flatten()),
                ("fc", nn.Linear(6 * 3 * 3, 5)),
            ]
        )
    ).double()
    model.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    return model


def train(loader, model, criterion, optimizer):
    losses, top1, top3 = AverageMeter(), AverageMeter(), AverageMeter()
    model.train()
    for input, target in loader:
        input_var, target_var = Variable(input), Variable(target)
        output = model(input_var)
        loss = criterion(output, target_var)
        prec1, prec3 = accuracy(output.data, target, topk=(1, 3))
        losses.update(loss.data.item(), input.size(0))
        top1.update(prec1[0], input.size(0))
        top3.update(prec3[0], input.size(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [losses.avg, float(top1.avg), float(top3.avg)]


def validate(loader, model, criterion):
    model.eval()
    total, hits = 0.0, 0
    with torch.no_grad():
        for input, target in loader:
            output = model(input)
            total += criterion(output, target).item() * len(target)
            hits += output.data.max(1)[1].eq(target.data.view_as(output.max(1)[1])).cpu().sum()
    return [total, int(hits)]


def main(images, labels, state, folder):
    cudnn.benchmark = True
    model = torch.nn.DataParallel(network(state), device_ids=[])
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    data = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=False, drop_last=True)
    history, best = [], 0
    for epoch in range(3):
        adjust_learning_rate(optimizer, epoch)
        history += train(loader, model, criterion, optimizer)
        history += validate(loader, model, criterion)
        is_best, best = history[-1] > best, max(history[-1], best)
        state = {
            "epoch": epoch + 1,
            "arch": "small",
            "state_dict": model.state_dict(),
            "best_prec1": best,
            "optimizer": optimizer.state_dict(),
        }
        save_checkpoint(state, is_best or epoch == 0, folder)

    # another process goes on, without DataParallel
    checkpoint = torch.load(
        os.path.join(folder, "checkpoint.pth.tar"), map_location=lambda storage, loc: storage
    )
    bare = OrderedDict((k[7:], v) for k, v in checkpoint["state_dict"].items())
    resumed = network({k: v.numpy() for k, v in bare.items()})
    again = torch.optim.SGD(resumed.parameters(), 1.0, momentum=0.9)
    again.load_state_dict(checkpoint["optimizer"])
    history += [checkpoint["epoch"], checkpoint["best_prec1"], again.param_groups[0]["lr"]]
    for m, o in ((model, optimizer), (resumed, again)):
        history += train(loader, m, criterion, o)
    if history[-3:] != history[-6:-3]:
        raise AssertionError(f"resumed {history[-3:]}, uninterrupted {history[-6:-3]}")
    return history

"""Residual networks: blocks as arguments, shortcuts that may be absent, padded or a convolution."""

# ruff: noqa: UP031  (old habits are the subject)

import lucid as torch
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.nn.init as init


def conv3x3(inputs, outputs, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, groups=groups, bias=False)


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs, planes, stride=1, option="A"):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, planes, stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != planes:
            extra = planes - inputs
            if option == "A":
                self.shortcut = Lambda(
                    lambda x: F.pad(
                        x[:, :, ::2, ::2],
                        (0, 0, 0, 0, extra // 2, extra - extra // 2),
                        "constant",
                        0,
                    )
                )
            else:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, planes, 1, stride=stride, bias=False), nn.BatchNorm2d(planes)
                )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class BasicB(Basic):
    def __init__(self, inputs, planes, stride=1):
        super().__init__(inputs, planes, stride, option="B")


class PreActivated(nn.Module):
    expansion = 2

    def __init__(self, inputs, planes, stride=1, groups=2):
        super().__init__()
        wide = self.expansion * planes
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), conv3x3(planes, planes, stride, groups)
        self.bn3, self.conv3 = nn.BatchNorm2d(planes), nn.Conv2d(planes, wide, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        if stride != 1 or inputs != wide:
            self.downsample = nn.Conv2d(inputs, wide, 1, stride=stride, bias=False)

    def forward(self, x):
        out = self.relu(self.bn1(x))
        residual = self.downsample(out) if hasattr(self, "downsample") else x
        out = self.conv1(out)
        out = self.conv2(self.relu(self.bn2(out)))
        out = self.conv3(self.relu(self.bn3(out)))
        return out.add_(residual)


class ResNet(nn.Module):
    def __init__(self, block, num_blocks, num_classes=5):
        super().__init__()
        self.in_planes = 8
        self.conv1, self.bn1 = conv3x3(3, 8), nn.BatchNorm2d(8)
        for i, blocks in enumerate(num_blocks):
            layer = self._make_layer(block, 8 * 2**i, blocks, stride=1 if i == 0 else 2)
            setattr(self, "layer%d" % (i + 1), layer)
        self.linear = nn.Linear(self.in_planes, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                init.constant_(m.weight, 1)
                init.constant_(m.bias, 0)
        for m in self.modules():  # each block starts as the identity
            if isinstance(m, Basic):
                init.zeros_(m.bn2.weight)

    def _make_layer(self, block, planes, blocks, stride):
        layers = []
        for s in [stride] + [1] * (blocks - 1):
            layers.append(block(self.in_planes, planes, s))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        i = 1
        while hasattr(self, "layer%d" % i):
            out = getattr(self, "layer%d" % i)(out)
            i += 1
        out = F.avg_pool2d(out, out.size()[3])
        return self.linear(torch.flatten(out, 1))


MODELS = {
    "resnet, padded shortcut": lambda: ResNet(Basic, [1, 2, 1]),
    "resnet, convolved shortcut": lambda: ResNet(BasicB, [2, 1]),
    "resnet, pre-activated in groups": lambda: ResNet(PreActivated, [1, 1, 1]),
}
SHAPE = (8, 3, 16, 16)

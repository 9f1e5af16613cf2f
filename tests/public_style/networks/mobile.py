"""Small networks for phones: depthwise and inverted residuals, gates, shuffled channels."""

import lucid as torch
import lucid.nn as nn


def _make_divisible(v, divisor, min_value=None):
    if min_value is None:
        min_value = divisor
    new_v = max(min_value, int(v + divisor / 2) // divisor * divisor)
    return new_v + divisor if new_v < 0.9 * v else new_v


class HardSigmoid(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.relu = nn.ReLU6(inplace=inplace)

    def forward(self, x):
        return self.relu(x + 3) / 6


class HardSwish(nn.Module):
    def __init__(self):
        super().__init__()
        self.sigmoid = HardSigmoid()

    def forward(self, x):
        return x * self.sigmoid(x)


class SqueezeExcite(nn.Module):
    def __init__(self, channel, reduction=4):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, _make_divisible(channel // reduction, 2)),
            nn.ReLU(inplace=True),
            nn.Linear(_make_divisible(channel // reduction, 2), channel),
            HardSigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.fc(self.avg_pool(x).view(b, c)).view(b, c, 1, 1)
        return x * y.expand_as(x)


class InvertedResidual(nn.Module):
    def __init__(self, inputs, hidden, outputs, kernel, stride, gate, act):
        super().__init__()
        assert stride in [1, 2]
        self.identity = stride == 1 and inputs == outputs
        layers = []
        if inputs != hidden:
            layers += [
                nn.Conv2d(inputs, hidden, 1, 1, 0, bias=False),
                nn.BatchNorm2d(hidden),
                act(),
            ]
        layers.extend(
            [
                nn.Conv2d(
                    hidden, hidden, kernel, stride, (kernel - 1) // 2, groups=hidden, bias=False
                ),
                nn.BatchNorm2d(hidden),
                SqueezeExcite(hidden) if gate else nn.Identity(),
                act(),
                nn.Conv2d(hidden, outputs, 1, 1, 0, bias=False),
                nn.BatchNorm2d(outputs),
            ]
        )
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.identity else self.conv(x)


class MobileNet(nn.Module):
    settings = [  # kernel, expansion, outputs, gate, hard swish, stride
        [3, 1, 8, 1, 0, 1],
        [5, 3, 8, 0, 0, 1],
        [3, 4, 12, 1, 1, 2],
        [5, 2, 12, 1, 1, 1],
    ]

    def __init__(self, n_class=5, width_mult=1.0):
        super().__init__()
        channels = _make_divisible(8 * width_mult, 4)
        self.features = [nn.Conv2d(3, channels, 3, 2, 1), nn.BatchNorm2d(channels), HardSwish()]
        for k, t, c, se, hs, s in self.settings:
            act = HardSwish if hs else lambda: nn.ReLU6(inplace=True)
            out = _make_divisible(c * width_mult, 4)
            self.features.append(InvertedResidual(channels, t * channels, out, k, s, se, act))
            channels = out
        self.features = nn.Sequential(*self.features)
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(channels, n_class))

    def forward(self, x):
        return self.classifier(self.features(x).mean(3).mean(2))


def channel_shuffle(x, groups):
    batch, channels, height, width = x.data.size()
    x = x.view(batch, groups, channels // groups, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


class ShuffleUnit(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.stride = stride
        half = channels // 2 if stride == 1 else channels
        if stride > 1:
            self.branch1 = nn.Sequential(
                nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False),
                nn.BatchNorm2d(half),
                nn.Conv2d(half, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace=True),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(half, half, 1, groups=2, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, stride=stride, padding=1, groups=half, bias=False),
            nn.BatchNorm2d(half),
        )

    def forward(self, x):
        if self.stride == 1:
            x1, x2 = x.chunk(2, dim=1)
            out = torch.cat((x1, self.branch2(x2)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(out, 2)


class ShuffleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8))
        self.stages = nn.ModuleList([ShuffleUnit(8, 2), ShuffleUnit(16, 1), ShuffleUnit(16, 1)])
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = nn.functional.leaky_relu(self.conv1(x), 0.1)
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean([2, 3]))


MODELS = {
    "mobilenet": MobileNet,
    "mobilenet, wide": lambda: MobileNet(width_mult=1.5),
    "shufflenet": ShuffleNet,
}
SHAPE = (8, 3, 16, 16)

"""Concatenating networks: OrderedDict, add_module, layers that extend Sequential, many branches."""

# ruff: noqa: UP031  (old habits are the subject)

from collections import OrderedDict, namedtuple

import lucid as torch
from lucid import nn
from lucid.nn import functional as F

Outputs = namedtuple("Outputs", ["logits", "aux_logits"])


class DenseLayer(nn.Sequential):
    def __init__(self, inputs, growth, wider):
        super().__init__()
        self.add_module("norm1", nn.BatchNorm2d(inputs))
        self.add_module("relu1", nn.ReLU(inplace=True))
        self.add_module("conv1", nn.Conv2d(inputs, wider * growth, 1, bias=False))
        self.add_module("norm2", nn.BatchNorm2d(wider * growth))
        self.add_module("relu2", nn.ReLU(inplace=True))
        self.add_module("conv2", nn.Conv2d(wider * growth, growth, 3, padding=1, bias=False))

    def forward(self, x):
        return torch.cat([x, super().forward(x)], 1)


class DenseNet(nn.Module):
    def __init__(self, growth=4, blocks=(2, 3), features=8, classes=5):
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                [
                    ("conv0", nn.Conv2d(3, features, 3, stride=2, padding=1, bias=False)),
                    ("norm0", nn.BatchNorm2d(features)),
                    ("relu0", nn.ReLU(inplace=True)),
                ]
            )
        )
        for i, layers in enumerate(blocks):
            block = nn.Sequential()
            for j in range(layers):
                block.add_module("denselayer%d" % (j + 1), DenseLayer(features, growth, 2))
                features += growth
            self.features.add_module(f"denseblock{i + 1}", block)
            if i != len(blocks) - 1:
                transition = OrderedDict()
                transition["norm"] = nn.BatchNorm2d(features)
                transition["conv"] = nn.Conv2d(features, features // 2, 1, bias=False)
                transition["pool"] = nn.AvgPool2d(2, 2)
                self.features.add_module(f"transition{i + 1}", nn.Sequential(transition))
                features //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(features))
        self.classifier = nn.Linear(features, classes)

        def reset(m):
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear):
                nn.init.constant_(m.bias, 0)

        self.apply(reset)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1)).view(out.size(0), -1)
        return self.classifier(out)


class ConvBN(nn.Module):
    def __init__(self, inputs, outputs, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    def __init__(self, inputs, pooled):
        super().__init__()
        self.branch1x1 = ConvBN(inputs, 4, kernel_size=1)
        self.branch7x7 = nn.Sequential(
            ConvBN(inputs, 3, kernel_size=1),
            ConvBN(3, 3, kernel_size=(1, 7), padding=(0, 3)),
            ConvBN(3, 4, kernel_size=(7, 1), padding=(3, 0)),
        )
        self.branch3x3 = ConvBN(inputs, 4, kernel_size=3, padding="same")
        self.branch_pool = ConvBN(inputs, pooled, kernel_size=1)

    def forward(self, x):
        pool = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        branches = [self.branch1x1(x), self.branch7x7(x), self.branch3x3(x), self.branch_pool(pool)]
        return torch.cat(branches, dim=1)


class InceptionNet(nn.Module):
    def __init__(self, classes=5, transform_input=True):
        super().__init__()
        self.transform_input = transform_input
        self.stem = ConvBN(3, 8, kernel_size=3, stride=2)
        self.a, self.b = Inception(8, 2), Inception(14, 4)
        self.aux = nn.Linear(14, classes)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        if self.transform_input:
            x0 = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
            x1 = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
            x2 = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
            x = torch.cat((x0, x1, x2), 1)
        x = self.a(F.max_pool2d(self.stem(x), 3, 2, ceil_mode=True))
        aux = self.aux(x.mean(3).mean(2)) if self.training else None
        out = self.fc(self.b(x).mean(dim=[2, 3]))
        return Outputs(out, aux) if self.training else out


MODELS = {"densenet": DenseNet, "inception": InceptionNet}
SHAPE = (8, 3, 16, 16)

"""The oldest style: layers made from a list, Variables, .data, views by hand, weights by type."""

# ruff: noqa: UP008  (old habits are the subject)

import math

import lucid as torch
import lucid.nn as nn
import lucid.nn.functional as F
from lucid.autograd import Variable

PLANS = {"small": [8, "M", 12, "M", 16, 16, "M"], "tiny": [6, "M", 10, "M"]}


class Plain(nn.Module):
    def __init__(self, plan, classes=5):
        super(Plain, self).__init__()
        self.features = self._layers(PLANS[plan])
        last = [c for c in PLANS[plan] if c != "M"][-1]
        side = 16 // 2 ** PLANS[plan].count("M")
        self.classifier = nn.Sequential(
            nn.Linear(last * side * side, 20),
            nn.ReLU(True),
            nn.Dropout(0.0),
            nn.Linear(20, classes),
        )
        self._initialize_weights()

    def _layers(self, plan, channels=3):
        layers = []
        for c in plan:
            if c == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                layers += [nn.Conv2d(channels, c, 3, padding=1), nn.BatchNorm2d(c), nn.ReLU(True)]
                channels = c
        return nn.Sequential(*layers)

    def _initialize_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2.0 / n))
                if m.bias is not None:
                    m.bias.data.zero_()
            elif isinstance(m, nn.BatchNorm2d):
                m.weight.data.fill_(1)
                m.bias.data.zero_()
            elif isinstance(m, nn.Linear):
                m.weight.data.normal_(0, 0.1)
                m.bias.data.zero_()

    def forward(self, x):
        x = self.features(Variable(x.data) if not x.requires_grad else x)
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.classifier(x), dim=1)


class LeNet(nn.Module):
    """All of it functional, but for the weights."""

    def __init__(self):
        super(LeNet, self).__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 10, 3)
        self.fc1 = nn.Linear(10 * 2 * 2, 16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), (2, 2))
        x = x.view(-1, self.num_flat_features(x))
        x = F.dropout(F.relu(self.fc1(x)), p=0.0, training=self.training)
        return self.fc2(x)

    def num_flat_features(self, x):
        features = 1
        for s in x.size()[1:]:
            features *= s
        return features


MODELS = {
    "plain small": lambda: Plain("small"),
    "plain tiny": lambda: Plain("tiny"),
    "lenet": LeNet,
}
SHAPE = (8, 3, 16, 16)

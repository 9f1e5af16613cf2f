"""A module with everything that a state dict must know: for the tests of Module."""

import lucid
from lucid import nn


class Net(nn.Module):
    """Two layers, a shared one, and two buffers."""

    def __init__(self):
        super().__init__()  # noqa: UP008 (how many scripts write it)
        self.first = nn.Linear(3, 4)
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(4, 4))
        self.again = self.first
        self.scale = nn.Parameter(lucid.ones(1))
        self.register_buffer("count", lucid.tensor(0))
        self.register_buffer("cache", lucid.zeros(2), persistent=False)

    def forward(self, x):
        return self.body(self.first(x)) * self.scale

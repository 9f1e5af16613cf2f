"""Gates, weights that are no layers, and networks written with functions alone."""

import lucid as torch
import lucid.nn as nn
import lucid.nn.functional as F
from lucid.nn.parameter import Parameter


class ChannelGate(nn.Module):
    def __init__(self, channels, reduction=2, pool_types=("avg", "max", "lp", "lse")):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels, channels // reduction),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels),
        )
        self.pool_types = pool_types

    def forward(self, x):
        total, size = None, (x.size(2), x.size(3))
        for pool_type in self.pool_types:
            if pool_type == "avg":
                raw = self.mlp(F.avg_pool2d(x, size, stride=size))
            elif pool_type == "max":
                raw = self.mlp(F.max_pool2d(x, size, stride=size))
            elif pool_type == "lp":
                raw = self.mlp(F.lp_pool2d(x, 2, size, stride=size))
            else:
                flat = x.view(x.size(0), x.size(1), -1)
                s, _ = torch.max(flat, dim=2, keepdim=True)
                raw = self.mlp(s + (flat - s).exp().sum(dim=2, keepdim=True).log())
            total = raw if total is None else total + raw
        scale = torch.sigmoid(total).unsqueeze(2).unsqueeze(3).expand_as(x)
        return x * scale


class SpatialGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 5, padding=2, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x):
        pooled = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(self.bn(self.conv(pooled)))


class SelfAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.query = nn.Conv1d(channels, channels // 2, 1)
        self.key = nn.Conv1d(channels, channels // 2, 1)
        self.value = nn.Conv1d(channels, channels, 1)
        self.gamma = Parameter(torch.zeros(1))
        self.register_buffer("temperature", torch.full((1,), 2.0))
        self.register_parameter("unused", None)

    def forward(self, x):
        b, c, h, w = x.shape
        flat = x.reshape(b, c, h * w)
        weights = torch.bmm(self.query(flat).permute(0, 2, 1), self.key(flat)) / self.temperature
        out = torch.einsum("bcj,bij->bci", self.value(flat), F.softmax(weights, dim=-1))
        return self.gamma * out.view(b, c, h, w) + x


class Attended(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.gates = nn.Sequential(ChannelGate(8), SpatialGate(), SelfAttention(8))
        self.norm = nn.GroupNorm(2, 8)
        self.head = nn.Conv2d(8, 5, kernel_size=4, stride=4)

    def forward(self, x):
        x = F.elu(self.norm(self.gates(F.gelu(self.stem(x)))))
        return F.adaptive_max_pool2d(self.head(x), 1).squeeze(-1).squeeze(-1)


class Functional(nn.Module):
    """Weights in lists and dictionaries; what is done with them is written in forward."""

    def __init__(self, widths=(3, 6, 8)):
        super().__init__()
        self.weights = nn.ParameterList(
            [
                nn.Parameter(torch.empty(b, a, 3, 3))
                for a, b in zip(widths, widths[1:], strict=False)
            ]
        )
        self.scales = nn.ParameterDict(
            {str(c): nn.Parameter(torch.ones(c)) for c in sorted(set(widths[1:]))}
        )
        for i, c in enumerate(widths[1:]):
            self.register_buffer(f"mean_{i}", torch.zeros(c))
            self.register_buffer(f"var_{i}", torch.ones(c))
        self.linear = Parameter(torch.randn(5, widths[-1]) * 0.1)
        self.reset_parameters()

    def reset_parameters(self):
        for w in self.weights:
            nn.init.kaiming_uniform_(w, a=5**0.5)

    def forward(self, x):
        for i, w in enumerate(self.weights):
            x = F.conv2d(x, w, None, stride=2, padding=1)
            mean, var = getattr(self, f"mean_{i}"), getattr(self, f"var_{i}")
            scale = self.scales[str(w.size(0))]
            x = F.batch_norm(x, mean, var, scale, None, self.training, 0.1, 1e-5)
            x = torch.where(x > 0, x, 0.1 * x)
        x = F.normalize(x.flatten(2).mean(-1), p=2, dim=1)
        return F.linear(x, F.normalize(self.linear)) * 4.0


class ConvLSTM(nn.Module):
    """Images row by row through a cell of convolutions."""

    def __init__(self, inputs=3, hidden=4):
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv1d(inputs + hidden, 4 * hidden, 3, padding=1)
        self.out = nn.Linear(hidden, 5)

    def forward(self, x):
        b, _, rows, w = x.size()
        h = x.new_zeros(b, self.hidden, w)
        c = torch.zeros_like(h)
        for r in range(rows):
            i, f, o, g = torch.split(self.gates(torch.cat([x[:, :, r], h], 1)), self.hidden, dim=1)
            c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return self.out(h.mean(-1))


MODELS = {"attended": Attended, "functional": Functional, "convolutional lstm": ConvLSTM}
SHAPE = (8, 3, 12, 12)

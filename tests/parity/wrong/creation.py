"""Right calls of what makes tensors, fills them and sets modes, to be spoilt."""

from __future__ import annotations

from tests.parity.library import Like
from tests.parity.refusals import right
from tests.parity.wrong.tensors import f

for name in ("zeros", "ones"):
    right(name, 2, 3, needed=0)
    right(name, (2, 3))
for name in ("empty", "rand", "randn"):
    right(name, 2, 3, needed=0, values=False)
    right(name, (2, 3), device="cpu", values=False)
right("full", (2, 3), 0.5)
right("arange", 5)
right("arange", 1, 5, 2, needed=1)
right("arange", 1.0, 5.0, 0.5, needed=1)
right("linspace", 0.0, 1.0, 5)
right("eye", 3, 2, needed=1)
right("randint", 0, 5, (2, 3), values=False)
right("randperm", 5, values=False)
right("normal", f(2, 3), f(2, 3, low=0.1), values=False)
right("normal", 0.0, 1.0, (2, 3), values=False)
right("bernoulli", Like((2, 3), low=0.0, high=1.0), values=False)
for name in ("zeros_like", "ones_like"):
    right(name, f(2, 3))
for name in ("empty_like", "rand_like", "randn_like"):
    right(name, f(2, 3), values=False)
right("full_like", f(2, 3), 0.5)
right("randint_like", f(2, 3), 0, 5, values=False)
right("tensor", [1.0, 2.0])
right("tensor", [[1, 2], [3, 4]])
right("as_tensor", [1.0, 2.0])
right("manual_seed", 3, values=False)
right("device", "cpu")
right("Generator", "cpu", needed=0, values=False)
INITS = "kaiming_normal_ kaiming_uniform_ xavier_normal_ xavier_uniform_ orthogonal_ dirac_"
for name in INITS.split():
    right(f"nn.init.{name}", f(4, 3, 3, grad=False), values=False)
right("nn.init.kaiming_normal_", f(4, 3, grad=False), 0.1, "fan_in", "relu", needed=1, values=False)
right("nn.init.xavier_uniform_", f(4, 3, grad=False), 1.0, needed=1, values=False)
right("nn.init.dirac_", f(4, 3, 3, grad=False), 2, needed=1, values=False)
right("nn.init.orthogonal_", f(4, 3, grad=False), 1.0, needed=1, values=False)
right("nn.init.eye_", f(4, 3, grad=False))
right("nn.init.constant_", f(4, 3, grad=False), 0.5)
right("nn.init.zeros_", f(4, 3, grad=False))
right("nn.init.ones_", f(4, 3, grad=False))
right("nn.init.normal_", f(4, 3, grad=False), 0.0, 1.0, needed=1, values=False)
right("nn.init.uniform_", f(4, 3, grad=False), 0.0, 1.0, needed=1, values=False)
right("nn.init.trunc_normal_", f(4, 3, grad=False), 0.0, 1.0, -2.0, 2.0, needed=1, values=False)
right("nn.init.calculate_gain", "leaky_relu", 0.2, needed=1)

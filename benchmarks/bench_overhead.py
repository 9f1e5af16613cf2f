"""What lucid adds to an operation that takes no time itself: x * y on four elements.

The budget is 3 us without a graph and 6 us recorded; NumPy's own x * y,
measured in the same rounds, says how fast the machine was.
"""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from benchmarks import harness


def pairs(kind):
    """Two factors of four elements in lucid, NumPy and, if it is installed, PyTorch."""
    torch, recorded = harness.torch(), kind == "recorded"
    x, y = lucid.ones(4, requires_grad=recorded), lucid.ones(4)
    a = np.ones(4, np.float32)
    contenders = {harness.OURS: lambda: x * y, "numpy": lambda: a * a}
    if torch:
        t, u = torch.ones(4, requires_grad=recorded), torch.ones(4)
        contenders["torch"] = lambda: t * u
    assert (x * y).requires_grad == recorded
    return contenders


@pytest.mark.parametrize("kind", ["without a graph", "recorded"])
def test_multiply_four_elements(kind, report):
    report(f"x * y of 4 elements, {kind}", pairs(kind))


def test_multiply_and_walk_back(report):
    torch = harness.torch()

    def step(x, y):
        def both():
            x.grad = None
            (x * y).sum().backward()

        return both

    contenders = {harness.OURS: step(lucid.ones(4, requires_grad=True), lucid.ones(4))}
    if torch:
        contenders["torch"] = step(torch.ones(4, requires_grad=True), torch.ones(4))
    report("(x * y).sum().backward() of 4 elements", contenders)


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_dropout_of_four_elements(training, report):
    torch, x = harness.torch(), lucid.ones(4)
    contenders = {harness.OURS: lambda: F.dropout(x, 0.5, training)}
    if torch:
        t = torch.ones(4)
        contenders["torch"] = lambda: torch.nn.functional.dropout(t, 0.5, training)
    report(f"dropout of 4 elements, {'training' if training else 'eval'}", contenders)

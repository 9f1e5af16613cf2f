"""The dropout family, forward and backward, beside PyTorch and beside a copy.

A dropout reads n elements and writes n, as a copy does; so a copy is what it can reach at best.
"""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from benchmarks import harness

P = 0.3
NAMES = ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]
SPATIAL = {"dropout1d": 1, "dropout2d": 2, "dropout3d": 3}
SIZES = [2**16, 2**18, 2**20, 2**22, 2**24]
DTYPES = ["float32", "float16", "bfloat16"]

sizes = pytest.mark.parametrize(
    "size", SIZES, indirect=True, ids=lambda n: f"2pow{n.bit_length() - 1}"
)


def shape_of(name, size, channels_last=False):
    """64 channels; 16 x 16 pixels in 2-D."""
    if channels_last or name in ("dropout2d", "feature_alpha_dropout"):
        return (size // 2**14, 64, 16, 16)
    if name == "dropout3d":
        return (size // 2**15, 64, 8, 8, 8)
    if name == "dropout1d":
        return (size // 2**14, 64, 256)
    return (size,)


def tensors(name, size, dtype, channels_last):
    """The same normal numbers as lucid's tensor and, if it is installed, PyTorch's."""
    values = np.random.default_rng(0).normal(size=shape_of(name, size, channels_last))
    x = lucid.tensor(values.astype(np.float32)).to(getattr(lucid, dtype))
    if channels_last:
        x = x.contiguous(memory_format=lucid.channels_last)
    torch, t = harness.torch(), None
    if torch:
        t = torch.tensor(values).to(getattr(torch, dtype))
        if channels_last:
            t = t.contiguous(memory_format=torch.channels_last)
    return x, t


def call(function, x, backward):
    """Forward, or forward and backward, as a call without arguments."""
    if not backward:
        return lambda: function(x, P, True)
    x = x.clone().requires_grad_()
    dy = x.detach()

    def both():
        x.grad = None
        function(x, P, True).backward(dy)

    return both


def check(name, x):
    """Kept elements lie on a line of the right slope, dropped ones have the value they should."""
    y = getattr(F, name)(x, P, True).float().numpy().reshape(-1)
    values = x.float().numpy().reshape(-1)
    slope, fill = (0.86095, -1.05955) if "alpha" in name else (1 / (1 - P), 0.0)
    dropped = np.abs(y - fill) < 4e-3  # the rounding of bfloat16, and one in 500 of the others
    assert abs(dropped.mean() - P) < 0.1  # the smallest tensors have 256 channels
    assert np.polyfit(values[~dropped], y[~dropped], 1)[0] == pytest.approx(slope, rel=5e-3)


@sizes
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", NAMES)
def test_float32(name, backward, size, report):
    measure(name, size, "float32", False, backward, report)


@sizes
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["dropout", "dropout2d", "alpha_dropout"])
def test_halves(name, dtype, backward, size, report):
    measure(name, size, dtype, False, backward, report)


@sizes
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", ["dropout", "dropout2d"])
def test_channels_last(name, backward, size, report):
    measure(name, size, "float32", True, backward, report)


def contenders(name, size, dtype="float32", channels_last=False, backward=False):
    """lucid's call, checked, and PyTorch's if it is installed; and the bytes to read and write."""
    x, t = tensors(name, size, dtype, channels_last)
    check(name, x)
    calls = {harness.OURS: call(getattr(F, name), x, backward)}
    if t is not None:
        theirs = getattr(harness.torch().nn.functional, name)
        calls["torch"] = call(theirs, t, backward)
    return calls, (4 if backward else 2) * x.nbytes


def measure(name, size, dtype, channels_last, backward, report):
    calls, nbytes = contenders(name, size, dtype, channels_last, backward)
    what = " ".join(
        [name, dtype, "channels_last" * channels_last, "backward" * backward]
    ).split()  # no double spaces
    report(" ".join([*what, f"2^{size.bit_length() - 1}"]), calls, nbytes=nbytes)

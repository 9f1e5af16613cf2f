"""Activations, forward and backward, beside PyTorch.

Each reads n elements and writes n, as a copy does: so a copy is what it can reach at best.
"""

import math

import pytest

from benchmarks import peers

SIZES = {"32x32": (64, 64, 32, 32), "64x256": (64, 256)}
NAMES = ["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "hardswish", "sigmoid", "tanh"]


def contenders(name, *, shape=SIZES["32x32"], backward):
    """The calls, and the bytes that must be read and written."""
    calls = peers.contenders(lambda F, x: getattr(F, name)(x), [shape], backward=backward)
    return calls, (4 if backward else 2) * 4 * math.prod(shape)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_activation(name, size, backward, threads, report):
    calls, nbytes = contenders(name, shape=SIZES[size], backward=backward)
    report(f"{name} {size} {'backward ' * backward}{threads} threads", calls, nbytes=nbytes)

"""Losses, forward and backward, beside PyTorch."""

import pytest

from benchmarks import peers


def cross_entropy(F, x):
    """The class of each sample is one of its own scores' order: both libraries have it."""
    return F.cross_entropy(x, x.detach().argmin(1))


CASES = {
    "cross_entropy 64x10": ([(64, 10)], cross_entropy),
    "cross_entropy 256x1000": ([(256, 1000)], cross_entropy),
    "cross_entropy 4096x1000": ([(4096, 1000)], cross_entropy),
    "mse_loss 64x1000": ([(64, 1000), (64, 1000)], lambda F, x, y: F.mse_loss(x, y)),
    "binary_cross_entropy_with_logits 64x1000": (
        [(64, 1000)],
        lambda F, x: F.binary_cross_entropy_with_logits(x, x.detach().sigmoid()),
    ),
}


def contenders(name, *, backward):
    shapes, function = CASES[name]
    return peers.contenders(function, shapes, backward=backward)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", CASES)
def test_loss(name, backward, threads, report):
    what = f"{name} {'backward ' * backward}{threads} threads"
    report(what, contenders(name, backward=backward))

"""Losses, forward and backward, beside PyTorch."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import peers

_made: dict[int, Any] = {}


def once(x: Any, make: Callable[[Any], Any]) -> Any:
    """make(x without its graph), the first time that a benchmark asks for it."""
    if id(x) not in _made:
        _made[id(x)] = x, make(x.detach())  # with x, whose id nobody else gets then
    return _made[id(x)][1]


def cross_entropy(F, x):
    """The class of each sample is where its score is least: both libraries have it."""
    return F.cross_entropy(x, once(x, lambda x: x.argmin(1)))


def binary_cross_entropy(F, x):
    return F.binary_cross_entropy_with_logits(x, once(x, lambda x: x.sigmoid()))


CASES = {
    "cross_entropy 64x10": ([(64, 10)], cross_entropy),
    "cross_entropy 256x1000": ([(256, 1000)], cross_entropy),
    "cross_entropy 4096x1000": ([(4096, 1000)], cross_entropy),
    "mse_loss 64x1000": ([(64, 1000), (64, 1000)], lambda F, x, y: F.mse_loss(x, y)),
    "binary_cross_entropy_with_logits 64x1000": ([(64, 1000)], binary_cross_entropy),
}


def contenders(name, *, backward):
    shapes, function = CASES[name]
    return peers.contenders(function, shapes, backward=backward)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", CASES)
def test_loss(name, backward, threads, report):
    what = f"{name} {'backward ' * backward}{threads} threads"
    report(what, contenders(name, backward=backward))

"""Pooling, forward and backward, beside PyTorch."""

import pytest

from benchmarks import peers

IMAGES = {
    "max k2 s2 32x32": ((64, 64, 32, 32), lambda F, x: F.max_pool2d(x, 2)),
    "max k2 s2 28x28": ((64, 32, 28, 28), lambda F, x: F.max_pool2d(x, 2)),
    "max k2 s2 16x16": ((64, 64, 16, 16), lambda F, x: F.max_pool2d(x, 2)),
    "max k3 s2 p1": ((64, 64, 16, 16), lambda F, x: F.max_pool2d(x, 3, 2, 1)),
    "max k3 s1 p1": ((64, 64, 16, 16), lambda F, x: F.max_pool2d(x, 3, 1, 1)),
    "average k2 s2": ((64, 64, 16, 16), lambda F, x: F.avg_pool2d(x, 2)),
    "global average": ((64, 64, 16, 16), lambda F, x: F.adaptive_avg_pool2d(x, 1)),
    "average k7": ((64, 256, 7, 7), lambda F, x: F.avg_pool2d(x, 7)),
}


def contenders(name, *, backward, channels_last=False):
    shape, function = IMAGES[name]
    return peers.contenders(function, [shape], backward=backward, channels_last=channels_last)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", IMAGES)
def test_pooling_of_images(name, backward, threads, report):
    what = f"{name} {'backward ' * backward}{threads} threads"
    report(what, contenders(name, backward=backward))


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", ["max k2 s2 16x16", "max k3 s2 p1", "average k2 s2"])
def test_pooling_of_channels_last(name, backward, threads, report):
    what = f"{name} channels_last {'backward ' * backward}{threads} threads"
    report(what, contenders(name, backward=backward, channels_last=True))

"""Normalizations and softmax, forward and backward, beside PyTorch."""

import pytest

from benchmarks import peers

IMAGE, CHANNELS = (64, 64, 16, 16), (64,)
CASES = {
    "batch_norm 32x32": (
        [(64, 64, 32, 32), CHANNELS, CHANNELS],
        lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
    ),
    "batch_norm 16x16": (
        [IMAGE, CHANNELS, CHANNELS],
        lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
    ),
    "batch_norm 64x256": (
        [(64, 256), (256,), (256,)],
        lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
    ),
    "layer_norm 64x128x256": (
        [(64, 128, 256), (256,), (256,)],
        lambda F, x, w, b: F.layer_norm(x, (256,), w, b),
    ),
    "layer_norm 32x64": (
        [(32, 64), (64,), (64,)],
        lambda F, x, w, b: F.layer_norm(x, (64,), w, b),
    ),
    "group_norm 8 groups": (
        [IMAGE, CHANNELS, CHANNELS],
        lambda F, x, w, b: F.group_norm(x, 8, w, b),
    ),
    "rms_norm 64x128x256": ([(64, 128, 256), (256,)], lambda F, x, w: F.rms_norm(x, (256,), w)),
    "softmax 512x1000": ([(512, 1000)], lambda F, x: F.softmax(x, -1)),
    "log_softmax 512x1000": ([(512, 1000)], lambda F, x: F.log_softmax(x, -1)),
    "softmax 64x10": ([(64, 10)], lambda F, x: F.softmax(x, -1)),
}


def contenders(name, *, backward):
    shapes, function = CASES[name]
    return peers.contenders(function, shapes, backward=backward)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", CASES)
def test_normalization(name, backward, threads, report):
    what = f"{name} {'backward ' * backward}{threads} threads"
    report(what, contenders(name, backward=backward))

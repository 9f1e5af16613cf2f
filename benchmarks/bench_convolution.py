"""Convolution, forward and backward, beside PyTorch (oneDNN)."""

import pytest

from benchmarks.peers import contenders

CASES = {
    "3x3 64->64": ([(64, 64, 16, 16), (64, 64, 3, 3)], {"padding": 1}),
    "3x3 s2 64->128": ([(64, 64, 16, 16), (128, 64, 3, 3)], {"padding": 1, "stride": 2}),
    "1x1 64->128": ([(64, 64, 16, 16), (128, 64, 1, 1)], {}),
    "5x5 1->32 28x28": ([(64, 1, 28, 28), (32, 1, 5, 5)], {"padding": 2}),
    "depthwise 3x3 128": ([(16, 128, 16, 16), (128, 1, 3, 3)], {"padding": 1, "groups": 128}),
    "depthwise 3x3 s2": (
        [(16, 128, 16, 16), (128, 1, 3, 3)],
        {"padding": 1, "stride": 2, "groups": 128},
    ),
    "depthwise 3x3 56x56": ([(8, 64, 56, 56), (64, 1, 3, 3)], {"padding": 1, "groups": 64}),
}


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", CASES)
def test_convolution_of_images(name, backward, channels_last, threads, report):
    shapes, settings = CASES[name]
    what = f"{name} {'channels_last ' * channels_last}{'backward ' * backward}{threads} threads"
    calls = contenders(
        lambda F, x, w: F.conv2d(x, w, **settings),
        shapes,
        backward=backward,
        channels_last=channels_last,
    )
    report(what, calls)

"""Convolution, forward and backward, beside PyTorch (oneDNN)."""

import pytest

from benchmarks import peers

# What the layers of well-known small networks are: the first eight count as typical.
CASES = {
    "5x5 1->32 28x28": ([(64, 1, 28, 28), (32, 1, 5, 5)], {"padding": 2}),
    "5x5 32->64 14x14": ([(64, 32, 14, 14), (64, 32, 5, 5)], {"padding": 2}),
    "3x3 3->64 32x32": ([(64, 3, 32, 32), (64, 3, 3, 3)], {"padding": 1}),
    "3x3 64->128 32x32": ([(64, 64, 32, 32), (128, 64, 3, 3)], {"padding": 1}),
    "3x3 64->64 32x32": ([(16, 64, 32, 32), (64, 64, 3, 3)], {"padding": 1}),
    "3x3 s2 128->256 16x16": ([(16, 128, 16, 16), (256, 128, 3, 3)], {"padding": 1, "stride": 2}),
    "3x3 512->512 4x4": ([(16, 512, 4, 4), (512, 512, 3, 3)], {"padding": 1}),
    "1x1 64->256 28x28": ([(16, 64, 28, 28), (256, 64, 1, 1)], {}),
    "depthwise 3x3 128": ([(16, 128, 16, 16), (128, 1, 3, 3)], {"padding": 1, "groups": 128}),
    "depthwise 3x3 s2": (
        [(16, 128, 16, 16), (128, 1, 3, 3)],
        {"padding": 1, "stride": 2, "groups": 128},
    ),
    "depthwise 3x3 56x56": ([(8, 64, 56, 56), (64, 1, 3, 3)], {"padding": 1, "groups": 64}),
}
TYPICAL = list(CASES)[:8]


def contenders(name, *, backward, channels_last=False):
    shapes, settings = CASES[name]
    return peers.contenders(
        lambda F, x, w: F.conv2d(x, w, **settings),
        shapes,
        backward=backward,
        channels_last=channels_last,
    )


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("name", CASES)
def test_convolution_of_images(name, backward, channels_last, threads, report):
    what = f"{name} {'channels_last ' * channels_last}{'backward ' * backward}{threads} threads"
    report(what, contenders(name, backward=backward, channels_last=channels_last))

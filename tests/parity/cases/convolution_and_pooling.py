"""Convolutions and pooling."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import call
from tests.parity.library import Like

F = "nn.functional."


def image(*shape: int, **more: Any) -> Like:
    return Like(shape, **more)


for d, x in ((1, image(2, 4, 9)), (2, image(2, 4, 7, 6)), (3, image(1, 4, 4, 5, 4))):
    w, b = Like((6, 2, *(3,) * d)), Like((6,))
    wide = Like((6, 4, *(3,) * d))
    for kwargs in (
        {},
        {"stride": 2},
        {"padding": 1},
        {"padding": 1, "dilation": 2 if d < 3 else 1},
        {"padding": "same"},
        {"padding": "valid"},
        {"stride": 2, "padding": 1, "bias": b},
    ):
        call(f"{F}conv{d}d", x, wide, **kwargs)
        call(f"{F}conv{d}d", x, w, groups=2, **kwargs)
    for dtype in ("float64", "float16", "bfloat16"):
        call(f"{F}conv{d}d", Like(x.shape, dtype), Like(wide.shape, dtype), Like((6,), dtype))
    call(f"{F}conv{d}d", Like(x.shape[1:]), wide)
    call(f"{F}conv{d}d", Like((0, *x.shape[1:])), wide, b)
    call(f"{F}conv{d}d", x, Like((6, 3, *(3,) * d)))
    call(f"{F}conv{d}d", x, Like((6, 4, *(19,) * d)))
    back = Like((4, 3, *(3,) * d))
    for kwargs in (
        {},
        {"stride": 2},
        {"padding": 1},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"groups": 2},
    ):
        call(f"{F}conv_transpose{d}d", x, back, **kwargs)
call(f"{F}conv2d", Like((2, 4, 7, 6), layout="channels_last"), Like((6, 4, 3, 3)), Like((6,)))
call(f"{F}conv2d", Like((2, 4, 7, 6), layout="transposed"), Like((6, 4, 3, 3)), Like((6,)))
call(f"{F}conv2d", Like((2, 4, 7, 6), special=True), Like((6, 4, 1, 1)))

for d, x in ((1, image(2, 3, 9)), (2, image(2, 3, 7, 6)), (3, image(1, 2, 5, 4, 6))):
    for kwargs in (
        {},
        {"stride": 1},
        {"padding": 1},
        {"ceil_mode": True},
        {"stride": 3, "padding": 1, "ceil_mode": True},
    ):
        for kernel in (2, 3):
            call(f"{F}max_pool{d}d", x, kernel, **kwargs)
            call(f"{F}avg_pool{d}d", x, kernel, **kwargs)
    call(f"{F}avg_pool{d}d", x, 3, padding=1, count_include_pad=False)
    call(f"{F}max_pool{d}d", x, 2, dilation=2, stride=1)
    call(f"{F}max_pool{d}d", x, 2, return_indices=True)
    for size in (1, 2, 4):
        call(f"{F}adaptive_avg_pool{d}d", x, size)
        call(f"{F}adaptive_max_pool{d}d", x, size)
    for dtype in ("float64", "float16", "bfloat16"):
        call(f"{F}max_pool{d}d", Like(x.shape, dtype), 2)
        call(f"{F}avg_pool{d}d", Like(x.shape, dtype), 2)
        call(f"{F}adaptive_avg_pool{d}d", Like(x.shape, dtype), 2)
    for like in (
        Like(x.shape[1:]),
        Like((0, *x.shape[1:])),
        Like(x.shape, special=True),
        Like(x.shape, layout="transposed"),
    ):
        call(f"{F}max_pool{d}d", like, 2)
        call(f"{F}avg_pool{d}d", like, 2)
        call(f"{F}adaptive_avg_pool{d}d", like, 2)
        call(f"{F}adaptive_max_pool{d}d", like, 2)
    call(f"{F}max_pool{d}d", x, 20)
    call(f"{F}max_pool{d}d", x, 2, padding=2)
for name in ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"):
    call(F + name, Like((2, 3, 6, 4), layout="channels_last"), 2)
call(f"{F}avg_pool2d", image(2, 3, 6, 6), 2, divisor_override=3)
call(f"{F}adaptive_avg_pool2d", image(2, 3, 6, 6), (None, 2))

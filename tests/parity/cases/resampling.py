"""Images in other sizes, in patches, shuffled, padded."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import call
from tests.parity.library import Like

F = "nn.functional."


def image(*shape: int, **more: Any) -> Like:
    return Like(shape, **more)


SIZES = {
    3: ("nearest", "nearest-exact", "linear", "area"),
    4: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    5: ("nearest", "nearest-exact", "trilinear", "area"),
}
for n, modes in SIZES.items():
    x = image(*((2, 3, 5, 4, 6)[:n]))
    for mode in modes:
        for size in (3, 7, 5, 1, tuple((9, 2, 4)[: n - 2])):
            for name in ("interpolate", "upsample"):
                call(F + name, x, size=size, mode=mode)
                if "linear" in mode or "cubic" in mode:
                    call(F + name, x, size=size, mode=mode, align_corners=True)
        for factor in (2, 0.5, 1.7, 0.3, 3.3, tuple((2, 0.6, 1.5)[: n - 2])):
            call(f"{F}interpolate", x, scale_factor=factor, mode=mode)
            call(f"{F}interpolate", x, scale_factor=factor, mode=mode, recompute_scale_factor=True)
            if "linear" in mode or "cubic" in mode:
                call(f"{F}interpolate", x, scale_factor=factor, mode=mode, align_corners=True)
        for dtype in ("float64", "float16", "bfloat16"):
            call(f"{F}interpolate", Like(x.shape, dtype), scale_factor=1.5, mode=mode)
        call(f"{F}interpolate", Like((0, *x.shape[1:])), scale_factor=2, mode=mode)
        call(f"{F}interpolate", Like(x.shape, layout="transposed"), scale_factor=2, mode=mode)
        call(f"{F}interpolate", Like(x.shape, special=True), scale_factor=2, mode=mode)
for mode in ("bilinear", "bicubic"):
    for size in (2, (3, 9), (9, 3)):
        for corners in (False, True):
            call(
                f"{F}interpolate",
                image(2, 3, 7, 5),
                size=size,
                mode=mode,
                align_corners=corners,
                antialias=True,
            )
    call(f"{F}interpolate", image(2, 3, 7, 5), scale_factor=0.4, mode=mode, antialias=True)
for mode in ("nearest", "bilinear", "bicubic", "area"):
    call(f"{F}interpolate", Like((2, 3, 5, 4), layout="channels_last"), scale_factor=2, mode=mode)
call(f"{F}interpolate", Like((2, 3, 5, 4), "uint8"), scale_factor=2)
call(f"{F}interpolate", image(2, 3, 4), size=3, scale_factor=2)
call(f"{F}interpolate", image(2, 3, 4))
call(f"{F}interpolate", image(2, 3, 4), size=3, mode="bilinear")
call(f"{F}interpolate", image(2, 3, 4), size=3, align_corners=True)
call(f"{F}interpolate", image(2, 3), size=3)
call(f"{F}interpolate", image(2, 3, 4), size=3, mode="cubic")
call(f"{F}upsample_nearest", image(2, 3, 4, 5), scale_factor=2)
call(f"{F}upsample_bilinear", image(2, 3, 4, 5), size=(7, 3))

for x in (
    image(2, 3, 6, 7),
    image(3, 6, 7),
    Like((2, 3, 6, 7), "float16"),
    Like((0, 3, 6, 7)),
    Like((2, 3, 6, 7), layout="channels_last"),
    Like((2, 3, 6, 7), layout="transposed"),
    Like((2, 3, 6, 7), "int64"),
):
    for kwargs in (
        {"kernel_size": 2},
        {"kernel_size": (3, 2), "padding": 1},
        {"kernel_size": 2, "stride": 2, "dilation": 2},
        {"kernel_size": 1},
        {"kernel_size": 9},
    ):
        call(f"{F}unfold", x, **kwargs)
call(f"{F}fold", image(2, 12, 30), (6, 7), 2)
call(f"{F}fold", image(12, 30), (6, 7), (2, 2))
call(f"{F}fold", image(2, 12, 12), (6, 8), 2, stride=2)
call(f"{F}fold", image(2, 18, 20), output_size=(4, 5), kernel_size=3, padding=1)
call(f"{F}fold", image(2, 12, 31), (6, 7), 2)
for x in (
    image(2, 8, 3, 2),
    image(8, 3, 2),
    Like((2, 8, 3, 2), "int64"),
    Like((0, 8, 3, 2)),
    Like((2, 8, 3, 2), layout="channels_last"),
    image(2, 6, 3, 2),
    image(2, 2),
):
    call("pixel_shuffle", x, 2)
    call(f"{F}pixel_shuffle", x, 2)
    call(f"{F}pixel_shuffle", x, 1)
for x in (
    image(2, 2, 6, 4),
    image(2, 6, 4),
    Like((2, 2, 6, 4), layout="channels_last"),
    image(2, 2, 5, 4),
):
    call(f"{F}pixel_unshuffle", x, 2)
for x in (
    image(2, 6, 3, 2),
    Like((2, 6, 3, 2), layout="channels_last"),
    image(2, 5, 3, 2),
    image(2, 6, 3),
):
    call(f"{F}channel_shuffle", x, 3)

for x in (
    image(2, 3, 4),
    image(3, 4),
    Like((2, 3, 4), "int64"),
    Like((2, 3, 4), "float16"),
    Like((2, 3, 4), layout="transposed"),
    Like((0, 3, 4)),
):
    for pad in ((1, 2), (1, 2, 0, 1), (-1, 1), (0, 0)):
        call(f"{F}pad", x, pad)
        call(f"{F}pad", x, pad, value=3)
    for mode in ("reflect", "replicate", "circular"):
        call(f"{F}pad", x, (1, 2), mode=mode)
        call(f"{F}pad", x, (9, 2), mode=mode)
for mode in ("reflect", "replicate", "circular"):
    call(f"{F}pad", image(2, 3, 4, 5), (1, 2, 3, 1), mode=mode)
    call(f"{F}pad", Like((2, 3, 4, 5), layout="channels_last"), (1, 2, 3, 1), mode=mode)

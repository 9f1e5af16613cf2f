"""Layers in each of their settings, with and without a batch, and with what they refuse."""

from __future__ import annotations

from typing import Any

from tests.parity.library import Like
from tests.parity.making import layer

D = "float64"
SIZES = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}


def images(d: int, channels: int = 4) -> list[Like]:
    """A batch, one image without one, no image, in float16, in another order."""
    return [
        Like((2, channels, *SIZES[d])),
        Like((channels, *SIZES[d])),
        Like((0, channels, *SIZES[d])),
        Like((2, channels, *SIZES[d]), layout="strided"),
    ]


def swept(name: str, inputs: list[Like], *settings: tuple[tuple, dict[str, Any]]) -> None:
    for x in inputs:
        for args, kwargs in settings:
            layer(name, [x], *args, **kwargs)
    args, kwargs = settings[0]
    layer(name, [Like(inputs[0].shape, D)], *args, second=True, **kwargs)


for d in (1, 2, 3):
    swept(
        f"ConvTranspose{d}d",
        images(d),
        ((4, 6, 3), {"stride": 2, "padding": 1}),
        ((4, 6, 2), {"groups": 2, "bias": False, "dilation": 2}),
        ((4, 6, 3), {"stride": 3, "output_padding": 2}),
        ((4, 6, 3), {"padding_mode": "reflect"}),
        ((4, 6, 3), {"output_padding": 1}),
        ((4, 5, 3), {"groups": 2}),
        ((3, 6, 3), {}),
    )
    swept(
        f"InstanceNorm{d}d",
        images(d),
        ((4,), {"affine": True}),
        ((4,), {"track_running_stats": True}),
        ((4,), {"eps": 1e-2, "momentum": 0.5, "affine": True, "track_running_stats": True}),
        ((3,), {"affine": True}),
    )
    for name in ("MaxPool", "AvgPool"):
        swept(
            f"{name}{d}d",
            images(d),
            ((2,), {}),
            ((3, 2, 1), {}),
            ((3, 1), {"ceil_mode": True}),
            ((2, 2, 2), {}),
            ((0,), {}),
            (((2, 2, 2, 2),), {}),
        )
    swept(f"MaxPool{d}d", images(d), ((2,), {"dilation": 2, "return_indices": True}))
    swept(
        f"AvgPool{d}d",
        images(d),
        ((3, 2, 1), {"count_include_pad": False, "ceil_mode": True}),
        *[((2,), {"divisor_override": 3})] * (d > 1),
    )
    for name in ("AdaptiveAvgPool", "AdaptiveMaxPool"):
        uneven = (3, 2, 4)[:d]
        swept(f"{name}{d}d", images(d), ((2,), {}), ((uneven,), {}), ((-1,), {}))
    swept(f"AdaptiveMaxPool{d}d", images(d), ((3,), {"return_indices": True}))
    for name in ("ConstantPad", "ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
        value = (1.5,) if name == "ConstantPad" else ()
        uneven = (1, 2, 0, 1, 2, 1)[: 2 * d]
        swept(
            f"{name}{d}d",
            images(d),
            ((1, *value), {}),
            ((uneven, *value), {}),
            (((-1,) * 2 * d, *value), {}),
            ((10, *value), {}),
            (((1, 1, 1), *value), {}),
        )
swept("RMSNorm", [Like((2, 3, 4)), Like((4,)), Like((0, 3, 4)), Like((2, 3, 4), layout="strided")],
      ((4,), {}), (((3, 4),), {"eps": 0.1}), ((4,), {"elementwise_affine": False}),
      ((3,), {}))  # fmt: skip
for args, kwargs in (
    ((5, 3, 2), {}),
    ((5, 3, 2), {"bias": False}),
    ((5, 4, 2), {}),
    ((0, 3, 2), {}),
):
    for n in ((4,), (), (0,), (2, 4)):
        layer("Bilinear", [Like((*n, 5)), Like((*n, 3))], *args, **kwargs)
layer("Bilinear", [Like((4, 5), D), Like((4, 3), D)], 5, 3, 2, second=True)
for kwargs in ({}, {"dim": 0}, {"dim": -1, "eps": 0.5}, {"dim": 5}):
    for x, y in (((4, 5), (4, 5)), ((4, 5), (5,)), ((4, 2, 5), (2, 5)), ((0, 5), (0, 5))):
        layer("CosineSimilarity", [Like(x), Like(y)], **kwargs)
layer("CosineSimilarity", [Like((4, 5), D), Like((4, 5), D)], second=True)
for kwargs in ({}, {"p": 1}, {"p": 3.0, "eps": 0.1}, {"keepdim": True}, {"p": float("inf")}):
    for x, y in (((4, 5), (4, 5)), ((4, 5), (5,)), ((5,), (5,)), ((0, 5), (0, 5))):
        layer("PairwiseDistance", [Like(x), Like(y)], **kwargs)
layer("PairwiseDistance", [Like((4, 5), D), Like((4, 5), D)], second=True)
small = [
    Like((2, 4, 6, 4)),
    Like((4, 6, 4)),
    Like((0, 4, 6, 4)),
    Like((2, 4, 6, 4), layout="strided"),
]
swept("UpsamplingNearest2d", small[:1], ((), {"scale_factor": 2}), ((), {"size": (3, 9)}),
      ((), {"size": 5}), ((), {"scale_factor": (1.5, 0.5)}), ((), {}),
      ((5,), {"scale_factor": 2}))  # fmt: skip
swept("UpsamplingBilinear2d", small[:1], ((), {"scale_factor": 2}), ((), {"size": (3, 9)}),
      ((), {"size": 5}), ((), {"scale_factor": (1.5, 0.5)}), ((), {}))  # fmt: skip
swept("PixelUnshuffle", small, ((2,), {}), ((3,), {}), ((0,), {}))
swept("ChannelShuffle", small, ((2,), {}), ((4,), {}), ((3,), {}), ((0,), {}))
swept("Unfold", small, ((2,), {}), (((3, 2),), {"padding": 1, "stride": 2}),
      ((2,), {"dilation": (2, 1)}), ((9,), {}), ((0,), {}))  # fmt: skip
rows = [Like((2, 12, 12)), Like((12, 12)), Like((0, 12, 12)), Like((2, 12, 12), layout="strided")]
swept("Fold", rows, (((4, 5), 2), {}), (((6, 8), (2, 2)), {"stride": 2}), ((5, 2), {}),
      (((4, 5), 5), {}))  # fmt: skip
POINTS = [Like((3, 4)), Like(()), Like((0, 4)), Like((3, 4), layout="transposed"), Like((2, 3, 4))]
for name, settings in {
    "Hardshrink": [(), (0.3,), (-1.0,)],
    "Softshrink": [(), (0.3,), (-1.0,)],
    "LogSigmoid": [()],
    "Softsign": [()],
    "Tanhshrink": [()],
    "GLU": [(), (0,), (5,)],
    "Softmin": [(0,), (-1,), (5,), ()],
}.items():
    swept(name, POINTS, *[(args, {}) for args in settings])
swept(
    "Softmax2d", [Like((2, 3, 4, 5)), Like((3, 4, 5)), Like((0, 3, 4, 5)), Like((3, 4))], ((), {})
)

"""Convolutions and batch norms of all kinds, as lucid asks cuDNN for them."""

from __future__ import annotations

from collections.abc import Iterator

from lucid.backend.cuda import cudnn
from lucid.op.windows import output_size

DTYPES = ("float16", "bfloat16", "float32", "float64")
KINDS = ("forward", "input_gradient", "weight_gradient")
# name: x, w, stride, padding, dilation
CONVOLUTIONS = {
    "3x3": ((8, 16, 14, 14), (32, 16, 3, 3), 1, 1, 1),
    "1x1": ((8, 16, 14, 14), (32, 16, 1, 1), 1, 0, 1),
    "ResNet's first": ((4, 3, 64, 64), (64, 3, 7, 7), 2, 3, 1),
    "grey images": ((8, 1, 8, 8), (16, 1, 3, 3), 1, 1, 1),
    "odd channels": ((4, 5, 9, 11), (7, 5, 3, 3), 1, 1, 1),
    "strided": ((8, 16, 14, 14), (32, 16, 3, 3), 2, 1, 1),
    "dilated": ((8, 16, 14, 14), (32, 16, 3, 3), 1, 2, 2),
    "groups": ((8, 16, 14, 14), (32, 8, 3, 3), 1, 1, 1),
    "depthwise": ((8, 16, 14, 14), (16, 1, 3, 3), 1, 1, 1),
    "1d": ((8, 16, 20), (32, 16, 3), 1, 1, 1),
    "3d": ((2, 8, 6, 7, 8), (16, 8, 3, 3, 3), 1, 1, 1),
}
BATCH_NORMS = {
    "2d": (8, 16, 14, 14),
    "ResNet's last": (16, 512, 4, 4),
    "3d": (4, 16, 3, 4, 5),
    "1d": (8, 16, 1, 20),
    "no space": (8, 16, 1, 1),
}


def convolution(
    case: str, kind: str = "forward", dtype: str = "float32", last: bool = False,
    tf32: bool = True, deterministic: bool = False, bias: bool = False,
) -> cudnn.Convolution:  # fmt: skip
    x, w, *settings = CONVOLUTIONS[case]
    stride, padding, dilation = ((n,) * (len(x) - 2) for n in settings)
    size = output_size(x[2:], w[2:], stride, [(p, p) for p in padding], dilation)
    layouts = [cudnn.layout_of(s, last) for s in (x, w, (x[0], w[0], *size))]
    return cudnn.Convolution(
        kind, dtype, *layouts, padding, stride, dilation, tf32, deterministic, bias
    )


def batch_norm(
    shape: tuple[int, ...], kind: str = "forward", dtype: str = "float32", last: bool = False,
    parameters: str = "float32", deterministic: bool = False,
) -> cudnn.BatchNorm:  # fmt: skip
    eps = 1e-5 if kind == "forward" else 0.0
    layout = cudnn.layout_of(shape, last)
    return cudnn.BatchNorm(kind, dtype, parameters, layout, eps, deterministic)


def convolutions() -> Iterator[cudnn.Convolution]:
    for case, (x, w, *_) in CONVOLUTIONS.items():
        for dtype in DTYPES:
            for last in (False, True):
                for kind in KINDS:
                    yield convolution(case, kind, dtype, last)
                    if dtype == "float32":
                        yield convolution(case, kind, dtype, last, tf32=False)
                    if case == "3x3":
                        yield convolution(case, kind, dtype, last, deterministic=True)
                if x[1] == w[1]:
                    yield convolution(case, "forward", dtype, last, bias=True)
                    if dtype == "float32":
                        yield convolution(case, "forward", dtype, last, False, bias=True)


def batch_norms() -> Iterator[cudnn.BatchNorm]:
    for case, shape in BATCH_NORMS.items():
        for dtype in DTYPES[:3]:
            for last in (False, True):
                for kind in ("forward", "backward"):
                    yield batch_norm(shape, kind, dtype, last)
                    if case == "2d":
                        yield batch_norm(shape, kind, dtype, last, deterministic=True)
                        if dtype != "float32":
                            yield batch_norm(shape, kind, dtype, last, dtype)


def refused() -> Iterator[cudnn.BatchNorm]:
    """What cuDNN has no engine for."""
    for kind in ("forward", "backward"):
        for last in (False, True):
            yield batch_norm((8, 16, 14, 14), kind, "float64", last, "float64")
            yield batch_norm((8, 16, 20), kind, "float32", last)  # three dimensions
            yield batch_norm((8, 3, 9, 7), kind, "float32", last)  # channels fill no 16 bytes
            yield batch_norm((8, 20, 9, 7), kind, "float16", last)
            yield batch_norm((8, 20, 9, 7), kind, "bfloat16", last)

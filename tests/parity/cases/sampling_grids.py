"""Grids and what is sampled by them; softmax with noise; norms and pools as functions."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, call
from tests.parity.library import Like, Side, second_gradients

F = "nn.functional."
D = "float64"

# Grids. Points lie within the image, on its edge and outside of it.

IMAGES = [
    (Like((2, 3, 4, 5), D), Like((2, 3, 6, 2), D, low=-1.5, high=1.5)),
    (Like((2, 3, 4, 5)), Like((2, 3, 6, 2), low=-1.5, high=1.5)),
    (Like((1, 2, 3, 4, 5), D), Like((1, 2, 3, 2, 3), D, low=-1.5, high=1.5)),
]
ODD = [
    (Like((2, 3, 4, 5), layout="channels_last"), Like((2, 3, 6, 2), layout="transposed")),
    (Like((2, 3, 4, 5), layout="expanded"), Like((2, 3, 6, 2), layout="expanded")),
    (Like((0, 3, 4, 5)), Like((0, 3, 6, 2))),
    (Like((2, 3, 4, 5)), Like((2, 0, 6, 2))),
    (Like((2, 3, 0, 5)), Like((2, 3, 6, 2))),
    (Like((2, 3, 1, 1)), Like((2, 3, 6, 2))),
    (Like((2, 3, 4, 5)), Like((3, 3, 6, 2))),
    (Like((2, 3, 4, 5)), Like((2, 3, 6, 3))),
    (Like((3, 4, 5)), Like((3, 6, 2))),
    (Like((2, 3, 4, 5)), Like((2, 3, 6, 2), D)),
    (Like((2, 3, 4, 5), "int64"), Like((2, 3, 6, 2))),
    (Like((1, 2, 4, 5), special=True), Like((1, 3, 6, 2), low=-0.5, high=0.5)),
]
for mode in ("bilinear", "nearest", "bicubic"):
    for padding_mode in ("zeros", "border", "reflection"):
        for align in (True, False):
            kwargs = {"mode": mode, "padding_mode": padding_mode, "align_corners": align}
            for x, grid in IMAGES:
                call(f"{F}grid_sample", x, grid, **kwargs)
            if mode == "bilinear":  # of the others PyTorch has none
                add(f"{F}grid_sample", f"second gradients {kwargs}", lambda s, k=kwargs: (
                    second_gradients(s, s.nn.functional.grid_sample(
                        *[s.tensor(x) for x in IMAGES[0]], **k
                    ).square())
                ))  # fmt: skip
for x, grid in ODD:
    for mode in ("bilinear", "nearest"):
        call(f"{F}grid_sample", x, grid, mode=mode, align_corners=False)
for dtype in ("float16", "bfloat16"):
    call(f"{F}grid_sample", Like((2, 3, 4, 5), dtype), Like((2, 3, 6, 2), dtype))
call(f"{F}grid_sample", *IMAGES[1])
call(f"{F}grid_sample", *IMAGES[1], mode="cubic")
call(f"{F}grid_sample", *IMAGES[1], padding_mode="circular")

for dtype in ("float32", D, "float16", "bfloat16", "int64"):
    for size in ((2, 3, 4, 5), [2, 3, 1, 5], (2, 3, 4, 5, 6), (0, 3, 4, 5), (2, 3, 0, 5)):
        for align in (True, False):
            n = len(size) - 2
            theta = Like((size[0], n, n + 1), dtype)
            call(f"{F}affine_grid", theta, size, align_corners=align)
for theta, size in (
    (Like((2, 2, 3), layout="transposed"), (2, 3, 4, 5)),
    (Like((2, 2, 3), layout="expanded"), (2, 3, 4, 5)),
    (Like((3, 2, 3)), (2, 3, 4, 5)),
    (Like((2, 2, 2)), (2, 3, 4, 5)),
    (Like((2, 3)), (2, 3, 4, 5)),
    (Like((2, 2, 3)), (2, 3, 4)),
    (Like((2, 2, 3)), (2, 3, -4, 5)),
    (Like((2, 2, 3)), (2, 3, 4, 5, 6)),
):
    call(f"{F}affine_grid", theta, size, False)
call(f"{F}affine_grid", Like((2, 2, 3)), (2, 3, 4, 5))
add(f"{F}affine_grid", "second gradients", lambda s: second_gradients(
    s, s.nn.functional.affine_grid(s.tensor(Like((2, 2, 3), D)), (2, 3, 4, 5), False).square()
))  # fmt: skip

# Softmax with noise. Where one entry leads by 1000 no noise matters.


def leading(s: Side, dtype: str = "float32") -> Any:
    x = s.tensor(Like((4, 5), dtype))
    return x + s.root.tensor([0.0, 1000.0, 0.0, 0.0, 0.0]).to(x.dtype)


for dtype in ("float32", D, "float16", "bfloat16"):
    for kwargs in ({}, {"hard": True}, {"tau": 0.3}, {"dim": 0}, {"tau": 7.0, "hard": True}):
        if kwargs.get("dim") == 0:
            continue
        add(f"{F}gumbel_softmax", f"leading {dtype} {kwargs}",
            lambda s, d=dtype, k=kwargs: s.nn.functional.gumbel_softmax(leading(s, d), **k)
            )  # fmt: skip


def drawn(s: Side, like: Like, **kwargs: Any) -> Any:
    x = s.tensor(like)
    y = s.nn.functional.gumbel_softmax(x, **kwargs)
    sums = y.detach().double().sum(kwargs.get("dim", -1))
    near = s.allclose(sums, s.ones_like(sums), atol=2e-2)
    return tuple(y.shape), y.dtype, y.requires_grad, near, sorted(set(y.detach().flatten().tolist())
        ) if kwargs.get("hard") else None  # fmt: skip


for like in (Like((40, 5)), Like((2, 3, 4), "float16"), Like((5,)), Like((0, 5)), Like(()),
             Like((4, 5), layout="transposed"), Like((4, 5), "int64")):  # fmt: skip
    for kwargs in ({}, {"hard": True}, {"dim": 0}, {"tau": 0.1, "hard": True, "dim": 0}):
        add(f"{F}gumbel_softmax", f"{like} {kwargs}",
            lambda s, x=like, k=kwargs: drawn(s, x, **k))  # fmt: skip
for kwargs in ({"tau": 0.0}, {"tau": -1.0}, {"dim": 7}):
    add(f"{F}gumbel_softmax", str(kwargs), lambda s, k=kwargs: drawn(s, Like((4, 5)), **k))

# Normalization by the root of the mean of squares.

for dtype in ("float32", D, "float16", "bfloat16", "int64"):
    for shape in ((4,), (3, 4), [4]):
        weight = Like(tuple(shape), dtype)
        call(f"{F}rms_norm", Like((2, 3, 4), dtype), shape)
        call(f"{F}rms_norm", Like((2, 3, 4), dtype), shape, weight)
        call(f"{F}rms_norm", Like((2, 3, 4), dtype), shape, weight, eps=0.1)
for x in (Like((3, 4), layout="transposed"), Like((3, 4), layout="strided"), Like((0, 4)),
          Like((3, 4), layout="expanded"), Like((4,)), Like((3, 4), special=True),
          Like((3, 4), low=0, high=0), Like((2, 3, 5, 4), layout="channels_last")):  # fmt: skip
    call(f"{F}rms_norm", x, (4,))
    call(f"{F}rms_norm", x, (4,), Like((4,)), 1e-3)
for x, shape, weight in (
    (Like((3, 4)), (3,), None),
    (Like((3, 4)), (), None),
    (Like((3, 4)), (4,), Like((3,))),
    (Like((3, 4)), (4,), Like((4,), D)),
    (Like(()), (1,), None),
    (Like((3, 0)), (0,), None),
):
    call(f"{F}rms_norm", x, shape, weight)
add(f"{F}rms_norm", "second gradients", lambda s: second_gradients(s, s.nn.functional.rms_norm(
    s.tensor(Like((2, 3, 4), D)), (3, 4), s.tensor(Like((3, 4), D))
)))  # fmt: skip

# Channels dealt anew.

for path, shape, arg in (
    ("pixel_unshuffle", (2, 2, 4, 6), 2),
    ("channel_shuffle", (2, 6, 3, 2), 3),
):
    for x in (
        Like(shape), Like(shape, "int64"), Like(shape, "bool"), Like(shape, "bfloat16"),
        Like(shape, layout="transposed"), Like(shape, layout="channels_last"),
        Like(shape, layout="expanded"), Like((0, *shape[1:])), Like(shape[1:]), Like(shape[:3]),
        Like((2, *shape)), Like((2, 5, 5, 7)), Like((6,)), Like(()),
    ):  # fmt: skip
        call(path, x, arg)
    for wrong in (0, -1, 7):
        call(path, Like(shape), wrong)
    add(path, "second gradients", lambda s, p=path, n=shape, a=arg: second_gradients(
        s, s.get(p)(s.tensor(Like(n, D)), a).square()
    ))  # fmt: skip

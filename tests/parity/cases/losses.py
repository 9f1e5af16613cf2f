"""Losses, and dropout where nothing is random."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, call
from tests.parity.library import Like

F = "nn.functional."


def image(*shape: int, **more: Any) -> Like:
    return Like(shape, **more)


REDUCTIONS = ("mean", "sum", "none")
PAIRS = [
    (image(3, 4), image(3, 4)),
    (Like((3, 4), "float16"), Like((3, 4), "float16")),
    (Like((3, 4), "float64"), Like((3, 4), "float64")),
    (image(0, 4), image(0, 4)),
    (image(3, 4), image(4)),
    (Like((3, 4), layout="transposed"), image(3, 4)),
    (image(3, 4), Like((3, 4), "float64")),
]
for reduction in REDUCTIONS:
    for a, b in PAIRS:
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
            call(F + name, a, b, reduction=reduction)
        call(f"{F}smooth_l1_loss", a, b, reduction=reduction, beta=0.3)
        call(f"{F}huber_loss", a, b, reduction=reduction, delta=0.3)
        p, q = (Like(t.shape, t.dtype, t.layout, 0.05, 0.95) for t in (a, b))
        call(f"{F}binary_cross_entropy", p, q, reduction=reduction)
        call(f"{F}binary_cross_entropy_with_logits", a, q, reduction=reduction)
        call(
            f"{F}binary_cross_entropy_with_logits",
            a,
            q,
            reduction=reduction,
            pos_weight=Like((4,), low=0.5),
            weight=Like((4,), low=0.1),
        )
        call(f"{F}kl_div", a, q, reduction=reduction)
        call(f"{F}kl_div", a, b, reduction=reduction, log_target=True)
    call(f"{F}kl_div", image(3, 4), Like((3, 4), low=0.1, high=0.9), reduction="batchmean")
    for shape, target in (
        ((4, 5), (4,)),
        ((2, 5, 3), (2, 3)),
        ((5,), ()),
        ((0, 5), (0,)),
        ((4, 5), (3,)),
    ):
        y = Like(target, "int64", low=0, high=4)
        for dtype in ("float32", "float64", "float16"):
            x, weight = Like(shape, dtype), Like((5,), dtype, low=0.1, grad=False)
            for name in ("cross_entropy", "nll_loss"):
                call(F + name, x, y, reduction=reduction)
                call(F + name, x, y, reduction=reduction, weight=weight, ignore_index=2)
            call(f"{F}cross_entropy", x, y, reduction=reduction, label_smoothing=0.1)
            call(
                f"{F}cross_entropy",
                x,
                y,
                weight,
                reduction=reduction,
                label_smoothing=0.1,
                ignore_index=1,
            )
    call(f"{F}cross_entropy", image(4, 5), Like((4, 5), low=0, high=0.4), reduction=reduction)
    call(
        f"{F}cross_entropy",
        image(4, 5),
        Like((4, 5), low=0, high=0.4),
        reduction=reduction,
        label_smoothing=0.2,
    )
    call(f"{F}cross_entropy", image(4, 5), Like((4,), "int64", low=8, high=9), reduction=reduction)
call(f"{F}mse_loss", image(3), image(3), reduction="average")
for name in (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
):
    x = (
        image(2, 3, 4, 5)
        if name == "dropout2d"
        else image(2, 3, 4)
        if name == "dropout1d"
        else image(2, 3, 4, 2, 2)
    )
    call(F + name, x, 0.5, False)
    call(F + name, x, p=0.0, training=True)
    call(F + name, x, 1.0, True) if "alpha" not in name else None
    call(F + name, x, 1.5)
    add(
        F + name,
        "shape and dtype",
        lambda s, n=name, x=x: [
            tuple((y := s.get(F + n)(s.tensor(x), 0.5, True)).shape),
            str(y.dtype)[6:],
            y.requires_grad,
        ],
    )

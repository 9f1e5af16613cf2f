"""Power pooling: the p-norm of each window, made of average and max pooling."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from lucid.op import casts, floating
from lucid.op.windows import Sizes, per_dimension, product
from lucid.ops.avg_pooling import avg_pool1d, avg_pool2d, avg_pool3d
from lucid.ops.max_pooling import max_pool1d, max_pool2d, max_pool3d
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]

_POOLS: dict[int, tuple[Callable[..., Tensor], Callable[..., Any]]] = {
    1: (avg_pool1d, max_pool1d),
    2: (avg_pool2d, max_pool2d),
    3: (avg_pool3d, max_pool3d),
}


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """The p-norm of each window, (sum of x^p)^(1/p), p = norm_type. x: (N, C, L) -> y: (N, C, L').

    As lp_pool2d, in one dimension.
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """The p-norm of each window, (sum of x^p)^(1/p). x: (N, C, H, W) -> y: (N, C, H', W').

    p is ``norm_type``. Powers are of x itself, so an odd p is for positive x; p = inf is the
    largest |x|. A window whose sum is 0 has gradient 0. One that ``ceil_mode`` lets reach beyond
    the input counts as a whole one of the same mean, as in PyTorch.

    >>> F.lp_pool2d(Tensor([[[[3.0, 4.0], [0.0, 0.0]]]]), 2, 2)
    Tensor([[[[5.]]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """The p-norm of each window: (N, C, D, H, W) -> (N, C, D', H', W').

    As lp_pool2d, in three dimensions.
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    d: int, x: Tensor, p: float, kernel_size: Sizes, stride: Sizes | None, ceil_mode: bool
) -> Tensor:
    name = f"lp_pool{d}d"
    floating(name, "input", x)
    kernel = per_dimension(name, "kernel_size", kernel_size, d, 1)
    if p == 0 or p != p:
        raise ValueError(f"{name}: norm_type must not be 0 or NaN; got {p}")
    mean, most = _POOLS[d]
    if p == inf:
        return most(x.abs(), kernel, stride, 0, 1, ceil_mode)
    if p == -inf:
        return -most(-x.abs(), kernel, stride, 0, 1, ceil_mode)
    return _root_of_powers(x, mean, p, kernel, stride, ceil_mode)


@casts(cuda="float32")
def _root_of_powers(
    x: Tensor, mean: Callable[..., Tensor], p: float, kernel: tuple[int, ...],
    stride: Sizes | None, ceil_mode: bool,
) -> Tensor:  # fmt: skip
    total = mean(x**p, kernel, stride, 0, ceil_mode) * product(kernel)
    zero = total == 0  # the root has no slope there: it is not asked for one
    return (total.masked_fill(zero, 1.0) ** (1 / p)).masked_fill(zero, 0.0 if p > 0 else inf)


def _reference(
    np: Any, x: Any, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False
) -> Any:
    k, step = kernel_size, stride or kernel_size
    sizes = [(n - k + (step - 1) * ceil_mode) // step + 1 for n in x.shape[2:]]
    y = np.empty((*x.shape[:2], *sizes))
    for at in np.ndindex(*sizes):
        spans = [
            slice(step * i, min(step * i + k, n)) for i, n in zip(at, x.shape[2:], strict=True)
        ]
        window = np.abs(x[(..., *spans)]).reshape(*x.shape[:2], -1)
        whole = k ** len(spans) / window.shape[2]
        y[(..., *at)] = np.linalg.norm(window, norm_type, 2) * (
            1 if norm_type == inf else whole ** (1 / norm_type)
        )
    return y


_errors = [
    (
        Case([(1, 1, 4, 4)], {"norm_type": 0, "kernel_size": 2}),
        ValueError,
        "lp_pool2d: norm_type must not be 0 or NaN; got 0",
    ),
    (
        Case([(1, 1, 4, 4)], {"norm_type": 2, "kernel_size": (2, 2, 2)}),
        ValueError,
        "lp_pool2d: kernel_size must be an int or 2 ints",
    ),
]
spec(
    lp_pool1d,
    cases=[
        Case([(2, 3, 7)], {"norm_type": 2, "kernel_size": 3}),
        Case([(2, 3, 7)], {"norm_type": 3.0, "kernel_size": 2, "ceil_mode": True}, 0.1),
    ],
    reference=_reference,
)
spec(
    lp_pool2d,
    cases=[
        Case([(2, 2, 4, 5)], {"norm_type": 2, "kernel_size": 2, "stride": 1}),
        Case([(2, 2, 4, 5)], {"norm_type": inf, "kernel_size": 2}),
    ],
    reference=_reference,
    errors=_errors,
)
spec(
    lp_pool3d,
    cases=[Case([(1, 2, 3, 4, 3)], {"norm_type": 2, "kernel_size": 2, "stride": 1})],
    reference=_reference,
)

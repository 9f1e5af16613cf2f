"""Losses that bring what belongs together near each other: by angle, or by distances of three."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid.errors import ShapeError
from lucid.op import casts, check_reduction, reduced
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["cosine_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"]

_TINY = 1e-12  # added to squared lengths, as PyTorch does

Distance = Callable[[Tensor, Tensor], Tensor]


@casts(cpu="float32", cuda="float32")
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, *, reduction: str = "mean"
) -> Tensor:
    """1 - cos(x1, x2) where t is 1, max(0, cos - margin) where t is -1.

    x1, x2: (N, D), t: (N,) -> y: (), or (N,) with reduction="none"; or (D,), () -> ().
    """
    name = "cosine_embedding_loss"
    check_reduction(name, reduction)
    if target.ndim > 1 or not input1.ndim == input2.ndim == target.ndim + 1:
        raise ShapeError(
            f"{name}: x1 and x2 must be (N, D) and the target (N,), or (D,) and (); got shapes"
            f" {input1.shape}, {input2.shape} and {target.shape}"
        )
    lengths = ((input1 * input1).sum(-1) + _TINY) * ((input2 * input2).sum(-1) + _TINY)
    cos = (input1 * input2).sum(-1) / lengths.sqrt()
    same = (1 - cos).masked_fill(target != 1, 0.0)
    other = (cos - margin).clamp(min=0).masked_fill(target != -1, 0.0)
    return reduced(same + other, reduction)


@casts(cpu="float32", cuda="float32")
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of a - b + eps.

    Three times (N, D) or (D,) -> y: (), or (N,) with reduction="none". ``swap`` takes the smaller
    of the negative's distances to anchor and positive. Balntas et al. 2016.
    """
    name = "triplet_margin_loss"

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b + eps).norm(p, -1)

    return _triplet(name, anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with any distance d(a, b). Three times (N, *) -> y: ().

    d is F.pairwise_distance unless given. With reduction="none" y has the shape that d gives.
    """
    name = "triplet_margin_with_distance_loss"
    distance = distance_function or _pairwise
    return _triplet(name, anchor, positive, negative, distance, margin, swap, reduction)


def _pairwise(a: Tensor, b: Tensor) -> Tensor:
    return (a - b + 1e-6).norm(2, -1)


def _triplet(
    name: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Distance,
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    check_reduction(name, reduction)
    if margin <= 0:
        raise ValueError(f"{name}: margin must be positive; got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{name}: anchor, positive and negative must have as many dimensions; got shapes"
            f" {anchor.shape}, {positive.shape} and {negative.shape}"
        )
    far = distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((distance(anchor, positive) - far + margin).clamp(min=0), reduction)


def _cosine(np: Any, a: Any, b: Any, t: Any, margin: float = 0, reduction: str = "mean") -> Any:
    cos = (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return reduced((1 - cos) * (t == 1) + np.maximum(0, cos - margin) * (t == -1), reduction)


def _triplet_reference(np: Any, a: Any, b: Any, c: Any, **kwargs: Any) -> Any:
    p, margin = kwargs.get("p", 2), kwargs.get("margin", 1.0)

    def distance(x: Any, y: Any) -> Any:
        return (np.abs(x - y + 1e-6) ** p).sum(-1) ** (1 / p)

    far = distance(a, c)
    if kwargs.get("swap"):
        far = np.minimum(far, distance(b, c))
    losses = np.maximum(0, distance(a, b) - far + margin)
    return reduced(losses, kwargs.get("reduction", "mean"))


_kinds = ("float32", "float32", "int64")
_three = [(3, 4)] * 3
_errors: list[Any] = [
    (Case(_three, {"margin": 0}), ValueError, "margin must be positive; got 0"),
    (Case([(3, 4), (3, 4), (4,)]), ShapeError, "anchor, positive and negative must have as many"),
    (Case(_three, {"reduction": "max"}), ValueError, "reduction must be one of none"),
]
spec(
    cosine_embedding_loss,
    cases=[
        Case([(5, 4), (5, 4), (5,)], low=-1, dtypes=_kinds),
        Case([(5, 4), (5, 4), (5,)], {"margin": -0.5, "reduction": "none"}, -1, 2, _kinds),
        Case([(4,), (4,), ()], {"reduction": "sum"}, -1, 2, _kinds),
    ],
    reference=_cosine,
    errors=[
        (
            Case([(5, 4), (5, 4), (5, 1)], {}, -1, 2, _kinds),
            ShapeError,
            r"cosine_embedding_loss: x1 and x2 must be \(N, D\) and the target \(N,\)",
        )
    ],
)
spec(
    triplet_margin_loss,
    cases=[
        Case(_three),
        Case(_three, {"margin": 3.0, "p": 3, "swap": True, "reduction": "none"}),
        Case([(4,)] * 3, {"reduction": "sum"}),
    ],
    reference=_triplet_reference,
    errors=_errors,
)
spec(
    triplet_margin_with_distance_loss,
    cases=[Case(_three, {"margin": 2.0}), Case(_three, {"swap": True, "reduction": "none"})],
    reference=_triplet_reference,
    errors=_errors,
)

"""How alike two vectors are: the cosine of their angle, and their distance."""

from __future__ import annotations

from lucid.op import casts
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance"]


@casts(cuda="float32")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (|x1| |x2|) along ``dim``; lengths count as at least eps. Shapes broadcast.

    x1, x2: (*, D, *) -> y: (*).
    """
    first = x1.norm(2, dim, keepdim=True).clamp(min=eps)
    second = x2.norm(2, dim, keepdim=True).clamp(min=eps)
    return ((x1 / first) * (x2 / second)).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension. Shapes broadcast.

    x1, x2: (*, D) -> y: (*), or (*, 1) with ``keepdim``. eps keeps the gradient finite at 0.
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim)


spec(
    cosine_similarity,
    cases=[Case([(3, 4), (3, 4)]), Case([(2, 3, 4), (3, 4)], {"dim": -1})],
    reference=lambda np, a, b, dim=1: (
        (a * b).sum(dim) / np.sqrt((a * a).sum(dim) * (b * b).sum(dim))
    ),
)
spec(
    pairwise_distance,
    cases=[Case([(3, 4), (3, 4)]), Case([(4,), (3, 4)], {"p": 3, "keepdim": True})],
    reference=lambda np, a, b, p=2.0, keepdim=False: (
        (np.abs(a - b + 1e-6) ** p).sum(-1, keepdims=keepdim) ** (1 / p)
    ),
)

"""How alike two vectors are: the cosine of their angle, and their distance."""

from __future__ import annotations

from itertools import zip_longest

from lucid.errors import DTypeError, ShapeError
from lucid.op import casts
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance"]


@casts(cuda="float32")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (|x1| |x2|) along ``dim``; lengths count as at least eps.

    x1, x2: (*, D, *) -> y: (*). Shapes broadcast; ``dim`` is one of the common shape.
    """
    if x1.dtype.category < 2 and x2.dtype.category < 2:
        raise DTypeError(
            f"cosine_similarity: one tensor must be floating point; got {x1.dtype} and {x2.dtype}."
            " Hint: use .float()"
        )
    if x1.shape != x2.shape:
        sides = zip_longest(reversed(x1.shape), reversed(x2.shape), fillvalue=1)
        shape = tuple(m if n == 1 else n for m, n in sides)[::-1]
        x1, x2 = x1.expand(shape), x2.expand(shape)
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
    cases=[
        Case([(3, 4), (3, 4)]),
        Case([(2, 3, 4), (3, 4)], {"dim": -1}),
        Case([(3, 4), (4,)], {"dim": 0}),
        Case([(3, 1, 4), (2, 4)]),
    ],
    reference=lambda np, a, b, dim=1: (
        (a * b).sum(dim) / np.sqrt((a * a + 0 * b).sum(dim) * (b * b + 0 * a).sum(dim))
    ),
    errors=[
        (Case([(3, 4), (2, 4)]), ShapeError, "cosine_similarity: sizes must be equal"),
        (
            Case([(3,), (3,)], {"dim": 0}, dtypes=("int64", "int64")),
            DTypeError,
            "cosine_similarity: one tensor must be floating point; got lucid.int64",
        ),
    ],
)
spec(
    pairwise_distance,
    cases=[Case([(3, 4), (3, 4)]), Case([(4,), (3, 4)], {"p": 3, "keepdim": True})],
    reference=lambda np, a, b, p=2.0, keepdim=False: (
        (np.abs(a - b + 1e-6) ** p).sum(-1, keepdims=keepdim) ** (1 / p)
    ),
)

"""The bilinear map y_k = x1^T A_k x2 + b_k."""

from __future__ import annotations

from lucid.errors import ShapeError
from lucid.op import casts
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["bilinear"]


@casts(cpu="own", cuda="widest")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x1^T A_k x2 + b_k. x1: (*, D1), x2: (*, D2), A: (K, D1, D2), b: (K,) -> y: (*, K)."""
    lead = input1.shape[:-1]
    if not input1.ndim or input1.ndim != input2.ndim or lead != input2.shape[:-1]:
        raise ShapeError(
            f"bilinear: input1 and input2 must agree in all but the last dimension; got"
            f" {input1.shape} and {input2.shape}"
        )
    wanted = input1.shape[-1], input2.shape[-1]
    if weight.ndim != 3 or weight.shape[1:] != wanted:
        raise ShapeError(f"bilinear: weight must be (K, {wanted[0]}, {wanted[1]}); got"
                         f" {weight.shape}")  # fmt: skip
    k = weight.shape[0]
    if bias is not None and bias.shape != (k,):
        raise ShapeError(f"bilinear: bias must be ({k},); got {bias.shape}")
    n = input1.numel() // max(1, wanted[0])
    rows = input1.reshape(n, wanted[0])
    columns = weight.permute(1, 0, 2).reshape(wanted[0], k * wanted[1])
    products = (rows @ columns).reshape(n, k, wanted[1])
    y = (products @ input2.reshape(n, wanted[1], 1)).reshape(*lead, k)
    return y if bias is None else y + bias


spec(
    bilinear,
    cases=[
        Case([(5, 3), (5, 4), (2, 3, 4)]),
        Case([(2, 3, 2), (2, 3, 3), (4, 2, 3), (4,)]),
        Case([(3,), (2,), (2, 3, 2)]),
    ],
    reference=lambda np, x1, x2, w, b=0: np.einsum("...i,kij,...j->...k", x1, w, x2) + b,
    errors=[
        (
            Case([(5, 3), (4, 4), (2, 3, 4)]),
            ShapeError,
            r"bilinear: input1 and input2 must agree in all but the last dimension; got \(5, 3\)",
        ),
        (
            Case([(5, 3), (5, 4), (2, 4, 3)]),
            ShapeError,
            r"bilinear: weight must be \(K, 3, 4\); got \(2, 4, 3\)",
        ),
        (Case([(5, 3), (5, 4), (2, 3, 4), (3,)]), ShapeError, r"bilinear: bias must be \(2,\)"),
    ],
)

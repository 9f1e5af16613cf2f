"""What decompositions of matrices share: which tensors they take, and how a library fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError, LinAlgError, ShapeError
from lucid.tensor import Tensor


def matrices(name: str, A: Tensor, *, square: bool = False) -> Tensor:
    """A, if it is (*, M, N) of float32 or float64 (half types have no decompositions)."""
    if A.ndim < 2 or (square and A.shape[-1] != A.shape[-2]):
        form = "(*, N, N)" if square else "(*, M, N)"
        raise ShapeError(f"{name}: the input must be {form}; got shape {A.shape}")
    if A.dtype not in (dtypes.float32, dtypes.float64):
        raise DTypeError(
            f"{name}: the input must be float32 or float64; got {A.dtype}. Hint: use .float()"
        )
    return A


def compute(name: str, rule: str, function: Callable[..., Any], *arrays: Any) -> Any:
    """function(*arrays), where NumPy's refusal of a matrix becomes lucid's.

    CuPy does not look at the values, for which it would have to wait: it answers NaN or infinity.
    """
    try:
        return function(*arrays)
    except ValueError as error:  # numpy.linalg.LinAlgError is one
        raise LinAlgError(f"{name}: {rule}; got shape {arrays[0].shape}: {error}") from error


def quotient(x: Tensor, y: Tensor) -> Tensor:
    """x / y where 0 / 0 is 0: what does not matter asks for no division."""
    y = y.expand(x.shape)
    return x / y.masked_fill((x == 0) & (y == 0), 1.0)


def diagonal_matrices(x: Tensor) -> Tensor:
    """(*, N) -> (*, N, N), x on the diagonal."""
    n = x.shape[-1]
    eye = Tensor._wrap(x._device.xp.eye(n, dtype=x._array.dtype), x._device)
    return x.unsqueeze(-1) * eye

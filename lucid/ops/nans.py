"""Reductions that take a NaN as missing."""

from __future__ import annotations

from typing import Any

from lucid.errors import DimensionError
from lucid.op import Dims, ValuesIndices, dimension, floating
from lucid.spec import REDUCTIONS, as_axis, spec
from lucid.tensor import Tensor, tensor_method

__all__ = ["nanmean", "nanmedian", "nansum"]


@tensor_method("nansum")
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of the elements that are not NaN; 0 of none. Dimensions as in ``sum``."""
    x = input if dtype is None else input.to(dtype)
    if x.is_floating_point():
        x = x.masked_fill(x.isnan(), 0.0)
    return x.sum(dim, keepdim)


@tensor_method("nanmean")
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The average of the elements that are not NaN; NaN of none. Dimensions as in ``mean``."""
    x = floating("nanmean", "input", input if dtype is None else input.to(dtype))
    count = (~x.isnan()).sum(dim, keepdim)
    return nansum(x, dim, keepdim) / count.to(x.dtype)


@tensor_method("nanmedian")
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle of the elements that are not NaN (the lower of two); with ``dim`` also where."""
    flat = input.reshape(-1) if dim is None else input
    axis = dimension("nanmedian", 0 if dim is None else dim, flat.ndim)
    if not flat.ndim:
        return ValuesIndices(flat.clone(), flat.detach().long() * 0)
    if not flat.numel() and dim is None:
        return flat.sum() * float("nan")
    if not flat.shape[axis]:
        raise DimensionError(f"nanmedian: nothing to choose from; got shape {input.shape}")
    values, indices = flat.sort(axis)  # NaN come last
    middle = (((values == values).sum(axis, keepdim=True) - 1) // 2).clamp(min=0)
    values, indices = values.gather(axis, middle), indices.gather(axis, middle)
    if not keepdim:
        values, indices = values.squeeze(axis), indices.squeeze(axis)
    return values if dim is None else ValuesIndices(values, indices)


spec(
    nansum,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: np.nansum(x, as_axis(dim), keepdims=keepdim),
)
spec(
    nanmean,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: np.nanmean(x, as_axis(dim), keepdims=keepdim),
)

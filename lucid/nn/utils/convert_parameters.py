"""A model's parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from lucid.errors import ShapeError
from lucid.ops import cat
from lucid.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened and joined, in the graph."""
    parameters = list(parameters)
    for p in parameters:
        if not isinstance(p, Tensor):
            raise TypeError(f"parameters_to_vector: expected Tensors; got {p!r:.60}")
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give each parameter its stretch of the vector as values; the inverse of
    ``parameters_to_vector``. The parameters then show the vector's memory."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor; got {type(vec).__name__}")
    parameters = list(parameters)
    wanted = sum(p.numel() for p in parameters)
    if vec.numel() != wanted:
        raise ShapeError(
            f"vector_to_parameters: the vector must have as many elements as the parameters,"
            f" {wanted}; got {vec.numel()}"
        )
    start = 0
    for p in parameters:
        p.data = vec[start : start + p.numel()].view_as(p).data
        start += p.numel()

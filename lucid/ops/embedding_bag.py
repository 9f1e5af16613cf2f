"""Sums, means and maxima of rows of a table, bag by bag: embedding and reduction at once."""

from __future__ import annotations

import math
from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import casts
from lucid.op.table import Embedding, EmbeddingGradient, Shorten, check_index
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["embedding_bag"]


@casts(cpu="own", cuda="own")
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Rows weight[input], reduced within bags by "sum", "mean" or "max". weight: (V, D) -> (B, D).

    input: (B, N), each row a bag; or (n,) with offsets (B,), where bags begin, in rising order;
    with ``include_last_offset`` offsets is (B + 1,) and also says where the last one ends. Empty
    bags give 0. With mode "sum" rows may be weighted by ``per_sample_weights``, input's shape.
    Indices ``padding_idx`` don't count and get no gradient. ``max_norm``, ``norm_type``,
    ``scale_grad_by_freq`` and ``sparse`` are those of ``embedding``.

    >>> table = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> F.embedding_bag(lucid.tensor([0, 2, 1]), table, lucid.tensor([0, 2]), mode="sum")
    Tensor([[6., 8.],
            [3., 4.]])
    """
    _check(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq)
    rows = weight.shape[0]
    check_index("embedding_bag", input, rows)
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise DimensionError(
                f"embedding_bag: padding_idx must be in [{-rows}, {rows - 1}]; got {padding_idx}"
            )
        padding_idx %= rows
    bag, bags = _bags(input, offsets, include_last_offset)
    if max_norm is not None:
        Shorten(max_norm, norm_type)(weight.detach(), input)
        weight._shared_counter()[0] += 1
    flat = input.reshape(-1)
    if offsets is None and padding_idx is None and mode != "max":
        y = Embedding(None, scale_grad_by_freq)(weight, input)
        if per_sample_weights is not None:
            y = y * per_sample_weights.unsqueeze(2)
        return y.mean(1) if mode == "mean" and input.shape[1] else y.sum(1)
    if mode == "max":
        return _most(flat, weight, bag, bags, padding_idx)
    if padding_idx is not None:
        bag = bag.masked_fill(flat == padding_idx, bags)
    y = Embedding(padding_idx, scale_grad_by_freq)(weight, flat)
    if per_sample_weights is not None:
        y = y * per_sample_weights.reshape(-1, 1)
    if mode == "mean":
        count = bag.bincount(minlength=bags + 1)
        y = y / count.index_select(0, bag).to(y.dtype).unsqueeze(1)
    # One bag more than there are, for what is in none of them.
    return EmbeddingGradient(None, False, (bags + 1, weight.shape[1]))(y, bag)[:bags]


def _most(flat: Tensor, weight: Tensor, bag: Tensor, bags: int, skip: int | None) -> Tensor:
    """The largest element of each bag in each column; the bags as rows of one table."""
    if skip is not None:
        kept = (flat != skip).nonzero().reshape(-1)
        flat, bag = flat.index_select(0, kept), bag.index_select(0, kept)
    count = bag.bincount(minlength=bags + 1)
    longest = int(count[:bags].max().item()) if bags else 0
    if not longest:  # zeros, which hang in the graph
        nothing = Embedding(skip, False)(weight, flat[:0])
        return EmbeddingGradient(None, False, (bags, weight.shape[1]))(nothing, bag[:0])
    # Row b of places: where the indices of bag b stand in flat, then anything.
    xp, wrap = weight._device.xp, lambda array: Tensor._wrap(array, weight._device)
    step = wrap(xp.arange(longest))
    inside = step < count[:bags].unsqueeze(1)
    first = (count.cumsum(0) - count)[:bags].unsqueeze(1)
    places = (first + step).masked_fill(~inside, 0)
    y = Embedding(skip, False)(weight, flat[places]).masked_fill(~inside.unsqueeze(2), -math.inf)
    return y.max(1)[0].masked_fill((count[:bags] == 0).unsqueeze(1), 0.0)


def _bags(input: Tensor, offsets: Tensor | None, ends: bool) -> tuple[Tensor, int]:
    """For every index the number of its bag, and how many bags there are."""
    xp, wrap = input._device.xp, lambda array: Tensor._wrap(array, input._device)
    if offsets is None:
        size = input.shape[1]
        return wrap(xp.arange(input.shape[0] * size) // max(size, 1)), input.shape[0]
    starts = offsets._array
    if ends and not starts.size:
        raise ShapeError(
            "embedding_bag: with include_last_offset there is one offset at least; got shape (0,)"
        )
    if starts.size and offsets._device.type == "cpu":  # a GPU is not waited for
        rising = bool((starts[1:] >= starts[:-1]).all())
        if starts[0] != 0 or not rising or starts[-1] > input.shape[0]:
            raise ValueError(
                "embedding_bag: offsets must begin with 0, not fall, and not pass the input's"
                f" length {input.shape[0]}; got {starts.tolist()!r:.60}"
            )
    bags = starts.size - ends
    if not starts.size:  # all indices are in no bag
        return wrap(xp.zeros(input.shape, "int64")), 0
    bag = xp.searchsorted(starts, xp.arange(input.shape[0], dtype=starts.dtype), side="right") - 1
    return wrap(bag.astype("int64", copy=False)), bags


def _check(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None,
    mode: str,
    per_sample_weights: Tensor | None,
    by_frequency: bool,
) -> None:
    name = "embedding_bag"
    if weight.ndim != 2:
        raise ShapeError(f"{name}: weight must be (V, D); got shape {weight.shape}")
    if input.ndim not in (1, 2):
        raise ShapeError(f"{name}: input must be (B, N) or (n,); got shape {input.shape}")
    if (input.ndim == 1) != (offsets is not None):
        given = "none" if offsets is None else f"offsets of shape {offsets.shape}"
        raise ValueError(
            f"{name}: offsets go with an input of one dimension, and with no other; got {given}"
            f" and an input of shape {input.shape}"
        )
    if offsets is not None and (offsets.ndim != 1 or offsets.dtype.category != 1):
        raise DTypeError(
            f"{name}: offsets must be integers, (B,); got {offsets.dtype}, shape {offsets.shape}"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode must be sum, mean or max; got {mode!r}")
    if mode == "max" and by_frequency:
        raise ValueError(f"{name}: scale_grad_by_freq has no meaning for mode max; got True")
    if per_sample_weights is not None:
        if mode != "sum":
            raise ValueError(f"{name}: per_sample_weights go with mode sum; got mode {mode!r}")
        if per_sample_weights.shape != input.shape or per_sample_weights.dtype is not weight.dtype:
            raise ShapeError(
                f"{name}: per_sample_weights must have the input's shape {input.shape} and the"
                f" weight's dtype {weight.dtype}; got {per_sample_weights.shape} and"
                f" {per_sample_weights.dtype}"
            )


def _reference(np: Any, i: Any, w: Any, mode: str = "mean", padding_idx: Any = None) -> Any:
    y = np.zeros((len(i), w.shape[1]))
    for b, bag in enumerate(i):
        rows = w[[n for n in bag if n != padding_idx]]
        if len(rows):
            y[b] = getattr(rows, mode)(0)
    return y


def _case(*shapes: tuple[int, ...], **kwargs: Any) -> Case:
    return Case(list(shapes), kwargs, 0, 4, ("int64", "float32", "int64"))


spec(
    embedding_bag,
    cases=[
        *[_case((3, 4), (4, 2), mode=mode) for mode in ("sum", "mean", "max")],
        *[_case((3, 2), (4, 2), mode=mode, padding_idx=2) for mode in ("sum", "mean", "max")],
        _case((0, 3), (4, 2)),
        _case((3, 0), (4, 2), mode="max"),
    ],
    reference=_reference,
    errors=[
        (_case((3,), (4, 2)), ValueError, "offsets go with an input of one dimension.*got none"),
        (_case((3, 2), (4, 2), (3,)), ValueError, "offsets go with an input of one dimension"),
        (_case((3, 2, 1), (4, 2)), ShapeError, r"input must be \(B, N\) or \(n,\)"),
        (_case((3, 2), (4,)), ShapeError, r"weight must be \(V, D\); got shape \(4,\)"),
        (_case((3, 2), (4, 2), mode="min"), ValueError, "mode must be sum, mean or max"),
        (_case((3, 2), (4, 2), padding_idx=4), IndexError, r"must be in \[-4, 3\]; got 4"),
        (
            _case((3, 2), (4, 2), mode="max", scale_grad_by_freq=True),
            ValueError,
            "scale_grad_by_freq has no meaning",
        ),
    ],
)

"""Indices: x[...] with everything Python allows, writing there, gather and scatter, embeddings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
from hypothesis import strategies as st

from .calls import Call
from .tensors import DTYPES, Draw, Drawn, dim, maybe, pick, shapes, tensor, words


def places(
    draw: Draw, shape: tuple[int, ...], size: int, dtype: str = "int64", negative: bool = False
) -> Drawn:
    """A tensor of indices below ``size``; once in a while one is too large."""
    drawn = tensor(draw, shape, (dtype,), ("plain",))
    rng = numpy.random.default_rng(draw(st.integers(0, 99)))
    low = -size if negative else 0
    values = rng.integers(low, max(size, low + 1), drawn.base.shape)
    if values.size and draw(st.integers(0, 19)) == 19:
        values = values + size
    return replace(drawn, base=values)


def _index(draw: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A tuple of slices, numbers, None, ..., masks and tensors of indices."""
    found: list[Any] = []
    left = list(shape)
    together = draw(shapes(0, 2, 0, 3))  # the shape of all tensors of indices
    while left and draw(st.integers(0, 4)):
        size = left[0]
        form = draw(st.sampled_from(["slice", "number", "none", "tensor", "mask", "list", "bool"]))
        if form == "none":
            found.append(None)
            continue
        left.pop(0)
        if form == "slice":
            ends = [draw(st.one_of(st.none(), st.integers(-size - 1, size + 1))) for _ in "ab"]
            found.append(slice(*ends, draw(st.sampled_from([None, 1, 2, 3]))))
        elif form == "number":
            found.append(draw(st.integers(-size - (size == 0), max(size - 1, 0))))
        elif form == "tensor":
            found.append(places(draw, together, size, pick(draw, "int64", "int32"), negative=True))
        elif form == "mask":
            found.append(tensor(draw, (size,), ("bool",)))
        elif form == "list":
            found.append([draw(st.integers(-max(size, 1), max(size - 1, 0))) for _ in range(2)])
        else:
            found.append(slice(None))
    if draw(st.integers(0, 3)) == 3:
        found.insert(draw(st.integers(0, len(found))), Ellipsis)
    return tuple(found)


def read(draw: Draw) -> Call:
    shape = draw(shapes())
    x = tensor(draw, shape)
    if draw(st.integers(0, 5)) == 5:
        mask = shape[: draw(st.integers(0, len(shape)))]
        return Call("Tensor.__getitem__", (x, tensor(draw, mask, ("bool",))))
    index = _index(draw, shape)
    if len(index) == 1 and draw(st.booleans()):
        index = index[0]  # type: ignore[assignment]
    return Call("Tensor.__getitem__", (x, index))


def write(draw: Draw) -> Call:
    shape = draw(shapes())
    x = tensor(draw, shape)
    index = _index(draw, shape)
    value: Any = pick(draw, 2, -0.5, True, float("nan"))
    if draw(st.booleans()):
        value = tensor(draw, pick(draw, (), (1,)), (x.dtype,) if draw(st.booleans()) else DTYPES)
    if draw(st.integers(0, 5)) == 5:
        mask = shape[: draw(st.integers(0, len(shape)))]
        return Call("Tensor.__setitem__", (x, tensor(draw, mask, ("bool",)), value))
    return Call("Tensor.__setitem__", (x, index, value))


def along(draw: Draw) -> Call:
    """Functions that take a tensor of indices along a dim."""
    name = pick(draw, *ALONG)
    shape = draw(shapes(1 if draw(st.integers(0, 5)) else 0, 3))
    at, n = dim(draw, len(shape)), len(shape)
    x = tensor(draw, shape)
    size = shape[at] if -n <= at < n else 1
    plain = name.removeprefix("Tensor.").rstrip("_")
    if plain == "take":
        return Call(name, (x, places(draw, draw(shapes(0, 2)), x.base.size, negative=True)))
    if plain in ("index_select", "index_add", "index_copy", "index_fill"):
        count = draw(st.integers(0, 4))
        if plain == "index_copy":
            count = min(count, size)
        index = places(draw, (count,), size, pick(draw, "int64", "int64", "int32"))
        if plain == "index_copy":  # no place twice: which one wins is left open
            in_order = numpy.arange(count) % max(size, 1)
            index = replace(index, base=in_order, steps=())
        if plain == "index_select":
            return Call(name, (x, at, index))
        if plain == "index_fill":
            return Call(name, (x, at, index, pick(draw, 2, -0.5, True)))
        source = [count if d == at % n else s for d, s in enumerate(shape)] if n else []
        given = maybe(draw, {"alpha": lambda: pick(draw, 2, -1)}) if plain == "index_add" else {}
        return Call(name, (x, at, index, tensor(draw, source, (x.dtype,))), given)
    smaller = tuple(draw(st.integers(0, s)) for s in shape)
    if plain in ("gather", "take_along_dim"):
        free = tuple(
            draw(st.integers(0, 4)) if d == at % max(n, 1) else s for d, s in enumerate(smaller)
        )
        if plain == "take_along_dim":
            free = tuple(
                f if d == at % max(n, 1) else s
                for d, (f, s) in enumerate(zip(free, shape, strict=True))
            )
            return Call(name, (x, places(draw, free, size), at))
        return Call(name, (x, at, places(draw, free, size)))
    if plain == "scatter":
        smaller = tuple(min(s, 1) if d == at % max(n, 1) else s for d, s in enumerate(smaller))
    index = places(draw, smaller, size)
    if plain == "scatter" and draw(st.booleans()):
        return Call(name, (x, at, index, pick(draw, 2, -0.5, True)))
    more = tuple(s + draw(st.integers(0, 1)) for s in smaller)
    return Call(name, (x, at, index, tensor(draw, more, (x.dtype,))))


ALONG = words(
    """
    gather scatter scatter_add take take_along_dim index_select index_add index_copy index_fill
    Tensor.gather Tensor.scatter_ Tensor.scatter_add_ Tensor.index_add_ Tensor.index_copy_
    Tensor.index_fill_
    """
)


def looked_up(draw: Draw) -> Call:
    name = pick(draw, "embedding", "one_hot", "embedding_bag", "masked_select")
    count, width = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    index = places(draw, draw(shapes(0, 3)), count, pick(draw, "int64", "int32"))
    if name == "masked_select":
        shape = draw(shapes(0, 3))
        mask = tuple(1 if draw(st.booleans()) else s for s in shape)
        return Call(name, (tensor(draw, shape), tensor(draw, mask, ("bool",))))
    if name == "one_hot":
        return Call("nn.functional.one_hot", (index,), maybe(draw, {"num_classes": lambda: count}))
    table = tensor(draw, (count, width), ("float32", "float64", "bfloat16"))
    given: dict[str, Any] = {}
    if name == "embedding_bag":
        index = places(draw, draw(shapes(1, 2)), count)
        given = {"mode": pick(draw, "sum", "mean", "max")}
        if len(index.shape) == 1:
            given["offsets"] = tensor(draw, (1,), ("int64",), plain=True)
            given["offsets"] = replace(given["offsets"], base=numpy.zeros(1, "int64"))
    given |= maybe(draw, {"padding_idx": lambda: draw(st.integers(-count - 1, count))})
    return Call(f"nn.functional.{name}", (index, table), given)


FAMILIES = {"read": read, "write": write, "indexed along": along, "looked up": looked_up}

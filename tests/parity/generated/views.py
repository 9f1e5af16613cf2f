"""Shapes and views: what is a view, its strides, and that writing into one shows in the other."""

from __future__ import annotations

from math import prod
from typing import Any

from hypothesis import strategies as st

from .calls import Call, Dtype
from .tensors import DTYPES, Draw, broadcast, dim, maybe, pick, shapes, tensor, words


def _reshaped(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Other sizes of as many elements; one may be -1; sometimes they don't fit."""
    left, sizes = prod(shape), []
    for _ in range(draw(st.integers(0, 3))):
        divisors = [d for d in range(1, left + 1) if left % d == 0] or [0, 1]
        sizes.append(draw(st.sampled_from(divisors)))
        left = left // sizes[-1] if sizes[-1] else 0
    sizes.insert(draw(st.integers(0, len(sizes))), left)
    if draw(st.booleans()):
        sizes[draw(st.integers(0, len(sizes) - 1))] = -1
    if draw(st.integers(0, 19)) == 19:
        sizes.append(2)
    return tuple(sizes)


def _arguments(draw: Draw, name: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
    n = len(shape)
    if name in ("reshape", "view"):
        return (_reshaped(draw, shape),)
    if name == "flatten":
        return pick(draw, (), (dim(draw, n),), (dim(draw, n), dim(draw, n)))
    if name == "unflatten":
        at = dim(draw, n)
        sizes = _reshaped(draw, (shape[at],)) if -n <= at < n else (1,)
        return at, sizes
    if name == "permute":
        order = list(draw(st.permutations(range(n))))
        return (tuple(d - n if draw(st.booleans()) else d for d in order),)
    if name in ("transpose", "swapaxes", "movedim", "moveaxis"):
        return dim(draw, n), dim(draw, n)
    if name == "squeeze":
        return pick(draw, (), (dim(draw, n),), ((dim(draw, n), dim(draw, n)),))
    if name in ("unsqueeze", "unbind"):
        return (dim(draw, n + (name == "unsqueeze")),)
    if name in ("expand", "broadcast_to"):
        start = draw(st.lists(st.integers(0, 3), max_size=2))
        kept = [-1 if draw(st.booleans()) and name == "expand" else s for s in shape]
        ends = [draw(st.integers(0, 3)) if s == 1 and draw(st.booleans()) else s for s in kept]
        return ((*start, *ends),)
    at = dim(draw, n)
    size = shape[at] if -n <= at < n else 2
    if name == "narrow":
        start = draw(st.integers(-size, size))
        return at, start, draw(st.integers(0, max(size - max(start, 0), 0)))
    if name == "select":
        return at, draw(st.integers(-size - (size == 0), max(size - 1, 0)))
    if name == "unfold":
        return at, draw(st.integers(0, size)), draw(st.integers(1, 3))
    if name == "diagonal":
        return pick(draw, (), (draw(st.integers(-3, 3)), dim(draw, n), dim(draw, n)))
    if name == "chunk":
        return draw(st.integers(1, 4)), at
    if name == "split":
        sizes: Any = draw(st.integers(1, 4))
        if draw(st.booleans()):
            cut = draw(st.integers(0, size))
            sizes = [cut, size - cut]
        return sizes, at
    return ()


VIEWS = words(
    """
    reshape flatten unflatten permute transpose swapaxes movedim squeeze unsqueeze unbind
    broadcast_to narrow select diagonal chunk split ravel t
    """
)
VIEW_METHODS = words("view expand unfold T mT")


def view(draw: Draw) -> Call:
    shape = draw(shapes())
    if draw(st.booleans()):
        name = pick(draw, *[f"Tensor.{m}" for m in (*VIEWS, *VIEW_METHODS)])
    else:
        name = pick(draw, *VIEWS)
    plain = name.removeprefix("Tensor.")
    x = tensor(draw, shape, grad=True)
    if plain in ("T", "mT"):
        return Call("Tensor.permute", (x, tuple(range(len(shape)))[::-1]), note="view")
    return Call(name, (x, *_arguments(draw, plain, shape)), note="view")


def copy(draw: Draw) -> Call:
    """What moves elements into new memory."""
    name = pick(draw, *COPIES)
    shape = draw(shapes())
    n = len(shape)
    x = tensor(draw, shape)
    several = tuple(dim(draw, n) for _ in range(draw(st.integers(0, 2))))
    if name == "flip":
        return Call(name, (x, several))
    if name == "roll":
        shift = draw(st.integers(-5, 5))
        if draw(st.booleans()):
            return Call(name, (x, shift))
        return Call(name, (x, tuple(shift + i for i in range(len(several))), several))
    if name in ("tile", "Tensor.repeat"):
        return Call(name, (x, tuple(draw(st.lists(st.integers(0, 2), max_size=5)))))
    if name == "repeat_interleave":
        at = pick(draw, None, dim(draw, n))
        return Call(name, (x, draw(st.integers(0, 3))), {} if at is None else {"dim": at})
    if name in ("triu", "tril", "diag"):
        return Call(name, (x, draw(st.integers(-3, 3))))
    if name == "Tensor.to":
        target = Dtype(pick(draw, *DTYPES))
        safe = x.dtype not in ("float16", "bfloat16", "float32", "float64") or x.kind != "special"
        kept = safe or target.name in ("float16", "bfloat16", "float32", "float64", "bool")
        return Call(name, (x, target if kept else Dtype("float64")))
    if name == "Tensor.sum_to_size":
        return Call(name, (x, tuple(1 if draw(st.booleans()) else s for s in shape)))
    return Call(name, (x,))


COPIES = words(
    """
    flip roll tile Tensor.repeat repeat_interleave triu tril diag Tensor.to Tensor.clone
    Tensor.contiguous Tensor.sum_to_size zeros_like ones_like
    """
)


def joined(draw: Draw) -> Call:
    name = pick(draw, "cat", "stack", "hstack", "vstack", "meshgrid", "broadcast_tensors")
    count = draw(st.integers(1, 3))
    if name == "meshgrid":
        sizes = [draw(shapes(0, 1)) for _ in range(count)]
        dtypes = (pick(draw, *DTYPES),)
        parts = [tensor(draw, s, dtypes) for s in sizes]
        return Call(name, tuple(parts), {"indexing": pick(draw, "ij", "xy")})
    if name == "broadcast_tensors":
        return Call(name, tuple(tensor(draw, s) for s in broadcast(draw, count)))
    shape = draw(shapes(0 if draw(st.integers(0, 9)) == 9 else 1))
    at = dim(draw, len(shape) + (name == "stack"))
    parts = []
    for _ in range(count):
        own = list(shape)
        joins = {"cat": at, "hstack": min(len(shape), 2) - 1, "vstack": 0}.get(name)
        if joins is not None and -len(shape) <= joins < len(shape):
            own[joins] = draw(st.integers(0, 3))
        parts.append(tensor(draw, own))
    return Call(name, (parts,), {"dim": at} if name in ("cat", "stack") else {})


def made(draw: Draw) -> Call:
    """New tensors of numbers."""
    name = pick(
        draw, "arange", "linspace", "full", "zeros", "ones", "eye", "logspace", "tril_indices"
    )
    given = maybe(draw, {"dtype": lambda: Dtype(pick(draw, *DTYPES))})
    number = pick(draw, 0, 1, -1, 3, 5, 2.5, -0.5, 0.1)
    if name == "arange":
        ends = pick(draw, (number,), (number, 4), (number, 5.5, 0.5), (4, number, -1), (0, 7, 3))
        return Call(name, ends, given)
    if name in ("linspace", "logspace"):
        return Call(name, (number, pick(draw, 2, -3.5, 7), draw(st.integers(0, 7))), given)
    if name == "full":
        return Call(name, (draw(shapes()), pick(draw, 2, 0.5, True, -1)), given)
    if name == "eye":
        return Call(name, tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=2))), given)
    if name == "tril_indices":
        n = [draw(st.integers(0, 4)) for _ in range(2)]
        return Call(pick(draw, "tril_indices", "triu_indices"), (*n, draw(st.integers(-3, 3))))
    return Call(name, (draw(shapes()),), given)


FAMILIES = {"views": view, "copies": copy, "joined": joined, "made": made}

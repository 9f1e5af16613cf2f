"""Tensors of all kinds, drawn by hypothesis: shapes, dtypes, layouts in memory, values.

A drawn tensor is a description, from which each library makes its own, and which prints itself as
the expression that makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
from hypothesis import strategies as st

from tests.parity.library import FLOATS

Draw = Callable[[st.SearchStrategy[Any]], Any]

INTEGERS = ("int64", "int32", "uint8", "int8", "int16")
DTYPES = ("float32", "float64", "int64", "bool", "float16", "bfloat16", *INTEGERS[1:])
SPECIAL = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0)
# Largest, smallest normal and smallest of all numbers, and a step at 1, of each dtype.
EXTREME = {
    "float16": (65504.0, 6.104e-05, 6e-08, 1.001, 300.0),
    "bfloat16": (3.3e38, 1.2e-38, 1e-40, 1.0078125, 1e20),
    "float32": (3.4e38, 1.2e-38, 1e-45, 1.0000001, 1e20),
    "float64": (1.7e308, 2.3e-308, 5e-324, 1.0000000000000002, 1e200),
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A tensor: numbers, their dtype, and the steps from a dense tensor to it."""

    base: Any  # a NumPy array of float64, int64 or bool
    dtype: str
    steps: tuple[tuple[str, tuple[Any, ...]], ...] = ()  # methods and their arguments
    grad: bool = False
    kind: str = "plain"  # what kind of values
    shape: tuple[int, ...] = field(default=())

    def make(self, root: Any) -> Any:
        """The tensor of torch or of lucid."""
        made = root.tensor(self.base).to(getattr(root, self.dtype))
        for method, args in self.steps:
            if method == "channels_last":
                made = made.contiguous(memory_format=root.channels_last)
            else:
                made = getattr(made, method)(*args)
        made = made.detach()
        return made.requires_grad_() if self.grad else made

    @property
    def floating(self) -> bool:
        return self.dtype in FLOATS

    def __repr__(self) -> str:
        if self.base.size:
            numbers = f"lib.tensor({self.base.tolist()}, dtype=lib.{self.dtype})"
        else:
            numbers = f"lib.zeros({self.base.shape}, dtype=lib.{self.dtype})"
        return numbers + "".join(map(_step, self.steps)) + ".requires_grad_()" * self.grad


def _step(step: tuple[str, tuple[Any, ...]]) -> str:
    method, args = step
    if method == "channels_last":
        return ".contiguous(memory_format=lib.channels_last)"
    if method == "__getitem__":
        return f"[{shown(args[0])[1:-1]}]"
    return f".{method}({', '.join(map(str, args))})"


def shown(value: Any) -> str:
    """The expression of an argument."""
    if isinstance(value, slice):
        ends = [("" if e is None else str(e)) for e in (value.start, value.stop)]
        return ":".join(ends) + (f":{value.step}" if value.step is not None else "")
    if value is Ellipsis:
        return "..."
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value)


def numbers(rng: Any, shape: Sequence[int], dtype: str, kind: str) -> Any:
    """An array of the values of this kind, rounded to the dtype when the tensor is made."""
    shape = tuple(shape)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype not in FLOATS:
        values = rng.integers(0 if dtype == "uint8" else -4, 5, shape)
        if kind == "extreme" and values.size:
            limits = numpy.iinfo(dtype)
            values = rng.choice([limits.min, limits.max, limits.min + 1, 0, 1, 2, 7], shape)
        return numpy.asarray(numpy.abs(values) if kind in ("positive", "unit") else values)
    if kind == "unit":
        return numpy.asarray(rng.integers(1, 32, shape) / 32)
    if kind == "ties":
        return numpy.asarray(rng.integers(-4, 5, shape) / 2)
    values = numpy.asarray(rng.integers(-200, 201, shape) / 64 + 1 / 128)  # exact in bfloat16, near
    if kind == "positive":
        return numpy.abs(values) + 0.125
    some = {"special": SPECIAL, "extreme": (*EXTREME[dtype], *(-v for v in EXTREME[dtype]))}
    if kind in some and values.size:
        odd = rng.choice(some[kind], values.shape)
        values = numpy.where(rng.integers(0, 2, values.shape) == 0, odd, values)
    return values


def shapes(
    least: int = 0, most: int = 4, smallest: int = 0, largest: int = 4
) -> st.SearchStrategy[tuple[int, ...]]:
    """Numbers of elements along the dimensions; 1 and 0 are as likely as others."""
    size = st.integers(smallest, largest)
    return st.lists(size, min_size=least, max_size=most).map(tuple)


def tensor(
    draw: Draw,
    shape: Sequence[int],
    dtypes: Sequence[str] = DTYPES,
    kinds: Sequence[str] = ("plain", "ties", "special"),
    grad: bool = True,
    plain: bool = False,
) -> Drawn:
    """A tensor of this shape: dtype, layout and values are drawn; plain: dense."""
    shape = tuple(shape)
    dtype, kind = draw(st.sampled_from(dtypes)), draw(st.sampled_from(kinds))
    rng = numpy.random.default_rng(draw(st.integers(0, 999)))
    layout = "dense" if plain else draw(st.sampled_from(_layouts(shape)))
    base, steps = _laid_out(draw, shape, layout)
    grad = grad and dtype in FLOATS and draw(st.booleans())
    return Drawn(numbers(rng, base, dtype, kind), dtype, steps, grad, kind, shape)


def _layouts(shape: tuple[int, ...]) -> list[str]:
    found = ["dense", "stepped"]
    if len(shape) > 1:
        found.append("permuted")
    if shape:
        found.append("expanded")
    if len(shape) == 4:
        found.append("channels_last")
    return found


def _laid_out(
    draw: Draw, shape: tuple[int, ...], layout: str
) -> tuple[tuple[int, ...], tuple[tuple[str, tuple[Any, ...]], ...]]:
    """The dense shape from which the steps lead to ``shape``."""
    n = len(shape)
    if layout == "permuted":
        order = tuple(draw(st.permutations(range(n))))
        base = [0] * n
        for place, dim in enumerate(order):
            base[dim] = shape[place]
        return tuple(base), (("permute", order),)
    if layout == "expanded":
        dim = draw(st.integers(0, n - 1))
        return (*shape[:dim], 1, *shape[dim + 1 :]), (("expand", shape),)
    if layout == "stepped" and not n:
        return (3,), (("__getitem__", ((1,),)),)  # a number within others
    if layout == "stepped":
        dim, step = draw(st.integers(0, n - 1)), draw(st.integers(1, 3))
        at = (*[slice(None)] * dim, slice(1, 1 + step * shape[dim], step))
        return (*shape[:dim], 1 + step * shape[dim], *shape[dim + 1 :]), (("__getitem__", (at,)),)
    if layout == "channels_last":
        return shape, (("channels_last", ()),)
    return shape, ()


def broadcast(draw: Draw, count: int, most: int = 4) -> list[tuple[int, ...]]:
    """Shapes that fit together, nearly always; 0-d and fewer dimensions among them."""
    whole = draw(shapes(0, most))
    found = []
    for _ in range(count):
        start = draw(st.integers(0, len(whole)))
        ones = draw(st.integers(0, 15))
        found.append(tuple(1 if ones >> i & 1 else n for i, n in enumerate(whole[start:])))
    if whole and draw(st.integers(0, 19)) == 19:
        found[0] = (*found[0][:-1], whole[-1] + 1)  # and sometimes they don't
    return found


def dim(draw: Draw, n: int) -> int:
    """A dimension of n, negative too; once in a while none of them."""
    if draw(st.integers(0, 24)) == 24:
        return draw(st.sampled_from([n, -n - 1, n + 3]))
    return draw(st.integers(-max(n, 1), max(n, 1) - 1))


def maybe(draw: Draw, given: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Some of the keyword arguments."""
    return {k: make() for k, make in given.items() if draw(st.booleans())}


def pick(draw: Draw, *values: Any) -> Any:
    return draw(st.sampled_from(values))


def words(text: str) -> list[str]:
    return text.split()

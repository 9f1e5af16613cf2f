"""The tensors of a cuDNN graph, and what a problem tells so that a graph can be made of it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

_TYPES = {"float16": "HALF", "bfloat16": "BFLOAT16", "float32": "FLOAT", "float64": "DOUBLE"}


class Layout(NamedTuple):
    """An array's shape, and its strides counted in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def order(self) -> str:
        """``contiguous`` or ``channels_last``."""
        return "contiguous" if self.strides[1] != 1 else "channels_last"


@lru_cache(maxsize=4096)
def layout_of(shape: tuple[int, ...], channels_last: bool) -> Layout:
    """Of an array (N, C, *) without gaps. Strides along lengths of 1, which may be anything in the
    array itself, are what the order says."""
    n = len(shape)
    order = (0, *range(2, n), 1) if channels_last else range(n)
    strides, step = [0] * n, 1
    for d in reversed(order):
        strides[d] = step
        step *= shape[d]
    return Layout(shape, tuple(strides))


def per_channel(channels: int, dimensions: int) -> Layout:
    """One value per channel, to broadcast with (N, C, *)."""
    return layout_of((1, channels, *(1,) * (dimensions - 2)), True)


class Operand(NamedTuple):
    """One array of a problem; its place among a plan's arguments is its number in the graph."""

    layout: Layout
    dtype: str

    def bytes(self) -> int:
        size = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}[self.dtype]
        pairs = zip(*self.layout, strict=True)
        return size * (1 + sum((n - 1) * step for n, step in pairs))


class Problem(Protocol):
    """All that a plan depends on; hashable. Its str() is what messages say."""

    @property
    def dtype(self) -> str: ...

    def operands(self) -> dict[int, Operand]:
        """Arrays by their numbers 1, 2, ... in the order in which Plan.run takes them."""

    def numbers(self) -> dict[int, float]:
        """float32 settings by their numbers, which lie on the host."""

    def unwanted(self) -> list[str]:
        """Numerical notes of the engines that may not be used."""

    def draw(self, sketch: Sketch) -> Mapping[int, Any]:
        """Make the graph; its answers by their numbers."""


class Sketch:
    """A pygraph in the making, on the operands of a problem."""

    def __init__(self, frontend: Any, problem: Problem, place: Mapping[str, Any]):
        self._types = {name: getattr(frontend.data_type, kind) for name, kind in _TYPES.items()}
        self.compute = self._types["float64" if problem.dtype == "float64" else "float32"]
        self.graph = frontend.pygraph(
            io_data_type=self._types[problem.dtype],
            intermediate_data_type=self.compute,
            compute_data_type=self.compute,
            **place,
        )
        self._operands = problem.operands()
        for number, tensor in problem.draw(self).items():
            layout, dtype = self._operands[number]
            tensor.set_output(True).set_data_type(self._types[dtype]).set_uid(number)
            # Not always known from the inputs: of a gradient neither size nor order is.
            tensor.set_dim(list(layout.shape)).set_stride(list(layout.strides))

    def given(self, number: int) -> Any:
        """An input of the graph."""
        layout, dtype = self._operands[number]
        return self.graph.tensor(
            name=f"operand{number}", dim=list(layout.shape), stride=list(layout.strides),
            data_type=self._types[dtype], uid=number,
        )  # fmt: skip

    def number(self, number: int, dimensions: int) -> Any:
        """A float32 that is read from the host when the graph is executed."""
        ones = [1] * dimensions
        return self.graph.tensor(
            name=f"number{number}", dim=ones, stride=ones, data_type=self._types["float32"],
            is_pass_by_value=True, uid=number,
        )  # fmt: skip

    def between(self, tensor: Any, layout: Layout) -> Any:
        """A tensor that lies nowhere: unrounded, read by the next operation only."""
        tensor.set_data_type(self.compute)
        return tensor.set_dim(list(layout.shape)).set_stride(list(layout.strides))


class Numbers:
    """A problem's numbers in the host's memory, for as long as this object lives."""

    def __init__(self, problem: Problem):
        self._held = {uid: ctypes.c_float(value) for uid, value in problem.numbers().items()}
        self.pointers = {uid: ctypes.addressof(value) for uid, value in self._held.items()}

    def beside(self, numbers: Sequence[int], addresses: Sequence[int]) -> dict[int, int]:
        """All that cuDNN wants to know at execution: pointers by number."""
        return {**dict(zip(numbers, addresses, strict=True)), **self.pointers}

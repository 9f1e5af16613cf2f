"""oneDNN's memory layouts and primitives as Python objects that are quick to call.

A primitive is made once for a problem and may run in several threads at once; the argument array
of a run, whose memory objects only get new addresses, belongs to one run at a time and goes back
to its primitive for the next.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lucid.backend.cpu.onednn.library import Handle, Library, check
from lucid.backend.cpu.threads import scratch

__all__ = ["Layout", "Primitive", "address", "dims", "in_lines", "room"]

_UNIMPLEMENTED = 3
_ANY, _F32, _USER = 1, 3, 1  # format tag, data type, scratchpad mode
_QUERY_SCRATCHPAD, _ARG_SCRATCHPAD = 136, 80
_ARG_FROM, _ARG_TO = 1, 17
_LINE = 64  # bytes: vectors are loaded fastest from addresses that it divides


def dims(values: Sequence[int]) -> Any:
    """A C array of 64 bit integers."""
    return (ctypes.c_int64 * len(values))(*values)


def address(array: np.ndarray) -> int:
    """Where an array's first element is."""
    return array.__array_interface__["data"][0]


def in_lines(nbytes: int) -> int:
    """Rounded up to whole cache lines."""
    return -(-nbytes // _LINE) * _LINE


def room(name: str, nbytes: int) -> int:
    """The address of this thread's scratch memory of that name, at the start of a cache line."""
    return in_lines(address(scratch(name, nbytes + _LINE, np.uint8)))


class Layout:
    """How the elements of a float32 array lie in memory; without strides, as oneDNN likes."""

    def __init__(
        self, lib: Library, shape: Sequence[int], strides: Sequence[int] | None = None
    ) -> None:
        self.lib, self.handle = lib, Handle()
        made = ctypes.byref(self.handle)
        if strides is None:
            status = lib.quick.dnnl_memory_desc_create_with_tag(
                made, len(shape), dims(shape), _F32, _ANY
            )
        else:
            status = lib.quick.dnnl_memory_desc_create_with_strides(
                made, len(shape), dims(shape), _F32, dims(strides)
            )
        check(status, f"a layout of {tuple(shape)} with strides {strides}")

    @classmethod
    def copy(cls, lib: Library, handle: Any) -> Layout:
        """A layout that oneDNN chose and owns."""
        self = cls.__new__(cls)
        self.lib, self.handle = lib, Handle()
        check(lib.quick.dnnl_memory_desc_clone(ctypes.byref(self.handle), handle), "a layout")
        return self

    @property
    def nbytes(self) -> int:
        return self.lib.quick.dnnl_memory_desc_get_size(self.handle)

    def __eq__(self, other: object) -> bool:
        same = self.lib.quick.dnnl_memory_desc_equal
        return isinstance(other, Layout) and bool(same(self.handle, other.handle))

    def __hash__(self) -> int:
        raise TypeError("oneDNN: a Layout is compared, never hashed")

    def __del__(self) -> None:
        self.lib.quick.dnnl_memory_desc_destroy(self.handle)


class Primitive:
    """A computation on arrays of fixed layouts: call it with their addresses, in order.

    `create(desc, attributes)` makes its description. `slots`: for each array the argument number
    of the C interface, and either its Layout or the number that asks the description for it.
    """

    def __init__(
        self,
        lib: Library,
        create: Callable[[Any, Any], int],
        slots: Sequence[tuple[int, Layout | int]],
    ) -> None:
        self.lib, self.handle, self.runs = lib, Handle(), deque[_Run]()
        quick, attributes, desc = lib.quick, Handle(), Handle()
        check(quick.dnnl_primitive_attr_create(ctypes.byref(attributes)), "attributes")
        check(quick.dnnl_primitive_attr_set_scratchpad_mode(attributes, _USER), "attributes")
        status = create(ctypes.byref(desc), attributes)
        quick.dnnl_primitive_attr_destroy(attributes)
        if status == _UNIMPLEMENTED:
            raise NotImplementedError("oneDNN has no such primitive")
        check(status, "the description of a primitive")
        try:
            self.layouts = [
                of if isinstance(of, Layout) else Layout.copy(lib, _query(quick, desc, of))
                for _, of in slots
            ]
            self.numbers = [number for number, _ in slots]
            scratchpad = Layout.copy(lib, _query(quick, desc, _QUERY_SCRATCHPAD))
            self.scratchpad = scratchpad.nbytes
            if self.scratchpad:
                self.layouts.append(scratchpad)
                self.numbers.append(_ARG_SCRATCHPAD)
            self.kind = _kind(quick, desc)
            check(quick.dnnl_primitive_create(ctypes.byref(self.handle), desc), "a primitive")
        finally:
            quick.dnnl_primitive_desc_destroy(desc)

    @classmethod
    def reorder(cls, lib: Library, source: Layout, target: Layout) -> Primitive | None:
        """From one layout to another; None where they are the same."""
        if source == target:
            return None

        def create(desc: Any, attributes: Any) -> int:
            return lib.quick.dnnl_reorder_primitive_desc_create(
                desc, source.handle, lib.engine, target.handle, lib.engine, attributes
            )

        return cls(lib, create, [(_ARG_FROM, source), (_ARG_TO, target)])

    def __call__(self, *addresses: int) -> None:
        try:
            run = self.runs.pop()
        except IndexError:  # all are under way in other threads
            run = _Run(self)
        if self.scratchpad:
            addresses = (*addresses, room("onednn scratchpad", self.scratchpad))
        run.execute(addresses)
        self.runs.append(run)

    def __del__(self) -> None:
        self.runs.clear()
        self.lib.quick.dnnl_primitive_destroy(self.handle)


class _Argument(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("memory", Handle)]


class _Run:
    """The argument array of a primitive, and a stream of its own."""

    def __init__(self, primitive: Primitive) -> None:
        lib = primitive.lib
        self.quick, self.primitive = lib.quick, primitive.handle
        self.call, self.place = (
            lib.work.dnnl_primitive_execute,
            lib.quick.dnnl_memory_set_data_handle,
        )
        self.stream = Handle()
        check(lib.quick.dnnl_stream_create(ctypes.byref(self.stream), lib.engine, 1), "a stream")
        self.memories = []
        for layout in primitive.layouts:
            memory = Handle()
            made = ctypes.byref(memory)
            check(lib.quick.dnnl_memory_create(made, layout.handle, lib.engine, None), "a memory")
            self.memories.append(memory)
        pairs = zip(primitive.numbers, self.memories, strict=True)
        self.arguments = (_Argument * len(self.memories))(*[_Argument(*pair) for pair in pairs])
        self.where = ctypes.addressof(self.arguments)

    def execute(self, addresses: Sequence[int]) -> None:
        for memory, at in zip(self.memories, addresses, strict=True):
            self.place(memory, at)
        status = self.call(self.primitive, self.stream, len(self.memories), self.where)
        if status:
            check(status, "running a primitive")

    def __del__(self) -> None:
        for memory in self.memories:
            self.quick.dnnl_memory_destroy(memory)
        self.quick.dnnl_stream_destroy(self.stream)


def _query(quick: Any, desc: Any, what: int) -> Any:
    return quick.dnnl_primitive_desc_query_md(desc, what, 0)


def _kind(quick: Any, desc: Any) -> str:
    """oneDNN's name for the implementation it chose."""
    text = ctypes.c_char_p()
    check(quick.dnnl_primitive_desc_query(desc, 8, 0, ctypes.byref(text)), "asking for a name")
    return (text.value or b"").decode()

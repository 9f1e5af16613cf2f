"""oneDNN's pooling of some samples and channels, in one thread: see pooling.py."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from lucid.backend.cpu.onednn.library import Handle, Library
from lucid.backend.cpu.onednn.parts import strides
from lucid.backend.cpu.onednn.primitive import Layout, Primitive, dims

__all__ = ["AVERAGE", "MAX", "Windows", "pool", "unpool"]

MAX, AVERAGE = 511, 767
_TRAINING, _INFERENCE = 64, 96
_SRC, _DST, _DIFF_SRC, _DIFF_DST, _WORKSPACE = 1, 17, 129, 145, 64
_ASK_WORKSPACE = 135
_BYTES = 4  # of a float32


class Windows(NamedTuple):
    """What is pooled: spatial sizes of x and y, and how windows lie."""

    kind: int
    numbered: bool
    extent: tuple[int, ...]
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    last: bool


@lru_cache(256)
def pool(lib: Library, windows: Windows, samples: int, channels: int) -> Primitive | None:
    """x, y (and numbers)."""
    x, y, spaces = _layouts(lib, windows, samples, channels)
    kind = _TRAINING if windows.numbered else _INFERENCE
    if spaces is None:
        return None

    def create(desc: Any, attributes: Any) -> int:
        return lib.quick.dnnl_pooling_forward_primitive_desc_create(
            desc, lib.engine, kind, windows.kind, x.handle, y.handle, *spaces, attributes
        )

    return _fast(lib, create, [(_SRC, x), (_DST, y)], windows.numbered)


@lru_cache(256)
def unpool(lib: Library, windows: Windows, samples: int, channels: int) -> Primitive | None:
    """dx, dy (and numbers)."""
    x, y, spaces = _layouts(lib, windows, samples, channels)
    if spaces is None:
        return None

    def create(desc: Any, attributes: Any) -> int:
        quick, hint = lib.quick, Handle()
        kinds = windows.kind, x.handle, y.handle
        status = quick.dnnl_pooling_forward_primitive_desc_create(
            ctypes.byref(hint), lib.engine, _TRAINING, *kinds, *spaces, None
        )
        if status:
            return status
        status = quick.dnnl_pooling_backward_primitive_desc_create(
            desc, lib.engine, *kinds, *spaces, hint, attributes
        )
        quick.dnnl_primitive_desc_destroy(hint)
        return status

    return _fast(lib, create, [(_DIFF_SRC, x), (_DIFF_DST, y)], windows.numbered)


def _layouts(
    lib: Library, windows: Windows, samples: int, channels: int
) -> tuple[Layout, Layout, list[Any] | None]:
    """Of x and of y; strides, kernel, dilation and padding; None where oneDNN refuses such."""
    x, y = ((samples, channels, *size) for size in (windows.extent, windows.size))
    after = []
    sides = zip(*windows[2:8], strict=True)
    for extent, size, kernel, stride, padding, dilation in sides:
        reach = dilation * (kernel - 1) + 1
        beyond = max(0, (size - 1) * stride + reach - extent - padding)
        fits = (extent + padding + beyond - reach) // stride + 1 == size
        if not fits or max(padding, beyond) >= reach:
            return Layout(lib, x), Layout(lib, y), None
        after.append(beyond)
    spaces = [dims(windows.stride), dims(windows.kernel), dims([d - 1 for d in windows.dilation])]
    spaces += [dims(windows.padding), dims(after)]
    laid_out = (Layout(lib, shape, strides(shape, windows.last)) for shape in (x, y))
    return *laid_out, spaces  # type: ignore[return-value]


def _fast(
    lib: Library,
    create: Callable[[Any, Any], int],
    slots: list[tuple[int, Layout | int]],
    numbered: bool,
) -> Primitive | None:
    if numbered:
        slots.append((_WORKSPACE, _ASK_WORKSPACE))
    with lib.one_thread():
        try:
            made = Primitive(lib, create, slots)
        except NotImplementedError:
            return None
    if numbered:  # one byte for each window, as lucid's own
        windows = made.layouts[1].nbytes // _BYTES
        if made.layouts[2].nbytes != windows:
            return None
    return None if made.kind.startswith("ref") else made

"""The rest of ndarray's methods, and its operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from ..settings import counters
from . import delegation, functions
from .array import _cupy, allocate, ndarray, view_of
from .delegation import in_bounds, run
from .streams import current_stream, enqueue, wait_for

_METHODS = {
    # name: CuPy's positional parameters
    "sum": ("axis", "dtype", "out", "keepdims"),
    "prod": ("axis", "dtype", "out", "keepdims"),
    "mean": ("axis", "dtype", "out", "keepdims"),
    "max": ("axis", "out", "keepdims"),
    "min": ("axis", "out", "keepdims"),
    "all": ("axis", "out", "keepdims"),
    "any": ("axis", "out", "keepdims"),
    "argmax": ("axis", "out", "dtype", "keepdims"),
    "argmin": ("axis", "out", "dtype", "keepdims"),
    "var": ("axis", "dtype", "out", "ddof", "keepdims"),
    "std": ("axis", "dtype", "out", "ddof", "keepdims"),
    "cumsum": ("axis", "dtype", "out"),
    "cumprod": ("axis", "dtype", "out"),
    "clip": ("min", "max", "out"),
    "take": ("indices", "axis", "out"),
    "repeat": ("repeats", "axis"),
    "round": ("decimals", "out"),
    "diagonal": ("offset", "axis1", "axis2"),
    "trace": ("offset", "axis1", "axis2", "dtype", "out"),
    "squeeze": ("axis",),
    "ravel": ("order",),
    "dot": ("b", "out"),
    "nonzero": (),
}
_VIEWS = {"diagonal", "squeeze", "ravel"}


def _method(name: str, parameters: tuple[str, ...]) -> Callable:
    def method(self: ndarray, *args: Any, **settings: Any) -> Any:
        if len(args) > len(parameters):
            raise TypeError(f"{name}: at most {len(parameters)} positional arguments")
        given = dict(zip(parameters, args, strict=False))
        unknown = set(settings) - set(parameters)
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown.pop()!r}")
        given.update(settings)
        if name in delegation.WAITING:
            wait_for(current_stream(), f"ndarray.{name}")
        if name in delegation.LIBRARIES:
            delegation.refuse_capture(name)
        out = given.pop("out", None)
        if name in ("argmax", "argmin"):
            given.pop("dtype", None)
        given = {k: v for k, v in given.items() if v is not None or k in ("min", "max")}
        return run(
            lambda a, **k: checked(lambda: getattr(a, name)(**k)),
            [self],
            given,
            out=out,
            copies=name not in _VIEWS,
        )

    checked = in_bounds if name == "take" else lambda work: work()
    method.__name__ = name
    return method


for _name, _parameters in _METHODS.items():
    setattr(ndarray, _name, _method(_name, _parameters))


def astype(
    self: ndarray,
    dtype: Any,
    order: str = "K",
    casting: Any = None,
    subok: Any = None,
    copy: bool = True,
) -> ndarray:
    dtype = numpy.dtype(dtype)
    if casting is not None and not numpy.can_cast(self.dtype, dtype, casting):
        raise TypeError(f"Cannot cast from {self.dtype} to {dtype} with casting rule {casting!r}")
    in_order = order in "KA" or self._array.flags[f"{order}_CONTIGUOUS"]
    if not copy and dtype == self.dtype and in_order:
        return self
    return _copied(self, dtype, order)


def copy(self: ndarray, order: str = "C") -> ndarray:
    return _copied(self, self.dtype, order)


def _copied(self: ndarray, dtype: numpy.dtype, order: str) -> ndarray:
    fresh = allocate(self.shape, dtype, order, like=self._array)
    source, target = self._array, fresh._array

    def work() -> None:
        with numpy.errstate(all="ignore"):
            numpy.copyto(target, source, casting="unsafe")

    if dtype == self.dtype:
        counters.d2d += 1
    else:
        counters.operations += 1
    enqueue(work, [self._memory], [fresh._memory])
    return fresh


def flatten(self: ndarray, order: str = "C") -> ndarray:
    return run(lambda a: a.flatten(order), [self], copies=True)


def view(self: ndarray, dtype: Any = None, type: Any = None) -> ndarray:  # noqa: A002
    return view_of(self, self._array.view() if dtype is None else self._array.view(dtype))


def reshape(self: ndarray, *shape: Any, order: str = "C", copy: Any = None) -> ndarray:
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        (shape,) = shape
    result = self._array.reshape(tuple(shape), order=order)
    if numpy.may_share_memory(result, self._array) or not result.size:
        return view_of(self, result)
    return run(lambda a: a.reshape(tuple(shape), order=order), [self], copies=True)


def transpose(self: ndarray, *axes: Any) -> ndarray:
    return view_of(self, self._array.transpose(*axes))


def swapaxes(self: ndarray, axis1: int, axis2: int) -> ndarray:
    return view_of(self, self._array.swapaxes(axis1, axis2))


def fill(self: ndarray, value: Any) -> None:
    if isinstance(value, numpy.ndarray) and value.ndim:
        raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
    counters.operations += 1
    target, reads = self._array, []
    if isinstance(value, ndarray):
        reads.append(value._memory)
        value = value._array
    number = numpy.asarray(value).astype(self.dtype) if not reads else value
    enqueue(lambda: numpy.copyto(target, number, casting="unsafe"), reads, [self._memory])


def sort(self: ndarray, axis: int = -1, kind: Any = None) -> None:
    functions.require_stable(kind)
    counters.operations += 1
    array = self._array
    enqueue(lambda: array.sort(axis, kind="stable"), [], [self._memory])


def argsort(self: ndarray, axis: int = -1, kind: Any = None) -> ndarray:
    return functions.argsort(self, axis, kind)


def conj(self: ndarray) -> ndarray:
    return self if self.dtype.kind != "c" else _cupy().conjugate(self)


for _function in (
    astype, copy, flatten, view, reshape, transpose, swapaxes, fill, sort, argsort, conj,
):  # fmt: skip
    setattr(ndarray, _function.__name__, _function)
ndarray.conjugate = conj


# Operators.

_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
    "matmul": "matmul",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
    "ne": "not_equal",
}  # fmt: skip
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


def _defers(other: Any) -> bool:
    """Whether Python should ask the other operand."""
    return getattr(other, "__array_priority__", 0) > ndarray.__array_priority__ and not isinstance(
        other, (numpy.ndarray, numpy.generic)
    )


def _operators(name: str, function: str) -> None:
    def forward(self: ndarray, other: Any) -> Any:
        return NotImplemented if _defers(other) else getattr(_cupy(), function)(self, other)

    def reflected(self: ndarray, other: Any) -> Any:
        return NotImplemented if _defers(other) else getattr(_cupy(), function)(other, self)

    def in_place(self: ndarray, other: Any) -> Any:
        return getattr(_cupy(), function)(self, other, out=self)

    setattr(ndarray, f"__{name}__", forward)
    if function not in _COMPARISONS.values():
        setattr(ndarray, f"__r{name}__", reflected)
        setattr(ndarray, f"__i{name}__", in_place)


for _name, _function_name in {**_BINARY, **_COMPARISONS}.items():
    _operators(_name, _function_name)
ndarray.__divmod__ = lambda self, other: _cupy().divmod(self, other)


def _unary(name: str, function: str) -> None:
    setattr(ndarray, f"__{name}__", lambda self: getattr(_cupy(), function)(self))


for _name, _function_name in _UNARY.items():
    _unary(_name, _function_name)

"""Ufuncs with CuPy's rules: the first loop that takes the arguments, results in C order.

The loops are the real ones (surface.json). NumPy computes them; bfloat16 is computed in float32 and
rounded once, as on the GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy

from ..settings import counters
from .array import allocate, ndarray
from .streams import enqueue

_BFLOAT16 = numpy.dtype(ml_dtypes.bfloat16)
_REFUSED = {("negative", "?->?"), ("subtract", "??->?")}  # CuPy has them to raise an error
_WEAK = {int: 1, float: 2, complex: 2}  # Python's numbers, by kind
_STRONG = {int: numpy.dtype("l"), float: numpy.dtype("d"), complex: numpy.dtype("D")}


def _dtype(char: str) -> numpy.dtype:
    return _BFLOAT16 if char == "E" else numpy.dtype(char)


def _kind(dtype: numpy.dtype) -> int:
    return 0 if dtype.kind == "b" else 1 if dtype.kind in "iu" else 2


class ufunc:
    """One of CuPy's ufuncs."""

    def __init__(self, name: str, record: dict[str, Any], function: Callable):
        self.__name__ = self.name = name
        self.nin, self.nout = record["nin"], record["nout"]
        self.nargs = self.nin + self.nout
        self.types: list[str] = record["types"]
        self._function = function
        self._loops = []
        for loop in self.types:
            inputs, outputs = ([_dtype(c) for c in chars] for chars in loop.split("->"))
            self._loops.append((inputs, [] if (name, loop) in _REFUSED else outputs))
        self._chosen: dict[tuple, tuple] = {}

    def __call__(self, *args: Any, **settings: Any) -> Any:
        out = settings.pop("out", None)
        dtype = settings.pop("dtype", None)
        casting = settings.pop("casting", "same_kind")
        if settings:
            raise TypeError(f"Wrong arguments {settings}")
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}. It must be either {self.nin} or"
                f" {self.nargs} (with outputs), but given {len(args)}."
            )
        if len(args) > self.nin:
            if out is not None:
                raise ValueError("Cannot specify 'out' as both a positional and keyword argument")
            args, out = args[: self.nin], args[self.nin :]
        inputs, kinds, shapes, reads = _inputs(args)
        given = out if isinstance(out, tuple) else (out,) * self.nout
        for o in given:
            if o is not None:
                if not isinstance(o, ndarray):
                    raise TypeError("Output arguments type must be cupy.ndarray")
                shapes.append(o.shape)
        shape = shapes[0] if len(set(shapes)) == 1 else numpy.broadcast_shapes(*shapes)
        wanted, produced = self._resolve(tuple(kinds), dtype)
        outputs = []
        for o, kind in zip(given, produced, strict=True):
            if o is None:
                o = allocate(shape, kind)
            elif o.shape != shape:
                raise ValueError("Out shape is mismatched")
            elif not numpy.can_cast(kind, o.dtype, casting):
                raise TypeError(
                    f"Cannot cast output operand from {kind!r} to {o.dtype!r} with casting rule"
                    f" {casting!r}"
                )
            outputs.append(o)
        self._compute(inputs, wanted, outputs, reads)
        return outputs[0] if self.nout == 1 else tuple(outputs)

    def _resolve(self, kinds: tuple, dtype: Any = None) -> tuple[list, list]:
        """The loop for these types: dtypes, or int, float, complex for Python's numbers."""
        key = kinds, None if dtype is None else numpy.dtype(dtype)
        found = self._chosen.get(key)
        if found is None:
            found = self._chosen[key] = self._first_loop(*key)
        return found

    def _first_loop(self, kinds: tuple, dtype: numpy.dtype | None) -> tuple[list, list]:
        if dtype is not None:
            for inputs, outputs in self._loops:
                if all(o == dtype for o in outputs):
                    return inputs, outputs
            raise TypeError(f"Wrong type ({dtype}) of arguments for cupy_{self.name}")
        arrays = [_kind(k) for k in kinds if k not in _WEAK]
        numbers = [_WEAK[k] for k in kinds if k in _WEAK]
        ignored = bool(arrays) and bool(numbers) and max(arrays) >= max(numbers)
        for inputs, outputs in self._loops:
            if all(_takes(kind, loop, ignored) for kind, loop in zip(kinds, inputs, strict=True)):
                if not outputs:
                    break
                return inputs, outputs
        shown = tuple(getattr(k, "name", k) for k in kinds)
        raise TypeError(f"Wrong type ({shown}) of arguments for cupy_{self.name}")

    def _compute(self, inputs: list, wanted: list, outputs: list, reads: list) -> None:
        function, targets = self._function, [o._array for o in outputs]
        wide = [numpy.dtype("f") if w == _BFLOAT16 else w for w in wanted]
        # A number too large for its loop is refused now.
        inputs = [
            x if isinstance(x, numpy.ndarray) else numpy.asarray(x, w).astype(v)
            for x, w, v in zip(inputs, wanted, wide, strict=True)
        ]

        def work() -> None:
            with numpy.errstate(all="ignore"):
                cast = [
                    x if x.dtype == w else x.astype(w) for x, w in zip(inputs, wide, strict=True)
                ]
                results = function(*cast)
                for target, result in zip(
                    targets, results if len(targets) > 1 else (results,), strict=True
                ):
                    numpy.copyto(target, result, casting="unsafe")

        counters.operations += 1
        enqueue(work, reads, [o._memory for o in outputs])

    # The methods that CuPy has.

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        kind = {"add": "add", "maximum": "max", "minimum": "min"}.get(self.name)
        if kind is None:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        getattr(a, f"scatter_{kind}")(indices, b)

    def outer(self, a: Any, b: Any, **settings: Any) -> Any:
        return self(a.reshape(a.shape + (1,) * b.ndim), b, **settings)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        method = {"add": "sum", "multiply": "prod"}.get(self.name)
        if method is None:
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        return getattr(array, method)(axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        method = {"add": "cumsum", "multiply": "cumprod"}.get(self.name)
        if method is None:
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        return getattr(array, method)(axis, dtype, out)

    def __repr__(self) -> str:
        return f"<ufunc '{self.name}'>"


def _takes(kind: Any, loop: numpy.dtype, ignored: bool) -> bool:
    if kind in _WEAK:
        return ignored or numpy.can_cast(_STRONG[kind], loop)
    return numpy.can_cast(kind, loop)


def _inputs(args: tuple) -> tuple[list, list, list, list]:
    """Values for NumPy, types for the choice of a loop, shapes, device memory that is read."""
    values: list[Any] = []
    kinds: list[Any] = []
    shapes: list[tuple] = []
    reads = []
    for x in args:
        if isinstance(x, ndarray):
            values.append(x._array)
            kinds.append(x._array.dtype)
            shapes.append(x._array.shape)
            reads.append(x._memory)
        elif type(x) in _WEAK:
            values.append(x)
            kinds.append(type(x))
        elif isinstance(x, (bool, numpy.generic)):
            values.append(x)
            kinds.append(numpy.asarray(x).dtype)
        else:
            raise TypeError(f"Unsupported type {type(x)}")
    if not shapes:
        shapes.append(())
    return values, kinds, shapes, reads

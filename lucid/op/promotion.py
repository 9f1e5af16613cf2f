"""Bringing an op's inputs to one device and one dtype, and its outputs back.

PyTorch's rule: tensors with dimensions decide; a 0-d tensor or a Python number matters only when
its category (bool < integer < floating point) is higher. NumPy's own promotion is never used.
"""

from __future__ import annotations

import re
from typing import Any

from lucid import dtypes
from lucid.dtypes import dtype, promote_types
from lucid.errors import DeviceError, DTypeError, LucidError, ShapeError
from lucid.op.arguments import shown
from lucid.tensor import Tensor

_UNDEFINED = re.compile("ufunc|numpy boolean|unsupported operand")
_HALVES = (dtypes.float16.numpy, dtypes.bfloat16.numpy)


def result_type(*values: Any) -> dtype:
    """The dtype that an arithmetic operation on these tensors and numbers has.

    >>> lucid.result_type(lucid.ones(2, dtype=lucid.int32), 1.5)
    lucid.float32
    """
    tensors: dtype | None = None
    scalars: dtype | None = None  # 0-d tensors
    numbers: dtype | None = None
    for value in values:
        if isinstance(value, Tensor):
            kind = dtypes.of(value._array.dtype)
            if value._array.ndim:
                tensors = kind if tensors is None else promote_types(tensors, kind)
            else:
                scalars = kind if scalars is None else promote_types(scalars, kind)
        elif value is not None:
            kind = _kind_of_number(value)
            numbers = kind if numbers is None else promote_types(numbers, kind)
    result = tensors
    for weaker in (scalars, numbers):
        if weaker is not None and (result is None or weaker.category > result.category):
            result = weaker
    if result is None:
        raise DTypeError(f"result_type: expected tensors or numbers; got {values!r}")
    return result


def _kind_of_number(value: Any) -> dtype:
    if isinstance(value, bool):
        return dtypes._bool
    return dtypes.int64 if isinstance(value, int) else dtypes.get_default_dtype()


def prepare(op: Any, inputs: tuple) -> tuple[tuple, list[Any], Any, dict[int, Any] | None]:
    """The careful way into an op: inputs as it wants them, arrays, device, aliases.

    ``aliases`` is None, or maps id(float32 array) -> the half array it stands for; then outputs
    are to be rounded to the half type that stands under the key ``"half"``.
    """
    values = [_number(op, x) for x in inputs]
    device = _common_device(op, values)
    for i, x in enumerate(values):
        if isinstance(x, Tensor) and x._device is not device:
            values[i] = x.to(device)
    if op.promotes:
        deciding = [x for i, x in enumerate(values) if i not in op.apart]
        common = result_type(*deciding)
        if op.to_float and not common.is_floating_point:
            common = dtypes.get_default_dtype()
        for i, x in enumerate(values):
            if i in op.apart:
                continue
            if isinstance(x, Tensor):
                if x._array.dtype != common.numpy:
                    values[i] = x.to(common)
            elif isinstance(x, (bool, int)) and common.category == 2:
                values[i] = float(x)
            elif type(x) is int and common.category == 1 and not _fits(x, common):
                values[i] = _as_integer(op, x, common)
    arrays = [x._array if isinstance(x, Tensor) else x for x in values]
    if device.type in op._takes_halves:
        return tuple(values), arrays, device, None
    return tuple(values), *_upcast(arrays, device)


def _fits(x: int, kind: dtype) -> bool:
    limits = dtypes.iinfo(kind)
    return limits.min <= x <= limits.max


def _as_integer(op: Any, x: int, kind: dtype) -> int:
    """A number that the integer type does not hold: modulo 2**bits where sums are, too."""
    if op.numbers == "exact":
        return x
    limits = dtypes.iinfo(kind)
    if op.numbers != "wrap" or not _fits(x, dtypes.int64):
        raise DTypeError(
            f"{op.label()}: numbers must lie in {kind}'s range [{limits.min}, {limits.max}]; got"
            f" {x}. Hint: convert the tensor with .to(dtype)"
        )
    return (x - limits.min) % (limits.max - limits.min + 1) + limits.min


def _number(op: Any, x: Any) -> Any:
    """NumPy's numbers as Python's; anything that is neither number nor tensor is refused."""
    if x is None or isinstance(x, (Tensor, bool, int)) or type(x) is float:
        return x
    if isinstance(x, float):
        return float(x)
    if hasattr(x, "item") and getattr(x, "ndim", None) == 0:
        return x.item()
    raise DTypeError(
        f"{op.label()}: expected a Tensor or a number; got {shown(x)}."
        " Hint: lucid.tensor(...) makes one"
    )


def _common_device(op: Any, values: list[Any]) -> Any:
    """The one device of all tensors; a 0-d tensor on the CPU goes along with any."""
    tensors = [x for x in values if isinstance(x, Tensor)]
    if not tensors:
        got = ", ".join(map(shown, values))
        raise DTypeError(
            f"{op.label()}: expected a Tensor; got {got}. Hint: lucid.tensor(...) makes one"
        )
    anchored = [t for t in tensors if t._array.ndim or t._device.type != "cpu"]
    device = (anchored or tensors)[0]._device
    for t in anchored:
        if t._device is not device:
            raise DeviceError(
                f"{op.label()}: all tensors must be on one device; got {device} and"
                f" {t._device}. Hint: move one with .to()"
            )
    return device


def _upcast(arrays: list[Any], device: Any) -> tuple[list[Any], Any, dict[Any, Any] | None]:
    halves = [a for a in arrays if getattr(a, "dtype", None) in _HALVES]
    if not halves:
        return arrays, device, None
    aliases: dict[Any, Any] = {"half": halves[0].dtype}
    wide = []
    for a in arrays:
        if getattr(a, "dtype", None) in _HALVES:
            copy = a.astype(dtypes.float32.numpy)
            aliases[id(copy)] = a
            a = copy
        wide.append(a)
    aliases["alive"] = wide  # ids stay taken
    return wide, device, aliases


def explain(op: Any, arrays: list[Any], error: Exception) -> Exception:
    """The array module's complaint about shapes or types, in our words; others as they are."""
    if isinstance(error, LucidError):
        return error
    if isinstance(error, TypeError) and any(a is None for a in arrays):
        return DTypeError(f"{op.label()}: expected Tensors or numbers; got None")
    if isinstance(error, TypeError) and _UNDEFINED.search(str(error)):
        kinds = [str(dtypes.of(a.dtype)) if hasattr(a, "dtype") else repr(a) for a in arrays]
        return DTypeError(
            f"{op.label()}: not defined for {' and '.join(kinds)}; got these dtypes."
            " Hint: convert with .to(dtype)"
        )
    if "broadcast" not in str(error):
        return error
    shapes = ", ".join(str(a.shape) for a in arrays if hasattr(a, "shape"))
    return ShapeError(
        f"{op.label()}: sizes must be equal, counted from the last dimension, or 1; got"
        f" shapes {shapes}"
    )


def settle(op: Any, result: Any, aliases: dict[Any, Any] | None) -> Any:
    """Outputs as arrays in the caller's dtype; what forward kept follows them."""
    if result.__class__ is tuple:
        return tuple(_settle_one(op, r, aliases) for r in result)
    return _settle_one(op, result, aliases)


def _settle_one(op: Any, result: Any, aliases: dict[Any, Any] | None) -> Any:
    settled = result
    if result.__class__ is not op.device.array_type:
        settled = op.xp.asarray(result)  # NumPy answers 0-d results as scalars
    if aliases is not None and settled.dtype == dtypes.float32.numpy:
        settled = aliases.get(id(settled))
        if settled is None:
            settled = op.xp.asarray(result, aliases["half"])
    if op._kept:
        known = {} if aliases is None else aliases
        op._kept = tuple(
            settled if a is result else a if a is None else known.get(id(a), a) for a in op._kept
        )
    return settled

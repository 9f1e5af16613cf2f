"""assert_close: are two tensors equal up to the rounding of their dtype?"""

from __future__ import annotations

from typing import Any

import numpy

from lucid import dtypes
from lucid.tensor import Tensor

# (relative, absolute) per dtype: PyTorch's table, so that tests can move between the two.
TOLERANCE = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    check_device: bool = True,
    msg: str = "",
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Tensors, numbers, arrays, and lists, tuples and dicts of them. The tolerances come from the
    dtype unless both are given; integers and bools must be equal.

    >>> lucid.testing.assert_close(lucid.tensor([1.0]), lucid.tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"assert_close: give both rtol and atol, or none; got {rtol}, {atol}")
    options = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan}
    checks = {"check_dtype": check_dtype, "check_device": check_device}
    if isinstance(expected, dict):
        _same("keys", sorted(actual), sorted(expected), msg)
        for key, value in expected.items():
            assert_close(actual[key], value, **options, **checks, msg=f"{msg}[{key!r}]")  # type: ignore[arg-type]
        return
    if isinstance(expected, (list, tuple)):
        _same("length", len(actual), len(expected), msg)
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert_close(a, e, **options, **checks, msg=f"{msg}[{i}]")  # type: ignore[arg-type]
        return
    if isinstance(actual, Tensor) and isinstance(expected, Tensor):
        if check_dtype:
            _same("dtype", actual.dtype, expected.dtype, msg)
        if check_device:
            _same("device", actual.device, expected.device, msg)
    _compare(_host(actual), _host(expected), rtol, atol, equal_nan, msg)


def _same(what: str, actual: Any, expected: Any, where: str) -> None:
    if actual != expected:
        raise AssertionError(f"assert_close{where}: {what} differs: {actual} != {expected}")


def _host(value: Any) -> numpy.ndarray:
    return (
        value._device.to_numpy(value._array) if isinstance(value, Tensor) else numpy.asarray(value)
    )


def _compare(
    actual: numpy.ndarray,
    expected: numpy.ndarray,
    rtol: float | None,
    atol: float | None,
    equal_nan: bool,
    where: str,
) -> None:
    _same("shape", actual.shape, expected.shape, where)
    if rtol is None or atol is None:
        kinds = [dtypes.of(a.dtype).name for a in (actual, expected)]
        table = [TOLERANCE.get(k, (0.0, 0.0)) for k in kinds]
        rtol, atol = max(t[0] for t in table), max(t[1] for t in table)
    a, e = actual.astype("float64"), expected.astype("float64")
    with numpy.errstate(all="ignore"):
        distance = numpy.abs(a - e)
        close = (actual == expected) | (
            (rtol + atol > 0) & (distance <= atol + rtol * numpy.abs(e))
        )
    if equal_nan:
        close |= numpy.isnan(a) & numpy.isnan(e)
    if close.all():
        return
    wrong = numpy.argwhere(~close)
    ranked = numpy.where(close, -1.0, numpy.nan_to_num(distance, nan=numpy.inf))
    worst = numpy.unravel_index(numpy.argmax(ranked), a.shape)
    at = tuple(int(i) for i in worst)
    raise AssertionError(
        f"assert_close{where}: {len(wrong)} of {a.size} elements differ; the furthest at {at}:"
        f" {actual[worst]} against {expected[worst]} (allowed: {atol:g} + {rtol:g} * |expected|)"
    )

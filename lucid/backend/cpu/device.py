"""The CPU device: NumPy, and beside it the fast forms that NumPy lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from lucid.backend import philox
from lucid.backend.cpu import dropout, matmul
from lucid.backend.device import Array, Device, device_of


def _floating_point_settings() -> tuple[Any, Any]:
    """NumPy's context variable of floating point settings, and the value that ignores all errors.

    numpy.errstate sets the same variable, but takes as long as a small op.
    """
    variable = numpy._core.umath._extobj_contextvar  # type: ignore[attr-defined]
    with numpy.errstate(all="ignore"):
        return variable, variable.get()


_settings, _ignore_all = _floating_point_settings()


_DRAWS: dict[str, Callable[..., Array]] = {
    "uniform": philox.uniform,
    "normal": philox.normal,
    "integers": philox.integers,
    "permutation": philox.permutation,
    "decisions": lambda key, count, threshold: philox.drops(key, threshold, count),
}


class CpuDevice(Device):
    """NumPy arrays in host memory."""

    xp = numpy
    array_type = numpy.ndarray

    # 1 / 0 is inf and 0 / 0 is nan, silently, as on the GPU and as in PyTorch.
    enter = staticmethod(lambda: _settings.set(_ignore_all))
    leave = staticmethod(_settings.reset)

    def asarray(self, value: Any, dtype: Any = None, non_blocking: bool = False) -> Array:
        if hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):
            # CuPy's arrays refuse to become NumPy's.
            source: Any = device_of(value)
            value = source.to_numpy(value, non_blocking) if non_blocking else source.to_numpy(value)
        return numpy.asarray(value, dtype)

    def to_numpy(self, array: Array) -> numpy.ndarray:
        return array

    def matmul(self, a: Array, b: Array) -> Array:
        return matmul.matmul(a, b)

    def scatter_add(self, target: Array, index: Any, value: Array) -> None:
        numpy.add.at(target, index, value)

    def erf(self, x: Array) -> Array:
        from lucid.backend.cpu.special import erf

        return erf(x)

    def draw(self, kind: str, key: Any, *settings: Any) -> Array:
        return _DRAWS[kind](key, *settings)

    def bernoulli_affine(self, *args: Any) -> Array:
        return dropout.bernoulli_affine(*args)

    def synchronize(self) -> None:
        """Nothing is ever under way: NumPy returns when it is done."""

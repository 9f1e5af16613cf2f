"""autocast: the region in which operations choose their dtype, and the switches behind it."""

from __future__ import annotations

import warnings
from typing import Any

from lucid import dtypes
from lucid.backend.cuda.availability import is_available, why_unavailable
from lucid.dtypes import dtype as Dtype
from lucid.errors import DeviceError
from lucid.graph.autocast import enter, leave, state, switch
from lucid.graph.grad_mode import _Switch

_HALVES = (dtypes.float16, dtypes.bfloat16)


class autocast(_Switch):
    """Operations on tensors of this type of device choose their dtype. Also a decorator.

    Linear layers, convolutions and products of matrices run in ``dtype`` (float16 on "cuda",
    bfloat16 on "cpu" by default), whatever floating point type they are given; softmax, norms,
    losses, exp, log, pow and sums (on "cpu": fewer) in float32. Float64 and in-place methods are
    left alone, and so is the backward pass, which runs in the dtypes of forward.

    enabled: False makes a part of a region run as written.
    cache_enabled: cast each weight once per outermost region, not at each use.

    >>> layer = nn.Linear(3, 2)
    >>> with lucid.autocast("cpu"):
    ...     y = layer(lucid.ones(1, 3))
    >>> y.dtype, layer.weight.dtype
    (lucid.bfloat16, lucid.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: Dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        self.device = _known("autocast", device_type)
        self.fast_dtype = state.kinds[device_type] if dtype is None else dtypes.as_dtype(dtype)
        self._enabled = bool(enabled) and self._possible()
        self._cache_enabled = state.caching if cache_enabled is None else bool(cache_enabled)
        self._states: list[Any] = []

    def _possible(self) -> bool:
        if self.device == "cuda" and not is_available():
            warnings.warn(f"autocast: disabled, as {why_unavailable()}", stacklevel=3)
            return False
        if self.fast_dtype not in _HALVES:
            warnings.warn(
                f"autocast: dtype must be float16 or bfloat16; got {self.fast_dtype}. The region is"
                " disabled",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self) -> autocast:  # type: ignore[override]
        self._states.append((state.enabled, state.kinds, state.caching))
        _switch(self.device, self._enabled)
        state.kinds = {**state.kinds, self.device: self.fast_dtype}
        state.caching = self._cache_enabled
        enter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        leave()
        enabled, state.kinds, state.caching = self._states.pop()
        switch(enabled)

    def _again(self) -> autocast:
        again = object.__new__(type(self))
        again.__dict__.update(self.__dict__, _states=[])
        return again

    def __call__(self, function: Any) -> Any:
        if not callable(function):
            raise TypeError(
                f"autocast: expected a function to decorate; got {type(function).__name__}. Hint:"
                " with lucid.autocast(...): around the call"
            )
        return super().__call__(function)


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for this type of device: "cpu" or "cuda".

    >>> lucid.amp.is_autocast_available("cuda")
    True
    """
    return device_type in state.kinds


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this thread's operations on this type of device choose their dtype now."""
    return _known("is_autocast_enabled", device_type) in state.enabled


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast on or off in this thread, from now on. The context is the better way."""
    _switch(_known("set_autocast_enabled", device_type), enabled)


def get_autocast_dtype(device_type: str) -> Dtype:
    """What autocast's lower precision is on this type of device.

    >>> lucid.get_autocast_dtype("cpu"), lucid.get_autocast_dtype("cuda")
    (lucid.bfloat16, lucid.float16)
    """
    return state.kinds[_known("get_autocast_dtype", device_type)]


def set_autocast_dtype(device_type: str, dtype: Dtype) -> None:
    """Choose autocast's lower precision on this type of device, in this thread."""
    state.kinds = {
        **state.kinds,
        _known("set_autocast_dtype", device_type): dtypes.as_dtype(dtype),
    }


def is_autocast_cache_enabled() -> bool:
    """Whether regions keep the copies of weights that they cast."""
    return state.caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Whether regions keep the copies of weights that they cast, from now on in this thread."""
    state.caching = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget the copies of weights that the open regions have cast."""
    state.cache = None


def _known(name: str, device_type: Any) -> str:
    if not isinstance(device_type, str):
        raise ValueError(
            f"{name}: device_type must be a str; got {type(device_type).__name__}. Hint:"
            " tensor.device.type"
        )
    if device_type not in state.kinds:
        raise DeviceError(
            f'{name}: device_type must be "cpu" or "cuda", without an index; got {device_type!r}'
        )
    return device_type


def _switch(device_type: str, on: bool) -> None:
    one = frozenset((device_type,))
    switch(state.enabled | one if on else state.enabled - one)

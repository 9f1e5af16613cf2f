"""Autocast: which dtype a function's tensors are brought to inside an autocast region.

A public function with a policy says so where it is defined:

    @casts(cuda="float32")
    def exp(input): ...

    "lower"     the region's dtype: products of matrices, which hardware is fastest at in halves
    "float32"   what overflows or loses digits in halves; dtype= in the call overrules it
    "widest"    the widest dtype among the tensors, for functions that want one dtype
    "own"       the tensors' own dtypes, whatever the function is made of
    "refused"   not safe in halves, and nothing to be done about it

Float64, integers, tensors on other devices, and in-place methods are left alone. The function's
body, and backward, run outside the region: what a function is made of is not cast again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar

from lucid import dtypes
from lucid.dtypes import dtype
from lucid.errors import DTypeError
from lucid.graph.autocast import anywhere, state
from lucid.graph.grad_mode import flags
from lucid.op.arguments import with_its_parameters
from lucid.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
Policy = Literal["lower", "float32", "widest", "own", "refused"]

_FLOAT64 = dtypes.float64.numpy
_NOTHING: frozenset[str] = frozenset()
_INSIDE_A_REGION = (
    "        if anywhere.threads and state.enabled:\n"
    "            return cast_and_call(({args}), dict({kwargs}))\n"
)


def casts(cpu: Policy | None = None, cuda: Policy | None = None) -> Callable[[F], F]:
    """Give the decorated function a policy on these types of device."""
    policies = {"cpu": cpu, "cuda": cuda}

    def decorate(function: F) -> F:
        cast_and_call = functools.partial(_call, function, policies)
        names = {"cast_and_call": cast_and_call, "anywhere": anywhere, "state": state}
        casting: Any = with_its_parameters(function, _INSIDE_A_REGION, names)
        casting.policies = policies
        return casting

    return decorate


def cast(value: Any, kind: dtype, device: str) -> Any:
    """Floating point tensors on this type of device as ``kind``, but for float64; also in lists."""
    if isinstance(value, Tensor):
        if not _eligible(value, device) or value._array.dtype == kind.numpy:
            return value
        return _cached(value, kind) if kind is state.kinds[device] else value.to(kind)
    if value.__class__ is list or value.__class__ is tuple:
        return value.__class__(cast(v, kind, device) for v in value)
    return value


def _call(function: Callable[..., Any], policies: dict, args: tuple, kwargs: dict) -> Any:
    """The function on tensors as its policy wants them, with autocast off inside."""
    tensors = list(_tensors((*args, *kwargs.values())))
    device = "cuda" if any(t._device.type == "cuda" for t in tensors) else "cpu"
    policy = policies[device] if device in state.enabled else None
    if policy is None or not tensors:
        return function(*args, **kwargs)
    if policy == "refused":
        _refuse(function.__name__, device)
    kind = _wanted(policy, tensors, device) if kwargs.get("dtype") is None else None
    if kind is not None:
        args = tuple([cast(v, kind, device) for v in args])
        kwargs = {k: cast(v, kind, device) for k, v in kwargs.items()}
    # Not switch(): others need not learn of it, and this is done at every call.
    enabled, state.enabled = state.enabled, _NOTHING
    try:
        return function(*args, **kwargs)
    finally:
        state.enabled = enabled


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif value.__class__ is list or value.__class__ is tuple:
            yield from _tensors(value)


def _eligible(t: Tensor, device: str) -> bool:
    return t._device.type == device and t.is_floating_point() and t._array.dtype != _FLOAT64


def _wanted(policy: Policy, tensors: list[Tensor], device: str) -> dtype | None:
    if policy == "lower":
        return state.kinds[device]
    if policy == "float32":
        return dtypes.float32
    if policy == "own":
        return None
    kinds = {t.dtype for t in tensors if _eligible(t, device)}
    return functools.reduce(dtypes.promote_types, kinds) if len(kinds) > 1 else None


def _cached(t: Tensor, kind: dtype) -> Tensor:
    """A leaf that wants a gradient is a weight: cast once in a region, however often it is used."""
    if not (
        state.caching
        and state.depth
        and t._requires_grad
        and t._node is None
        and t._base is None
        and t._array.dtype == dtypes.float32.numpy
    ):
        return t.to(kind)
    if state.cache is None:
        state.cache = {}
    # What no_grad made has no path to the weight, and must not serve a recorded call.
    key = id(t), kind, flags.grad, flags.inference
    version = t._shared_counter()[0]
    known = state.cache.get(key)
    if known is not None and known[0] is t._array and known[1] == version:
        return known[2]
    copy = t.to(kind)
    state.cache[key] = t._array, version, copy, t  # t: its id stays taken
    return copy


def _refuse(name: str, device: str) -> None:
    raise DTypeError(
        f"{name}: not safe under autocast on {device}: its gradient overflows a half; got a call"
        " inside the region. Hint: binary_cross_entropy_with_logits of what went into the sigmoid,"
        f' or autocast("{device}", enabled=False) around it, on .float() inputs'
    )

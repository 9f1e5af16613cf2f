"""custom_fwd, custom_bwd: a custom Function's two halves under autocast."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from lucid.amp.autocast_mode import autocast, get_autocast_dtype, is_autocast_enabled
from lucid.dtypes import dtype
from lucid.op.casting import cast


def custom_fwd(
    fwd: Callable[..., Any] | None = None,
    *,
    device_type: str,
    cast_inputs: dtype | None = None,
) -> Any:
    """Decorate ``forward(ctx, *args)`` of a custom Function, if its backward has ``custom_bwd``.

    cast_inputs: a dtype that floating point tensors on this type of device are brought to when the
    call is inside a region (float64 is not); forward then runs with autocast off. Without it,
    forward runs with autocast as its caller has it, and backward will, too.

    >>> class Square(lucid.autograd.Function):
    ...     @staticmethod
    ...     @lucid.amp.custom_fwd(device_type="cpu", cast_inputs=lucid.float32)
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     @lucid.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * dy
    >>> with lucid.autocast("cpu"):
    ...     Square.apply(lucid.ones(2, dtype=lucid.bfloat16)).dtype
    lucid.float32
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = get_autocast_dtype(device_type)
        inside = is_autocast_enabled(device_type)
        ctx._fwd_used_autocast = inside and cast_inputs is None
        if cast_inputs is None or not inside:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            args, kwargs = _cast((args, kwargs), cast_inputs, device_type)
            return fwd(ctx, *args, **kwargs)

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorate ``backward(ctx, *gradients)``: it runs with autocast as ``custom_fwd`` had it."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *gradients: Any, **kwargs: Any) -> Any:
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *gradients, **kwargs)

    return backward


def _cast(value: Any, kind: dtype, device_type: str) -> Any:
    """All tensors in dicts, lists and tuples, as autocast casts them."""
    if isinstance(value, Mapping):
        return {k: _cast(v, kind, device_type) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [_cast(v, kind, device_type) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return cast(value, kind, device_type)

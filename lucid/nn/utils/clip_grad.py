"""Clipping gradients between backward() and the optimizer's step."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from lucid.backend.cpu import vectors
from lucid.errors import GradError
from lucid.graph.grad_mode import no_grad
from lucid.ops import stack, tensor
from lucid.tensor import Tensor


def _tensors(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    try:
        return [p._grad for p in _tensors(parameters) if p._grad is not None]
    except AttributeError:
        strange = next(p for p in _tensors(parameters) if not isinstance(p, Tensor))
        raise TypeError(f"clip_grad: parameters must be Tensors; got {strange!r:.60}") from None


def _number(name: str, setting: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        kind = ValueError if isinstance(value, str) else TypeError
        raise kind(f"{name}: {setting} must be a number; got {value!r:.60}") from None


def _at_once(tensors: Sequence[Tensor]) -> Any:
    """The GPU that can take all of these in one launch, or None."""
    device = tensors[0]._device if tensors else None
    if device is None or device.type != "cuda":
        return None
    sizes = {t.itemsize if t.is_floating_point() else 0 for t in tensors}
    alike = sizes == {8} or sizes <= {2, 4}
    return device if alike and all(t._device is device for t in tensors) else None


def _here(tensors: Sequence[Tensor]) -> bool:
    """Whether all are float32, or all float64, on the CPU."""
    dtypes = {t._array.dtype for t in tensors}
    return (
        len(dtypes) == 1
        and tensors[0].is_floating_point()
        and tensors[0].itemsize > 2
        and all(t._device.type == "cpu" for t in tensors)
    )


def _norm_here(tensors: Sequence[Tensor]) -> float | None:
    return vectors.norm([t._array for t in tensors]) if _here(tensors) else None


def _scaled_here(gradients: Sequence[Tensor], max_norm: float, total_norm: Tensor) -> bool:
    """Whether the gradients could be scaled at once, on the CPU. A factor of 1 changes nothing."""
    if not _here([*gradients, total_norm]):
        return False
    factor = float((max_norm / (total_norm + 1e-6)).clamp(max=1.0))
    arrays = [g._array for g in gradients]
    alone = len({id(a) for a in arrays}) == len(arrays) and all(g._base is None for g in gradients)
    if not alone or not (factor == 1.0 or vectors.scale(arrays, factor)):
        return False
    for gradient in gradients:
        gradient._shared_counter()[0] += 1
    return True


@no_grad
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken as one vector. ``foreach`` has no effect."""
    tensors, kind = _tensors(tensors), _number("clip_grad_norm_", "norm_type", norm_type)
    if not tensors:
        return tensor(0.0)
    where = tensors[0].device
    gpu = _at_once(tensors) if kind in (2.0, inf) else None
    if gpu is not None:
        token = gpu.enter()
        try:
            array = gpu.kernels.gradient_norm([t._array for t in tensors], kind == inf)
        finally:
            gpu.leave(token)
        total = Tensor._wrap(array, gpu)
    elif kind == 2.0 and (found := _norm_here(tensors)) is not None:
        total = tensor(found, dtype=tensors[0].dtype, device=where)
    else:
        norms = [t.norm(kind) if t.itemsize > 2 else t.float().norm(kind) for t in tensors]
        total = stack([n.to(where) for n in norms]).norm(kind)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise GradError(
            f"clip_grad_norm_: the gradients' total norm of order {kind} must be finite; got"
            f" {total.item()}. Hint: error_if_nonfinite=False scales by it all the same"
        )
    return total


@no_grad
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients by min(1, max_norm / total_norm), in place."""
    gradients = _gradients(parameters)
    gpu = _at_once([*gradients, total_norm])
    if gpu is not None:
        token = gpu.enter()
        try:
            arrays = [g._array for g in gradients]
            gpu.kernels.clip_gradients(arrays, total_norm._array, float(max_norm))
        finally:
            gpu.leave(token)
        for gradient in gradients:
            gradient._shared_counter()[0] += 1
        return
    if _scaled_here(gradients, float(max_norm), total_norm):
        return
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.to(gradient.device, gradient.dtype))


@no_grad
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their total norm is at most ``max_norm``; returns the old norm.

    >>> w = nn.Parameter(lucid.ones(2))
    >>> (3 * w[0] + 4 * w[1]).backward()
    >>> nn.utils.clip_grad_norm_([w], max_norm=1.0).item()
    5.0
    """
    parameters = _tensors(parameters)
    max_norm = _number("clip_grad_norm_", "max_norm", max_norm)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@no_grad
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamp every element of every gradient to [-clip_value, clip_value], in place."""
    bound = _number("clip_grad_value_", "clip_value", clip_value)
    for gradient in _gradients(parameters):
        gradient.clamp_(-bound, bound)


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of ``clip_grad_norm_``."""
    warnings.warn("clip_grad_norm is now called clip_grad_norm_", FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)

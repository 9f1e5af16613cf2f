"""Gradients of a scaled loss: multiplied back, looked through for inf and nan; the scale adjusted.

All answers are 0-d tensors on the device, so that whoever can do without a number need not wait.
"""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda.arrays import is_dense
from lucid.dtypes import float16, float32
from lucid.errors import DTypeError
from lucid.tensor import Tensor

Gradients = list[Tensor]


def gradients_of(optimizer: Any) -> Gradients:
    """All that this optimizer's parameters have."""
    return [
        p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None
    ]


def refuse_float16(gradients: Gradients) -> None:
    """Small gradients would vanish again when they are divided."""
    if any(g.dtype is float16 for g in gradients):
        raise DTypeError(
            "GradScaler.unscale_: gradients must not be float16; got some. Hint: keep the"
            " parameters in float32, autocast casts them where that is safe"
        )


def skips_itself(optimizer: Any) -> bool:
    """Whether the optimizer's own kernel unscales, and skips: on one CUDA device."""
    if not getattr(optimizer, "_step_supports_amp_scaling", False):
        return False
    devices = {g._device for g in gradients_of(optimizer)}
    return len(devices) == 1 and devices.pop().type == "cuda"


def unscale(gradients: Gradients, scale: Tensor) -> Tensor | None:
    """Divide the gradients by the scale in place; 1 if one was not finite, None without any."""
    inverse = scale.reciprocal()
    answers = [_look(gs, inverse.to(gs[0]._device)) for gs in _by_device(gradients)]
    return total(answers)


def find(gradients: Gradients) -> Tensor | None:
    """1 if a gradient is not finite, else 0; None without any. The gradients stay as they are."""
    return total([_look(gs, None) for gs in _by_device(gradients)])


def adjust(
    scale: Tensor, tracker: Tensor, found: Tensor, growth: float, backoff: float, interval: int
) -> None:
    """In place: less scale after a step that was skipped, more after ``interval`` good ones."""
    device = scale._device
    if device.type == "cuda":
        arrays = scale._array, tracker._array, found._array
        token = device.enter()
        try:
            device.kernels.adjust_loss_scale(*arrays, growth, backoff, interval)
        finally:
            device.leave(token)
        return
    if found.item():
        scale.copy_(scale.double() * backoff)
        tracker.zero_()
    elif tracker.item() + 1 < interval:
        tracker.add_(1)
    else:
        grown = (scale.double() * growth).to(float32)
        if grown.isfinite().item():
            scale.copy_(grown)
        tracker.zero_()


def _by_device(gradients: Gradients) -> list[Gradients]:
    groups: dict[Any, Gradients] = {}
    for g in gradients:
        groups.setdefault(g._device, []).append(g)
    return list(groups.values())


def total(found: list[Tensor]) -> Tensor | None:
    """The sum of these, on the device of the first; None of nothing."""
    if not found:
        return None
    answer = found[0]
    for more in found[1:]:
        answer = answer + more.to(answer._device)
    return answer


def _look(gradients: Gradients, factor: Tensor | None) -> Tensor:
    """1 if one of these, all on one device, is not finite; each multiplied by the factor."""
    device = gradients[0]._device
    token = device.enter()
    try:
        found = Tensor._wrap(device.xp.zeros((), float32.numpy), device)
        fused = [g for g in gradients if device.type == "cuda" and is_dense(g._array)]
        if fused:
            scale = None if factor is None else factor._array
            device.kernels.unscale_gradients([g._array for g in fused], scale, found._array)
    finally:
        device.leave(token)
    for g in gradients:
        if fused and is_dense(g._array):
            g._shared_counter()[0] += factor is not None
            continue
        found.add_((~g.isfinite().all()).to(float32))
        if factor is not None:
            g.mul_(factor)
    return found

"""Learning rates on the device; steps in a capture, whose kernels read them at each replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.backend.capture import NotWhileCapturing
from lucid.tensor import Tensor


def rate_for(p: Tensor, group: Mapping[str, Any]) -> tuple[float | None, Any]:
    """A group's learning rate for p's update: a number, or an array on p's GPU, which nobody waits
    for."""
    lr = group["lr"]
    if isinstance(lr, Tensor) and lr._device.type == "cuda" and lr._device is p._device:
        return None, lr._array
    return float(lr), None


def group_for(recording: Any, optimizer: Any, i: int) -> dict[str, Any]:
    """Group i with a learning rate that lies on the device, and is read again at each replay."""
    group = optimizer.param_groups[i]
    _check(recording, optimizer, group)
    lr = group["lr"]
    if isinstance(lr, Tensor) and lr._device is recording.device:
        return group
    array = recording.number((id(optimizer), i), lambda: float(optimizer.param_groups[i]["lr"]))
    return {**group, "lr": Tensor._wrap(array, recording.device)}


def _check(recording: Any, optimizer: Any, group: dict[str, Any]) -> None:
    """Raise if a step of this group can't be captured."""
    name = type(optimizer).__name__
    if not optimizer._fused:
        raise NotWhileCapturing(
            f"{name}.step: its numbers are the host's and would stay what they are. Hint: SGD, or"
            " Adam and AdamW with capturable=True"
        )
    if not group.get("capturable", True):
        raise NotWhileCapturing(
            f"{name}.step: the steps are counted on the host. Hint: {name}(..., capturable=True)"
        )
    for p in group["params"]:
        if p._grad is None or (p._device is recording.device and optimizer._by_kernel(p)):
            continue
        raise NotWhileCapturing(
            f"{name}.step: all parameters must be floating point numbers on {recording.device};"
            f" got {p.dtype} on {p.device}"
        )


def refuse_new_state(optimizer: Any) -> None:
    """Raise: a parameter's state was begun in a capture."""
    raise NotWhileCapturing(
        f"{type(optimizer).__name__}.step: the state can't be begun while a graph is captured, or"
        " every replay would begin it again. Hint: run the step once before"
    )

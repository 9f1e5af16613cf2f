"""What a graph keeps: PyTorch's ``autograd.graph`` namespace."""

from __future__ import annotations

from typing import Any

from lucid.graph.saved import saved_tensors_hooks as saved_tensors_hooks
from lucid.tensor import Tensor

__all__ = ["save_on_cpu", "saved_tensors_hooks"]


class save_on_cpu(saved_tensors_hooks):
    """Ops called in the block keep what backward needs in host memory, and fetch it back for it.

    pin_memory: accepted for PyTorch's sake.

    >>> x = lucid.ones(3, requires_grad=True)
    >>> with lucid.autograd.graph.save_on_cpu():
    ...     y = x.exp()
    >>> y.sum().backward()
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(_to_host, _from_host)


def _to_host(t: Tensor) -> tuple[Any, Tensor]:
    return t.device, t.cpu()


def _from_host(packed: tuple[Any, Tensor]) -> Tensor:
    device, t = packed
    return t.to(device)

"""Pinned host memory: the device copies from and to it by itself, while the host goes on.

Without CUDA there is no pinned memory: nothing is copied, and nothing is an error.
"""

from __future__ import annotations

from lucid.backend import Device
from lucid.backend.cuda.availability import is_available
from lucid.errors import DeviceError
from lucid.op import Op
from lucid.tensor import Tensor, tensor_method

__all__: list[str] = []


class Pin(Op):
    """The same values in pinned host memory, in x's order of memory."""

    promotes = False
    upcasts = False

    def forward(self, x):
        return Device("cuda").pinned_copy(x)

    def backward(self, dy):
        return dy


@tensor_method("pin_memory")
def _pin_memory(self: Tensor) -> Tensor:
    """A copy in pinned host memory, from which ``to("cuda", non_blocking=True)`` is asynchronous.

    The tensor itself if it lies there already, or there is no CUDA device.
    """
    if self._device.type != "cpu":
        raise DeviceError(
            f"pin_memory: only host memory can be pinned; got a tensor on {self._device}"
        )
    return self if self.is_pinned() or not is_available() else Pin()(self)


@tensor_method("is_pinned")
def _is_pinned(self: Tensor) -> bool:
    """Whether the elements lie in pinned host memory."""
    if self._device.type != "cpu" or not is_available():
        return False
    return Device("cuda").is_pinned(self._array)

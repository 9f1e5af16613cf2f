"""cupy.cuda.Device."""

from __future__ import annotations

from typing import Any

from ..settings import machine
from .streams import current_device, set_device, wait_for


class Device:
    """cupy.cuda.Device. As a context manager it becomes the current one."""

    def __init__(self, device: Any = None):
        self.id = current_device() if device is None else int(device)
        self._before: list[int] = []

    def __enter__(self) -> Device:
        self._before.append(current_device())
        set_device(self.id)
        return self

    def __exit__(self, *exc_info: object) -> None:
        set_device(self._before.pop())

    def use(self) -> None:
        set_device(self.id)

    def synchronize(self) -> None:
        wait_for(None, "Device.synchronize")

    @property
    def compute_capability(self) -> str:
        return str(machine.architecture)

    @property
    def attributes(self) -> dict[str, int]:
        from .runtime import _device_attributes

        return _device_attributes()

    @property
    def mem_info(self) -> tuple[int, int]:
        from .memory import memory_info

        return memory_info(self.id)

    @property
    def pci_bus_id(self) -> str:
        return f"0000:{self.id:02x}:00.0"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __int__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

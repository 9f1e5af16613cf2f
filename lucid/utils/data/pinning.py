"""What DataLoader(pin_memory=True) does with a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.tensor import Tensor


def pinned(batch: Any) -> Any:
    """The batch with all its tensors in pinned memory, in whatever they are nested.

    A batch type of one's own may have a method ``pin_memory``, which answers the pinned batch.
    """
    if isinstance(batch, Tensor):
        return batch.pin_memory() if batch.device.type == "cpu" else batch
    if hasattr(batch, "pin_memory"):
        return batch.pin_memory()
    if isinstance(batch, Mapping):
        return type(batch)({key: pinned(value) for key, value in batch.items()})  # type: ignore[call-arg]
    if isinstance(batch, tuple):
        values = [pinned(value) for value in batch]
        return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
    return [pinned(value) for value in batch] if isinstance(batch, list) else batch

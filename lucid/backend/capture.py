"""Graph capture, as the floors above a GPU see it: whether this thread's work is only recorded.

While a capture is under way nothing that is queued happens; it does at each replay. So whoever
wants a value on the host must refuse, and what the host knows and changes from step to step
(offsets of random numbers, learning rates) must be read by the kernels from the device.
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["NotWhileCapturing", "active", "begin", "current", "end", "refuse"]

active: list[Any] = []
"""The captures under way in any thread; nearly always empty, and then nothing need be asked."""


class _Thread(threading.local):
    capture: Any = None


_thread = _Thread()


def current() -> Any:
    """The capture under way in this thread, or None."""
    return _thread.capture if active else None


def begin(capture: Any) -> None:
    """From here on this thread's work is recorded."""
    active.append(capture)
    _thread.capture = capture


def end() -> None:
    """From here on it is done again."""
    if _thread.capture is not None:
        active.remove(_thread.capture)
        _thread.capture = None


class NotWhileCapturing(RuntimeError):
    """Something that can't be recorded was asked for; the graph's own error says where."""


def refuse(what: str, hint: str) -> None:
    """Raise if this thread captures: ``what``, with the way out."""
    if current() is not None:
        raise NotWhileCapturing(f"{what} while a graph is captured. Hint: {hint}")

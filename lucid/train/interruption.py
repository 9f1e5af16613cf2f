"""Ctrl-C and SIGTERM as a wish that the training loop grants when its step is done."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

__all__ = ["Interruption"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Within it the first Ctrl-C or SIGTERM is only noted; the second acts at once, as ever.

    ``interruption()`` says whether one has come, ``exit_code`` what a shell expects after it: 128
    and the signal's number (130 for Ctrl-C, 143 for SIGTERM).
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        return 0 if self.signal is None else 128 + self.signal

    def __enter__(self) -> Interruption:
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for again, handler in self._before.items():
            signal.signal(again, handler)

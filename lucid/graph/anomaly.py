"""Anomaly detection: errors in backward that name the line of forward they come from."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lucid.errors import GradError

_PACKAGE = str(Path(__file__).parents[1])


class _Flags(threading.local):
    enabled = False
    check_nan = True


flags = _Flags()


class set_detect_anomaly:
    """Switch anomaly detection on or off; as a context manager, until the end of the block."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = flags.enabled, flags.check_nan
        flags.enabled, flags.check_nan = mode, check_nan

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: object) -> None:
        flags.enabled, flags.check_nan = self._before


class detect_anomaly:
    """In this block every op remembers where it was called, and NaN gradients are errors.

    An error raised while walking back then shows the forward line. Slow; for debugging.
    """

    def __init__(self, check_nan: bool = True):
        self._check_nan = check_nan

    def __enter__(self) -> None:
        self._entered = set_detect_anomaly(True, self._check_nan)

    def __exit__(self, *exc_info: object) -> None:
        self._entered.__exit__(*exc_info)


def is_anomaly_enabled() -> bool:
    """Whether ops remember where they were called, in this thread."""
    return flags.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether a NaN gradient is an error where ``is_anomaly_enabled``."""
    return flags.check_nan


def here() -> str:
    """The stack of the caller outside lucid, innermost last, as text."""
    frames = [f for f in traceback.extract_stack() if not f.filename.startswith(_PACKAGE)]
    return "".join(traceback.format_list(frames[-6:]))


@contextmanager
def _explaining(node: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(_story(node))
        raise


class _Silent:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: object) -> None:
        pass


_silent = _Silent()


def explain(node: Any) -> Any:
    """Within it, an error is given the forward call that made ``node``, if that is known."""
    return _explaining(node) if node.birth else _silent


def _story(node: Any) -> str:
    return f"Forward call of {node.name()} (most recent call last):\n{node.birth}"


def check(node: Any, gradients: Iterable[Any]) -> None:
    """Refuse NaN among the gradients that ``node`` answered."""
    for i, g in enumerate(gradients):
        if g is not None and bool((g._array != g._array).any()):
            raise GradError(f"{node.name()}.backward: gradient {i} contains NaN.\n{_story(node)}")

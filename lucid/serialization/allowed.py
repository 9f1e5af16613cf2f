"""Which classes a file may name: PyTorch's list, of which ``load`` here has no need.

lucid's files name no classes and its ``load`` imports nothing, so there is nothing to allow. The
list is kept for scripts that fill it before they load.
"""

from __future__ import annotations

from typing import Any

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "safe_globals"]

_allowed: list[Any] = []


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Put classes or functions on the list, which changes no result of ``load``."""
    _allowed.extend(entry for entry in safe_globals if entry not in _allowed)


def get_safe_globals() -> list[Any]:
    """The list."""
    return list(_allowed)


def clear_safe_globals() -> None:
    """Empty the list."""
    _allowed.clear()


class safe_globals:
    """``with lucid.serialization.safe_globals([MyClass]):`` the list is longer by these within."""

    def __init__(self, safe_globals: list[Any]):
        self._added = safe_globals
        self._before: list[list[Any]] = []

    def __enter__(self) -> None:
        self._before.append(list(_allowed))
        add_safe_globals(self._added)

    def __exit__(self, *exc_info: object) -> None:
        _allowed[:] = self._before.pop()

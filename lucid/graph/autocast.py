"""What autocast has switched on: per thread, the device types and their lower precision dtypes."""

from __future__ import annotations

import threading
from typing import Any

from lucid import dtypes
from lucid.dtypes import dtype


class _State(threading.local):
    enabled: frozenset[str] = frozenset()  # device types whose operations are cast
    kinds: dict[str, dtype] = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}  # never written to
    caching = True
    depth = 0  # open regions
    cache: dict[Any, Any] | None = None  # copies of parameters, until the outermost region ends


class _Anywhere:
    """In how many threads autocast has been switched on: one that is over may still be counted."""

    __slots__ = ("threads",)

    def __init__(self) -> None:
        self.threads = 0


state = _State()
# An operation reads this before its thread's state: a third of the time.
anywhere = _Anywhere()
_counting = threading.Lock()


def switch(enabled: frozenset[str]) -> frozenset[str]:
    """Cast on these device types from now on, in this thread. Returns what was on before."""
    before = state.enabled
    if bool(before) != bool(enabled):
        with _counting:
            anywhere.threads += 1 if enabled else -1
    state.enabled = enabled
    return before


def enter() -> None:
    """A region opens."""
    state.depth += 1


def leave() -> None:
    """A region closes; after the outermost nothing is kept."""
    state.depth -= 1
    if state.depth == 0:
        state.cache = None


class Snapshot:
    """A context in which autocast is as it was in the thread that made this, when it did."""

    def __init__(self) -> None:
        self._then = state.enabled, state.kinds, state.caching
        self._now: list[tuple] = []

    def __enter__(self) -> None:
        enabled, kinds, caching = self._then
        self._now.append((switch(enabled), state.kinds, state.caching))
        state.kinds, state.caching = kinds, caching
        enter()

    def __exit__(self, *exc_info: object) -> None:
        leave()
        enabled, state.kinds, state.caching = self._now.pop()
        switch(enabled)

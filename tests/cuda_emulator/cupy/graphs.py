"""cupy.cuda.Graph: what a stream recorded, done again when it is launched."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..settings import counters, machine
from .errors import EmulationError
from .order import check_order

if TYPE_CHECKING:
    from .streams import Stream


class Graph:
    """What a stream was asked to do while it captured.

    Memory that it uses may be freed only if it came from a pool of the graph's own, where nobody
    else gets it. From the default pool it would be handed out again while the graph writes to it.
    """

    def __init__(self) -> None:
        self._work: list[tuple[Callable[[], None], list[weakref.ref], list[weakref.ref]]] = []
        self._lent: list[weakref.ref] = []
        self._pools: set[Any] = set()  # kept, and their blocks with them
        self._broken = False  # by something that a capture does not survive

    def _add(
        self, work: Callable[[], None], reads: Iterable[Any], writes: Iterable[Any] = ()
    ) -> None:
        reads, writes = list(reads), list(writes)
        self._work.append((work, [weakref.ref(m) for m in reads], [weakref.ref(m) for m in writes]))
        for m in (*reads, *writes):
            if getattr(m.owner, "_is_default", True):
                self._lent.append(weakref.ref(m))
            else:
                self._pools.add(m.owner)
                m.owner._graphs.add(self)

    def launch(self, stream: Stream | None = None) -> None:
        """Do it, unless memory was freed that somebody else may have by now."""
        if any(m() is None for m in self._lent):
            raise EmulationError(
                "graph: it uses memory of the default pool that was freed since. Hint: capture with"
                " cupy.cuda.using_allocator(pool.malloc) and a pool of the graph's own"
            )
        from .streams import current_stream

        stream = stream or current_stream()
        if stream.is_capturing():
            raise NotImplementedError("stand-in: a graph launched while capturing")
        counters.graph_launches += 1
        stream._tick()
        for work, reads, writes in self._work:
            if machine.order_streams:
                # Memory of the graph's own pool may have gone back to it.
                check_order(stream, _alive(reads), _alive(writes))
            work()

    def upload(self, stream: Stream | None = None) -> None:
        """Nothing to send ahead."""

    def debug_dot_str(self, flags: int = 0) -> str:
        return f"digraph emulated {{ /* {len(self._work)} nodes */ }}"


def _alive(references: list[weakref.ref]) -> list[Any]:
    return [m for m in (reference() for reference in references) if m is not None]

"""How a convolution is cut into tasks: by the shapes alone, never by the number of threads.

A task has some samples and some channels (or groups), and is computed by one thread with a oneDNN
primitive that uses no other threads. So results do not depend on their number bit for bit, which
oneDNN's own threads do not promise: they share the sums of a weight gradient.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Cut", "by_result", "by_sum"]

_WORK = 8_000_000  # multiplications and additions: ~0.1 ms, ten times what starting a task takes
_TASKS = 32  # enough to share among 16 threads
_CACHE = 1 << 20  # bytes of activations: reordered ones are still in the second level cache
LANES = 16  # float32 in a vector: cut channels fill theirs
_SUMS = 16  # partial sums of a weight gradient


class Cut(NamedTuple):
    """(start, stop) pairs that cover the samples, and the channels or groups."""

    samples: list[tuple[int, int]]
    units: list[tuple[int, int]]


def by_result(
    samples: int, units: int, lanes: int, work: int, activations: int, weights: int
) -> Cut:
    """Tasks for a result with samples, of which each computes a part.

    `units`: channels of the result, or groups; `lanes`: how many of them belong together; `work`:
    operations; `activations` and `weights`: bytes.
    """
    wanted = max(1, min(_TASKS, work // _WORK))
    parts = 1
    if weights > activations:  # each task reads its weights and no others
        parts = max(1, min(wanted, units // lanes))
        wanted = -(-wanted // parts)
    length = max(1, samples // wanted)
    while (
        length > 1
        and activations // parts // samples * length > _CACHE
        and work // samples * length > _WORK
    ):
        length -= 1
    blocks = _blocks(samples, length)
    if len(blocks) < wanted // 2 and parts == 1:
        parts = wanted // len(blocks)
    return Cut(blocks, _blocks(units, _length(units, parts, lanes)))


def by_sum(samples: int, units: int, lanes: int, work: int, activations: int, weights: int) -> Cut:
    """Tasks for a sum over samples: few partial sums where they are large."""
    wanted = max(1, min(_TASKS, work // _WORK))
    sums = max(1, min(wanted, _SUMS, samples, activations // (2 * weights)))
    parts = wanted // sums if sums < 8 else 1
    return Cut(_blocks(samples, -(-samples // sums)), _blocks(units, _length(units, parts, lanes)))


def _length(units: int, parts: int, lanes: int) -> int:
    length = -(-units // max(1, parts))
    return min(units, -(-length // lanes) * lanes)


def _blocks(count: int, length: int) -> list[tuple[int, int]]:
    return [(start, min(start + length, count)) for start in range(0, count, length)]

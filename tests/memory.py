"""Counting memory: what a test's own calls allocated, whatever other threads do meanwhile.

tracemalloc sees the memory of NumPy's arrays and of Python's objects.
"""

import gc
import tracemalloc
from contextlib import contextmanager

DEPTH = 40  # frames of a call stack that are remembered: more than lie between a test and an array


@contextmanager
def traced(file):
    """Yields a function: the bytes that are alive and were allocated under a call of ``file``."""
    ours = tracemalloc.Filter(True, file, all_frames=True)

    def held():
        gc.collect()
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)

    tracemalloc.start(DEPTH)
    try:
        held()  # what counting itself keeps for good
        yield held
    finally:
        tracemalloc.stop()

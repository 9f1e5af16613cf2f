"""CUDA graphs: what a stream was asked to do, recorded once and then launched as one.

    capture_begin, capture_end   record; replay() does it again, on the same addresses

A graph's memory comes from a pool of its own: what a recorded kernel writes to must not be handed
to anybody else as long as the graph lives. What the host decides from step to step is read from the
device: addresses and learning rates (``Capture.constant``, ``Capture.number``), the state of
generators (``Capture.key``).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

import numpy

from lucid.backend import capture
from lucid.backend.cuda import cublas, cudnn, memory, random
from lucid.backend.cuda.availability import cupy, is_available
from lucid.backend.device import Device
from lucid.errors import DeviceError

__all__ = ["CUDAGraph", "CaptureError", "graph", "graph_pool_handle", "is_current_stream_capturing"]

_LEGACY = 2  # CUDA's own streams have handles up to this one


class CaptureError(DeviceError):
    """A step that can't be recorded: which call, where, and the way out."""


class _Number:
    """A number of the host's that kernels read from the device."""

    def __init__(self, read: Callable[[], float]):
        self._read, self._known = read, read()
        self.array = cupy().empty((), numpy.float64)

    def write(self) -> None:
        self._known = self._read()
        self.array.set(numpy.array(self._known))

    def update(self) -> None:
        if self._read() != self._known:
            self.write()


class Capture:
    """What a graph needs from outside of it: memory that its own kernels never write to first."""

    def __init__(self, device: Any):
        self.device = device
        self._constants: list[tuple[Any, Any]] = []
        self._numbers: dict[Any, _Number] = {}
        self._draws: dict[int, random.Draws] = {}
        self._callbacks: list[Callable[[], None]] = []

    def constant(self, values: Any) -> Any:
        """A NumPy array on the device. It arrives when the capture is over: before the first
        replay nobody reads it."""
        with memory.ordinary():
            array = cupy().empty(values.shape, values.dtype)
        self._constants.append((array, values))
        return array

    def number(self, key: Any, read: Callable[[], float]) -> Any:
        """A float64 on the device that is ``read()`` anew before each replay; one per key."""
        if key not in self._numbers:
            with memory.ordinary():
                self._numbers[key] = _Number(read)
        return self._numbers[key].array

    def key(self, generator: Any, blocks: int) -> random.CapturedKey:
        """The key of a draw: in each replay it stands for the numbers that a step would draw."""
        draws = self._draws.get(id(generator))
        if draws is None:
            with memory.ordinary():
                words = cupy().empty(random.WORDS, numpy.uint64)
            draws = self._draws[id(generator)] = random.Draws(generator, words)
        return draws.key(blocks)

    def at_each_replay(self, callback: Callable[[], None]) -> None:
        """The host's part of what is captured: called when a replay is launched."""
        self._callbacks.append(callback)

    def finish(self) -> None:
        """The capture is over: put everything in its place."""
        for array, values in self._constants:
            array.set(values)
        for number in self._numbers.values():
            number.write()
        for draws in self._draws.values():
            draws.begin()

    def before_replay(self) -> None:
        """Bring to the device what the host has changed since, in most steps nothing."""
        for number in self._numbers.values():
            number.update()
        for draws in self._draws.values():
            draws.replay()
        for callback in self._callbacks:
            callback()


class CUDAGraph:
    """What was queued between ``capture_begin`` and ``capture_end``, to be done by ``replay``.

    Easier: ``with lucid.cuda.graph(g):``, or ``lucid.cuda.make_graphed_step``.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._handle: Any = None
        self._capture: Capture | None = None
        self._pool: memory.Pool | None = None
        self._under_way: ExitStack | None = None

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "relaxed") -> None:
        """Record what is queued on the current stream from now on, in this thread.

        ``pool``: from ``graph_pool_handle()`` or another graph's ``pool()``, to share memory with
        graphs that are replayed in the order of their capture. ``capture_error_mode`` is accepted
        for PyTorch's sake: it is always "relaxed".
        """
        if self._handle is not None or self._under_way is not None:
            raise RuntimeError("capture_begin: this graph holds a capture. Hint: reset()")
        capture.refuse("capture_begin: one can't begin inside of another", "end the first one")
        device = Device("cuda").concrete()
        if pool is not None and not isinstance(pool, memory.Pool):
            raise TypeError(
                f"capture_begin: pool must be a graph's pool; got {type(pool).__name__}. Hint:"
                " lucid.cuda.graph_pool_handle()"
            )
        with ExitStack() as stack:
            stack.callback(device.leave, device.enter())
            stream = cupy().cuda.get_current_stream()
            if stream.ptr <= _LEGACY:
                raise RuntimeError(
                    "capture_begin: CUDA's default stream can't be captured. Hint: lucid's own"
                    " stream can, or with lucid.cuda.stream(lucid.cuda.Stream())"
                )
            random.prepare()
            cublas.prepare()
            cudnn.prepare()
            gc.collect()  # a destructor that frees device memory would break the capture
            if gc.isenabled():
                gc.disable()
                stack.callback(gc.enable)
            self._pool = memory.Pool() if pool is None else pool
            stack.enter_context(self._pool.in_use())
            stream.begin_capture()
            stack.callback(self._end_stream, stream)
            self._capture = Capture(device)
            capture.begin(self._capture)
            stack.callback(capture.end)
            self._under_way = stack.pop_all()

    def _end_stream(self, stream: Any) -> None:
        self._handle = stream.end_capture()

    def capture_end(self) -> None:
        """The end of what ``replay`` does."""
        if self._under_way is None or self._capture is None:
            raise RuntimeError("capture_end: no capture is under way. Hint: capture_begin()")
        under_way, self._under_way = self._under_way, None
        try:
            under_way.close()
        except BaseException:
            self._forget()
            raise
        self._capture.finish()
        stream = cupy().cuda.get_current_stream()
        self._handle.upload(stream)
        stream.synchronize()  # a replay may be on another stream

    def _abandon(self) -> None:
        """End a capture that has failed; the first error is the one to be told."""
        under_way = self._under_way
        if under_way is not None:
            with suppress(cupy().cuda.runtime.CUDARuntimeError):
                under_way.close()
        self._forget()

    def replay(self) -> None:
        """Do it again, on the current stream. The host waits for nothing."""
        if self._handle is None or self._capture is None:
            raise RuntimeError("replay: nothing was captured. Hint: with lucid.cuda.graph(g): ...")
        if capture.active:
            capture.refuse("replay: a graph can't be launched", "capture both in one")
        device = self._capture.device
        token = device.enter()
        try:
            self._capture.before_replay()
            self._handle.launch(cupy().cuda.get_current_stream())
        finally:
            device.leave(token)

    def reset(self) -> None:
        """Forget the capture; its memory is free once no array lies there any more."""
        if self._under_way is not None:
            raise RuntimeError("reset: a capture is under way. Hint: capture_end()")
        self._forget()

    def pool(self) -> memory.Pool:
        """The memory it uses, for another graph's ``capture_begin(pool=...)``."""
        if self._pool is None:
            raise RuntimeError("pool: nothing was captured. Hint: lucid.cuda.graph_pool_handle()")
        return self._pool


def graph_pool_handle() -> memory.Pool:
    """A new pool, which graphs may share that are replayed in the order of their capture."""
    return memory.Pool()


def is_current_stream_capturing() -> bool:
    """Whether what is queued now is only recorded."""
    return is_available() and bool(cupy().cuda.get_current_stream().is_capturing())


class graph:
    """``with lucid.cuda.graph(g):`` what is queued is recorded in ``g``, and nothing is done yet.

    Run the same once before, on the same stream (``stream``: else the current one), so that
    kernels, plans, gradients and the optimizer's state are there. Tensors made outside are read at
    each replay as they are then; keep them. Tensors made inside are overwritten by each replay.
    """

    def __init__(
        self,
        cuda_graph: CUDAGraph,
        pool: Any = None,
        stream: Any = None,
        capture_error_mode: str = "relaxed",
    ):
        self._graph, self._settings = cuda_graph, (pool, capture_error_mode)
        self._stream = stream

    def __enter__(self) -> None:
        self._entered = ExitStack()
        if self._stream is not None:
            self._entered.enter_context(self._stream)
        with ExitStack() as stack:
            stack.push(self._entered)
            Device("cuda").concrete().synchronize()
            self._graph.capture_begin(*self._settings)
            stack.pop_all()

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._graph.capture_end()
                return
            self._graph._abandon()
        finally:
            self._entered.close()
        if _is_refusal(error):
            raise CaptureError(_told(error, trace)) from error


def _is_refusal(error: BaseException) -> bool:
    """Whether something can't be captured, in distinction from an error of the step's own."""
    kinds = (capture.NotWhileCapturing, cupy().cuda.runtime.CUDARuntimeError)
    return isinstance(error, kinds) or "captur" in str(error)


def _told(error: BaseException, trace: TracebackType | None) -> str:
    """One sentence: the call, its place, and what is wrong with it."""
    frames = []
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    # Generated functions, which have no module, are lucid's.
    ours = [f.f_globals.get("__name__", "lucid.").startswith("lucid.") for f, _ in frames]
    place = "graph"
    for i in reversed(range(len(frames) - 1)):
        if ours[i + 1] and not ours[i]:
            frame, line = frames[i]
            codes = [f.f_code for f, _ in frames[i + 1 :]]
            written = [c.co_name for c in codes if not c.co_filename.startswith("<")]
            called = (written or ["call"])[0].strip("_")
            place = f"graph: {called}() at {frame.f_code.co_filename}:{line}"
            break
    for frame, _ in reversed(frames):
        op = frame.f_locals.get("self")
        if hasattr(type(op), "saved_arrays"):
            place += f", in {type(op).__name__}"
            break
    if isinstance(error, capture.NotWhileCapturing):
        return f"{place}: {error}"
    return (
        f"{place}: can't be recorded ({error}). Hint: run the step once before, on the same stream;"
        " nothing in it may wait for the device or copy from or to the host"
    )

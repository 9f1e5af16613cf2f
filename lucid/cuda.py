"""NVIDIA GPUs: PyTorch's ``cuda`` namespace, a thin face on lucid.backend.cuda.

Nothing happens before the first call that needs a device; without one, each says what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from lucid import ops, random
from lucid.amp import cuda as amp
from lucid.backend import Device
from lucid.backend.cuda import memory as _memory
from lucid.backend.cuda.availability import cupy as _cupy
from lucid.backend.cuda.availability import is_available as is_available
from lucid.backend.cuda.availability import why_unavailable as why_unavailable
from lucid.backend.cuda.graph import CaptureError as CaptureError
from lucid.backend.cuda.graph import CUDAGraph as CUDAGraph
from lucid.backend.cuda.graph import graph as graph
from lucid.backend.cuda.graph import graph_pool_handle as graph_pool_handle
from lucid.backend.cuda.graph import is_current_stream_capturing as is_current_stream_capturing
from lucid.backend.cuda.kernel import Kernel as Kernel
from lucid.backend.cuda.memory import OutOfMemoryError as OutOfMemoryError
from lucid.backend.cuda.stream import Event as Event
from lucid.backend.cuda.stream import Stream as Stream
from lucid.backend.cuda.stream import current_stream as current_stream
from lucid.backend.cuda.stream import default_stream as default_stream
from lucid.graphed import make_graphed_callables as make_graphed_callables
from lucid.ops.typed import typed
from lucid.tensor import Tensor

sys.modules[f"{__name__}.amp"] = amp  # from lucid.cuda.amp import GradScaler

# Tensors by type, as in lucid.cuda.FloatTensor([1.0]).

FloatTensor = typed("FloatTensor", "cuda")
DoubleTensor = typed("DoubleTensor", "cuda")
HalfTensor = typed("HalfTensor", "cuda")
BFloat16Tensor = typed("BFloat16Tensor", "cuda")
LongTensor = typed("LongTensor", "cuda")
IntTensor = typed("IntTensor", "cuda")
ShortTensor = typed("ShortTensor", "cuda")
CharTensor = typed("CharTensor", "cuda")
ByteTensor = typed("ByteTensor", "cuda")
BoolTensor = typed("BoolTensor", "cuda")

# Devices.


def device_count() -> int:
    """How many CUDA devices there are; 0 without CuPy or driver."""
    return int(_cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def current_device() -> int:
    """The index of the device that "cuda" means."""
    return int(_cupy().cuda.runtime.getDevice())


def set_device(device: Any) -> None:
    """Make this the device that "cuda" means, in this thread, from now on."""
    _cupy().cuda.runtime.setDevice(_device(device).index)


class device:
    """``with lucid.cuda.device(1):`` "cuda" means that device, in this thread. None: no change."""

    def __init__(self, device: Any):
        self._chosen = None if device is None else _device(device)
        self._tokens: list[Any] = []

    def __enter__(self) -> device:
        self._tokens.append(self._chosen.enter() if self._chosen is not None else None)
        return self

    def __exit__(self, *exc_info: object) -> None:
        token = self._tokens.pop()
        if self._chosen is not None:
            self._chosen.leave(token)


class DeviceProperties(NamedTuple):
    """What a device is like."""

    name: str
    major: int
    minor: int
    total_memory: int  # bytes
    multi_processor_count: int
    warp_size: int
    max_threads_per_multi_processor: int
    shared_memory_per_block: int
    regs_per_multiprocessor: int
    L2_cache_size: int


def get_device_properties(device: Any = None) -> DeviceProperties:
    """Name, compute capability, memory and sizes of a device."""
    about = _cupy().cuda.runtime.getDeviceProperties(_device(device).index)
    return DeviceProperties(
        about["name"].decode(),
        about["major"],
        about["minor"],
        about["totalGlobalMem"],
        about["multiProcessorCount"],
        about["warpSize"],
        about["maxThreadsPerMultiProcessor"],
        about["sharedMemPerBlock"],
        about["regsPerBlock"],
        about["l2CacheSize"],
    )


def get_device_name(device: Any = None) -> str:
    """What the maker calls the device, e.g. "NVIDIA H200"."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability, e.g. (9, 0)."""
    about = get_device_properties(device)
    return about.major, about.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Always: below compute capability 8.0 bfloat16 is emulated by integer instructions."""
    return is_available() and (including_emulation or get_device_capability() >= (8, 0))


def is_initialized() -> bool:
    """Whether CUDA can be used: there is no state to initialise beforehand."""
    return is_available()


def init() -> None:
    """Nothing to do: CUDA starts with its first use. An error where there is none."""
    _device(None)


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all that was queued."""
    _device(device).synchronize()


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Queue this thread's work on a stream. None: no change."""
    if stream is None:
        yield
        return
    with stream:
        yield


# Graphs.


class GraphedStep:
    """A captured step: ``step(*inputs)`` copies them into its own, replays, returns the outputs.

    The outputs are the same tensors each time, overwritten by the next call. ``inputs`` are the
    step's own; what is written into them, and passed or not, is what a replay reads. ``graph``: the
    CUDAGraph.
    """

    def __init__(self, step: Any, inputs: tuple[Tensor, ...], outputs: Any, graph: CUDAGraph):
        self._step = step  # whoever it reaches stays alive: the graph uses their memory
        self.inputs, self.outputs, self.graph = inputs, outputs, graph

    def __call__(self, *inputs: Tensor) -> Any:
        if len(inputs) != len(self.inputs):
            raise TypeError(
                f"graphed step: takes {len(self.inputs)} inputs, as many as it was captured with;"
                f" got {len(inputs)}"
            )
        for i, (mine, given) in enumerate(zip(self.inputs, inputs, strict=True)):
            if given is mine:
                continue
            _check_input(i, given)
            if given.shape != mine.shape or given.dtype is not mine.dtype:
                raise ValueError(
                    f"graphed step: input {i} must be {mine.dtype} of shape {mine.shape}, as in the"
                    f" capture; got {given.dtype} of shape {given.shape}. Hint: drop the last,"
                    " smaller batch, or make one step for each shape"
                )
            mine.detach().copy_(given.detach())
        self.graph.replay()
        return self.outputs


def make_graphed_step(step: Any, *sample_inputs: Tensor, warmup: int = 3) -> GraphedStep:
    """Capture a whole training step in a CUDA graph: one launch instead of hundreds.

    ``step(*inputs)``: tensors on a CUDA device in, tensors out (or tuples, lists, dicts of them, or
    None): forward, backward, the optimizer's step. It is called ``warmup`` times with copies of
    the sample inputs first; these are real steps, they train. Then it is captured, which does
    nothing. Afterwards its Python does not run again: a replay repeats the kernels, with

    * new values in the inputs; the learning rates as they are in ``optimizer.param_groups``;
    * new random numbers, the very ones that the step would have drawn itself;
    * all other numbers (weight decay, momentum, dropout's p) as they were.

    Nothing in it may wait for the device (``item``, ``print``, masks as indices) or copy from or to
    the host; the error names the call. Adam and AdamW need ``capturable=True``. After an
    optimizer's ``load_state_dict``, which makes its state anew, capture again.

    .. code-block:: python

        model = Net().cuda()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def train(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = lucid.cuda.make_graphed_step(train, x, y)
        for x, y in batches:  # all of one shape
            loss = step(x, y)
    """
    if warmup < 1:
        raise ValueError(
            f"make_graphed_step: warmup must be at least 1; got {warmup}. Hint: kernels, gradients"
            " and the optimizer's state must be there before the capture"
        )
    for i, given in enumerate(sample_inputs):
        _check_input(i, given)
        if given.device.type != "cuda":
            raise ValueError(
                f"make_graphed_step: sample input {i} must be on a CUDA device; got {given.device}."
                " Hint: .cuda()"
            )
    where = sample_inputs[0]._device if sample_inputs else _device(None)
    with device(where):
        inputs = tuple(t.detach().clone().requires_grad_(t.requires_grad) for t in sample_inputs)
        pool, captured = graph_pool_handle(), CUDAGraph()
        with pool.in_use():
            for _ in range(warmup):
                step(*inputs)
        with graph(captured, pool=pool):
            outputs = step(*inputs)
    return GraphedStep(step, inputs, _detached(outputs), captured)


def _check_input(i: int, given: Any) -> None:
    if not isinstance(given, Tensor):
        raise TypeError(
            f"graphed step: input {i} must be a tensor; got {type(given).__name__}. Hint: what is"
            " no tensor would stay as it is captured; let the step take it from outside"
        )


def _detached(outputs: Any) -> Any:
    """The outputs without the graphs that they were computed by, which are gone."""
    if isinstance(outputs, Tensor):
        return outputs.detach()
    if isinstance(outputs, (tuple, list)):
        parts = [_detached(o) for o in outputs]
        return type(outputs)(*parts) if hasattr(outputs, "_fields") else type(outputs)(parts)
    if isinstance(outputs, dict):
        return {key: _detached(o) for key, o in outputs.items()}
    return outputs


# Memory.


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays hold on the device; 0 without one."""
    return _on(device, _memory.allocated) if is_available() else 0


def max_memory_allocated(device: Any = None) -> int:
    """The largest that memory_allocated has been, since the start or reset_peak_memory_stats."""
    return _on(device, _memory.most_allocated) if is_available() else 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let max_memory_allocated begin again from now."""
    _on(device, _memory.forget_peak)


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the driver: held by arrays, or kept for the next ones."""
    return _on(device, _memory.reserved_bytes) if is_available() else 0


def max_memory_reserved(device: Any = None) -> int:
    """The largest that memory_reserved has been, since the start or reset_peak_memory_stats."""
    return _on(device, _memory.most_reserved) if is_available() else 0


reset_max_memory_allocated = reset_peak_memory_stats  # older names
memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The memory statistics as text, with the layers and operations that hold most.

    ``abbreviated`` is accepted for PyTorch's sake: the text is short.
    """
    return _on(device, _memory.summary)


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of the device, as the driver sees it."""
    return _on(device, _memory.info)


def empty_cache() -> None:
    """Give memory that no array holds back to the driver."""
    if is_available():
        _on(None, _memory.empty_cache)


# Random numbers. One generator serves all devices: its state is nobody's in particular.


def manual_seed(seed: int) -> None:
    """Seed the default generator, which all devices share: the same as ``lucid.manual_seed``."""
    random.manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the default generator, which all devices share: the same as ``lucid.manual_seed``."""
    random.manual_seed(seed)


def seed() -> None:
    """Seed the default generator from the operating system's entropy."""
    random.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed of the default generator."""
    return random.initial_seed()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The default generator's state, which is the same for every device: a uint8 CPU tensor."""
    return ops.sampling.get_rng_state()


def get_rng_state_all() -> list[Tensor]:
    """get_rng_state once per device."""
    return [get_rng_state() for _ in range(device_count())]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Set the default generator's state, and so that of every device."""
    ops.sampling.set_rng_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Set the state; all must be alike, as get_rng_state_all gives them."""
    states = list(new_states)
    if any(s.tolist() != states[0].tolist() for s in states):
        raise ValueError("set_rng_state_all: one generator serves all devices; got several states")
    for state in states[:1]:
        set_rng_state(state)


def _device(device: Any) -> Any:
    chosen = Device("cuda" if device is None else device)
    if chosen.type != "cuda":
        raise ValueError(f"cuda: expected a CUDA device; got {chosen}")
    return chosen.concrete()


def _on(device: Any, function: Any) -> Any:
    chosen = _device(device)
    token = chosen.enter()
    try:
        return function()
    finally:
        chosen.leave(token)

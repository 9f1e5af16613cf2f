"""What the host spends on an operation that takes the GPU no time: four elements.

Calls are queued without waiting, many in a row, and the clock is the host's: kernels of four
elements end sooner than the next one is queued.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import lucid
import lucid.nn.functional as F
from benchmarks.cuda_clock import Call, peer
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.signature import Arguments
from lucid.cli.gpu_document import Figure
from lucid.testing.measure import interleave


def launch(rounds: int) -> Iterator[Figure]:
    """Microseconds per launch of one of lucid's kernels, arguments checked.

    Beside it the same launch of arguments that are packed already, which no launcher can undercut,
    and a ufunc of CuPy's.
    """
    where = lucid.device("cuda").concrete()
    xp = where.xp
    import_module("lucid.backend.cuda.kernels")  # declares all kernels
    relu = next(k for k in Kernel.known if k.entry == "relu_forward")
    x, y = xp.ones(4, "float32"), xp.empty(4, "float32")

    def kernel() -> None:
        relu(1, 32, x.dtype, x, y, 4, 0.0, 0.0, 0.0)

    kernel()
    ready, packed = relu._ready[x.dtype][where.index], Arguments(relu.parameters)  # type: ignore[index]
    packed.pack(packed.memory, 0, x.data.ptr, y.data.ptr, 4, 0.0, 0.0, 0.0)
    driver = import_module("cupy_backends.cuda.api.driver").launchKernel
    stream, pointer, address = xp.cuda.get_current_stream().ptr, ready.pointer, packed.address
    calls = {
        "lucid's launcher": kernel,
        "the driver's call alone": lambda: driver(
            pointer, 1, 1, 1, 32, 1, 1, 0, stream, address, 0
        ),
        "a ufunc of CuPy's": lambda: xp.negative(x, out=y),
    }
    yield from _microseconds("one launch", calls, rounds)


def small_ops(rounds: int) -> Iterator[Figure]:
    """Microseconds per op of four elements: without a graph, recorded, and walked back."""
    other = peer()
    for name, recorded in (("x * y", False), ("x * y, recorded", True)):
        x, y = lucid.ones(4, device="cuda", requires_grad=recorded), lucid.ones(4, device="cuda")
        calls: dict[str, Call] = {"lucid": lambda x=x, y=y: x * y}  # type: ignore[misc]
        if other:
            t = other.torch.ones(4, device=other.device, requires_grad=recorded)
            u = other.torch.ones(4, device=other.device)
            calls["torch"] = lambda t=t, u=u: t * u  # type: ignore[misc]
        yield from _microseconds(name, calls, rounds)
    x = lucid.ones(4, device="cuda")
    calls = {"lucid": lambda: F.dropout(x, 0.5, True)}
    if other:
        t = other.torch.ones(4, device=other.device)
        calls["torch"] = lambda: other.torch.nn.functional.dropout(t, 0.5, True)
    yield from _microseconds("dropout", calls, rounds)


def _microseconds(name: str, calls: dict[str, Call], rounds: int) -> Iterator[Figure]:
    where = lucid.device("cuda").concrete()
    other = peer()

    def wait() -> None:
        where.synchronize()
        if other:
            other.wait()

    seconds = interleave(calls, rounds, synchronize=wait)
    for contender, times in seconds.items():
        microseconds = [s * 1e6 for s in times]
        yield Figure.of("overhead, four elements", {"call": name}, contender, "us", microseconds)

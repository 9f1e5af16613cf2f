"""The library itself: one handle per device and stream, building and execution of graphs."""

from __future__ import annotations

from functools import cache
from typing import Any

from lucid.backend import capture
from lucid.backend.cuda import libraries, options
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.cudnn.graph import Numbers, Problem, Sketch

_CANDIDATES = 8  # plans that benchmark mode times
_REPEATS = 3


class Library:
    """cuDNN through its frontend. Tests put an object with these three methods in its place:
    version, build, execute."""

    def __init__(self) -> None:
        from importlib import import_module

        # cuDNN looks for these by name alone, or, in 9.12, in folders that wheels no longer
        # have; without cublasLt it ends the process.
        for name in ("cudart", "nvrtc", "nvrtc-builtins", "cublasLt"):
            libraries.preload(name)
        self._cudnn: Any = import_module("cudnn")
        self._cudnn.backend_version()
        self._handles: dict[tuple[int, int], Any] = {}

    def version(self) -> int:
        return int(self._cudnn.backend_version())

    def _handle(self) -> Any:
        cuda = cupy().cuda
        key = cuda.runtime.getDevice(), cuda.get_current_stream().ptr
        handle = self._handles.get(key)
        if handle is None:
            capture.refuse(
                "cuDNN: this stream has no handle, and none can be made",
                "run the step once before, on the same stream",
            )
            handle = self._cudnn.create_handle()
            self._cudnn.set_stream(handle=handle, stream=key[1])
            self._handles[key] = handle
        return handle

    def _place(self) -> dict[str, Any]:
        """What a graph is told about the device that it is for."""
        return {"handle": self._handle()}

    def build(self, problem: Problem, benchmark: bool) -> tuple[Any, int]:
        """A built plan and the bytes of its workspace."""
        cudnn = self._cudnn
        graph = Sketch(cudnn, problem, self._place()).graph
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        unwanted = [getattr(cudnn.numerical_note, name) for name in problem.unwanted()]
        if unwanted:
            graph.deselect_numeric_notes(unwanted)
        graph.check_support()
        if benchmark:
            best = self._fastest(graph, problem)
            if best is not None:
                return (graph, best), int(graph.get_workspace_size_plan_at_index(best))
        graph.build_plans()
        return (graph, None), int(graph.get_workspace_size())

    def _fastest(self, graph: Any, problem: Problem) -> int | None:
        """The index of the plan that takes the least time on scratch memory."""
        cuda = cupy().cuda
        stream = cuda.get_current_stream()
        if stream.is_capturing():
            return None
        held = {}
        for number, operand in problem.operands().items():
            held[number] = cuda.alloc(operand.bytes())
            held[number].memset_async(0, operand.bytes(), stream)
        numbers = Numbers(problem)
        pointers = numbers.beside(list(held), [memory.ptr for memory in held.values()])
        best: tuple[float, int] | None = None
        tried = 0
        for index in range(graph.get_execution_plan_count()):
            if tried == _CANDIDATES:
                break
            try:
                graph.build_plan_at_index(index)  # an error for those that are not wanted
                tried += 1
                need = int(graph.get_workspace_size_plan_at_index(index))
                scratch = cuda.alloc(need) if need else None
                where = 0 if scratch is None else scratch.ptr
                self.execute((graph, index), pointers, where)
                start, end = cuda.Event(), cuda.Event()
                start.record(stream)
                for _ in range(_REPEATS):
                    self.execute((graph, index), pointers, where)
                end.record(stream)
                end.synchronize()
            except Exception:  # a plan that can't be built here, or wants more memory than there is
                continue
            took = float(cuda.get_elapsed_time(start, end))
            if best is None or took < best[0]:
                best = took, index
        return None if best is None else best[1]

    def execute(self, built: Any, pointers: dict[int, int], workspace: int) -> None:
        graph, index = built
        if index is None:
            graph.execute(pointers, workspace, handle=self._handle())
        else:
            graph.execute_plan_at_index(pointers, workspace, index, handle=self._handle())


@cache
def _find() -> tuple[Any, str]:
    try:
        return Library(), ""
    except Exception as error:  # ImportError, or what the loader thinks of the library behind it
        return None, f"{error}. Hint: pip install 'lucid-cupy[cuda13]' (or [cuda12])"


_stand_in: list[Any] = []  # tests: what takes cuDNN's place


def library() -> Any:
    """The library in use, or None: then convolution is im2col and matrix products."""
    if not options.cudnn.enabled:
        return None
    return _stand_in[-1] if _stand_in else _find()[0]


def why_unavailable() -> str:
    """Empty if cuDNN can be used; else what is missing."""
    return "" if _stand_in else _find()[1]


def version() -> int | None:
    """cuDNN's version as one number, e.g. 91900; None without it."""
    found = _stand_in[-1] if _stand_in else _find()[0]
    return None if found is None else found.version()

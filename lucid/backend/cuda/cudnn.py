"""Convolution plans by cuDNN, through nvidia-cudnn-frontend's graphs.

    plan_for(problem)      a Plan, made once per problem and device
    plan.run(x, w, y)      arrays laid out as the problem says; queued on the current stream

A plan is what cuDNN chose for one shape, layout, type and mode. ``lucid.backends.cudnn.benchmark``
lets it time several and keep the fastest.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from lucid.backend.cuda import libraries, options
from lucid.backend.cuda.availability import cupy
from lucid.errors import LucidError

__all__ = ["Plan", "Problem", "plan_for", "version", "why_unavailable"]

_CANDIDATES = 8  # plans that benchmark mode times
_REPEATS = 3


class Layout(NamedTuple):
    """An array's shape, and its strides counted in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]


def layout_of(a: Any, channels_last: bool) -> Layout:
    """Of an array in one of the two orders. Strides along lengths of 1, which may be anything in
    the array, are what the order says."""
    order = (0, *range(2, a.ndim), 1) if channels_last else range(a.ndim)
    strides, step = [0] * a.ndim, 1
    for d in reversed(order):
        strides[d] = step
        step *= a.shape[d]
    return Layout(a.shape, tuple(strides))


class Problem(NamedTuple):
    """A convolution or one of its gradients, and all that a plan depends on."""

    kind: str  # "forward": x, w -> y; "input_gradient": y, w -> x; "weight_gradient": x, y -> w
    dtype: str
    x: Layout
    w: Layout
    y: Layout
    padding: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    tf32: bool
    deterministic: bool

    def __str__(self) -> str:
        kind = self.kind.replace("_", " ")
        name = f"conv{len(self.padding)}d" + ("" if kind == "forward" else f" ({kind})")
        order = "contiguous" if self.x.strides[1] != 1 else "channels_last"
        return (
            f"{name}: input {self.x.shape}, weight {self.w.shape}, output {self.y.shape},"
            f" stride={self.stride}, padding={self.padding}, dilation={self.dilation},"
            f" groups={self.x.shape[1] // self.w.shape[1]}, {self.dtype}, {order}"
        )


class Plan:
    """A built graph, and the stream-ordered workspace that it asks for."""

    def __init__(self, owner: Any, problem: Problem, built: Any, workspace: int):
        self.owner, self.problem = owner, problem
        self.built, self.workspace = built, workspace

    def run(self, x: Any, w: Any, y: Any) -> None:
        scratch = cupy().cuda.alloc(self.workspace) if self.workspace else None
        pointers = {1: x.data.ptr, 2: w.data.ptr, 3: y.data.ptr}
        self.owner.execute(self.built, pointers, 0 if scratch is None else scratch.ptr)


class Library:
    """cuDNN through its frontend. Tests put an object with these three methods in its place."""

    def __init__(self) -> None:
        from importlib import import_module

        for name in ("cudart", "nvrtc-builtins"):  # cuDNN looks for these by name alone
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
            handle = self._cudnn.create_handle()
            self._cudnn.set_stream(handle=handle, stream=key[1])
            self._handles[key] = handle
        return handle

    def build(self, problem: Problem, benchmark: bool) -> tuple[Any, int]:
        """A built plan and the bytes of its workspace."""
        cudnn = self._cudnn
        graph = self._graph(problem)
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        unwanted = []
        if problem.dtype == "float32" and not problem.tf32:
            unwanted += [
                cudnn.numerical_note.TENSOR_CORE,
                cudnn.numerical_note.DOWN_CONVERT_INPUTS,
            ]
        if problem.deterministic:
            unwanted.append(cudnn.numerical_note.NONDETERMINISTIC)
        if unwanted:
            graph.deselect_numeric_notes(unwanted)
        graph.check_support()
        if benchmark:
            best = self._fastest(graph, problem)
            if best is not None:
                return (graph, best), int(graph.get_workspace_size_plan_at_index(best))
        graph.build_plans()
        return (graph, None), int(graph.get_workspace_size())

    def _graph(self, problem: Problem) -> Any:
        types = self._cudnn.data_type
        element = {
            "float16": types.HALF,
            "bfloat16": types.BFLOAT16,
            "float32": types.FLOAT,
            "float64": types.DOUBLE,
        }[problem.dtype]
        compute = types.DOUBLE if problem.dtype == "float64" else types.FLOAT
        graph = self._cudnn.pygraph(
            io_data_type=element,
            intermediate_data_type=compute,
            compute_data_type=compute,
            handle=self._handle(),
        )
        names = {"x": 1, "w": 2, "y": 3}
        answer = {"forward": "y", "input_gradient": "x", "weight_gradient": "w"}[problem.kind]
        given = {}
        for name, uid in names.items():
            if name != answer:
                layout = getattr(problem, name)
                given[name] = graph.tensor(
                    name=name, dim=list(layout.shape), stride=list(layout.strides),
                    data_type=element, uid=uid,
                )  # fmt: skip
        settings = {
            "padding": list(problem.padding),
            "stride": list(problem.stride),
            "dilation": list(problem.dilation),
        }
        if answer == "y":
            result = graph.conv_fprop(image=given["x"], weight=given["w"], **settings)
        elif answer == "x":
            result = graph.conv_dgrad(loss=given["y"], filter=given["w"], **settings)
        else:
            result = graph.conv_wgrad(image=given["x"], loss=given["y"], **settings)
        layout = getattr(problem, answer)
        result.set_output(True).set_data_type(element).set_uid(names[answer])
        result.set_dim(list(layout.shape)).set_stride(list(layout.strides))
        return graph

    def _fastest(self, graph: Any, problem: Problem) -> int | None:
        """The index of the plan that takes the least time on scratch memory."""
        cuda = cupy().cuda
        stream = cuda.get_current_stream()
        if stream.is_capturing():
            return None
        size = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}[problem.dtype]
        held = {
            uid: cuda.alloc(_extent(layout) * size)
            for uid, layout in ((1, problem.x), (2, problem.w), (3, problem.y))
        }
        for uid, layout in ((1, problem.x), (2, problem.w), (3, problem.y)):
            held[uid].memset_async(0, _extent(layout) * size, stream)
        pointers = {uid: memory.ptr for uid, memory in held.items()}
        best: tuple[float, int] | None = None
        for index in range(min(_CANDIDATES, graph.get_execution_plan_count())):
            try:
                graph.build_plan_at_index(index)
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


def _extent(layout: Layout) -> int:
    return 1 + sum((n - 1) * s for n, s in zip(layout.shape, layout.strides, strict=True))


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


_plans: dict[tuple[Any, int, bool, Problem], Plan] = {}


def plan_for(owner: Any, problem: Problem) -> Plan:
    """The plan for a problem on the current device, from the cache if it was met before."""
    key = owner, cupy().cuda.runtime.getDevice(), options.cudnn.benchmark, problem
    plan = _plans.get(key)
    if plan is None:
        try:
            plan = Plan(owner, problem, *owner.build(problem, options.cudnn.benchmark))
        except Exception as error:
            raise UnsupportedConvolution(
                f"{problem}: cuDNN has no plan for it ({error})."
                " Hint: lucid.backends.cudnn.enabled = False computes it by matrix products"
            ) from error
        _plans[key] = plan
    return plan


class UnsupportedConvolution(LucidError, RuntimeError):
    """cuDNN refused a convolution."""

"""How plans are asked of cuDNN's frontend: the calls, in order, on a frontend that records them."""

import sys
import time
from types import SimpleNamespace

import numpy
import pytest

from lucid.backend.cuda import cudnn

NAMES = ("FLOAT", "DOUBLE", "HALF", "BFLOAT16")
NOTES = ("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "NONDETERMINISTIC")


def same(*names):
    return SimpleNamespace(**{n: n for n in names})


class Result:
    """A tensor of the graph; what is set on it is kept."""

    def __init__(self, **settings):
        self.__dict__.update(settings)

    def __getattr__(self, name):
        def keep(value):
            setattr(self, name.removeprefix("set_"), value)
            return self

        return keep


class Graph:
    """pygraph with three plans: a slow one, one that can't be built, a fast one."""

    seconds = (0.02, None, 0.0)
    workspaces = (512, 0, 1024)

    def __init__(self, **settings):
        self.settings, self.calls, self.executed = settings, [], []

    def tensor(self, **settings):
        return Result(**settings)

    def conv_fprop(self, **settings):
        return self._convolution("fprop", settings)

    def conv_dgrad(self, **settings):
        return self._convolution("dgrad", settings)

    def conv_wgrad(self, **settings):
        return self._convolution("wgrad", settings)

    def _convolution(self, name, settings):
        self.name, self.inputs, self.result = name, settings, Result()
        return self.result

    def deselect_numeric_notes(self, notes):
        self.calls.append(("deselect", *notes))

    def get_execution_plan_count(self):
        return 3

    def build_plan_at_index(self, index):
        if self.seconds[index] is None:
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED")

    def get_workspace_size_plan_at_index(self, index):
        return self.workspaces[index]

    def get_workspace_size(self):
        return 256

    def execute(self, pointers, workspace, handle):
        self.executed.append((None, pointers, workspace, handle))

    def execute_plan_at_index(self, pointers, workspace, index, handle):
        time.sleep(self.seconds[index])
        self.executed.append((index, pointers, workspace, handle))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: self.calls.append((name, *args))


@pytest.fixture
def library(cuda, monkeypatch):
    streams = []
    frontend = SimpleNamespace(
        backend_version=lambda: 91900,
        create_handle=lambda: "handle",
        set_stream=lambda handle, stream: streams.append(stream),
        pygraph=Graph,
        data_type=same(*NAMES),
        numerical_note=same(*NOTES),
        heur_mode=same("A", "FALLBACK"),
    )
    monkeypatch.setitem(sys.modules, "cudnn", frontend)
    token = cuda.enter()
    yield cudnn.Library()
    cuda.leave(token)
    assert streams == [cuda.stream.ptr]  # one handle, on lucid's stream


def problem(kind="forward", dtype="float32", last=False, **changes):
    x, w, y = (
        cudnn.layout_of(numpy.empty(s), last) for s in ((2, 4, 6, 5), (8, 2, 3, 3), (2, 8, 6, 5))
    )
    pairs = (1, 1)
    asked = cudnn.Problem(kind, dtype, x, w, y, pairs, pairs, pairs, True, False)
    return asked._replace(**changes)


@pytest.mark.parametrize(
    "kind, name, answer, inputs",
    [
        ("forward", "fprop", 3, {"image": 1, "weight": 2}),
        ("input_gradient", "dgrad", 1, {"loss": 3, "filter": 2}),
        ("weight_gradient", "wgrad", 2, {"image": 1, "loss": 3}),
    ],
)
def test_the_graph_is_of_the_operation_and_its_tensors(library, kind, name, answer, inputs):
    (graph, index), workspace = library.build(problem(kind), benchmark=False)
    assert (graph.name, graph.result.uid, index, workspace) == (name, answer, None, 256)
    tensors = {k: v for k, v in graph.inputs.items() if isinstance(v, Result)}
    assert {k: t.uid for k, t in tensors.items()} == inputs
    lists = {k: v for k, v in graph.inputs.items() if k not in tensors}
    assert lists == {"padding": [1, 1], "stride": [1, 1], "dilation": [1, 1]}
    assert [c[0] for c in graph.calls] == [
        "validate", "build_operation_graph", "create_execution_plans", "check_support",
        "build_plans",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "dtype, element, sums",
    [
        ("float16", "HALF", "FLOAT"),
        ("bfloat16", "BFLOAT16", "FLOAT"),
        ("float32", "FLOAT", "FLOAT"),
        ("float64", "DOUBLE", "DOUBLE"),
    ],
)
def test_halves_are_summed_in_float32(library, dtype, element, sums):
    (graph, _), _ = library.build(problem(dtype=dtype), benchmark=False)
    asked = graph.settings
    assert (asked["io_data_type"], asked["compute_data_type"]) == (element, sums)
    assert graph.result.data_type == graph.inputs["image"].data_type == element


def test_channels_last_is_told_by_strides(library):
    (graph, _), _ = library.build(problem(last=True), benchmark=False)
    assert graph.inputs["image"].dim == [2, 4, 6, 5]
    assert graph.inputs["image"].stride == [120, 1, 20, 4]
    assert graph.result.stride == [240, 1, 40, 8]


@pytest.mark.parametrize(
    "changes, notes",
    [
        ({}, ()),
        ({"tf32": False}, ("TENSOR_CORE", "DOWN_CONVERT_INPUTS")),
        ({"tf32": False, "dtype": "float16"}, ()),  # there TF32 is no question
        ({"deterministic": True}, ("NONDETERMINISTIC",)),
    ],
    ids=str,
)
def test_engines_that_were_not_allowed_are_left_out(library, changes, notes):
    (graph, _), _ = library.build(problem(**changes), benchmark=False)
    assert [c[1:] for c in graph.calls if c[0] == "deselect"] == ([notes] if notes else [])


def test_benchmark_keeps_the_fastest_plan_that_can_be_built(library, cuda):
    (graph, index), workspace = library.build(problem(), benchmark=True)
    assert (index, workspace) == (2, 1024)
    graph.executed.clear()
    cudnn.Plan(library, problem(), (graph, index), 0).run(*(cuda.xp.empty(3) for _ in range(3)))
    (call,) = graph.executed
    assert (call[0], sorted(call[1]), call[2], call[3]) == (2, [1, 2, 3], 0, "handle")

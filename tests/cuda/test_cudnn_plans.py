"""How plans are asked of cuDNN's frontend: the calls, in order, on a frontend that records them."""

import ctypes
import sys
from types import SimpleNamespace

import pytest

from lucid.backend.cuda import cudnn, libraries
from tests.cuda import cudnn_problems
from tests.cuda.recording_frontend import NAMES, NOTES, Graph, Result, same


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
    return cudnn_problems.convolution("3x3", kind, dtype, last)._replace(**changes)


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
    assert graph.inputs["image"].dim == [8, 16, 14, 14]
    assert graph.inputs["image"].stride == [3136, 1, 224, 16]
    assert graph.result.stride == [6272, 1, 448, 32]


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


@pytest.mark.parametrize("dtype, sums", [("float16", "FLOAT"), ("float64", "DOUBLE")])
def test_a_bias_is_added_to_sums_that_are_not_yet_rounded(library, dtype, sums):
    (graph, _), _ = library.build(problem(dtype=dtype, bias=True), benchmark=False)
    assert graph.added["input"] is graph.result and graph.result.data_type == sums
    assert "output" not in vars(graph.result)
    bias = graph.added["bias"]
    assert (bias.dim, bias.uid, bias.data_type) == ([1, 32, 1, 1], 4, graph.sum.data_type)
    assert (graph.sum.uid, graph.sum.output, graph.sum.dim) == (3, True, [8, 32, 14, 14])


def norm(kind, **changes):
    return cudnn_problems.batch_norm((8, 16, 14, 14), kind, "bfloat16", last=True)._replace(
        **changes
    )


def test_batch_norm_is_of_x_and_keeps_float32_statistics(library):
    (graph, _), _ = library.build(norm("forward"), benchmark=False)
    assert graph.name == "batchnorm"
    given = {k: (t.uid, t.data_type) for k, t in graph.inputs.items() if isinstance(t, Result)}
    assert given == {
        "input": (1, "BFLOAT16"),
        "scale": (2, "FLOAT"),
        "bias": (3, "FLOAT"),
        "epsilon": (9, "FLOAT"),
    }
    # Running statistics are lucid's own affair: cuDNN is not told of them, nor asked for new ones.
    assert [n for n, t in graph.inputs.items() if t is None] == [
        "in_running_mean", "in_running_var", "momentum",
    ]  # fmt: skip
    assert graph.inputs["epsilon"].is_pass_by_value and graph.inputs["epsilon"].dim == [1] * 4
    wanted = [vars(t) for t in graph.results if vars(t)]
    assert [(t["uid"], t["data_type"]) for t in wanted] == [
        (4, "BFLOAT16"), (5, "FLOAT"), (6, "FLOAT"),
    ]  # fmt: skip
    assert graph.results[0].stride == graph.inputs["input"].stride == [3136, 1, 224, 16]
    assert graph.inputs["scale"].dim == graph.results[1].dim == [1, 16, 1, 1]


@pytest.mark.parametrize("parameters, kind", [("float32", "FLOAT"), ("bfloat16", "BFLOAT16")])
def test_gradients_of_batch_norms_parameters_have_their_type(library, parameters, kind):
    (graph, _), _ = library.build(norm("backward", parameters=parameters), benchmark=False)
    assert graph.name == "batchnorm_backward"
    given = {k: (t.uid, t.data_type) for k, t in graph.inputs.items()}
    assert given == {
        "input": (1, "BFLOAT16"),
        "grad": (2, "BFLOAT16"),
        "scale": (3, kind),
        "mean": (4, "FLOAT"),
        "inv_variance": (5, "FLOAT"),
    }
    assert [(t.uid, t.data_type) for t in graph.results] == [(6, "BFLOAT16"), (7, kind), (8, kind)]


def test_epsilon_lies_on_the_host_for_as_long_as_the_plan_lives(library, cuda):
    asked = norm("forward", eps=0.25)
    plan = cudnn.Plan(library, asked, *library.build(asked, benchmark=False))
    plan.run(*(cuda.xp.empty(3) for _ in range(6)))
    ((_, pointers, _, _),) = plan.built[0].executed
    assert sorted(pointers) == [1, 2, 3, 4, 5, 6, 9]
    assert ctypes.c_float.from_address(pointers[9]).value == 0.25


def test_an_error_at_execution_tells_the_problem(library, cuda):
    def fail(*args):
        raise RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")

    asked = problem()
    plan = cudnn.Plan(library, asked, *library.build(asked, benchmark=False))
    plan.owner = SimpleNamespace(execute=fail)
    with pytest.raises(RuntimeError, match="EXECUTION_FAILED") as raised:
        plan.run(*(cuda.xp.empty(3) for _ in range(3)))
    assert raised.value.__notes__ == [
        "while cuDNN computed conv2d: input (8, 16, 14, 14), weight (32, 16, 3, 3), output"
        " (8, 32, 14, 14), stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1, float32,"
        " contiguous"
    ]


def test_benchmark_keeps_the_fastest_plan_that_can_be_built(library, cuda):
    (graph, index), workspace = library.build(problem(), benchmark=True)
    assert (index, workspace) == (2, 1024)
    graph.executed.clear()
    cudnn.Plan(library, problem(), (graph, index), 0).run(*(cuda.xp.empty(3) for _ in range(3)))
    (call,) = graph.executed
    assert (call[0], sorted(call[1]), call[2], call[3]) == (2, [1, 2, 3], 0, "handle")


def test_what_cudnn_looks_for_by_name_is_loaded_before_it(monkeypatch):
    loaded = []
    frontend = SimpleNamespace(backend_version=lambda: loaded.append("cudnn"))
    monkeypatch.setitem(sys.modules, "cudnn", frontend)
    monkeypatch.setattr(libraries, "preload", loaded.append)
    cudnn.Library()
    assert loaded == ["cudart", "nvrtc", "nvrtc-builtins", "cublasLt", "cudnn"]

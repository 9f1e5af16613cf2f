"""Convolution on CUDA: cuDNN's plans, and matrix products where there is no cuDNN."""

import numpy
import pytest

import lucid
from lucid import backends
from lucid.backend.cuda import cudnn, options
from lucid.backend.cuda.cudnn import frontend
from lucid.nn import functional as F
from tests import cuda_emulator

# Relative to sums of a few dozen products of numbers of size 1; halves are rounded once per op.
CLOSE = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
CASES = [
    ("conv1d", (2, 4, 9), (6, 4, 3), {"stride": 2, "padding": 1, "dilation": 2}),
    ("conv1d", (2, 4, 9), (6, 2, 3), {"groups": 2, "padding": "same"}),
    ("conv2d", (2, 3, 6, 5), (4, 3, 3, 3), {"padding": 1}),
    ("conv2d", (2, 3, 6, 6), (4, 3, 2, 4), {"padding": "same"}),  # more behind than before
    ("conv2d", (2, 4, 7, 6), (8, 1, 2, 3), {"groups": 4, "stride": (2, 1), "padding": (0, 2)}),
    ("conv3d", (1, 2, 4, 5, 3), (3, 2, 2, 3, 2), {"padding": 1, "stride": 2}),
    ("conv_transpose2d", (2, 4, 3, 5), (4, 3, 3, 2), {"stride": 2, "output_padding": 1}),
    # Cropped more than cuDNN knows: the padding behind is negative.
    ("conv_transpose2d", (1, 2, 3, 3), (2, 2, 2, 2), {"dilation": 3, "output_padding": 2}),
    ("conv2d", (0, 3, 6, 5), (4, 3, 3, 3), {"padding": 1}),
]
ORDERS = {"contiguous": lucid.contiguous_format, "channels_last": lucid.channels_last}


def step(case, device, dtype="float64", order="contiguous"):
    """Output and gradients of one call, as NumPy arrays, and the tensors."""
    name, *shapes, settings = case
    rng = numpy.random.default_rng(0)
    channels = shapes[1][0] if "transpose" not in name else shapes[1][1]
    arrays = [rng.uniform(-1, 1, s) for s in (*shapes, (channels,))]
    x, w, b = (lucid.tensor(a, device=device).to(getattr(lucid, dtype)) for a in arrays)
    if x.ndim == 4:
        x = x.contiguous(memory_format=ORDERS[order])
    for t in (x, w, b):
        t.requires_grad_()
    y = getattr(F, name)(x, w, b, **settings)
    weights = lucid.tensor(rng.uniform(-1, 1, y.shape), device=device).to(y.dtype)
    y.backward(weights.contiguous(memory_format=ORDERS[order]) if x.ndim == 4 else weights)
    tensors = [y.detach(), x.grad, w.grad, b.grad]
    return [t.cpu().double().numpy() for t in tensors], tensors


@pytest.mark.parametrize("enabled", [True, False], ids=["cudnn", "products"])
@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_the_cpu(case, order, dtype, enabled, cuda, monkeypatch):
    monkeypatch.setattr(options.cudnn, "enabled", enabled)
    monkeypatch.setattr(options.cudnn, "allow_tf32", False)
    expected, _ = step(case, "cpu", dtype, order)
    actual, tensors = step(case, "cuda", dtype, order)
    for a, b in zip(actual, expected, strict=True):
        scale = max(1.0, abs(b).max()) if b.size else 1.0
        numpy.testing.assert_allclose(a, b, rtol=CLOSE[dtype], atol=CLOSE[dtype] * scale)
    assert {t.dtype for t in tensors} == {getattr(lucid, dtype)}
    if tensors[0].ndim == 4:
        for t in tensors[:2]:
            assert t.is_contiguous(memory_format=ORDERS[order])


@pytest.mark.parametrize("order", ORDERS)
def test_a_plan_is_made_once_per_shape_layout_type_and_mode(order, cuda, problems, monkeypatch):
    case = CASES[2]
    for _ in range(3):
        step(case, "cuda", "float32", order)
    assert [p.kind for p in problems] == ["forward", "input_gradient", "weight_gradient"]
    step(case, "cuda", "float16", order)
    monkeypatch.setattr(options.cudnn, "deterministic", True)
    step(case, "cuda", "float16", order)
    monkeypatch.setattr(options.cudnn, "allow_tf32", False)
    step(case, "cuda", "float16", order)
    assert len(problems) == 12 and len(set(problems)) == 12
    step(case, "cuda", "float32", "channels_last" if order == "contiguous" else "contiguous")
    assert len(problems) == 15


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bias", [False, True], ids=["alone", "with a bias"])
def test_one_call_is_one_launch_and_copies_nothing(bias, order, emulated, problems):
    x, w = (
        lucid.randn(*s).contiguous(memory_format=ORDERS[order])
        for s in ((2, 3, 6, 5), (4, 3, 3, 3))
    )
    b = lucid.randn(4) if bias else None
    F.conv2d(x, w, b, padding=1)
    with cuda_emulator.counting() as c:
        F.conv2d(x, w, b, padding=1)
    assert (c.launches, c.operations, c.d2d, c.h2d, c.synchronisations) == (1, 0, 0, 0, 0)
    assert [p.bias for p in problems] == [bias]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sum_and_bias_are_rounded_once(dtype, cuda, problems):
    # 1 + step / 2 + step / 2, where step follows 1: rounded after the sum it would stay 1.
    step = {"float16": 2**-10, "bfloat16": 2**-7}[dtype]
    one = lucid.ones(1, 1, 1, 1)
    x, w, b = lucid.cat([one, one], 1), lucid.cat([one, one * step / 2], 1), one[0, 0, 0] * step / 2
    y = F.conv2d(*(t.to(getattr(lucid, dtype)) for t in (x, w, b)))
    assert problems and y.item() == 1 + step


def test_a_bias_that_cudnn_does_not_add_is_added_after_it(cuda, problems, monkeypatch):
    build, asked = cudnn.library().build, []

    def refuse(problem, benchmark):
        asked.append(problem.bias)
        if problem.bias:
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED")
        return build(problem, benchmark)

    monkeypatch.setattr(cudnn.library(), "build", refuse)
    monkeypatch.setattr(options.cudnn, "allow_tf32", False)
    for _ in range(2):
        actual, _ = step(CASES[2], "cuda", "float32")
    expected, _ = step(CASES[2], "cpu", "float32")
    numpy.testing.assert_allclose(actual[0], expected[0], rtol=1e-5, atol=1e-5)
    assert asked == [True, False, False, False]  # forward in both ways, and its two gradients


def test_groups_and_a_bias_are_two_steps(cuda, problems):
    step(CASES[4], "cuda")
    assert {p.bias for p in problems} == {False}


def test_a_part_of_an_array_may_begin_anywhere(cuda, problems, monkeypatch):
    monkeypatch.setattr(options.cudnn, "allow_tf32", False)
    x, w, b = lucid.randn(3, 3, 3, 3), lucid.randn(5, 3, 3, 3), lucid.randn(5)
    part = x[1:], w[1:], b[1:]  # contiguous, 108, 108 and 4 bytes from where 16 bytes begin
    expected = F.conv2d(*(t.cpu() for t in part))
    assert F.conv2d(*part).cpu().allclose(expected, rtol=1e-5, atol=1e-5)
    assert problems


def test_switched_off_it_is_matrix_products(cuda, problems, products, monkeypatch):
    monkeypatch.setattr(options.cudnn, "enabled", False)
    step(CASES[2], "cuda", "float16")
    assert not problems and {p.kind for p in products} == {0}  # halves are widened first


def test_a_plan_that_cannot_be_made_names_the_shapes_and_the_way_out(cuda, problems, monkeypatch):
    def refuse(problem, benchmark):
        raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED")

    monkeypatch.setattr(cudnn.library(), "build", refuse)
    expected = (
        r"conv2d: input \(2, 3, 6, 5\), weight \(4, 3, 3, 3\), output \(2, 4, 6, 5\),"
        r" stride=\(1, 1\), padding=\(1, 1\), .* groups=1, float32, contiguous: cuDNN has no plan"
        r" for it \(CUDNN_STATUS_NOT_SUPPORTED\)\. Hint: lucid\.backends\.cudnn\.enabled = False"
    )
    with pytest.raises(lucid.errors.LucidError, match=expected):
        F.conv2d(lucid.randn(2, 3, 6, 5), lucid.randn(4, 3, 3, 3), padding=1)


def test_plans_run_inside_a_graph(cuda, problems):
    x, w = lucid.randn(2, 3, 6, 5), lucid.randn(4, 3, 3, 3)
    pool = cuda.xp.cuda.MemoryPool()
    stream = cuda.stream
    with cuda.xp.cuda.using_allocator(pool.malloc):
        expected = F.conv2d(x, w)
        stream.begin_capture()
        y = F.conv2d(x, w)
        graph = stream.end_capture()
        graph.launch(stream)
    cuda.synchronize()
    assert y.allclose(expected)


def test_the_switches_are_where_pytorch_has_them():
    assert backends.cudnn.enabled and not backends.cudnn.benchmark
    assert backends.cudnn.allow_tf32 and not backends.cudnn.deterministic
    assert not backends.cuda.matmul.allow_tf32
    try:
        backends.cudnn.benchmark = True
        assert options.cudnn.benchmark
    finally:
        backends.cudnn.benchmark = False
    with pytest.raises(AttributeError, match="backends.cudnn has enabled, batch_norm"):
        backends.cudnn.fast = True


def test_versions_are_numbers_where_there_is_cuda_and_none_elsewhere():
    available = lucid.cuda.is_available()
    assert backends.cuda.is_available() == available
    if not available:
        assert backends.cudnn.version() is None and not backends.cudnn.is_available()
    elif backends.cudnn.is_available():
        assert backends.cudnn.version() > 90000


def test_the_reason_why_there_is_no_cudnn_is_told(monkeypatch):
    def missing(self):
        raise ImportError("No module named 'cudnn'")

    monkeypatch.setattr(cudnn.Library, "__init__", missing)
    assert "No module named 'cudnn'" in frontend._find.__wrapped__()[1]

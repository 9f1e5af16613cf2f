"""What must hold for every op, run on the cases that its own file declares with spec(...)."""

import numpy
import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.spec import SPECS

CASES = [pytest.param(s, c, id=f"{s}-{c}") for s in SPECS for c in s.cases]
SMOOTH = [p for p in CASES if p.values[0].differentiable]
ERRORS = [pytest.param(s, *e, id=f"{s}-{e[0]}") for s in SPECS for e in s.errors]
# Relative error of one rounding, with room for the few operations that a function is made of.
TOLERANCE = {"float64": 1e-10, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def inputs(case, dtype="float64", order="C"):
    """Tensors for a case; its own dtypes stand, only floating point ones become ``dtype``."""
    rng = numpy.random.default_rng(0)
    tensors = []
    for i, shape in enumerate(case.shapes):
        kind = case.dtypes[i] if case.dtypes else "float32"
        if kind.startswith(("int", "uint", "bool")):
            values = rng.integers(int(case.low), int(case.high), shape).astype(kind)
        else:
            values = rng.uniform(case.low, case.high, shape)
        t = lucid.tensor(numpy.asarray(values, order=order))
        tensors.append(
            t if kind.startswith(("int", "uint", "bool")) else t.to(getattr(lucid, dtype))
        )
    return tensors


def call(spec, case, tensors):
    lucid.manual_seed(7)
    args = [tensors] if spec.sequence else tensors
    return spec.function(*args, **case.kwargs)


def first(result):
    """The output that is compared: values, where an op answers (values, indices)."""
    return result if isinstance(result, lucid.Tensor) else result[0]


def to_double(t):
    return t.detach().cpu().double().numpy() if t.is_floating_point() else t.cpu().numpy()


@pytest.mark.parametrize("spec, case", [p for p in CASES if p.values[0].reference])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_matches_its_reference(spec, case, dtype, device):
    x = inputs(case, dtype)
    expected = spec.reference(numpy, *[to_double(t) for t in x], **case.kwargs)
    actual = to_double(first(call(spec, case, x)))
    assert actual.shape == numpy.shape(expected)
    scale = max(1.0, float(numpy.abs(expected).max())) if numpy.size(expected) else 1.0
    numpy.testing.assert_allclose(
        actual, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale
    )


@pytest.mark.parametrize("spec, case", SMOOTH)
def test_gradient_agrees_with_differences(spec, case, device):
    x = [t.requires_grad_(t.is_floating_point()) for t in inputs(case)]
    assert gradcheck(lambda *x: first(call(spec, case, list(x))), x)


@pytest.mark.parametrize("spec, case", SMOOTH)
def test_second_gradient_agrees_with_differences(spec, case, device):
    x = [t.requires_grad_(t.is_floating_point()) for t in inputs(case)]
    assert gradgradcheck(lambda *x: first(call(spec, case, list(x))), x)


@pytest.mark.parametrize("spec, case", SMOOTH)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_keeps_dtype_and_device_and_gives_gradients_of_the_inputs_kind(spec, case, dtype, device):
    x = [t.requires_grad_(t.is_floating_point()) for t in inputs(case, dtype)]
    y = first(call(spec, case, x))
    assert y.dtype is getattr(lucid, dtype)
    assert y.device is device
    if y.requires_grad:
        y.sum().backward()
    for t in x:
        if t.requires_grad and y.requires_grad and t.grad is not None:
            assert (t.grad.shape, t.grad.dtype, t.grad.device) == (t.shape, t.dtype, t.device)


@pytest.mark.parametrize("spec, case", [p for p in CASES if not p.values[0].random])
def test_memory_order_does_not_change_the_result(spec, case, device):
    a = first(call(spec, case, inputs(case)))
    b = first(call(spec, case, inputs(case, order="F")))
    numpy.testing.assert_allclose(to_double(a), to_double(b), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec, case, error, message", ERRORS)
def test_refuses_bad_input_in_one_sentence(spec, case, error, message, device):
    if case.by_value and device.type != "cpu":
        pytest.skip("the values decide, and a GPU is not waited for")
    with pytest.raises(error, match=message) as caught:
        call(spec, case, inputs(case))
    assert isinstance(caught.value, (lucid.errors.LucidError, ValueError))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_public_functions_say_what_they_compute(spec):
    assert spec.function.__doc__
    assert spec.function.__doc__.strip().splitlines()[0].endswith((".", ":", "->", ","))


@pytest.mark.cuda
@pytest.mark.skipif(not lucid.cuda.is_available(), reason=lucid.cuda.why_unavailable())
@pytest.mark.parametrize("spec, case", CASES if lucid.cuda.is_available() else CASES[:1])
def test_cuda_agrees_with_the_cpu(spec, case):
    on_cpu = inputs(case, "float32")
    on_cuda = [t.cuda() for t in on_cpu]
    numpy.testing.assert_allclose(
        to_double(first(call(spec, case, on_cuda))),
        to_double(first(call(spec, case, on_cpu))),
        rtol=1e-4,
        atol=1e-5,
    )

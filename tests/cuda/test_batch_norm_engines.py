"""Who computes batch norm in training: cuDNN, or lucid's own kernels where it may not or cannot."""

import numpy
import pytest

import lucid
from lucid import backends
from lucid.backend.cuda import cudnn, options
from lucid.nn import functional as F
from tests.cuda.batch_norm_step import CLOSE, SHAPES, assert_close, own, step, values


def test_what_cudnn_refuses_is_asked_once_and_computed_otherwise(cuda, problems, monkeypatch):
    asked = []
    build = cudnn.library().build
    monkeypatch.setattr(cudnn.library(), "build", lambda p, b: (asked.append(p), build(p, b))[1])
    shape = (4, 3, 5, 6)  # three channels fill no vector
    expected = own(shape)
    for _ in range(2):
        assert_close(step(shape), expected, 0)  # the very same kernels
    assert len(asked) == 1 and not problems
    ((problem, why),) = backends.cudnn.refusals().items()
    assert problem == (
        "batch_norm: input (4, 3, 5, 6), float32, weight and bias float32, contiguous"
    )
    assert why.startswith("No valid engine configs")


def test_a_refused_gradient_is_computed_from_what_forward_left(cuda, problems, monkeypatch):
    build = cudnn.library().build

    def refuse(problem, benchmark):
        if problem.kind == "backward":
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED")
        return build(problem, benchmark)

    monkeypatch.setattr(cudnn.library(), "build", refuse)
    shape = SHAPES["2d"]
    assert_close(step(shape), own(shape), CLOSE["float32"])
    assert [p.kind for p in problems] == ["forward"]


@pytest.mark.parametrize("affine", [(None, None), ("w", None), (None, "b")], ids=str)
def test_without_weight_or_bias_it_is_not_asked(affine, cuda, problems):
    x = values((4, 8, 5), lucid.float32)
    w, b = (None if name is None else lucid.full((8,), 2.0) for name in affine)
    y = F.batch_norm(x, None, None, w, b, True).double().cpu().numpy()
    x = x.double().cpu().numpy()
    expected = (x - x.mean((0, 2), keepdims=True)) / (x.var((0, 2), keepdims=True) + 1e-5) ** 0.5
    expected = expected * (1 if w is None else 2) + (0 if b is None else 2)
    numpy.testing.assert_allclose(y, expected, rtol=2e-6, atol=2e-6)
    assert not problems


def test_neither_float64_nor_evaluation_nor_an_empty_batch_asks_it(cuda, problems):
    w, b, mean, var = lucid.ones(8), lucid.zeros(8), lucid.zeros(8), lucid.ones(8)
    F.batch_norm(values((4, 8, 5), lucid.float64), None, None, w.double(), b.double(), True)
    F.batch_norm(values((4, 8, 5), lucid.float32), mean, var, w, b, False)
    F.batch_norm(lucid.empty(0, 8, 5), None, None, w, b, True)
    assert not problems


@pytest.mark.parametrize(
    "wanted, order, asked",
    [
        (True, "contiguous", 2),
        (True, "channels_last", 2),
        ("channels_last", "contiguous", 0),
        ("channels_last", "channels_last", 2),
        (False, "channels_last", 0),
    ],
)
def test_the_switch_says_who_computes(wanted, order, asked, cuda, problems, monkeypatch):
    monkeypatch.setattr(options.cudnn, "batch_norm", wanted)
    step(SHAPES["2d"], order=order)
    assert len(problems) == asked


def test_without_cudnn_the_switch_means_nothing(cuda, problems, monkeypatch):
    monkeypatch.setattr(options.cudnn, "enabled", False)
    step(SHAPES["2d"])
    assert not problems


def test_only_a_known_word_is_taken_for_the_switch():
    assert backends.cudnn.batch_norm == "channels_last"
    try:
        for choice in (True, False):
            backends.cudnn.batch_norm = choice
            assert options.cudnn.batch_norm is choice
    finally:
        backends.cudnn.batch_norm = "channels_last"
    with pytest.raises(ValueError, match='batch_norm: must be True, False or "channels_last"; got'):
        backends.cudnn.batch_norm = "fast"
    with pytest.raises(ValueError, match="benchmark: must be True, False; got 'channels_last'"):
        backends.cudnn.benchmark = "channels_last"


def test_an_input_without_gradient_leaves_the_sums_to_lucid(cuda, problems):
    x, w = values((4, 8, 5), lucid.float32), lucid.ones(8, requires_grad=True)
    F.batch_norm(x, None, None, w, lucid.zeros(8), True).sum().backward()
    assert [p.kind for p in problems] == ["forward"]
    # sum(xhat) is 0 but for rounding: 20 terms of size 1
    assert abs(w.grad.cpu().numpy()).max() < 20 * 2**-22

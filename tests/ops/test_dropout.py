"""The dropout functions: which values come out, for which p, dtype, layout and generator state."""

import math

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.backend import philox
from tests.dropout_family import (
    FLOATS,
    HALVES,
    MEMBER,
    dropped,
    family,
    next_offset,
    same_bits,
    sample,
    to_numpy,
)

# Also the p where PyTorch's float32 formulas for alpha dropout cancel, or overflow.
PROBABILITIES = [1e-9, 0.1, 0.3, 0.5, 0.9, 0.99999, 1 - 1e-12]


# What comes out.


@family
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", PROBABILITIES)
def test_every_bit_is_that_of_the_definition(member, dtype, p, device):
    x = sample(member.shape, dtype)
    y = member(x, p)
    assert same_bits(y, member.expected(to_numpy(x), dropped(member.mask, p), p))


@family
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_generic_form_gives_the_bits_of_the_fast_one(member, dtype, device, monkeypatch):
    x = sample((8, 9, *member.shape[2:]), dtype)
    fast = member(x, 0.3)
    op = type(member(x.float().requires_grad_()).grad_fn)
    monkeypatch.setitem(op._forward, device.type, op.forward)
    monkeypatch.setattr(op, "_takes_halves", set())
    lucid.manual_seed(0)
    assert same_bits(fast, member(x, 0.3))


# d is computed here to forty digits: y(dropped) = (1 - p) * a * alpha', y(kept, x = 1) = a + b.
ALPHA = {
    0.01: (-1.7228632801074921, 1.0072590908),
    0.05: (-1.5947758716823932, 1.0387800482),
    0.1: (-1.4577387305181320, 1.0832554862),
    0.2: (-1.2361598485763781, 1.1879435456),
    0.3: (-1.0595481589864799, 1.3150446844),
    0.5: (-0.7791939305180317, 1.6655988252),
    0.7: (-0.5413904083088947, 2.2897134124),
    0.9: (-0.2858859888252616, 4.1990821755),
}


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
@pytest.mark.parametrize("p", ALPHA)
def test_alpha_dropout_has_two_values_for_one_input(name, p, device):
    y = MEMBER[name](lucid.ones(100, 20, dtype=lucid.float64), p)
    low, high = np.unique(to_numpy(y))
    assert low == pytest.approx(ALPHA[p][0], rel=1e-15)
    assert high == pytest.approx(ALPHA[p][1], rel=5e-11)  # the table has eleven digits


def test_the_value_that_alpha_dropout_drops_to_does_not_cancel_near_p_1(device):
    y = F.alpha_dropout(lucid.ones(100), 1 - 1e-12, training=True)
    # -sqrt(q) * 1.758 / sqrt(1 + 1.758**2) with q = 1e-12; a * alpha' + b in float32 gives 0.
    np.testing.assert_allclose(to_numpy(y), -8.692e-07, rtol=1e-4)


def test_bfloat16_alpha_dropout_drops_to_the_nearest_bfloat16(device):
    # -1.45774 lies nearest to -1.4609375. Rounding a, b and a * alpha' apart gives -1.453125.
    y = F.alpha_dropout(lucid.ones(1000, dtype=lucid.bfloat16), 0.1, training=True)
    assert float(y.min()) == -1.4609375


@pytest.mark.parametrize("count", [50_000, 1 << 17])  # short float16 tensors take another way
def test_float16_scales_by_more_than_float16_can_hold(count, device):
    # 1 / (1 - p) is 100,000, above float16's 65,504; three eighths of it are below.
    y = to_numpy(F.dropout(lucid.full((count,), 0.375, dtype=lucid.float16), 0.99999))
    kept = ~dropped((count,), 0.99999)
    assert kept.any()
    assert (y[kept] == 37_504).all()  # the float16 nearest to 37,500
    assert (y[~kept] == 0).all()


def test_float16_scale_is_rounded_once(device):
    y = F.dropout(lucid.ones(100, dtype=lucid.float16), 0.3)
    assert set(to_numpy(y).tolist()) == {0.0, 1.4287109375}


@family
def test_no_dimensions_or_one_element_is_enough(member, device):
    shape = () if member.dims is None else (1,) * len(member.shape)
    kept = [float(member(lucid.ones(shape))) > 1 for _ in range(100)]
    assert 20 < sum(kept) < 80  # six sigma
    assert member(lucid.ones(shape)).shape == shape


# p = 0, p = 1, eval, empty.


@family
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kwargs", [{"p": 0.0}, {"p": 0.7, "training": False}, {"p": 0}])
def test_nothing_to_do_returns_the_tensor_itself(member, inplace, kwargs, device):
    for x in (sample(member.shape).requires_grad_(), lucid.ones(member.shape, dtype=lucid.int32)):
        assert member(x, inplace=inplace, **kwargs) is x
        assert x._version == 0


@family
@pytest.mark.parametrize("empty", range(3))
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_an_empty_tensor_is_returned_itself(member, empty, p, device):
    shape = tuple(0 if i == empty else n for i, n in enumerate(member.shape))
    x = lucid.ones(shape, requires_grad=True)
    assert member(x, p) is x


@family
def test_random_numbers_are_consumed_only_where_something_is_decided(member, device):
    x = sample(member.shape)
    own = lucid.Generator()
    for generator in (None, own):
        member(x, 0.5, training=False, generator=generator)
        member(x, 0.0, generator=generator)
        member(x, 1.0, generator=generator)
        member(lucid.ones(0, *member.shape[1:]), 0.5, generator=generator)
    assert (next_offset(), own.get_offset()) == (0, 0)
    member(x, 0.5)
    assert next_offset() == math.ceil(math.prod(member.mask) / 16)


@family
@pytest.mark.parametrize("dtype", [*FLOATS, "int64", "uint8", "bool"])
def test_p_1_gives_zeros_of_any_dtype(member, dtype, device):
    x = lucid.ones(member.shape).to(getattr(lucid, dtype))
    x = -x if dtype in FLOATS else x  # PyTorch would answer -0.0
    y = member(x, 1.0)
    assert y is not x
    assert same_bits(y, np.zeros_like(to_numpy(x)))


@family
@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf])
def test_p_1_gives_zeros_and_zero_gradients_whatever_comes(member, special, device):
    x = lucid.full(member.shape, special, requires_grad=True)
    y = member(x, 1.0)
    assert y.requires_grad and y.grad_fn is not None
    y.backward(lucid.full(member.shape, special))
    zeros = np.zeros(member.shape, np.float32)
    assert same_bits(y, zeros)
    assert same_bits(x.grad, zeros)


# NaN and Inf.


@family
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf])
def test_a_dropped_nan_or_inf_leaves_no_trace(member, dtype, special, device):
    x = lucid.full((40, 50, *member.shape[2:]), special).to(getattr(lucid, dtype))
    y = member(x)
    shape = (40, 50, *member.mask[2:])
    drop = np.broadcast_to(dropped(shape, 0.5), x.shape)
    values = to_numpy(y)
    fill = np.array(member.law(0.5)[2]).astype(values.dtype)
    assert (values[drop] == fill).all()
    assert not np.isfinite(values[~drop]).any()
    assert member.alpha or not np.signbit(values[drop]).any()  # +0, never -0


@family
@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf])
def test_an_incoming_nan_or_inf_gradient_stops_at_dropped_places(member, special, device):
    x = sample((40, 50, *member.shape[2:])).requires_grad_()
    y = member(x)
    y.backward(lucid.full(x.shape, special, dtype=lucid.float64))
    drop = np.broadcast_to(dropped((40, 50, *member.mask[2:]), 0.5), x.shape)
    gradient = to_numpy(x.grad)
    assert same_bits(gradient[drop], np.zeros(drop.sum()))
    assert not np.isfinite(gradient[~drop]).any()


# Errors.


@family
@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, math.inf, -1e-300])
@pytest.mark.parametrize("training", [True, False])
def test_p_outside_0_to_1_is_refused_also_when_not_training(member, p, training, device):
    with pytest.raises(ValueError, match=rf"^{member}: p must be in \[0, 1\]; got {p}"):
        member(lucid.ones(member.shape), p, training)


@family
@pytest.mark.parametrize("p", ["0.5", None, [0.5], 1j])
def test_p_must_be_a_number(member, p, device):
    with pytest.raises(TypeError, match=rf"^{member}: p must be a number in \[0, 1\]; got"):
        member(lucid.ones(member.shape), p)


@pytest.mark.parametrize("p", [True, 1, np.float32(1), np.int64(1), np.float64(1)])
def test_p_may_be_any_kind_of_number(p, device):
    assert to_numpy(F.dropout(lucid.ones(5), p)).tolist() == [0] * 5


@family
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool"])
@pytest.mark.parametrize("inplace", [False, True])
def test_whole_numbers_are_refused_where_they_would_be_scaled(member, dtype, inplace, device):
    x = lucid.ones(member.shape).to(getattr(lucid, dtype))
    with pytest.raises(
        TypeError, match=rf"^{member}: .* must be floating point; got lucid.{dtype}"
    ):
        member(x, 0.5, inplace=inplace)
    with pytest.raises(RuntimeError):  # the type of error that PyTorch raises
        member(x, 0.5)
    assert next_offset() == 0


@family
@pytest.mark.parametrize("x", [[1.0, 2.0], 1.0, np.ones((4, 6, 5), np.float32)])
def test_only_tensors_are_taken(member, x, device):
    with pytest.raises(TypeError, match=rf"^{member}: expected a Tensor; got"):
        member(x)


@family
def test_a_generator_of_another_kind_is_refused(member, device):
    with pytest.raises(TypeError, match=rf"^{member}: generator must be a Generator; got int"):
        member(lucid.ones(member.shape), generator=0)


# PyTorch computes the same, apart from the decisions.


@family
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.75])
def test_pytorch_gives_the_same_values_and_gradients_for_kept_and_dropped(member, dtype, p):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=(30, 40, *member.shape[2:])).astype(dtype)
    x, t = lucid.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    torch.manual_seed(0)
    y, u = member(x, p), getattr(torch.nn.functional, member.name)(t, p, True)
    y.backward(x.detach())
    u.backward(t.detach())
    ours, theirs = to_numpy(x.grad) != 0, t.grad.numpy() != 0
    ulp = 4 * np.finfo(dtype).eps  # theirs rounds in another order
    both, neither = ours & theirs, ~ours & ~theirs
    assert both.any() and neither.any()
    for where in (both, neither):
        scale = np.abs(values[where]).max() + 2
        assert np.abs(to_numpy(y) - u.detach().numpy())[where].max() <= ulp * scale
        assert np.abs(to_numpy(x.grad) - t.grad.numpy())[where].max() <= ulp * scale


def test_threshold_makes_p_exact_to_one_in_2_to_the_32():
    assert philox.threshold(0.1) / 2**32 == pytest.approx(0.1, abs=2**-33)
    assert [philox.threshold(p) for p in (0, 0.5, 1)] == [0, 2**31, 2**32]


def test_halves_are_the_float32_results_rounded(device):
    for dtype in HALVES:
        lucid.manual_seed(0)
        x = sample((1000,), dtype)
        half = F.alpha_dropout(x, 0.3, training=True)
        lucid.manual_seed(0)
        assert same_bits(half, F.alpha_dropout(x.float(), 0.3, training=True).to(half.dtype))

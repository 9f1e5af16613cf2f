"""Stochastic depth: one decision for each sample, or one for all."""

import pytest

import lucid
from lucid.vision.ops import StochasticDepth, stochastic_depth


def test_each_row_is_scaled_or_zero(device):
    n, p = 10_000, 0.3
    y = stochastic_depth(lucid.ones(n, 3, 2), p, "row")
    rows = y.reshape(n, 6)
    assert (rows == rows[:, :1]).all()
    assert sorted(set(rows[:, 0].tolist())) == pytest.approx([0.0, 1 / (1 - p)], rel=1e-6)
    five_sigma = 5 * (p * (1 - p) / n) ** 0.5
    assert abs((rows[:, 0] == 0).float().mean().item() - p) < five_sigma


def test_batch_mode_decides_for_all_samples(device):
    means = {stochastic_depth(lucid.ones(8, 3), 0.5, "batch").mean().item() for _ in range(40)}
    assert means == {0.0, 2.0}  # 40 equal decisions: once in 2^39


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_gradient_has_the_decisions_of_forward(mode, device):
    x = lucid.rand(64, 5, requires_grad=True)
    y = stochastic_depth(x, 0.5, mode)
    y.sum().backward()
    assert (x.grad == (y / x.detach())).all() or (x.grad * x - y).abs().max() < 1e-6
    assert set(x.grad.flatten().tolist()) <= {0.0, 2.0}


def test_a_dropped_nan_leaves_no_trace(device):
    x = lucid.full((1000, 2), float("nan"))
    y = stochastic_depth(x, 0.5, "row")
    assert 400 < (y == 0).all(1).sum().item() < 600


def test_same_seed_same_rows(device):
    layer = StochasticDepth(0.5, "row")
    lucid.manual_seed(3)
    one = layer(lucid.ones(64, 4))
    lucid.manual_seed(3)
    assert (layer(lucid.ones(64, 4)) == one).all()


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_is_the_identity_in_eval_mode_and_draws_nothing(mode):
    x = lucid.rand(4, 2)
    state = lucid.default_generator.state_tuple()
    assert StochasticDepth(0.5, mode).eval()(x) is x
    assert StochasticDepth(0.0, mode)(x) is x
    assert lucid.default_generator.state_tuple() == state


def test_p_of_one_gives_zeros(device):
    assert (stochastic_depth(lucid.ones(4, 2), 1.0, "row") == 0).all()


def test_no_mask_is_kept_for_backward():
    y = stochastic_depth(lucid.ones(1000, 100, requires_grad=True), 0.5, "row")
    assert not y.grad_fn.saved_arrays


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="StochasticDepth: mode must be 'batch' or 'row'; got 'c'"):
        StochasticDepth(0.1, "c")
    with pytest.raises(ValueError, match=r"StochasticDepth: p must be in \[0, 1\]; got 1.5"):
        StochasticDepth(1.5, "row")
    with pytest.raises(ValueError, match=r'stochastic_depth: mode "row" needs x of \(N, \*\)'):
        stochastic_depth(lucid.tensor(1.0), 0.5, "row")


def test_repr_shows_the_settings():
    assert repr(StochasticDepth(0.25, "row")) == "StochasticDepth(p=0.25, mode=row)"

"""erfinv near its ends, diff's corners, and the one-sided clamps."""

import pytest

import lucid
from lucid.errors import ShapeError

torch = pytest.importorskip("torch")


def _of(x):
    return torch.tensor(x.tolist(), dtype=getattr(torch, x.dtype.name))


def test_erfinv_is_infinite_at_the_ends_and_nan_beyond(device):
    y = lucid.tensor([-1.0, 1.0, 1.5, -2.0]).erfinv()
    assert y[:2].tolist() == [-lucid.inf, lucid.inf]
    assert y[2:].isnan().all()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 4e-7), ("float64", 1e-14)])
def test_erfinv_is_as_precise_as_its_dtype(device, dtype, tolerance):
    # 0.999 lies behind w = 5, where the other polynomial begins: w is 6.2 there.
    x = lucid.tensor([-0.999, -0.5, 1e-20, 0.3, 0.9965, 0.99, 0.999], dtype=getattr(lucid, dtype))
    expected = torch.erfinv(_of(x)).double()
    ours = torch.tensor(x.erfinv().tolist(), dtype=torch.float64)
    error = (ours / expected - 1).abs().max()
    assert error < tolerance


def test_erfinv_in_place_makes_normal_numbers_of_uniform_ones(device):
    x = lucid.empty(20000).uniform_(-1, 1).erfinv_().mul_(2**0.5)
    assert abs(x.mean().item()) < 0.03  # 4 standard errors, 4 / sqrt(20000)
    assert abs(x.std().item() - 1) < 0.02


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 9])
def test_diff_runs_out_of_elements_as_in_pytorch(device, n):
    x = lucid.tensor([[1.0, 3.0, 2.0, 7.0], [0.0, 1.0, 4.0, 9.0]])
    assert lucid.diff(x, n).tolist() == torch.diff(_of(x), n).tolist()


def test_diff_joins_what_comes_before_and_after(device):
    x, before, after = lucid.arange(6).reshape(2, 3), lucid.zeros(1, 3), lucid.full((1, 3), 9.0)
    ours = x.diff(dim=0, prepend=before, append=after)
    theirs = torch.diff(_of(x), dim=0, prepend=_of(before), append=_of(after))
    assert ours.tolist() == theirs.tolist()


def test_diff_of_bools_says_where_they_change(device):
    assert lucid.diff(lucid.tensor([True, True, False, True])).tolist() == [False, True, True]


def test_diff_has_the_gradient_of_two_neighbours(device):
    x = lucid.tensor([1.0, 4.0, 2.0], requires_grad=True)
    (x.diff() * lucid.tensor([10.0, 1.0])).sum().backward()
    assert x.grad.tolist() == [-10.0, 9.0, 1.0]


def test_diff_needs_a_dimension_and_a_count(device):
    with pytest.raises(ShapeError, match="diff: needs at least one dimension"):
        lucid.tensor(1.0).diff()
    with pytest.raises(ValueError, match="diff: n must be at least 0; got -1"):
        lucid.ones(3).diff(-1)


def test_clamps_of_one_side_leave_the_other(device):
    x = lucid.tensor([-2.0, 0.5, 3.0])
    assert x.clamp_min(0).tolist() == lucid.clamp_min(x, 0).tolist() == [0.0, 0.5, 3.0]
    assert x.clamp_max(1).tolist() == lucid.clamp_max(x, 1).tolist() == [-2.0, 0.5, 1.0]
    assert x.clamp_min_(0) is x
    assert x.clamp_max_(1).tolist() == [0.0, 0.5, 1.0]


def test_ndimension_is_dim(device):
    assert lucid.ones(2, 3).ndimension() == 2

"""Edges that generated calls found: numbers out of range, mixed indices, ties, nothing at all."""

import pytest

import lucid


def test_a_number_beyond_an_integer_type_wraps_as_sums_do(device):
    x = lucid.tensor([1, 100], dtype=lucid.int8)
    assert (x + 300).tolist() == [45, -112]
    assert (lucid.tensor([2], dtype=lucid.uint8) - (-1)).tolist() == [3]


def test_a_comparison_with_a_number_beyond_is_exact(device):
    assert (lucid.tensor([255], dtype=lucid.uint8) == -1).tolist() == [False]


def test_a_number_that_is_chosen_must_fit(device):
    x = lucid.tensor([1], dtype=lucid.uint8)
    with pytest.raises(RuntimeError, match=r"range \[0, 255\]; got 300"):
        lucid.where(x > 0, x, 300)


def test_a_number_beside_a_tensor_of_indices_keeps_the_place_of_dims(device):
    x = lucid.arange(24).reshape(2, 3, 4)
    at = lucid.tensor([0, 3])
    assert x[1, :, at].tolist() == [[12, 15], [16, 19], [20, 23]]
    x[1, :, at] = lucid.tensor([[0], [1], [2]])
    assert x[1, :, at].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_a_view_of_one_place_of_an_expanded_tensor_can_be_written_to(device):
    base = lucid.zeros(1, 3)
    base.expand(4, 3)[2].fill_(7)
    assert base.tolist() == [[7, 7, 7]]
    with pytest.raises(RuntimeError, match="share one memory location"):
        base.expand(4, 3).fill_(1)


def test_where_x_equals_a_bound_x_has_the_gradient(device):
    x = lucid.tensor([1.0, 2.0]).requires_grad_()
    low = lucid.tensor([1.0, 3.0]).requires_grad_()
    dx, dlow = lucid.autograd.grad(x.clamp(low).sum(), [x, low])
    assert (dx.tolist(), dlow.tolist()) == ([1, 0], [0, 1])
    assert x.detach().clamp_(low.detach()).tolist() == [1, 3]


def test_a_comparison_in_place_ends_the_gradient(device):
    x = lucid.tensor([1.0, -1.0]).requires_grad_()
    y = (x * 2).lt_(0.5)
    assert y.tolist() == [0, 1]
    assert lucid.autograd.grad(y.sum(), x)[0].tolist() == [0, 0]


def test_the_median_of_nan_is_nan_and_equal_ones_share_its_gradient(device):
    assert lucid.tensor([1.0, float("nan"), 0.0]).median().isnan().item()
    assert lucid.tensor([[1.0, float("nan"), 0.0]]).median(1).indices.tolist() == [1]
    x = lucid.tensor([1.0, 1.0, 5.0]).requires_grad_()
    assert lucid.autograd.grad(x.median(), x)[0].tolist() == [0.5, 0.5, 0]


def test_the_dtype_of_a_sum_is_the_one_asked_for(device):
    x = lucid.ones(3, dtype=lucid.uint8)
    assert x.sum(dtype=lucid.int8).dtype is lucid.int8
    assert x.cumsum(0, dtype=lucid.int16).dtype is lucid.int16


def test_with_beta_0_nothing_of_the_input_is_left(device):
    lost = lucid.full((2, 2), float("nan"))
    assert lucid.addmm(lost, lucid.eye(2), lucid.eye(2), beta=0).tolist() == [[1, 0], [0, 1]]


def test_of_nothing(device):
    assert lucid.ones(0, 2).logsumexp(0).tolist() == [-float("inf")] * 2
    assert lucid.tensor(3).nonzero(as_tuple=True)[0].tolist() == [0]
    assert lucid.ones(2, 3).any(dim=()).shape == (2, 3)
    table = lucid.ones(3, 0).requires_grad_()
    lucid.nn.functional.embedding(lucid.tensor([1, 2]), table).sum().backward()
    assert table.grad.shape == (3, 0)


def test_lerp_ends_at_the_end(device):
    start, end = lucid.tensor(1e8), lucid.tensor(1.0)
    assert start.lerp(end, 1.0).item() == 1.0


def test_different_rows_are_found(device):
    rows, counts = lucid.tensor([[1, 2], [0, 1], [1, 2]]).unique(return_counts=True, dim=0)
    assert (rows.tolist(), counts.tolist()) == ([[0, 1], [1, 2]], [1, 2])

"""Shapes changed in place: what becomes of gradients, of views made before, of memory."""

import pytest

import lucid
from lucid.errors import GradError

CHANGES = {
    "unsqueeze_": lambda x: x.unsqueeze_(1),
    "transpose_": lambda x: x.transpose_(0, 1),
    "t_": lambda x: x.t_(),
    "squeeze_": lambda x: x.squeeze_(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_gradients_go_through_a_shape_changed_in_place(change, device):
    x = lucid.arange(6.0).reshape(2, 3).clone().requires_grad_()
    y = x * 2
    change(y)
    y.mul_(y.detach().clone())  # also through a write to the new shape
    y.sum().backward()
    assert (x.grad == 2 * (2 * x.detach())).all()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_memory_is_shared_with_views_made_before(change, device):
    x = lucid.zeros(2, 3)
    row = x[1]
    change(x)
    x.add_(1)
    assert row.tolist() == [1, 1, 1]
    row.fill_(5)
    assert x.sum().item() == 18


def test_a_view_is_changed_without_its_base(device):
    base = lucid.arange(6.0).reshape(2, 3).clone().requires_grad_()
    whole = base * 1
    part = whole[:, :2]
    part.t_()
    part[0].mul_(10)
    assert part.shape == (2, 2) and whole.shape == (2, 3)
    whole.sum().backward()
    assert base.grad.tolist() == [[10, 1, 1], [10, 1, 1]]


def test_views_of_the_new_shape_are_views(device):
    x = lucid.ones(2, 3, requires_grad=True)
    y = x * 1
    y[0].sum()  # a view of the old shape
    y.t_()
    y[0].mul_(4)
    y.sum().backward()
    assert x.grad.tolist() == [[4, 1, 1], [4, 1, 1]]


def test_an_older_view_is_refused_once_its_history_is_lost(device):
    x = lucid.ones(2, 3, requires_grad=True)
    y = x * 1
    old = y[0]
    y.t_()
    with pytest.raises(GradError, match="mul_: this view shows a tensor whose shape was changed"):
        old.mul_(2)
    y.mul_(2)
    with pytest.raises(GradError, match="shape was changed in place since, and that was written"):
        old.sum().backward()


def test_an_older_view_of_what_was_not_written_to_is_good(device):
    x = lucid.arange(6.0).reshape(2, 3).clone().requires_grad_()
    y = x * 3
    old = y[0]
    y.t_()
    old.sum().backward()
    assert x.grad.tolist() == [[3, 3, 3], [0, 0, 0]]


def test_a_leaf_is_refused_while_recording_and_stays_one_under_no_grad(device):
    w = lucid.ones(2, 3, requires_grad=True)
    with pytest.raises(GradError, match="t_: a leaf that requires grad"):
        w.t_()
    with lucid.no_grad():
        w.t_()
    (w * lucid.arange(6.0).reshape(3, 2)).sum().backward()
    assert w.is_leaf and w.grad.shape == (3, 2)


def test_what_a_gradient_needs_is_still_there_after_the_shape_changed(device):
    x = lucid.tensor([[1.0, 2.0]], requires_grad=True)
    y = x.exp()  # keeps its output
    y.t_()
    y.sum().backward()
    assert lucid.allclose(x.grad, x.detach().exp())


def test_resize_keeps_what_lies_first_in_memory(device):
    x = lucid.arange(6.0).reshape(2, 3).clone()
    view = x[0]
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    x.fill_(7)
    assert view.tolist() == [7, 7, 7]  # the same memory
    x.resize_(5, 5).fill_(1)
    assert view.tolist() == [7, 7, 7]  # which had no room for more
    assert lucid.arange(6.0).reshape(2, 3).t().resize_(3).tolist() == [0, 1, 2]
    with pytest.raises(GradError, match="resize_: a tensor that requires grad can't be resized"):
        lucid.ones(2, requires_grad=True).resize_(3)


def test_new_shape_in_channels_last(device):
    x = lucid.empty(0).resize_(2, 3, 4, 5, memory_format=lucid.channels_last)
    assert x.is_contiguous(memory_format=lucid.channels_last)

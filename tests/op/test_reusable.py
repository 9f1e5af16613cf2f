"""A gradient that nobody else can see is written over by the op that gets it, and no other one."""

import pytest

import lucid
import lucid.nn.functional as F
from lucid.ops.dropout import BernoulliAffine
from lucid.ops.piecewise import Relu

SHAPE = (300, 200)  # a reused array of another size would not be noticed in one block


@pytest.fixture
def reused(monkeypatch):
    """For each relu and dropout that was gone back through: whether it might reuse the gradient."""
    seen = []

    def spy(original):
        def backward(op, dy):
            seen.append(op.reusable is dy)
            return original(op, dy)

        return backward

    for kind in (Relu, BernoulliAffine):
        monkeypatch.setitem(kind._backward, "cpu", spy(kind._backward["cpu"]))
    return seen


@pytest.fixture
def x():
    with lucid.device("cpu"):
        return lucid.randn(*SHAPE).requires_grad_()


@pytest.mark.parametrize("function", [F.relu, lambda x: F.dropout(x, 0.5)])
def test_what_an_op_made_for_it_alone_is_reused(x, reused, function):
    y = function(x)
    slope = (y / x).detach()
    (y * 3).sum().backward()
    assert reused == [True]
    assert (x.grad - 3 * slope).abs().max().item() < 1e-4


def test_what_the_caller_holds_stays(x, reused):
    dy = lucid.ones(*SHAPE, device="cpu")
    F.relu(x).backward(dy)
    assert reused == [False]
    assert (dy == 1).all()


@pytest.mark.parametrize("keep", [lambda g: g, lambda g: g.numpy(), lambda g: g[3:5], list])
def test_what_a_hook_holds_stays(x, reused, keep):
    kept, y = [], F.relu(x)
    y.register_hook(lambda g: kept.append(keep(g)))
    (y * 2).sum().backward()
    assert reused == [False]
    part = kept[0][0] if isinstance(kept[0], list) else kept[0]
    assert (part == 2).all()


def test_a_retained_gradient_stays(x, reused):
    y = F.relu(x)
    y.retain_grad()
    (y * 2).sum().backward()
    assert (y.grad == 2).all()
    assert (x.grad == 2 * (x > 0)).all()


@pytest.mark.parametrize("other_first", [False, True])
def test_both_ways_of_a_shared_gradient_get_all_of_it(x, reused, other_first):
    y, z = F.relu(x), x * 1
    ((z + y) if other_first else (y + z)).mul(2).sum().backward()
    assert (x.grad == 2 * (x > 0) + 2).all()


def test_a_captured_gradient_stays(x, reused):
    y = F.relu(x)
    dy, dx = lucid.autograd.grad((y * 2).sum(), [y, x])
    assert reused == [False]
    assert (dy == 2).all()
    assert (dx == 2 * (x > 0)).all()


def test_an_expanded_gradient_is_not_written_to(x, reused):
    F.relu(x).sum().backward()
    assert reused == [False]
    assert (x.grad == (x > 0)).all()


def test_two_walks_give_the_same(x, reused):
    loss = (F.relu(x) * 2).sum()
    loss.backward(retain_graph=True)
    first, x.grad = x.grad, None
    loss.backward()
    assert (x.grad == first).all()

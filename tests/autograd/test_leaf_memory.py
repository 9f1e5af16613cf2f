"""Which gradients a leaf takes over as they come, and which it copies: what others can see."""

import pytest

import lucid
from lucid.op import Op


class Passing(Op):
    """y = x: (2, 3). backward answers with what ``made`` makes of twelve numbers."""

    made = None
    held = []  # what somebody else keeps
    address = 0  # of the answer

    def forward(self, x):
        return x.copy()

    def backward_cpu(self, dy):
        answer = Passing.made(self.xp.arange(12, dtype=dy.dtype))
        Passing.address = address_of(answer)
        return answer

    backward_cuda = backward_cpu


def address_of(array):
    return array.data.ptr if hasattr(array.data, "ptr") else array.ctypes.data


def arrived(made):
    """The leaf's gradient, and whether it lies where backward made it."""
    Passing.made = staticmethod(made)
    Passing.held.clear()
    x = lucid.zeros(2, 3, requires_grad=True)
    Passing()(x).backward(lucid.ones(2, 3))
    return x.grad, address_of(x.grad._array) == Passing.address


def six(array):
    return array[:6].copy()


@pytest.mark.parametrize(
    "made",
    [
        lambda a: a[:6].reshape(2, 3).copy(),
        lambda a: six(a).reshape(3, 2).T,
        lambda a: six(a).reshape(2, 3),
    ],
    ids=["an array", "a transposed view", "a view in another shape"],
)
def test_memory_that_nobody_else_sees_is_taken_over(made, device):
    assert arrived(made)[1]


@pytest.mark.parametrize(
    "made",
    [
        lambda a: (Passing.held.append(v := six(a)), v.reshape(3, 2).T)[1],
        lambda a: (Passing.held.append((v := six(a)).reshape(6, 1)), v.reshape(3, 2).T)[1],
        lambda a: (Passing.held.append(v := six(a).reshape(3, 2).T), v)[1],
    ],
    ids=["the array", "another view", "the view itself"],
)
def test_memory_that_somebody_else_sees_is_copied(made, device):
    gradient, same = arrived(made)
    before = gradient.tolist()
    Passing.held[0][...] = -1
    assert not same and gradient.tolist() == before


def test_a_part_of_an_array_is_copied_so_that_the_rest_can_go(device):
    assert not arrived(lambda a: a[:6].reshape(2, 3))[1]


def test_what_flows_in_is_not_taken_from_the_caller(device):
    x, dy = lucid.zeros(2, 3, requires_grad=True), lucid.ones(3, 2)
    x.T.backward(dy)
    dy.zero_()
    assert x.grad.tolist() == [[1.0] * 3] * 2


def test_two_leaves_do_not_share_a_gradient(device):
    a, b = lucid.zeros(2, 3, requires_grad=True), lucid.zeros(3, 2, requires_grad=True)
    (a + b.T).sum().backward()
    a.grad.zero_()
    assert b.grad.tolist() == [[1.0] * 2] * 3

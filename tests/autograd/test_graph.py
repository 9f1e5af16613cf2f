"""What a graph keeps can be packed away."""

import pytest

import lucid
from lucid.autograd.graph import save_on_cpu, saved_tensors_hooks


def test_saved_tensors_pass_through_the_innermost_hooks():
    packed = []

    def pack(name):
        return lambda t: (packed.append(name), t)[1]

    x = lucid.ones(2, requires_grad=True)
    with saved_tensors_hooks(pack("outer"), lambda t: t):
        y = x.exp()
        with saved_tensors_hooks(pack("inner"), lambda t: t):
            z = y.sin()
    (z * 2).sum().backward()
    assert packed == ["outer", "inner"]


def test_what_unpack_answers_is_what_backward_sees_also_for_second_derivatives():
    x = lucid.tensor([2.0], requires_grad=True)
    with saved_tensors_hooks(lambda t: t.tolist(), lambda values: lucid.tensor(values)):
        y = x**3
    (dx,) = lucid.autograd.grad(y, x, create_graph=True)
    (ddx,) = lucid.autograd.grad(dx, x)
    assert (dx.tolist(), ddx.tolist()) == ([12.0], [12.0])


def test_hooks_are_gone_after_an_error():
    def refuse(t):
        raise KeyError

    x = lucid.ones(2, requires_grad=True)
    with pytest.raises(KeyError), saved_tensors_hooks(refuse, refuse):
        x.exp()
    x.exp().sum().backward()


def test_save_on_cpu(device):
    x = lucid.tensor([1.0, 2.0], requires_grad=True)
    with save_on_cpu():
        y = x.exp() * x
    y.sum().backward()
    assert x.grad.device is device
    assert lucid.allclose(x.grad, x.exp() * (1 + x))

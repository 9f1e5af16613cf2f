"""jacobian, hessian and products agree with torch's."""

import functools

import numpy
import pytest

import lucid
from lucid.errors import GradError, ShapeError

torch = pytest.importorskip("torch")


def both(name, f, *values, v=None, **kwargs):
    """The answers of both libraries as nested tuples of arrays."""
    answers = []
    for library in (torch, lucid):
        xs = tuple(library.tensor(x, dtype=library.float64) for x in values)
        args = [xs if len(xs) > 1 else xs[0]]
        if v is not None:
            vs = tuple(library.tensor(x, dtype=library.float64) for x in v)
            args.append(vs if len(vs) > 1 else vs[0])
        function = getattr(library.autograd.functional, name)
        answers.append(plain(function(functools.partial(f, library), *args, **kwargs)))
    return answers


def plain(value):
    return tuple(map(plain, value)) if isinstance(value, tuple) else value.detach().numpy()


def agree(a, b):
    assert isinstance(a, tuple) == isinstance(b, tuple)
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            agree(x, y)
    else:
        numpy.testing.assert_allclose(a, b, rtol=1e-12)


X, Y = [0.5, -1.0], [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "f, values",
    [
        (lambda lib, x: x.exp(), [X]),
        (lambda lib, x, y: (y * x, x.sum()), [X, Y]),
        (lambda lib, x, y: y @ x, [X, Y]),
        (lambda lib, x: (lib.ones(2, dtype=lib.float64), x * 2), [X]),
    ],
)
def test_jacobian(f, values):
    agree(*both("jacobian", f, *values))


def test_hessian_of_one_input_and_of_two():
    agree(*both("hessian", lambda lib, x: (x**3).prod(), X))
    agree(*both("hessian", lambda lib, x, y: (y @ x).exp().sum(), X, [[0.1, 0.2], [0.3, 0.4]]))


@pytest.mark.parametrize("name", ["jvp", "vjp"])
def test_products_with_the_jacobian(name):
    agree(*both(name, lambda lib, x: x.exp() * x, X, v=[[1.0, 2.0]]))
    agree(*both("jvp", lambda lib, x, y: (y @ x, x.sin()), X, Y, v=[X, Y]))
    agree(*both("vjp", lambda lib, x, y: (y @ x, x.sin()), X, Y, v=[X, X]))


@pytest.mark.parametrize("name", ["hvp", "vhp"])
def test_products_with_the_hessian(name):
    agree(*both(name, lambda lib, x: (x**3).sum() * x[0], X, v=[[1.0, 2.0]]))
    agree(*both(name, lambda lib, x, y: (y @ x).exp().sum(), X, Y, v=[X, Y]))


def test_create_graph_makes_the_answer_differentiable():
    x = lucid.tensor(X, dtype=lucid.float64, requires_grad=True)
    jacobian = lucid.autograd.functional.jacobian
    (g,) = lucid.autograd.grad(jacobian(lucid.exp, x, create_graph=True).sum(), x)
    assert lucid.allclose(g, x.exp())
    assert not jacobian(lucid.exp, x).requires_grad


def test_strict_refuses_independence():
    with pytest.raises(GradError, match="output 0 does not depend on input 1"):
        lucid.autograd.functional.jacobian(
            lambda x, y: x * 2, (lucid.ones(2), lucid.ones(2)), strict=True
        )


def test_a_hessian_needs_one_number():
    with pytest.raises(ShapeError, match=r"one tensor of one element; got shapes \(2,\)"):
        lucid.autograd.functional.hessian(lucid.exp, lucid.ones(2))

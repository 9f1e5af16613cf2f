"""gradcheck finds wrong gradients and nothing else."""

import pytest

import lucid
from lucid.autograd import Function, gradcheck, gradgradcheck
from lucid.errors import DTypeError, GradError, ShapeError


def leaf(*values, dtype=lucid.float64):
    return lucid.tensor(list(values), dtype=dtype, requires_grad=True)


def wrong(factor, once_more=1.0):
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return factor * (x + (1 - once_more) * (x.detach() - x)) * dy

    return Square.apply


def test_takes_one_tensor_or_several_and_other_arguments():
    assert gradcheck(lucid.exp, leaf(1.0))
    assert gradcheck(lambda x, n, i: (x * n)[i], (leaf(1.0, 2.0), 3, lucid.tensor([0, 1])))


def test_says_where_and_by_how_much_a_gradient_is_wrong():
    message = r"output 0 at \(1,\) for input 1 at \(1,\) is 9 by backward, but 6\S* by differences"
    with pytest.raises(GradError, match=message):
        gradcheck(lambda a, x: wrong(3.0)(x) * a, (1, leaf(0.0, 3.0)))
    assert not gradcheck(wrong(3.0), leaf(3.0), raise_exception=False)
    assert gradcheck(wrong(2.0), leaf(3.0))


def test_the_second_order_check_finds_a_wrong_second_gradient():
    assert gradcheck(wrong(2.0, once_more=0.5), leaf(3.0))
    with pytest.raises(GradError):
        gradgradcheck(wrong(2.0, once_more=0.5), leaf(3.0))


def test_an_output_outside_the_graph_must_not_depend_on_the_input():
    assert gradcheck(lambda x: (x, x.detach() * 0), leaf(1.0))
    with pytest.raises(GradError, match="0 by backward"):
        gradcheck(lambda x: x.detach() * 2, leaf(1.0))


def test_inputs_reached_by_other_ways_move_along():
    x = leaf(1.0, 2.0)
    assert gradcheck(lambda _: x * x, x)


@pytest.mark.parametrize(
    "x, error",
    [
        (leaf(1.0, dtype=lucid.float32), DTypeError),
        (leaf(1.0).detach(), GradError),
        (leaf(1.0).expand(3), ShapeError),
    ],
)
def test_refuses_inputs_that_it_can_not_check(x, error):
    with pytest.raises(error, match="gradcheck: "):
        gradcheck(lucid.exp, x)


def test_leaves_inputs_and_gradients_as_they_were():
    x = leaf(0.1, 0.2)
    gradgradcheck(lucid.exp, x)
    assert x.tolist() == [0.1, 0.2]
    assert x.grad is None


def test_a_nan_is_no_agreement():
    with pytest.raises(GradError):
        gradcheck(lambda x: x.log(), leaf(-1.0))


def test_empty_tensors_pass():
    x = lucid.zeros(0, 3, dtype=lucid.float64, requires_grad=True)
    assert gradgradcheck(lambda x: x * x, x)

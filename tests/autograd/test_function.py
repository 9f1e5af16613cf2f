"""lucid.autograd.Function: PyTorch's custom functions."""

import gc
import weakref

import numpy
import pytest

import lucid
from lucid.autograd import Function, gradcheck, gradgradcheck, once_differentiable
from lucid.errors import GradError


def leaf(*values):
    return lucid.tensor(list(values), dtype=lucid.float64, requires_grad=True)


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * dy


class Power(Function):
    @staticmethod
    def forward(x, n):
        return x**n

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.n = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return ctx.n * x ** (ctx.n - 1) * dy, None


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return y * dy


class SumAndProduct(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a + b, a * b

    @staticmethod
    def backward(ctx, ds, dp):
        a, b = ctx.saved_tensors
        return ds + dp * b, ds + dp * a


class Double_(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy


class Reverse(Function):
    """Returns its input unchanged, and turns the gradient round."""

    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, dy):
        return -dy


def test_backward_is_the_gradient_and_can_be_differentiated_again():
    assert gradcheck(Cube.apply, leaf(1.0, -2.0))
    assert gradgradcheck(Cube.apply, leaf(1.0, -2.0))


def test_a_saved_output_is_connected_to_the_graph():
    assert gradcheck(Exp.apply, leaf(0.5, -1.0))
    assert gradgradcheck(Exp.apply, leaf(0.5, -1.0))


def test_setup_context_sees_inputs_and_output_and_other_arguments_have_no_gradient():
    assert gradcheck(lambda x: Power.apply(x, 3), leaf(1.0, 2.0))
    assert gradgradcheck(lambda x: Power.apply(x, 3), leaf(1.0, 2.0))


def test_several_outputs_of_which_some_are_unused():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    assert gradgradcheck(SumAndProduct.apply, (a, b))
    total, product = SumAndProduct.apply(a, b)
    product.sum().backward()
    assert a.grad.tolist() == [3.0, 4.0]


def test_without_materialized_gradients_an_unused_output_gives_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            seen.append(first)
            return second * 2

    x = leaf(1.0)
    Two.apply(x)[1].sum().backward()
    assert seen == [None]
    assert x.grad.item() == 2


def test_an_input_may_be_written_to_when_marked_dirty():
    x = leaf(1.0, 2.0)
    y = x * 3
    z = Double_.apply(y)
    assert z is y
    (z * z).sum().backward()
    assert x.grad.tolist() == [72.0, 144.0]


def test_writing_to_a_view_changes_the_gradient_of_its_base():
    x = leaf(1.0, 2.0)
    y = x * 3
    Double_.apply(y[0])
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 3.0]


def test_a_leaf_that_requires_grad_can_not_be_marked_dirty():
    with pytest.raises(GradError, match="leaf"):
        Double_.apply(leaf(1.0))


def test_an_input_returned_unchanged_is_another_tensor_on_the_same_memory():
    x = leaf(1.0, 2.0)
    y = Reverse.apply(x)
    assert y is not x
    assert y.data_ptr() == x.data_ptr()
    y.sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0]


def test_writing_to_an_input_returned_unchanged_is_refused():
    x = leaf(1.0, 2.0)
    h = x * 1
    y = Reverse.apply(h)
    with pytest.raises(GradError, match="custom Function"):
        y.mul_(2)
    h.mul_(2)
    with pytest.raises(GradError, match="custom Function"):
        y * 1


def test_marked_outputs_do_not_require_grad():
    class Halves(Function):
        @staticmethod
        def forward(ctx, x):
            flat = x.floor()
            ctx.mark_non_differentiable(flat)
            return flat, x - flat, x.argmax()

        @staticmethod
        def backward(ctx, d_flat, d_rest, d_index):
            assert d_flat.tolist() == [0.0, 0.0]
            return d_rest

    flat, rest, index = Halves.apply(leaf(1.5, 2.25))
    assert [t.requires_grad for t in (flat, rest, index)] == [False, True, False]
    rest.sum().backward()


def test_needs_input_grad_says_for_what_gradients_are_wanted():
    seen = []

    class Watch(Function):
        @staticmethod
        def forward(ctx, a, b, c):
            return a * b

        @staticmethod
        def backward(ctx, dy):
            seen.append(ctx.needs_input_grad)
            return dy, None, None

    Watch.apply(leaf(1.0), leaf(1.0).detach(), 3).backward()
    assert seen == [(True, False, False)]


def test_once_differentiable_refuses_a_second_derivative():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, dy):
            assert not lucid.is_grad_enabled()
            (x,) = ctx.saved_tensors
            return 2 * x * dy

    x = leaf(3.0)
    (dx,) = lucid.autograd.grad(Square.apply(x), x, create_graph=True)
    assert dx.tolist() == [6.0]
    with pytest.raises(GradError, match="once_differentiable"):
        dx.backward()


def test_a_changed_saved_tensor_is_noticed():
    h = leaf(2.0) * 1
    y = Cube.apply(h)
    h.add_(1)
    with pytest.raises(GradError, match="modified in place"):
        y.backward()


def test_a_second_walk_over_a_freed_graph_is_refused():
    y = Cube.apply(leaf(2.0))
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(GradError, match="retain_graph=True"):
        y.backward()


@pytest.mark.parametrize(
    "answer, message",
    [
        (lambda dy: (dy, dy, dy), "one gradient per argument"),
        (lambda dy: dy, "one gradient per argument"),
        (lambda dy: (dy, dy), "expected None"),
        (lambda dy: (3.0, None), "a Tensor or None"),
    ],
)
def test_wrong_answers_of_backward_are_explained(answer, message):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, dy):
            return answer(dy)

    with pytest.raises((GradError, TypeError), match=message):
        Wrong.apply(leaf(1.0), 2).backward()


def test_a_gradient_in_the_broadcast_shape_is_summed():
    class Add(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, dy):
            return dy, dy

    a, b = leaf(1.0), leaf(1.0, 2.0, 3.0)
    Add.apply(a, b).sum().backward()
    assert a.grad.tolist() == [3.0]


def test_any_attribute_may_be_set_on_ctx():
    class Names(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.edges, ctx.outputs, ctx.hooks, ctx.name, ctx.device = 1, 2, 3, 4, 5
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            return dy * ctx.outputs

    x = leaf(1.0)
    Names.apply(x).backward()
    assert x.grad.tolist() == [2.0]


def test_hooks_and_names():
    x = leaf(1.0)
    y = Cube.apply(x)
    y.register_hook(lambda g: g * 10)
    assert y.grad_fn.name() == "CubeBackward"
    y.backward()
    assert x.grad.tolist() == [30.0]


def test_a_saved_tensor_from_elsewhere_keeps_its_place_in_the_graph():
    w = leaf(5.0)

    class Scale(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(w)
            return x * w

        @staticmethod
        def backward(ctx, dy):
            (w,) = ctx.saved_tensors
            return dy * w

    x = leaf(1.0)
    (dx,) = lucid.autograd.grad(Scale.apply(x), x, create_graph=True)
    dx.backward()
    assert w.grad.tolist() == [1.0]


def test_nothing_is_recorded_under_no_grad():
    with lucid.no_grad():
        assert Cube.apply(leaf(1.0)).grad_fn is None
    assert Cube.apply(leaf(1.0).detach()).grad_fn is None


def test_memory_goes_with_the_result_without_the_garbage_collector():
    gc.disable()
    try:
        x = leaf(1.0)
        y = Exp.apply(x)
        node, array = weakref.ref(y.grad_fn), weakref.ref(y)
        del y
        assert node() is None
        assert array() is None
    finally:
        gc.enable()


def test_agrees_with_torch_on_outputs_inputs_and_views():
    torch = pytest.importorskip("torch")

    class TorchReverse(torch.autograd.Function):
        forward = staticmethod(lambda ctx, x: x.view_as(x))
        backward = staticmethod(lambda ctx, dy: -dy)

    class LucidReverse(Function):
        forward = staticmethod(lambda ctx, x: x.view_as(x))
        backward = staticmethod(lambda ctx, dy: -dy)

    grads = []
    for library, reverse in ((torch, TorchReverse), (lucid, LucidReverse)):
        x = library.tensor([1.0, 2.0, 3.0], requires_grad=True)
        (reverse.apply(x * x) * x)[1:].sum().backward()
        grads.append(numpy.asarray(x.grad.tolist()))
    numpy.testing.assert_array_equal(*grads)


def test_a_reshaped_result_may_be_written_to():
    class Rows(Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 2).reshape(2, 1)

        @staticmethod
        def backward(ctx, dy):
            return (dy * 2).reshape(2)

    x = leaf(1.0, 2.0)
    y = Rows.apply(x)
    y.mul_(3)
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]

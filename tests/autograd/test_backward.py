"""The walk back: accumulation, freeing, hooks, captured gradients, depth and threads."""

import gc
import threading
import weakref

import numpy
import pytest

import lucid
from lucid.autograd import Function, grad
from lucid.errors import DTypeError, GradError, ShapeError


def leaf(*values, dtype=lucid.float64):
    return lucid.tensor(list(values), dtype=dtype, requires_grad=True)


class TestAccumulation:
    def test_adds_up_over_walks(self):
        x = leaf(1.0, 2.0)
        for _ in range(3):
            (x * x).sum().backward()
        assert x.grad.tolist() == [6.0, 12.0]

    def test_one_tensor_used_twice(self):
        x = leaf(1.0, 2.0)
        (x + x).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]

    def test_a_diamond(self):
        x = leaf(2.0)
        a = x * 3
        (a * a + a.exp() * 0).sum().backward()
        assert x.grad.tolist() == [36.0]

    @pytest.mark.parametrize(
        "f",
        [
            lambda a, b: a + b,
            lambda a, b: (a + b).reshape(2, 1),
            lambda a, b: lucid.cat([a, b]),
            lambda a, b: lucid.stack([a, b]).sum(0),
        ],
    )
    def test_two_leaves_never_share_a_gradient(self, f):
        a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
        f(a, b).sum().backward()
        a.grad.zero_()
        assert b.grad.tolist() == [1.0, 1.0]
        f(a, b).sum().backward()
        assert (a.grad.tolist(), b.grad.tolist()) == ([1.0, 1.0], [2.0, 2.0])

    def test_nor_with_the_gradient_that_was_passed_in(self):
        x, g = leaf(1.0, 2.0), lucid.tensor([5.0, 6.0], dtype=lucid.float64)
        (x + 0).backward(g)
        x.backward(g)
        assert g.tolist() == [5.0, 6.0]
        assert x.grad.tolist() == [10.0, 12.0]

    def test_nor_with_what_a_hook_kept(self):
        kept, x = [], leaf(1.0, 2.0)
        x.register_hook(kept.append)
        for _ in range(2):
            (x * 2).sum().backward()
        assert kept[0].tolist() == [2.0, 2.0]

    def test_nor_with_a_saved_tensor_that_backward_hands_out(self):
        class Constant(Function):
            @staticmethod
            def forward(ctx, x, slope):
                ctx.save_for_backward(slope)
                return x * slope

            @staticmethod
            def backward(ctx, dy):
                return ctx.saved_tensors[0], None

        x, slope = leaf(1.0), lucid.tensor([3.0], dtype=lucid.float64)
        for _ in range(2):
            Constant.apply(x, slope).backward()
        assert slope.tolist() == [3.0]
        assert x.grad.tolist() == [6.0]

    def test_a_gradient_made_for_the_leaf_is_not_copied(self):
        arrays = []

        class Fresh(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, dy):
                dx = dy * 1
                arrays.append(weakref.ref(dx._array))
                return dx

        x = leaf(1.0)
        Fresh.apply(x).backward()
        assert arrays[0]() is x.grad._array

    def test_a_gradient_has_the_dtype_of_its_tensor(self):
        x = leaf(1.0, 2.0, dtype=lucid.float16)
        (x * leaf(1.0, 2.0)).sum().backward()
        assert x.grad.dtype is lucid.float16

    def test_with_create_graph_the_gradient_can_be_walked_again(self):
        x = leaf(3.0)
        (x**3).backward(create_graph=True)
        g, x.grad = x.grad, None
        g.backward()
        assert x.grad.tolist() == [18.0]


class TestGradSetter:
    def test_checks_what_it_is_given(self):
        x = leaf(1.0, 2.0)
        with pytest.raises(DTypeError, match="expected a Tensor or None"):
            x.grad = 1.0
        with pytest.raises(ShapeError, match="shape"):
            x.grad = lucid.zeros(3, dtype=lucid.float64)
        with pytest.raises(DTypeError, match="dtype"):
            x.grad = lucid.zeros(2)
        with pytest.raises(GradError, match="its own"):
            x.grad = x
        x.grad = lucid.ones(2, dtype=lucid.float64)
        x.sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        del x.grad
        assert x.grad is None


class TestFreeing:
    def test_a_second_walk_says_what_to_do(self):
        y = (leaf(1.0) * 2).exp()
        y.backward(retain_graph=True)
        y.backward()
        with pytest.raises(GradError, match="retain_graph=True"):
            y.backward()

    def test_saved_arrays_go_as_the_walk_proceeds(self):
        x, alive, seen = leaf(1.0, 2.0), [], []
        y = x
        for _ in range(5):
            y = (y * 0.5).exp()
            alive.append(weakref.ref(y._array))
            y.register_hook(lambda g: seen.append(sum(r() is not None for r in alive)))
        y = y.sum()
        y.backward()
        assert seen == [5, 4, 3, 2, 1]

    def test_an_input_that_no_gradient_needs_is_not_kept(self):
        x = leaf(1.0, 2.0)
        y = x * 2
        array = weakref.ref(y._array)
        z = y + 1
        del y
        assert array() is None
        z.sum().backward()

    def test_the_graph_goes_with_its_result_without_the_garbage_collector(self):
        gc.disable()
        try:
            y = (leaf(1.0, 2.0) * 2).exp().sum()
            node = weakref.ref(y.grad_fn)
            del y
            assert node() is None
        finally:
            gc.enable()


class TestInputs:
    def test_only_the_named_leaves_receive(self):
        a, b = leaf(1.0), leaf(2.0)
        (a * b).backward(inputs=a)
        assert a.grad.tolist() == [2.0]
        assert b.grad is None
        (a + b).backward(inputs=[a, b])
        a.grad.zero_()
        assert b.grad.tolist() == [1.0]

    def test_a_computed_tensor_may_be_named(self):
        x = leaf(1.0)
        y = x * 2
        (y * 3).backward(inputs=[y])
        assert y.grad.tolist() == [3.0]
        assert x.grad is None

    def test_hooks_after_accumulation_run(self):
        x, seen = leaf(1.0), []
        x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
        (x * 2).backward(inputs=[x])
        assert seen == [2.0]

    def test_none_is_an_error(self):
        with pytest.raises(GradError, match="must not be empty"):
            leaf(1.0).backward(inputs=[])


class TestGrad:
    def test_touches_no_leaf(self):
        x = leaf(2.0)
        (dx,) = grad(x * x, x)
        assert dx.tolist() == [4.0]
        assert x.grad is None

    def test_of_a_computed_tensor_and_of_what_it_came_from(self):
        x = leaf(2.0)
        y = x * 3
        z = y * y
        assert [g.tolist() for g in grad(z, [x, y, z])] == [[36.0], [12.0], [1.0]]

    def test_the_same_input_twice(self):
        x = leaf(2.0)
        assert [g.tolist() for g in grad(x * x, [x, x])] == [[4.0], [4.0]]

    def test_an_input_that_is_not_used(self):
        x, other = leaf(2.0), leaf(1.0)
        y = x * x
        with pytest.raises(GradError, match="do not depend on input 1"):
            grad(y, [x, other], retain_graph=True)
        assert grad(y, [x, other], retain_graph=True, allow_unused=True)[1] is None
        assert grad(y, [x, other], materialize_grads=True)[1].tolist() == [0.0]

    def test_an_input_that_does_not_require_grad(self):
        with pytest.raises(GradError, match="input 0 of shape .* does not require grad"):
            grad(leaf(1.0) * 2, lucid.ones(1))

    def test_an_output_outside_the_graph(self):
        with pytest.raises(GradError, match="does not require grad"):
            lucid.ones(1).backward()

    def test_grad_outputs_of_the_wrong_kind(self):
        x = leaf(1.0, 2.0)
        with pytest.raises(ShapeError, match=r"shape \(2,\)"):
            grad(x * 2, x, lucid.ones(3, dtype=lucid.float64))
        with pytest.raises(GradError, match="one gradient per output"):
            grad([x * 2, x * 3], x, [lucid.ones(2, dtype=lucid.float64)])

    def test_several_outputs(self):
        x = leaf(2.0)
        assert grad([x * x, x * 3], x)[0].tolist() == [7.0]

    def test_unused_outputs_of_an_op_count_as_zero(self):
        x = leaf(3.0, 1.0, 2.0)
        values, _ = x.sort()
        assert grad(values[0], x)[0].tolist() == [0.0, 1.0, 0.0]

    @pytest.mark.parametrize(
        "f",
        [
            lambda x: (x.sin() * x.exp()).sum(),
            lambda x: (x**4 / (1 + x * x)).sum(),
            lambda x: (x.sigmoid() * x.tanh()).log1p().sum(),
            lambda x: (x.exp().sum().log() * x).sum(),
        ],
    )
    def test_third_derivatives_agree_with_torch(self, f):
        torch = pytest.importorskip("torch")
        answers = []
        for library in (torch, lucid):
            x = library.tensor([0.3, 0.9], dtype=library.float64, requires_grad=True)
            y = f(x)
            for _ in range(3):
                (y,) = library.autograd.grad(y.sum(), x, create_graph=True)
            answers.append(y.detach().numpy())
        numpy.testing.assert_allclose(*answers, rtol=1e-10, atol=1e-14)


class TestHooks:
    def test_run_in_order_and_replace_the_gradient(self):
        x, seen = leaf(1.0), []
        y = x * 2
        y.register_hook(lambda g: seen.append(g.item()))
        y.register_hook(lambda g: g * 10)
        y.register_hook(lambda g: seen.append(g.item()))
        y.backward()
        assert seen == [1.0, 10.0]
        assert x.grad.tolist() == [20.0]

    def test_of_a_leaf_see_the_sum_before_it_is_added(self):
        x, seen = leaf(1.0), []
        x.register_hook(lambda g: seen.append((g.item(), x.grad)))
        x.register_hook(lambda g: -g)
        (x * 2 + x * 3).backward()
        assert seen == [(5.0, None)]
        assert x.grad.tolist() == [-5.0]

    def test_can_be_removed_also_twice_and_by_a_block(self):
        x, seen = leaf(1.0), []
        handle = x.register_hook(seen.append)
        handle.remove()
        handle.remove()
        with x.register_hook(seen.append):
            pass
        (x * 2).backward()
        assert seen == []

    def test_must_keep_the_shape(self):
        x = leaf(1.0)
        x.register_hook(lambda g: g.reshape(1, 1))
        with pytest.raises(GradError, match=r"gradient of shape \(1,\)"):
            (x * 2).backward()

    def test_retain_grad_sees_what_the_other_hooks_made(self):
        x = leaf(1.0)
        y = x * 2
        y.retain_grad()
        y.register_hook(lambda g: g * 10)
        y.backward(retain_graph=True)
        y.backward()
        assert y.grad.tolist() == [20.0]

    def test_after_accumulation(self):
        x, seen = leaf(1.0), []
        handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
        (x * 2).backward()
        (x * 2).backward()
        handle.remove()
        (x * 2).backward()
        assert seen == [2.0, 4.0]

    def test_outlive_the_graph_they_were_first_used_in(self):
        x, seen = leaf(1.0), []
        x.register_hook(lambda g: seen.append(g.item()))
        gc.collect()
        for _ in range(2):
            (x * 2).backward()
        assert seen == [2.0, 2.0]

    def test_need_a_graph(self):
        with pytest.raises(GradError, match="register_hook"):
            lucid.ones(1).register_hook(print)
        with pytest.raises(GradError, match="leaves"):
            (leaf(1.0) * 2).register_post_accumulate_grad_hook(print)


class TestSize:
    """100,000 operations: ten times the depth at which a recursive walk or free would fail."""

    @pytest.mark.parametrize("walk", [True, False])
    def test_a_long_chain(self, walk):
        x = leaf(1.0)
        y = x
        for _ in range(50_000):
            y = (y * 1.0).sin_()
        if walk:
            y.backward()
            assert numpy.isfinite(x.grad.item())
        del y

    def test_a_long_chain_of_views(self):
        x = leaf(1.0)
        y = x * 1
        for _ in range(10_000):
            y = y.unsqueeze(0)[0]
        y.mul_(2)
        y.backward()
        assert x.grad.tolist() == [2.0]


def test_threads_add_to_one_leaf_without_losing_anything():
    n, repeats = 4, 200
    x = lucid.zeros(1000, requires_grad=True)

    def work():
        for _ in range(repeats):
            (x * 1).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.unique().tolist() == [n * repeats]


def test_nan_and_infinity_pass_silently():
    x = leaf(0.0, -1.0, 1e308)
    y = (x.log() / x).sqrt() * x.exp() + x * x
    y.sum().backward()
    assert x.grad.isnan().any()

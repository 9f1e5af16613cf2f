"""checkpoint: the same results and gradients, with only the arguments in memory."""

import gc
import weakref

import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.errors import GradError
from lucid.utils.checkpoint import checkpoint, checkpoint_sequential


def leaf(*values):
    return lucid.tensor(list(values), dtype=lucid.float64, requires_grad=True)


def chain(x):
    return (x.exp() * x).sin() * x.exp()


def gradients(f, *xs):
    y = f(*xs)
    return [t.tolist() for t in lucid.autograd.grad(y.sum(), xs)]


def test_gives_the_values_and_gradients_of_the_plain_call():
    x = leaf(0.1, 0.5, -0.3)
    assert checkpoint(chain, x).tolist() == chain(x).tolist()
    assert gradients(lambda x: checkpoint(chain, x), x) == gradients(chain, x)


def test_backward_and_second_derivatives():
    assert gradcheck(lambda x: checkpoint(chain, x), leaf(0.1, 0.5))
    assert gradgradcheck(lambda x: checkpoint(chain, x), leaf(0.1, 0.5))
    assert gradgradcheck(lambda x: checkpoint(chain, x * 2) * x, leaf(0.1, 0.5))


def test_nested():
    def outer(x):
        return checkpoint(chain, x * 2) + checkpoint(chain, checkpoint(chain, x))

    x = leaf(0.1, 0.5)
    plain = gradients(lambda x: chain(x * 2) + chain(chain(x)), x)
    assert gradients(lambda x: checkpoint(outer, x), x) == plain
    assert gradgradcheck(lambda x: checkpoint(outer, x), x)


def test_several_outputs_keywords_and_other_arguments():
    def f(a, n, *, b, flag):
        assert flag == "on"
        return a.exp() * b, (a * b * n).cos(), n

    a, b = leaf(0.1, 0.2), leaf(0.3, 0.4)
    first, second, n = checkpoint(f, a, 3, b=b, flag="on")
    assert n == 3
    (first * second).sum().backward()
    p, q, _ = f(a, 3, b=b, flag="on")
    expected = lucid.autograd.grad((p * q).sum(), (a, b))
    assert [a.grad.tolist(), b.grad.tolist()] == [g.tolist() for g in expected]


def test_parameters_inside_the_function_get_their_gradients():
    w, x = leaf(2.0, 3.0), leaf(1.0, 1.0).detach()
    checkpoint(lambda x: (x * w).exp(), x).sum().backward()
    assert w.grad is not None


@pytest.mark.parametrize("own", [False, True])
def test_random_numbers_are_the_same_whatever_generator_drew_them(own):
    generator = lucid.Generator().manual_seed(3) if own else None

    def noisy(x):
        return (x * lucid.rand(4, dtype=lucid.float64, generator=generator)).exp()

    x = leaf(1.0, 1.0, 1.0, 1.0)
    y = checkpoint(noisy, x)
    lucid.rand(100)
    y.sum().backward()
    # d exp(xu)/dx = u exp(xu), and at x = 1 both are known from the result.
    assert lucid.allclose(x.grad, y.detach() * y.detach().log())


def test_backward_does_not_move_the_generator():
    x = leaf(1.0, 1.0)
    y = checkpoint(lambda x: (x * lucid.rand(2)).exp(), x)
    state = lucid.default_generator.state_tuple()
    y.sum().backward()
    assert lucid.default_generator.state_tuple() == state


def test_without_preserved_state_the_second_run_draws_anew():
    x = leaf(1.0, 1.0)
    y = checkpoint(lambda x: (x * lucid.rand(2)).exp(), x, preserve_rng_state=False)
    state = lucid.default_generator.state_tuple()
    y.sum().backward()
    assert lucid.default_generator.state_tuple() != state


class Counter:
    """Counts runs, and keeps an eye on the intermediate values of each."""

    def __init__(self):
        self.runs, self.alive = 0, []

    def __call__(self, x):
        self.runs += 1
        for _ in range(10):
            x = (x * 0.1).exp()
            self.alive.append(weakref.ref(x._array))
        return x

    def living(self):
        gc.collect()
        return sum(r() is not None for r in self.alive)


def test_memory_is_freed_until_backward_and_again_after_it():
    f, x = Counter(), leaf(0.1, 0.2)
    y = f(x)
    assert f.living() >= 10  # the plain call keeps them all
    del y
    f = Counter()
    y = checkpoint(f, x)
    assert f.living() == 1  # the result
    y.sum().backward()
    assert f.runs == 2
    assert f.living() == 1


def test_one_second_run_serves_the_whole_walk_and_each_further_walk_takes_one():
    f, x = Counter(), leaf(0.1, 0.2)
    y = checkpoint(f, x).sum()
    y.backward(retain_graph=True)
    assert f.runs == 2
    y.backward()
    assert f.runs == 3


def test_an_inner_checkpoint_does_not_hold_what_the_outer_one_recomputes():
    f, x = Counter(), leaf(0.1, 0.2)

    def outer(x):
        h = f(x)
        return checkpoint(chain, h)

    y = checkpoint(outer, x)
    assert f.living() == 0
    y.sum().backward()
    assert gradients(lambda x: chain(Counter()(x)), x)[0] == x.grad.tolist()


def test_a_function_that_raises_leaves_nothing_behind():
    def broken(x):
        x.exp()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        checkpoint(broken, leaf(1.0))
    x = leaf(1.0)
    y = x.exp()
    y.backward()
    assert x.grad.tolist() == y.tolist()


@pytest.mark.parametrize(
    "second, message",
    [
        (lambda x: x.exp(), "forward saved 2 values, but the second run 1"),
        (lambda x: x.exp().exp().exp(), "forward saved 2 values, but the second run 3"),
        (lambda x: x[:1].exp().exp(), r"saved value 0 was .* shape \(2,\).* but .* shape \(1,\)"),
        (lambda x: x.float().exp().exp(), "lucid.float64 .* lucid.float32"),
    ],
)
def test_a_function_that_does_something_else_is_explained(second, message):
    functions = iter([lambda x: x.exp().exp(), second])
    y = checkpoint(lambda x: next(functions)(x), leaf(1.0, 2.0))
    with pytest.raises(GradError, match=message):
        y.sum().backward()


def test_an_argument_overwritten_before_backward_is_noticed():
    h = leaf(1.0, 2.0) * 1
    y = checkpoint(chain, h)
    h.mul_(2)
    with pytest.raises(GradError, match="checkpoint: an input .* modified in place"):
        y.sum().backward()


def test_walking_back_inside_the_function_is_refused():
    def f(x):
        return lucid.autograd.grad(x.exp().sum(), x)[0]

    with pytest.raises(GradError, match="can't walk back through what it is computing"):
        checkpoint(f, leaf(1.0))


def test_nothing_is_repeated_without_a_graph():
    f = Counter()
    with lucid.no_grad():
        checkpoint(f, leaf(1.0))
    assert f.runs == 1


@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_sequential(segments):
    functions = [lucid.exp, lucid.sin, lucid.cos, lucid.tanh, lucid.exp]

    def plain(x):
        for f in functions:
            x = f(x)
        return x

    x = leaf(0.1, 0.2)
    assert gradients(lambda x: checkpoint_sequential(functions, segments, x), x) == gradients(
        plain, x
    )


def test_sequential_refuses_more_segments_than_functions():
    with pytest.raises(ValueError, match=r"segments must be in \[1, 2\]; got 3"):
        checkpoint_sequential([lucid.exp, lucid.sin], 3, leaf(1.0))

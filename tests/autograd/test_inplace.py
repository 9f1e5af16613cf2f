"""In-place writes: what they do to gradients, and which are refused."""

import numpy
import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.errors import DTypeError, GradError, ShapeError


def leaf(*values, dtype=lucid.float64):
    return lucid.tensor(list(values), dtype=dtype, requires_grad=True)


def gradient(f, *values):
    x = leaf(*values)
    f(x).sum().backward()
    return x.grad.tolist()


def test_the_written_tensor_becomes_the_output_of_the_operation():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y.mul_(3)
    assert z is y
    assert y.grad_fn.name() == "Mul"
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.mul_(y),
        lambda y: y.exp_(),
        lambda y: y.sin_().exp_(),
        lambda y: y.mul_(y.clone()).sqrt_(),
        lambda y: y[1:].mul_(y[:1]),
        lambda y: y[:1].exp_(),
        lambda y: y.t().mul_(3).unsqueeze(0).exp_(),
        lambda y: y.div_(y.sum()),
        lambda y: y.pow_(3),
    ],
)
def test_first_and_second_gradients_through_a_write(change):
    def f(x):
        y = x * 1
        change(y)
        return y * x

    assert gradcheck(f, leaf(0.5, 1.5, 0.7))
    assert gradgradcheck(f, leaf(0.5, 1.5, 0.7))


def test_a_write_to_the_base_is_seen_by_views_made_before():
    def f(x):
        y = x * 1
        old = y[1:]
        y.mul_(2)
        return old * 3

    assert gradient(f, 1.0, 2.0) == [0.0, 6.0]


def test_a_write_to_a_view_of_a_view_is_seen_by_the_base_and_by_other_views():
    def f(x):
        y = (x * 1).reshape(2, 2)
        other = y.t()
        y[1].unsqueeze(0)[:, 1].mul_(10)
        return other * lucid.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=lucid.float64)

    assert gradient(f, 1.0, 1.0, 1.0, 1.0) == [1.0, 3.0, 2.0, 40.0]


@pytest.mark.parametrize("name, args", [("split", (1,)), ("unbind", ()), ("chunk", (2,))])
def test_parts_of_a_split_may_be_written_to(name, args):
    def f(x):
        y = x * 1
        first, second = getattr(y, name)(*args)
        first.mul_(5)
        second.mul_(7)
        return y

    assert gradient(f, 1.0, 1.0) == [5.0, 7.0]


def test_a_write_to_the_diagonal():
    def f(x):
        y = x.reshape(2, 2) * 1
        y.diagonal().mul_(3)
        return y

    assert gradient(f, 1.0, 1.0, 1.0, 1.0) == [3.0, 1.0, 1.0, 3.0]


def test_a_tensor_outside_the_graph_enters_it_through_a_write_to_its_view():
    w, buffer = leaf(2.0, 3.0), lucid.zeros(3, 2, dtype=lucid.float64)
    for i in range(3):
        buffer[i] = w * i
    assert not buffer.is_leaf
    buffer.sum().backward()
    assert w.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    "index",
    [
        [0, 2],
        numpy.array([2, 0]),
        ([0, 1], [1, 2]),
        numpy.array([[True, False, True], [False, True, False], [True, True, False]]),
        (slice(None), [1]),
        (..., 0),
    ],
)
def test_setitem_with_any_index(index):
    torch = pytest.importorskip("torch")
    grads = []
    for library in (torch, lucid):
        x = library.ones(3, 3, dtype=library.float64).requires_grad_()
        v = library.tensor(2.0, dtype=library.float64, requires_grad=True)
        y = x * 3
        y[index] = v * v
        (y * y).sum().backward()
        grads.append((numpy.asarray(x.grad), float(v.grad)))
    numpy.testing.assert_array_equal(grads[0][0], grads[1][0])
    assert grads[0][1] == grads[1][1]


def test_copy_broadcasts_and_casts_and_its_gradient_comes_back():
    target, x = lucid.zeros(2, 3), leaf(1.0, 2.0, 3.0)
    target.copy_(x)
    assert target.dtype is lucid.float32
    target.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    assert x.grad.dtype is lucid.float64


def test_a_result_of_higher_precision_is_rounded_to_the_tensor_written_to():
    x = leaf(1.0, 2.0, dtype=lucid.float32)
    y = x * 1
    y.mul_(lucid.tensor([1.5, 2.5], dtype=lucid.float64))
    assert y.dtype is lucid.float32
    y.sum().backward()
    assert x.grad.dtype is lucid.float32
    assert x.grad.tolist() == [1.5, 2.5]


def test_writing_from_overlapping_memory_reads_the_old_values():
    def f(x):
        y = x * 1
        y[1:].mul_(y[:-1])
        y.t()[:2].copy_(y[1:])
        return y * y

    assert gradcheck(f, leaf(0.5, 1.5, 0.7))


class TestRefuses:
    def test_a_leaf_that_requires_grad(self):
        x = leaf(1.0, 2.0)
        for write in (lambda: x.add_(1), lambda: x[0].add_(1), lambda: x.__setitem__(0, 1.0)):
            with pytest.raises(GradError, match="leaf that requires grad"):
                write()
        with lucid.no_grad():
            x.add_(1)
        assert x.tolist() == [2.0, 3.0]
        assert x.is_leaf

    def test_an_expanded_tensor(self):
        with pytest.raises(ShapeError, match="share one memory location"):
            lucid.zeros(1).expand(3).add_(1)

    def test_but_not_an_empty_one(self):
        lucid.zeros(2, 0).add_(1)

    def test_a_result_of_another_category(self):
        with pytest.raises(DTypeError, match="add_"):
            lucid.tensor([1, 2]).add_(0.5)

    def test_a_result_of_another_shape(self):
        with pytest.raises(ShapeError, match=r"add: sizes must .* \(3,\), \(2, 3\)"):
            lucid.zeros(3).add_(lucid.zeros(2, 3))

    def test_a_view_made_under_no_grad(self):
        y = leaf(1.0, 2.0) * 1
        with lucid.no_grad():
            v = y[0]
        with pytest.raises(GradError, match="under no_grad"):
            v.mul_(2)

    def test_a_tensor_of_inference_mode_outside_of_it(self):
        with lucid.inference_mode():
            y = lucid.ones(2) * 2
            y.mul_(2)
        with pytest.raises(GradError, match="inference_mode"):
            y.mul_(2)


class TestVersions:
    def test_a_changed_input(self):
        y = leaf(1.0, 2.0) * 1
        z = y * y
        y.add_(1)
        with pytest.raises(GradError, match=r"Mul: an input .* modified in place .*version 1"):
            z.sum().backward()

    def test_a_changed_output(self):
        y = leaf(1.0, 2.0).exp()
        y.add_(1)
        with pytest.raises(GradError, match=r"Exp: output .* modified in place"):
            y.sum().backward()

    @pytest.mark.parametrize(
        "write",
        [lambda y: y[0].add_(1), lambda y: y.detach().add_(1), lambda y: y.detach()[1:].zero_()],
    )
    def test_a_change_through_a_view_or_a_detached_tensor(self, write):
        y = leaf(1.0, 2.0) * 1
        z = y.exp()
        write(z)
        with pytest.raises(GradError, match="modified in place"):
            z.sum().backward()

    def test_a_change_of_the_base_of_a_saved_view(self):
        y = leaf(1.0, 2.0) * 1
        z = y[1:] * y[:1]
        y.mul_(2)
        with pytest.raises(GradError, match="modified in place"):
            z.sum().backward()

    def test_a_change_under_no_grad(self):
        w = leaf(1.0, 2.0)
        z = (w * w).sum()
        with lucid.no_grad():
            w.add_(1)
        with pytest.raises(GradError, match="modified in place"):
            z.backward()

    def test_what_is_not_needed_may_change(self):
        y = leaf(1.0, 2.0) * 1
        z = y + 1
        y.mul_(2)
        z.sum().backward()

    def test_changes_through_data_are_not_noticed(self):
        w = leaf(2.0)
        z = w * w
        w.data.add_(1)
        z.backward()
        assert w.grad.tolist() == [6.0]


def test_retain_grad_follows_the_tensor_through_a_write():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * 5).sum().backward()
    assert y.grad.tolist() == [5.0, 5.0]
    assert y.retains_grad


def test_one_array_under_two_tensors_is_told_apart():
    x = leaf(3.0)
    z = x.detach().requires_grad_()
    (dz,) = lucid.autograd.grad(z * x, z, create_graph=True)
    (d,) = lucid.autograd.grad(dz, x)
    assert d.tolist() == [1.0]


def test_part_of_an_expanded_tensor_is_written_to_where_no_element_stands_twice():
    x = lucid.zeros(1, 3).expand(2, 3)
    x[0].add_(1)  # as PyTorch does: both rows are the same memory
    assert x.tolist() == [[1.0] * 3] * 2
    with pytest.raises(ShapeError, match="share one memory location"):
        x[:, 1].add_(1)
    assert x.tolist() == [[1.0] * 3] * 2

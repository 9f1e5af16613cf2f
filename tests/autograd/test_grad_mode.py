"""no_grad and its relatives as contexts and decorators; anomaly detection."""

import threading

import pytest

import lucid
from lucid.errors import GradError


def leaf(*values):
    return lucid.tensor(list(values), dtype=lucid.float64, requires_grad=True)


def records():
    return (leaf(1.0) * 2).requires_grad


@pytest.mark.parametrize(
    "mode, expected",
    [
        (lucid.no_grad, False),
        (lucid.enable_grad, True),
        (lucid.inference_mode, False),
        (lambda: lucid.set_grad_enabled(False), False),
        (lambda: lucid.set_grad_enabled(True), True),
    ],
)
class TestModes:
    def test_as_a_context(self, mode, expected):
        with mode():
            assert records() is expected
        assert records()

    def test_as_a_decorator(self, mode, expected):
        decorated = mode()(records)
        assert lucid.is_grad_enabled()
        assert decorated() is expected
        assert decorated.__name__ == "records"
        assert records()

    def test_after_an_error(self, mode, expected):
        with pytest.raises(KeyError), mode():
            raise KeyError
        assert records()

    def test_of_a_generator_hold_while_it_runs_only(self, mode, expected):
        @mode()
        def numbers():
            got = yield records()
            yield got, records()

        steps = numbers()
        assert next(steps) is expected
        assert records()
        assert steps.send("sent") == ("sent", expected)
        assert records()


def test_modes_nest():
    with lucid.no_grad():
        with lucid.enable_grad():
            assert records()
            with lucid.no_grad():
                assert not records()
            assert records()
        assert not records()


def test_one_object_may_be_entered_twice():
    mode = lucid.no_grad()
    with mode:
        with mode:
            pass
        assert not records()
    assert records()


def test_set_grad_enabled_acts_at_once_when_called():
    lucid.set_grad_enabled(False)
    try:
        assert not records()
    finally:
        lucid.set_grad_enabled(True)
    assert records()


def test_no_grad_decorates_without_parentheses():
    assert lucid.no_grad(records)() is False


def test_each_thread_has_its_own_mode():
    seen = []
    with lucid.no_grad():
        t = threading.Thread(target=lambda: seen.append(records()))
        t.start()
        t.join()
    assert seen == [True]


class TestInferenceMode:
    def test_its_tensors_can_not_be_saved_for_backward(self):
        with lucid.inference_mode():
            y = lucid.ones(2, dtype=lucid.float64) * 2
        with pytest.raises(GradError, match="inference_mode"):
            leaf(1.0, 2.0) * y
        leaf(1.0, 2.0) + y

    def test_nor_can_their_views(self):
        with lucid.inference_mode():
            y = lucid.ones(2, dtype=lucid.float64) * 2
        with pytest.raises(GradError, match="inference_mode"):
            leaf(1.0) * y[:1]

    def test_they_can_not_require_grad(self):
        with lucid.inference_mode():
            y = lucid.ones(2) * 2
        with pytest.raises(GradError, match="inference_mode"):
            y.requires_grad_()
        y.clone().requires_grad_()


class TestRequiresGrad:
    def test_only_floating_point_tensors(self):
        with pytest.raises(GradError, match="floating point"):
            lucid.tensor([1]).requires_grad_()

    def test_only_leaves_can_be_switched_off(self):
        y = leaf(1.0) * 2
        with pytest.raises(GradError, match="only a leaf"):
            y.requires_grad_(False)
        y.requires_grad_(True)

    def test_comparisons_and_integers_have_none(self):
        x = leaf(1.0, 2.0)
        assert not (x > 1).requires_grad
        assert not x.argmax().requires_grad
        assert not x.long().requires_grad

    def test_detach_and_data_leave_the_graph_and_share_memory(self):
        x = leaf(1.0, 2.0)
        for t in (x.detach(), x.data):
            assert t.is_leaf
            assert not t.requires_grad
            assert t.data_ptr() == x.data_ptr()


class TestAnomaly:
    def test_an_error_in_backward_names_the_line_of_forward(self):
        class Fails(lucid.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, dy):
                raise ValueError("on purpose")

        with lucid.autograd.detect_anomaly():
            y = Fails.apply(leaf(1.0))  # this line
            with pytest.raises(ValueError, match="on purpose") as caught:
                y.backward()
        assert "y = Fails.apply(leaf(1.0))  # this line" in caught.value.__notes__[0]

    def test_a_nan_among_the_gradients_is_an_error(self):
        with lucid.autograd.detect_anomaly():
            x = leaf(0.0)
            y = (x * 0).sqrt() * 0  # this line
            with pytest.raises(GradError, match="Sqrt.backward.* NaN") as caught:
                y.backward()
        assert "# this line" in str(caught.value)

    def test_nan_may_be_allowed(self):
        with lucid.autograd.detect_anomaly(check_nan=False):
            ((leaf(0.0) * 0).sqrt() * 0).backward()

    def test_is_off_again_afterwards(self):
        with lucid.autograd.set_detect_anomaly(True):
            pass
        ((leaf(0.0) * 0).sqrt() * 0).backward()

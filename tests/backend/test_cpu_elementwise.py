"""Activations and cross entropy on large arrays: what blocks and threads must not do."""

from collections.abc import Callable

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor
from lucid.backend.cpu import softmax

N = 3 * (1 << 18) + 5  # several blocks of every op, and a rest
ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    name: getattr(F, name)
    for name in (
        "elu",
        "gelu",
        "hardswish",
        "leaky_relu",
        "relu",
        "selu",
        "sigmoid",
        "silu",
        "tanh",
    )
}
INPLACE = ["elu", "hardswish", "leaky_relu", "relu", "selu", "silu"]


def _values(shape: int | tuple, low: float = -6.0, high: float = 6.0) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, high, shape).astype("float32")


def _run(function: Callable[..., Tensor], x: np.ndarray, dy: np.ndarray) -> list[np.ndarray]:
    t = lucid.tensor(x).requires_grad_()
    y = function(t)
    y.backward(lucid.tensor(dy))
    return [y.detach().numpy(), t.grad.numpy()]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_blocks_and_threads_change_no_bit(name: str) -> None:
    x, dy, function = _values(N), _values(N), ACTIVATIONS[name]
    before = lucid.get_num_threads()
    try:
        lucid.set_num_threads(1)
        one = _run(function, x, dy)
        lucid.set_num_threads(2)
        two = _run(function, x, dy)
    finally:
        lucid.set_num_threads(before)
    few = [_run(function, x[i : i + 4096], dy[i : i + 4096]) for i in range(0, N, 4096)]
    for k in range(2):
        np.testing.assert_array_equal(one[k], two[k])
        np.testing.assert_allclose(
            one[k], np.concatenate([f[k] for f in few]), rtol=1e-6, atol=1e-7
        )


@pytest.mark.parametrize("name", INPLACE)
def test_in_place_is_the_same(name: str) -> None:
    x, dy, function = _values(N), _values(N), ACTIVATIONS[name]
    plain = _run(function, x, dy)
    inplace = _run(lambda t: function(t * 1, inplace=True), x, dy)
    # A gradient from the output, where the input is gone, may differ from one from the input.
    np.testing.assert_array_equal(plain[0], inplace[0])
    np.testing.assert_allclose(plain[1], inplace[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_gradient_that_lies_otherwise_in_memory_is_the_same(name: str) -> None:
    x, dy, function = _values((8, 16, 40, 40)), _values((8, 16, 40, 40)), ACTIVATIONS[name]
    turned = np.moveaxis(np.ascontiguousarray(np.moveaxis(dy, 1, -1)), -1, 1)
    want, got = _run(function, x, dy), _run(function, x, turned)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-6, atol=1e-7)


def test_relu_blocks_what_is_not_finite_too() -> None:
    x, dy = _values(N), np.full(N, np.inf, "float32")
    dy[::2] = np.nan
    _, dx = _run(F.relu, x, dy)
    assert (dx[x <= 0] == 0).all()
    np.testing.assert_array_equal(dx[x > 0], dy[x > 0])


@pytest.mark.parametrize("middle", [0.0, 1e4], ids=["small scores", "scores of ten thousand"])
@pytest.mark.parametrize("shape", [(64, 10), (700, 1000), (3, 9000)], ids=str)
def test_log_sums_and_their_gradient_are_softmax(shape: tuple, middle: float) -> None:
    x = _values(shape) + np.float32(middle)
    top, total = softmax.log_sums(x)
    wide = x.astype("float64")
    powers = np.exp(wide - wide.max(1, keepdims=True))
    np.testing.assert_array_equal(top[:, 0], x.max(1))
    # The sum, which is 1 at least, is rounded by up to 1e-7.
    np.testing.assert_allclose(total[:, 0], np.log(powers.sum(1)), rtol=1e-6, atol=1e-7)
    factor = np.linspace(-1, 1, len(x)).astype("float32")
    got = softmax.scaled(x, top, total, factor)
    want = powers / powers.sum(1, keepdims=True) * factor[:, None]
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_cross_entropy_of_labels_is_that_of_probabilities(reduction: str) -> None:
    x, labels = _values((700, 1000)), np.random.default_rng(1).integers(0, 1000, 700)
    dy = _values(700) if reduction == "none" else np.float32(2.0)
    answers = []
    for target in (labels, np.eye(1000, dtype="float32")[labels]):
        run = lambda t, q=target: F.cross_entropy(t, lucid.tensor(q), reduction=reduction)  # noqa: E731
        answers.append(_run(run, x, np.asarray(dy)))
    for got, want in zip(*answers, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


def test_cross_entropy_of_halves_is_computed_in_float32() -> None:
    x, labels = _values((70, 300)).astype("float16"), np.arange(70)

    def run(t: Tensor) -> Tensor:
        return F.cross_entropy(t, lucid.tensor(labels), reduction="sum")

    half = _run(run, x, np.asarray(1, "float16"))
    full = _run(run, x.astype("float32"), np.asarray(1, "float32"))
    assert half[1].dtype == np.float16
    np.testing.assert_array_equal(half[1], full[1].astype("float16"))

"""softmax, log_softmax and softmin agree with PyTorch, also where exp would overflow."""

import numpy
import pytest

import lucid
from lucid.nn import functional as ops

torch = pytest.importorskip("torch")
F = torch.nn.functional
PAIRS = [(ops.softmax, F.softmax), (ops.log_softmax, F.log_softmax), (ops.softmin, F.softmin)]
IDS = ["softmax", "log_softmax", "softmin"]


@pytest.mark.parametrize("here, there", PAIRS, ids=IDS)
@pytest.mark.parametrize(
    "shape, dim",
    [((4, 5), 1), ((4, 5), 0), ((3, 4, 5), -2), ((200, 300), 1), ((70_000,), 0), ((300, 200), 0)],
)
def test_value_and_gradient_are_torchs(here, there, shape, dim, device):
    x = torch.randn(shape, requires_grad=True)
    g = torch.randn(shape)
    ours = lucid.tensor(x.detach().numpy(), requires_grad=True)
    y, expected = here(ours, dim), there(x, dim)
    y.backward(lucid.tensor(g.numpy()))
    expected.backward(g)
    # float32: a few roundings, and log_softmax's gradient adds up as many terms as a row has.
    close = {"rtol": 2e-5, "atol": 1e-5}
    numpy.testing.assert_allclose(y.detach().cpu().numpy(), expected.detach().numpy(), **close)
    numpy.testing.assert_allclose(ours.grad.cpu().numpy(), x.grad.numpy(), **close)


@pytest.mark.parametrize("here, there", PAIRS, ids=IDS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_rounded_once(here, there, dtype, device):
    x = torch.randn(50, 900).to(getattr(torch, dtype))
    ours = here(lucid.tensor(x.float().numpy()).to(getattr(lucid, dtype)), 1)
    exact = there(x.double(), 1).numpy()
    assert ours.dtype is getattr(lucid, dtype)
    step = {"float16": 2**-11, "bfloat16": 2**-8}[dtype]
    numpy.testing.assert_allclose(ours.double().cpu().numpy(), exact, rtol=1.1 * step, atol=1e-7)


@pytest.mark.parametrize("here, there", PAIRS, ids=IDS)
def test_large_numbers_and_infinities_are_torchs(here, there, device):
    inf, nan = float("inf"), float("nan")
    x = torch.tensor([[1e4, -1e4, 0], [-inf, 0, 1], [inf, 0, 1], [-inf, -inf, -inf], [nan, 0, 1]])
    actual = here(lucid.tensor(x.numpy()), 1).cpu().numpy()
    numpy.testing.assert_allclose(actual, there(x, 1).numpy(), rtol=1e-6)


@pytest.mark.parametrize("here", [p[0] for p in PAIRS], ids=IDS)
def test_channels_last_stays_channels_last(here, device):
    x = lucid.randn(4, 21, 32, 32)
    last = x.contiguous(memory_format=lucid.channels_last)
    y = here(last, 1)
    assert y.is_contiguous(memory_format=lucid.channels_last)
    assert y.allclose(here(x, 1), atol=1e-6)


def test_dtype_converts_first(device):
    y = ops.softmax(lucid.tensor([0, 0]), 0, dtype=lucid.float64)
    assert y.dtype is lucid.float64 and y.tolist() == [0.5, 0.5]


def test_a_missing_dim_is_guessed_with_a_warning(device):
    with pytest.warns(UserWarning, match="softmax: no dim given; 1 was chosen"):
        y = ops.softmax(lucid.zeros(2, 4))
    assert y.tolist() == [[0.25] * 4] * 2


def test_tensor_methods(device):
    x = lucid.randn(2, 3)
    assert x.softmax(1).equal(ops.softmax(x, 1))
    assert x.log_softmax(dim=-1).equal(ops.log_softmax(x, 1))

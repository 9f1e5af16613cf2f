"""pad: PyTorch's values, gradients and second gradients in every mode."""

import numpy as np
import pytest

import lucid
from lucid.ops.padding import pad

CASES = [
    ((2, 3), (1, 2), "constant", 1.5),
    ((2, 3, 4), (1, -2, -1, 3, 2, 0), "constant", None),
    ((2, 3), (-3, 1), "constant", 2.0),
    ((2, 3, 4), (), "constant", None),
    ((2, 3, 4), (3, 2), "reflect", None),
    ((2, 3, 4, 5), (4, 0, 1, 2), "reflect", None),
    ((1, 2, 3, 4, 5), (1, 2, 3, 0, 2, 1), "reflect", None),
    ((3, 4), (7, 2), "replicate", None),
    ((2, 3, 4, 5), (1, 0, -1, 6), "replicate", None),
    ((1, 2, 3, 4, 5), (1, 2, 3, 0, 5, 1), "replicate", None),
    ((2, 3, 4), (4, 3), "circular", None),
    ((2, 3, 4, 5), (2, 5, 1, -1), "circular", None),
    ((1, 2, 3, 4, 5), (1, 2, 3, 0, 2, 1), "circular", None),
]


@pytest.mark.parametrize("shape, amounts, mode, value", CASES, ids=str)
def test_values_and_gradients_are_pytorchs(shape, amounts, mode, value):
    torch = pytest.importorskip("torch")

    def derivatives(library, function):
        rng = np.random.default_rng(0)
        x = library.tensor(rng.normal(size=shape), requires_grad=True)
        y = function(x, amounts, mode, value)
        weights = library.tensor(rng.normal(size=tuple(y.shape)))
        grad = library.autograd.grad
        (dx,) = grad((y**3 * weights).sum(), [x], create_graph=True)
        (ddx,) = grad((dx**2).sum(), [x])
        return [t.detach().numpy() for t in (y, dx, ddx)]

    ours, theirs = derivatives(lucid, pad), derivatives(torch, torch.nn.functional.pad)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["bool", "int64", "float16", "bfloat16"])
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_every_dtype_can_be_padded(dtype, mode):
    x = lucid.tensor([[0, 1, 1]], dtype=getattr(lucid, dtype))
    y = pad(x, (1, 1), mode, 1 if mode == "constant" else None)
    ends = {"constant": (1, 1), "reflect": (1, 1), "replicate": (0, 1), "circular": (1, 0)}[mode]
    assert y.dtype is x.dtype
    assert y.to(lucid.int64).tolist() == [[ends[0], 0, 1, 1, ends[1]]]


def test_channels_last_stays_channels_last():
    x = lucid.ones(2, 5, 6, 3).permute(0, 3, 1, 2)
    for mode in ("constant", "reflect", "replicate", "circular"):
        assert pad(x, (1, 2, 3, 1), mode).permute(0, 2, 3, 1).is_contiguous()


def test_a_replicated_corner_receives_the_whole_gradient_of_its_copies():
    x = lucid.zeros(1, 2, 2, requires_grad=True)
    pad(x, (2, 1, 1, 3), "replicate").sum().backward()
    assert x.grad.tolist() == [[[6, 4], [12, 8]]]


def test_a_border_larger_than_the_inside_is_refused():
    with pytest.raises(lucid.errors.ShapeError, match="circular can add at most 3"):
        pad(lucid.zeros(2, 3), (4, 0), "circular")
    with pytest.raises(lucid.errors.ShapeError, match="replicate can add at most 0"):
        pad(lucid.zeros(2, 0), (1, 0), "replicate")

"""conv1d/2d/3d and their transposed forms: PyTorch's values, gradients and second gradients."""

import itertools

import numpy as np
import pytest

import lucid
from lucid.autograd import gradcheck
from lucid.errors import DTypeError, ShapeError
from lucid.op import convolving
from lucid.ops import convolution
from lucid.ops.convolution import conv2d, conv_transpose2d

CLOSE = {"rtol": 1e-9, "atol": 1e-9}  # float64, sums of a few hundred products

CONVOLUTIONS = [
    ("conv1d", (2, 4, 9), (6, 4, 3), {"stride": 2, "padding": 1, "dilation": 2}),
    ("conv1d", (4, 9), (6, 2, 3), {"groups": 2, "padding": "same"}),
    ("conv2d", (2, 3, 6, 5), (4, 3, 3, 3), {"padding": 1}),
    ("conv2d", (2, 4, 7, 6), (8, 1, 2, 3), {"groups": 4, "stride": (2, 1), "padding": (0, 2)}),
    ("conv2d", (2, 3, 6, 5), (4, 3, 2, 4), {"padding": "same", "dilation": (1, 2)}),
    ("conv2d", (3, 6, 5), (4, 3, 3, 3), {"padding": "valid"}),
    ("conv2d", (2, 3, 6, 5), (4, 3, 1, 1), {}),
    ("conv2d", (2, 3, 6, 5), (4, 3, 1, 1), {"stride": 2}),
    ("conv3d", (1, 2, 4, 5, 3), (4, 1, 2, 2, 3), {"groups": 2, "stride": 2, "padding": 1}),
    ("conv_transpose1d", (2, 4, 5), (4, 3, 3), {"stride": 3, "output_padding": 2}),
    ("conv_transpose2d", (2, 4, 3, 4), (4, 3, 3, 2), {"stride": 2, "padding": 1}),
    (
        "conv_transpose2d",
        (2, 4, 3, 4),
        (4, 3, 3, 3),
        {"stride": (2, 1), "dilation": (1, 3), "output_padding": (1, 2), "groups": 2},
    ),
    ("conv_transpose2d", (4, 3, 4), (4, 2, 3, 3), {}),
    ("conv_transpose3d", (1, 2, 2, 3, 2), (2, 2, 2, 2, 2), {"stride": 2, "padding": 1}),
]


def outputs(weight, name, settings):
    channels = weight[1] if "transpose" in name else weight[0]
    return channels * (settings.get("groups", 1) if "transpose" in name else 1)


def draw(case, seed=0):
    name, x, w, settings = case
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s) for s in (x, w, (outputs(w, name, settings),))]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_values_gradients_and_second_gradients_are_pytorchs(case):
    torch = pytest.importorskip("torch")
    name, _, _, settings = case
    arrays = draw(case)

    def derivatives(library, function, grad):
        x, w, b = (library.tensor(a, requires_grad=True) for a in arrays)
        y = function(x, w, b, **settings)
        first = grad((y**3).sum(), [x, w, b], create_graph=True)
        second = grad(sum((g**2).sum() for g in first), [x, w, b])
        return [t.detach().numpy() for t in (y, *first, *second)]

    ours = derivatives(lucid, getattr(convolution, name), lucid.autograd.grad)
    theirs = derivatives(torch, getattr(torch.nn.functional, name), torch.autograd.grad)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("op", ["Convolution", "InputGradient", "WeightGradient"])
def test_the_generic_form_is_the_oracle_of_the_fast_one(case, op, monkeypatch):
    name, _, _, settings = case

    def gradients():
        x, w, b = (lucid.tensor(a, requires_grad=True) for a in draw(case))
        y = getattr(convolution, name)(x, w, b, **settings)
        (y * y).sum().backward()
        return [t.detach().numpy() for t in (y, x.grad, w.grad, b.grad)]

    fast = gradients()
    cls = getattr(convolving, op)
    monkeypatch.setitem(cls._forward, "cpu", cls.forward)
    for a, b in zip(fast, gradients(), strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)


def test_third_gradients_agree_with_differences():
    rng = np.random.default_rng(0)
    x = lucid.tensor(rng.standard_normal((1, 2, 3, 3)), requires_grad=True)
    w = lucid.tensor(rng.standard_normal((2, 2, 2, 2)), requires_grad=True)

    def second(x, w):
        y = conv2d(x, w, padding=1).tanh()
        (dx,) = lucid.autograd.grad(y.sum(), [x], create_graph=True)
        (ddw,) = lucid.autograd.grad((dx**2).sum(), [w], create_graph=True)
        return ddw

    assert gradcheck(second, (x, w))


@pytest.mark.parametrize("needed", list(itertools.product([False, True], repeat=3)), ids=str)
def test_only_the_gradients_that_are_needed_are_computed(needed, monkeypatch):
    computed = []
    for i, name in enumerate(["InputGradient", "WeightGradient"]):
        cls = getattr(convolving, name)
        forward = cls._forward["cpu"]
        monkeypatch.setitem(
            cls._forward, "cpu", lambda *a, f=forward, i=i: computed.append(i) or f(*a)
        )
    arrays = np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3)), np.ones(3)
    tensors = [lucid.tensor(a, requires_grad=n) for a, n in zip(arrays, needed, strict=True)]
    y = conv2d(*tensors)
    assert y.requires_grad == any(needed)
    if any(needed):
        y.sum().backward()
    assert sorted(computed) == [i for i in (0, 1) if needed[i]]
    assert [t.grad is not None for t in tensors] == list(needed)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_keeps_the_dtype_of_its_inputs(dtype):
    kind = getattr(lucid, dtype)
    x = lucid.ones(1, 2, 4, 4, dtype=kind, requires_grad=True)
    w = lucid.ones(3, 2, 3, 3, dtype=kind, requires_grad=True)
    b = lucid.ones(3, dtype=kind, requires_grad=True)
    y = conv2d(x, w, b)
    y.sum().backward()
    assert {t.dtype for t in (y, x.grad, w.grad, b.grad)} == {kind}
    assert (y.detach().double().numpy() == 19).all()


def test_halves_are_summed_in_float32():
    """4096 products of one: float16 counts no further than 2048 in steps of one."""
    x = lucid.ones(1, 4096, 1, 1, dtype=lucid.float16)
    assert conv2d(x, x).item() == 4096


def test_channels_last_stays_channels_last():
    x = lucid.ones(2, 5, 5, 3).permute(0, 3, 1, 2)
    assert conv2d(x, lucid.ones(4, 3, 3, 3)).permute(0, 2, 3, 1).is_contiguous()


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients():
    x = lucid.ones(0, 2, 5, 5, requires_grad=True)
    w = lucid.ones(3, 2, 3, 3, requires_grad=True)
    y = conv2d(x, w)
    y.sum().backward()
    assert y.shape == (0, 3, 3, 3)
    assert x.grad.shape == (0, 2, 5, 5)
    assert (w.grad.numpy() == 0).all()


def test_a_transposed_convolution_undoes_the_shape_of_a_convolution():
    w = lucid.ones(6, 2, 3, 3)
    for n in (8, 9):
        y = conv2d(lucid.ones(1, 2, n, n), w, stride=2, padding=1)
        back = conv_transpose2d(y, w, stride=2, padding=1, output_padding=(n + 1) % 2)
        assert back.shape == (1, 2, n, n)


@pytest.mark.parametrize(
    "arguments, settings, error, message",
    [
        ([(3, 3), (1, 1, 2, 2)], {}, ShapeError, r"conv2d: the input must be \(N, C, H, W\)"),
        ([(1, 1, 3, 3), (1, 2, 2)], {}, ShapeError, "conv2d: the weight must have 4 dimensions"),
        ([(1, 4, 3, 3), (3, 2, 2, 2)], {"groups": 2}, ValueError, "groups must divide the 3 out"),
        ([(1, 1, 3, 3), (1, 1, 2, 2)], {"padding": "full"}, ValueError, 'ints, "same" or "valid"'),
        ([(1, 1, 3, 3), (1, 1, 2, 2)], {"stride": 0}, ValueError, "conv2d: stride must be an int"),
        ([(1, 1, 3, 3), (1, 1, 2, 2)], {"padding": -1}, ValueError, "each at least 0; got -1"),
        (
            [(1, 1, 3, 3), (1, 1, 2, 2)],
            {"padding": "same", "stride": 2},
            ValueError,
            r'padding="same" needs stride 1; got stride=\(2, 2\)',
        ),
        ([(1, 1, 3, 3), (1, 1, 2, 2)], {"dilation": (1, 1, 1)}, ValueError, "an int or 2 ints"),
    ],
)
def test_errors_say_what_was_expected(arguments, settings, error, message):
    with pytest.raises(error, match=message):
        conv2d(*(lucid.ones(*shape) for shape in arguments), **settings)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"output_padding": 2, "stride": 2}, r"output_padding must be smaller.*\(2, 2\)"),
        ({"groups": 3}, "groups must divide the 2 input channels"),
        ({"padding": 4}, r"the output would be of size \(-2, -2\)"),
    ],
)
def test_errors_of_transposed_convolutions_say_what_was_expected(settings, message):
    with pytest.raises(ValueError, match=message):
        conv_transpose2d(lucid.ones(1, 2, 4, 4), lucid.ones(2, 4, 3, 3), **settings)


def test_integers_are_refused():
    x = lucid.ones(1, 1, 3, 3, dtype=lucid.int64)
    with pytest.raises(DTypeError, match=r"conv2d: the input must be floating point.*\.float\(\)"):
        conv2d(x, lucid.ones(1, 1, 2, 2))

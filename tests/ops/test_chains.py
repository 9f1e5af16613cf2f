"""Ops that stand for several layers, against these one after the other, and against torch."""

import numpy
import pytest

import lucid
from lucid.backend import philox
from lucid.nn import functional as F
from lucid.ops.dropout import BernoulliAffine, scaling, self_normalizing
from lucid.ops.norm_relu_dropout import NormReluDropout
from lucid.ops.selu_dropout import SeluDropout

KEY, P = philox.Key(3, 0, 17), 0.3
THRESHOLD, FACTOR = philox.threshold(P), scaling(P).scale
SHAPES = [(4, 3), (3, 5, 7), (2, 16, 3, 4), (2, 3, 2, 3, 2)]


def drawn(*shape, seed=0, **kwargs):
    values = numpy.random.default_rng(seed).normal(size=shape) * 2
    return lucid.tensor(values, **kwargs).float().requires_grad_()


def chain(x, w, b, key=KEY):
    axes = (0, *range(2, x.ndim))
    dropout = () if key is None else (key, THRESHOLD, FACTOR)
    return NormReluDropout(axes, 1e-5, *dropout)(x, w, b)[0]


def layers(x, w, b, key=KEY):
    y = F.relu(F.batch_norm(x, None, None, w, b, True))
    return y if key is None else BernoulliAffine(key, THRESHOLD, 2, FACTOR)(y)


def gradients(function, tensors, power=3):
    """y, the gradients of sum(y ** power), and those of the sum of their squares."""
    y = function(*tensors)
    wanted = [t for t in tensors if t is not None]
    first = lucid.autograd.grad((y**power).sum(), wanted, create_graph=True)
    second = lucid.autograd.grad(sum((g * g).sum() for g in first), wanted)
    plain = lucid.autograd.grad((function(*tensors) ** power).sum(), wanted)
    return [t.detach().cpu().numpy() for t in (y, *first, *second, *plain)]


def assert_alike(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        # Second derivatives are sums of some hundred terms of the third power.
        numpy.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-5 * abs(theirs).max())


@pytest.mark.parametrize("key", [KEY, None], ids=["dropout", "no dropout"])
@pytest.mark.parametrize("affine", ["w and b", "w", "neither"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_norm_relu_dropout_is_the_layers(shape, affine, key, device):
    w = None if affine == "neither" else drawn(shape[1], seed=1)
    b = drawn(shape[1], seed=2) if affine == "w and b" else None
    tensors = drawn(*shape), w, b
    found = gradients(lambda *t: chain(*t, key), tensors)
    assert_alike(found, gradients(lambda *t: layers(*t, key), tensors))


def test_at_zero_relu_lets_no_gradient_pass(device):
    """As where a block's last norm starts from w = 0."""
    w, b = (lucid.zeros(3).requires_grad_() for _ in range(2))
    chain(drawn(4, 3, 5), w, b).sum().backward()
    assert (b.grad == 0).all() and (w.grad == 0).all()


def test_norm_relu_dropout_is_torchs_with_the_same_mask(device):
    torch = pytest.importorskip("torch")
    x, w, b = drawn(4, 6, 3, 5), drawn(6, seed=1), drawn(6, seed=2)
    keep = ~philox.drops(KEY, THRESHOLD, 24).reshape(4, 6, 1, 1)
    theirs = [torch.tensor(t.detach().cpu().numpy(), requires_grad=True) for t in (x, w, b)]
    y = torch.relu(torch.nn.functional.batch_norm(theirs[0], None, None, *theirs[1:], True))
    y = y * torch.tensor(keep) * FACTOR
    (y**2).sum().backward()
    z = chain(x, w, b)
    (z**2).sum().backward()
    numpy.testing.assert_allclose(z.detach().cpu().numpy(), y.detach().numpy(), atol=1e-5)
    for ours, exact in zip((x, w, b), theirs, strict=True):
        # Sums of sixty terms of some ten.
        numpy.testing.assert_allclose(ours.grad.cpu().numpy(), exact.grad.numpy(), atol=2e-4)


@pytest.mark.parametrize("dims", [None, 2])
@pytest.mark.parametrize("shape", [(4, 3), (3, 5, 7), (2, 16, 3, 4)], ids=str)
def test_selu_dropout_is_the_layers(shape, dims, device):
    law = self_normalizing(P)
    found = gradients(lambda x: SeluDropout(KEY, THRESHOLD, dims, *law)(x), [drawn(*shape)])
    apart = gradients(
        lambda x: BernoulliAffine(KEY, THRESHOLD, dims, *law)(F.selu(x)), [drawn(*shape)]
    )
    assert_alike(found, apart)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_second_derivatives_of_halves(dtype, device):
    """A gradient is rounded some times; a second one starts from rounded ones, and sums them."""
    step = {"float16": 2**-11, "bfloat16": 2**-8}[dtype]
    shapes = [(4, 6, 3, 5), (6,), (6,)]
    kind = getattr(lucid, dtype)
    drawn_small = [drawn(*shape, seed=i).detach() * 0.3 for i, shape in enumerate(shapes)]
    halves = [t.to(kind) for t in drawn_small]  # small: float16 ends at 65504
    found = gradients(chain, [t.requires_grad_() for t in halves], power=2)
    exact = [t.detach().float().requires_grad_() for t in halves]
    expected = gradients(chain, exact, power=2)
    roundings = [1, 4, 4, 4, 30, 30, 30, 4, 4, 4]  # y, first, second, first without a graph
    for ours, theirs, times in zip(found, expected, roundings, strict=True):
        size = max(1.0, abs(theirs).max())
        numpy.testing.assert_allclose(ours.astype("float64"), theirs, atol=times * step * size)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_rounded_once(dtype, device):
    kind = getattr(lucid, dtype)
    step = {"float16": 2**-11, "bfloat16": 2**-8}[dtype]
    x = drawn(4, 6, 3, 5).detach().to(kind)
    law = self_normalizing(P)
    for function in (lambda t: chain(t, None, None), SeluDropout(KEY, THRESHOLD, None, *law)):
        half = function.again() if isinstance(function, SeluDropout) else function
        exact = function(x.float()).cpu().numpy()
        y = half(x)
        assert y.dtype is kind
        numpy.testing.assert_allclose(
            y.float().cpu().numpy(), exact, rtol=step * 1.01, atol=2e-5 * step
        )


def test_nan_comes_through_relu_and_is_gone_where_it_is_dropped(device):
    x = lucid.full((2, 40), float("nan"))
    keep = ~philox.drops(KEY, THRESHOLD, 80).reshape(2, 40)
    y = chain(x, None, None).cpu().numpy()
    assert (numpy.isnan(y) == keep).all() and (y[~keep] == 0).all()
    z = SeluDropout(KEY, THRESHOLD, None, 1.5, -0.5, -2.0)(x).cpu().numpy()
    assert (numpy.isnan(z) == keep).all() and (z[~keep] == -2).all()

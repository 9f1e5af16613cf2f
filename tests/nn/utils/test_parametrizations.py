"""Weight norm, spectral norm, orthogonal matrices: PyTorch's values, gradients and states."""

import inspect

import numpy
import pytest

import lucid
from lucid import nn, optim
from lucid.autograd import gradcheck
from lucid.errors import DimensionError, ShapeError
from lucid.nn.utils import orthogonal, parametrizations, parametrize

torch = pytest.importorskip("torch")
theirs = torch.nn.utils.parametrizations


def as_numpy(t):
    return t.detach().cpu().numpy()


def numbers(shape, seed=0):
    return numpy.random.default_rng(seed).normal(size=shape)


def linear(framework, n, k):
    net = framework.nn.Linear(k, n).double()
    with framework.no_grad():
        net.weight.copy_(framework.tensor(numbers((n, k))))
        net.bias.copy_(framework.tensor(numbers(n)))
    return net


def conv(framework, kind="Conv2d"):
    net = getattr(framework.nn, kind)(3, 4, 3).double()
    with framework.no_grad():
        net.weight.copy_(framework.tensor(numbers(tuple(net.weight.shape))))
        net.bias.zero_()
    return net


def take_over(a, b):
    """Give ours the originals and vectors that PyTorch drew."""
    a.load_state_dict(b.state_dict())


def assert_same_states(a, b, tolerance=1e-10):
    mine, other = a.state_dict(), b.state_dict()
    assert list(mine) == list(other)
    for key, value in mine.items():
        numpy.testing.assert_allclose(
            as_numpy(value), as_numpy(other[key]), rtol=tolerance, atol=tolerance, err_msg=key
        )


def train(net, framework, x, steps=3):
    """Some steps of gradient descent; the last gradients stay."""
    for _ in range(steps):
        net.zero_grad()
        (net(framework.tensor(x)) ** 2).mean().backward()
        with framework.no_grad():
            for p in net.parameters():
                p.sub_(0.01 * p.grad)


def assert_same_training(a, b, x, tolerance=1e-10):
    train(a, lucid, x)
    train(b, torch, x)
    assert_same_states(a, b, tolerance)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        numpy.testing.assert_allclose(as_numpy(p.grad), as_numpy(q.grad), rtol=1e-8, atol=1e-10)


# Weight norm.


@pytest.mark.parametrize("dim", [0, 1, None, -2])
def test_weight_norm_of_a_linear_layer_is_pytorchs(dim, device):
    a, b = (
        f.nn.utils.parametrizations.weight_norm(linear(f, 4, 3), dim=dim) for f in (lucid, torch)
    )
    assert_same_states(a, b)
    assert_same_training(a, b, numbers((5, 3)))


@pytest.mark.parametrize("dim", [0, 1, 3, None])
def test_weight_norm_of_a_convolution_is_pytorchs(dim, device):
    a, b = (f.nn.utils.parametrizations.weight_norm(conv(f), dim=dim) for f in (lucid, torch))
    assert_same_states(a, b)
    assert_same_training(a, b, numbers((2, 3, 5, 5)))


def test_weight_norm_of_a_bias_is_pytorchs(device):
    a, b = (
        f.nn.utils.parametrizations.weight_norm(linear(f, 4, 3), "bias") for f in (lucid, torch)
    )
    assert_same_training(a, b, numbers((5, 3)))


def test_weight_norm_takes_states_of_the_older_one(device):
    with pytest.warns(FutureWarning, match="deprecated; use nn.utils.parametrizations.weight_norm"):
        old = nn.utils.weight_norm(linear(lucid, 4, 3))
    with lucid.no_grad():
        old.weight_g.mul_(2)
    new = parametrizations.weight_norm(nn.Linear(3, 4).double())
    new.load_state_dict(old.state_dict())
    x = lucid.tensor(numbers((5, 3)))
    numpy.testing.assert_allclose(as_numpy(new(x)), as_numpy(old(x)), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dim", [0, 1, None])
def test_the_older_weight_norm_is_pytorchs(dim, device):
    a, b = (f.nn.utils.weight_norm(linear(f, 4, 3), dim=dim) for f in (lucid, torch))
    assert_same_states(a, b)
    assert_same_training(a, b, numbers((5, 3)))
    a, b = (f.nn.utils.remove_weight_norm(net) for f, net in ((lucid, a), (torch, b)))
    assert_same_states(a, b)
    assert isinstance(a.weight, nn.Parameter)
    assert not a._forward_pre_hooks


# Spectral norm.

SPECTRAL = {
    "linear": (lambda f: linear(f, 4, 3), (5, 3), {}),
    "iterations": (lambda f: linear(f, 4, 3), (5, 3), {"n_power_iterations": 3}),
    "convolution": (conv, (2, 3, 5, 5), {}),
    "transposed": (lambda f: conv(f, "ConvTranspose2d"), (2, 3, 5, 5), {}),
    "dim": (conv, (2, 3, 5, 5), {"dim": 2}),
}


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_norm_is_pytorchs_once_the_vectors_are(name, device):
    make, shape, settings = SPECTRAL[name]
    a, b = (f.nn.utils.parametrizations.spectral_norm(make(f), **settings) for f in (lucid, torch))
    take_over(a, b)
    assert_same_training(a, b, numbers(shape))
    numpy.testing.assert_allclose(as_numpy(a.eval().weight), as_numpy(b.eval().weight), rtol=1e-10)


@pytest.mark.parametrize("name", SPECTRAL)
def test_the_older_spectral_norm_is_pytorchs_once_the_vectors_are(name, device):
    make, shape, settings = SPECTRAL[name]
    a, b = (f.nn.utils.spectral_norm(make(f), **settings) for f in (lucid, torch))
    assert a.state_dict()._metadata[""] == b.state_dict()._metadata[""]
    take_over(a, b)
    assert_same_training(a, b, numbers(shape))
    a, b = (f.nn.utils.remove_spectral_norm(net) for f, net in ((lucid, a), (torch, b)))
    assert_same_states(a, b)
    assert "spectral_norm" not in a.state_dict()._metadata[""]


def test_the_largest_singular_value_becomes_one(device):
    net = parametrizations.spectral_norm(linear(lucid, 6, 5), n_power_iterations=50)
    top = numpy.linalg.svd(as_numpy(net.weight), compute_uv=False)[0]
    assert top == pytest.approx(1.0, abs=1e-6)


def test_the_spectral_norm_of_a_vector_is_its_length(device):
    net = parametrizations.spectral_norm(linear(lucid, 4, 3), "bias")
    assert net.bias.norm().item() == pytest.approx(1.0)
    assert list(dict(net.named_buffers())) == []


def test_two_forwards_before_one_backward(device):
    """As when a discriminator sees real and generated pictures."""
    net = parametrizations.spectral_norm(linear(lucid, 4, 3))
    x = lucid.tensor(numbers((5, 3)))
    (net(x).mean() - net(2 * x).mean()).backward()
    assert net.parametrizations.weight.original.grad.isfinite().all()


def test_in_evaluation_the_vectors_stay(device):
    net = parametrizations.spectral_norm(linear(lucid, 4, 3)).eval()
    before = as_numpy(net.parametrizations.weight[0]._u).copy()
    assert (net.weight == net.weight).all()
    numpy.testing.assert_array_equal(as_numpy(net.parametrizations.weight[0]._u), before)


# Orthogonal matrices.

MAPS = ["matrix_exp", "cayley", "householder"]
SHAPES = [(4, 4), (5, 3), (3, 5), (1, 4)]


def assert_orthogonal(w):
    w = as_numpy(w)
    w = w if w.shape[-2] >= w.shape[-1] else w.swapaxes(-1, -2)
    one = numpy.broadcast_to(numpy.eye(w.shape[-1]), (*w.shape[:-2], w.shape[-1], w.shape[-1]))
    numpy.testing.assert_allclose(w.swapaxes(-1, -2) @ w, one, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", MAPS)
def test_orthogonal_begins_as_pytorchs_and_is_trained_like_it(name, shape, device):
    a, b = (
        f.nn.utils.parametrizations.orthogonal(linear(f, *shape), orthogonal_map=name)
        for f in (lucid, torch)
    )
    numpy.testing.assert_allclose(as_numpy(a.weight), as_numpy(b.weight), rtol=1e-9, atol=1e-12)
    take_over(a, b)  # the base's other columns are random
    with lucid.no_grad(), torch.no_grad():
        change = 0.3 * numbers(shape, 1)
        change[numpy.arange(min(shape)), numpy.arange(min(shape))] = 0
        a.parametrizations.weight.original.add_(lucid.tensor(change))
        b.parametrizations.weight.original.add_(torch.tensor(change))
    assert_orthogonal(a.weight)
    numpy.testing.assert_allclose(as_numpy(a.weight), as_numpy(b.weight), rtol=1e-9, atol=1e-12)
    for net, f in ((a, lucid), (b, torch)):
        (net.weight * f.tensor(numbers(shape, 2))).sum().backward()
    mine, other = (as_numpy(n.parametrizations.weight.original.grad) for n in (a, b))
    numpy.testing.assert_allclose(mine, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reflections_without_a_base_are_pytorchs_and_can_be_assigned(shape, device):
    a, b = (
        f.nn.utils.parametrizations.orthogonal(
            linear(f, *shape), orthogonal_map="householder", use_trivialization=False
        )
        for f in (lucid, torch)
    )
    assert_same_states(a, b)
    numpy.testing.assert_allclose(as_numpy(a.weight), as_numpy(b.weight), rtol=1e-9, atol=1e-12)
    q = numpy.linalg.qr(numbers((5, 5), 3))[0][: shape[0], : shape[1]]
    q = numpy.linalg.qr(q if shape[0] >= shape[1] else q.T)[0]
    q = q if shape[0] >= shape[1] else q.T
    a.weight = lucid.tensor(q)
    numpy.testing.assert_allclose(as_numpy(a.weight), q, atol=1e-12)


@pytest.mark.parametrize("name", MAPS)
def test_what_is_assigned_is_made_orthogonal_if_it_is_not(name, device):
    net = parametrizations.orthogonal(linear(lucid, 4, 4), orthogonal_map=name)
    q = numpy.linalg.qr(numbers((4, 4), 3))[0]
    net.weight = lucid.tensor(q)
    numpy.testing.assert_allclose(as_numpy(net.weight), q, atol=1e-12)
    net.weight = lucid.tensor(numbers((4, 4), 4))
    assert_orthogonal(net.weight)


def test_a_batch_of_matrices_is_made_orthogonal_matrix_by_matrix(device):
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(lucid.tensor(numbers((2, 3, 5, 3))))

    for name in MAPS:
        assert_orthogonal(parametrizations.orthogonal(Holder(), orthogonal_map=name).weight)


def test_training_leaves_it_orthogonal(device):
    net = parametrizations.orthogonal(linear(lucid, 5, 3))
    rule = optim.Adam(net.parameters(), lr=0.05)
    for _ in range(5):
        rule.zero_grad()
        (net(lucid.tensor(numbers((7, 3)))) ** 2).sum().backward()
        rule.step()
    assert_orthogonal(net.weight)


@pytest.mark.parametrize("size", [0.0, 0.3, 5.0, 200.0])
def test_the_matrix_exponential_is_scipys(size, device):
    linalg = pytest.importorskip("scipy.linalg")
    x = numbers((4, 4))
    x = size * (x - x.T) / numpy.abs(x - x.T).sum(0).max()
    y = orthogonal.matrix_exp(lucid.tensor(x))
    # Each squaring doubles a relative error of 1e-16: 200 is halved 9 times.
    numpy.testing.assert_allclose(as_numpy(y), linalg.expm(x), atol=1e-12)


def test_the_maps_have_gradients_of_gradients():
    x = lucid.tensor(0.5 * numbers((3, 2)), requires_grad=True)
    square = lucid.tensor(0.5 * numbers((3, 3)), requires_grad=True)
    lower = lucid.tensor(numpy.tril(numpy.ones((3, 2)), -1))
    one = lucid.tensor(numpy.eye(3, 2))
    assert gradcheck(orthogonal.matrix_exp, (square,))
    assert lucid.autograd.gradgradcheck(orthogonal.matrix_exp, (square,))
    assert gradcheck(lambda v: orthogonal.reflections(v * lower + one), (x,))


def test_float32_is_orthogonal_to_its_precision(device):
    for name in MAPS:
        net = parametrizations.orthogonal(nn.Linear(8, 8), orthogonal_map=name)
        w = as_numpy(net.weight)
        assert w.dtype == numpy.float32
        numpy.testing.assert_allclose(w @ w.T, numpy.eye(8), atol=1e-5)


@pytest.mark.parametrize("name", theirs.__all__)
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [(p.name, p.default, p.kind) for p in inspect.signature(f).parameters.values()]
        for f in (getattr(parametrizations, name), getattr(theirs, name))
    )
    assert mine == other


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda n: parametrizations.orthogonal(n, "bias"),
            ShapeError,
            "must have 2 dimensions or more",
        ),
        (
            lambda n: parametrizations.orthogonal(n, orthogonal_map="svd"),
            ValueError,
            "must be matrix_exp, cayley, householder; got 'svd'",
        ),
        (lambda n: parametrizations.orthogonal(n, "scale"), ValueError, "no parameter or buffer"),
        (
            lambda n: parametrizations.spectral_norm(n, "scale"),
            ValueError,
            "no parameter or buffer",
        ),
        (
            lambda n: parametrizations.spectral_norm(n, dim=2),
            DimensionError,
            r"dim must be in \[-2, 1\]; got 2",
        ),
        (
            lambda n: parametrizations.spectral_norm(n, n_power_iterations=0),
            ValueError,
            "n_power_iterations must be positive; got 0",
        ),
        (
            lambda n: nn.utils.spectral_norm(n, n_power_iterations=0),
            ValueError,
            "n_power_iterations must be positive; got 0",
        ),
        (lambda n: nn.utils.spectral_norm(n, "scale"), ValueError, "no parameter 'scale'"),
        (lambda n: nn.utils.spectral_norm(nn.utils.spectral_norm(n)), RuntimeError, "one already"),
        (lambda n: nn.utils.weight_norm(nn.utils.weight_norm(n)), RuntimeError, "one already"),
        (lambda n: nn.utils.weight_norm(n, "scale"), ValueError, "no parameter 'scale'"),
        (lambda n: nn.utils.remove_spectral_norm(n), ValueError, "has no spectral_norm"),
        (lambda n: nn.utils.remove_weight_norm(n), ValueError, "has no weight_norm"),
        (
            lambda n: setattr(
                parametrizations.orthogonal(n), "weight", lucid.ones(2, 2, dtype=lucid.float64)
            ),
            ShapeError,
            r"orthogonal: must have shape \(4, 3\); got \(2, 2\)",
        ),
        (
            lambda n: setattr(
                parametrizations.orthogonal(n, orthogonal_map="cayley", use_trivialization=False),
                "weight",
                lucid.ones(4, 3),
            ),
            NotImplementedError,
            "cayley without use_trivialization can't be assigned to",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(make, error, text):
    with pytest.raises(error, match=text):
        make(linear(lucid, 4, 3))


def test_parametrizations_follow_each_other(device):
    net = parametrizations.spectral_norm(linear(lucid, 3, 3))
    parametrizations.orthogonal(net)
    assert len(net.parametrizations.weight) == 2
    parametrize.remove_parametrizations(net, "weight")
    assert list(net.state_dict()) == ["bias", "weight"]

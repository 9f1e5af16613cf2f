"""Distributions: PyTorch's numbers and gradients, and samples that have the moments they should."""

import numpy as np
import pytest

import lucid
from lucid import distributions as D

RNG = np.random.default_rng(0)
LOC, OTHER = RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3))
SCALE, WIDE = RNG.uniform(0.3, 2, (2, 3)), RNG.uniform(0.3, 2, 3)
PROBS, FEW = RNG.uniform(0.1, 0.9, (2, 4)), RNG.uniform(0.1, 0.9, (2, 4))
BINARY = RNG.integers(0, 2, (5, 2, 4)).astype(float)

# name, parameters, another set of them, values to ask about
CASES = {
    "Normal": ("Normal", {"loc": LOC, "scale": SCALE}, {"loc": OTHER, "scale": WIDE}, LOC * 2),
    "Uniform": (
        "Uniform", {"low": -SCALE, "high": SCALE}, {"low": -SCALE - 1, "high": SCALE + 2},
        SCALE * 0.5,
    ),
    "Exponential": ("Exponential", {"rate": SCALE}, {"rate": WIDE}, SCALE * 3),
    "Laplace": ("Laplace", {"loc": LOC, "scale": SCALE}, {"loc": OTHER, "scale": WIDE}, OTHER),
    "Bernoulli": ("Bernoulli", {"probs": PROBS}, {"probs": FEW}, BINARY),
    "Bernoulli of logits": ("Bernoulli", {"logits": PROBS * 4 - 2}, {"logits": FEW}, BINARY),
    "Categorical": ("Categorical", {"probs": PROBS}, {"logits": FEW}, np.array([3, 0])),
    "Categorical of logits": (
        "Categorical", {"logits": PROBS}, {"probs": FEW}, np.array([[2, 1]] * 3),
    ),
    "OneHotCategorical": ("OneHotCategorical", {"probs": PROBS}, {"probs": FEW}, np.eye(4)[:2]),
}  # fmt: skip
CONTINUOUS = ["Normal", "Uniform", "Exponential", "Laplace"]


def made(root, name, parameters):
    tensors = {k: root.tensor(v).requires_grad_() for k, v in parameters.items()}
    return getattr(root.distributions, name)(**tensors), list(tensors.values())


def asked(root, name, what):
    kind, parameters, others, value = CASES[name]
    p, leaves = made(root, kind, parameters)
    q, more = made(root, kind, others)
    value = root.tensor(value)
    if what == "kl":
        y = root.distributions.kl_divergence(p, q)
        leaves += more
    elif what == "icdf":
        y = p.icdf(root.tensor(np.linspace(0.05, 0.95, 3)))
    elif what in ("log_prob", "cdf"):
        y = getattr(p, what)(value)
    elif what in ("entropy", "perplexity"):
        y = getattr(p, what)()
    elif what == "enumerate_support":
        y = p.enumerate_support(), p.enumerate_support(expand=False)
        return [t.detach().numpy() for t in y]
    else:
        y = getattr(p, what)
    found = [y.detach().numpy()]
    if y.requires_grad:
        weights = root.tensor(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)))
        grads = root.autograd.grad((y * weights).sum(), leaves, allow_unused=True)
        found += [np.zeros(1) if g is None else g.numpy() for g in grads]
    return found


ALL = ("log_prob", "entropy", "perplexity", "mean", "variance", "stddev", "mode", "kl")
QUESTIONS = [(name, what) for name in CASES for what in ALL if (name, what) != ("Uniform", "mode")]
QUESTIONS += [(name, what) for name in CONTINUOUS for what in ("cdf", "icdf")]
QUESTIONS += [(name, "enumerate_support") for name in CASES if name not in CONTINUOUS]


@pytest.mark.parametrize(("name", "what"), QUESTIONS)
def test_numbers_and_gradients_are_pytorchs(name, what):
    torch = pytest.importorskip("torch")
    expected, found = asked(torch, name, what), asked(lucid, name, what)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_shapes_of_samples(name):
    kind, parameters, _, _ = CASES[name]
    p, _ = made(lucid, kind, parameters)
    assert p.sample().shape == (*p.batch_shape, *p.event_shape)
    assert p.sample((5, 1)).shape == (5, 1, *p.batch_shape, *p.event_shape)
    assert p.sample((0,)).shape == (0, *p.batch_shape, *p.event_shape)
    assert not p.sample().requires_grad
    wide = p.expand((7, *p.batch_shape))
    assert wide.sample((3,)).shape == (3, 7, *p.batch_shape, *p.event_shape)
    assert (wide.entropy() == p.entropy()).all()
    assert repr(p).startswith(f"{kind}(")


@pytest.mark.parametrize("name", [n for n in CASES if not n.startswith("Categorical")])
def test_samples_have_the_mean_and_variance(name):
    kind, parameters, _, _ = CASES[name]
    p, _ = made(lucid, kind, parameters)
    lucid.manual_seed(0)
    n = 20_000
    x = p.sample((n,)).numpy()
    mean, variance = p.mean.detach().numpy(), p.variance.detach().numpy()
    assert (abs(x.mean(0) - mean) < 5 * np.sqrt(variance / n)).all()  # five sigma
    # The variance's variance is at most (kurtosis - 1) / n: 8 / n for the exponential.
    assert (abs(x.var(0) / variance - 1) < 5 * np.sqrt(8 / n) + 5 / n).all()


def test_categorical_samples_are_as_frequent_as_likely():
    p = D.Categorical(lucid.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]]))
    lucid.manual_seed(0)
    x = p.sample((20_000,))
    assert x.dtype == lucid.int64
    for row in range(2):
        share = np.bincount(x[:, row].numpy(), minlength=3) / 20_000
        q = p.probs[row].numpy()
        assert (abs(share - q) <= 5 * np.sqrt(q * (1 - q) / 20_000)).all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_rsample_has_the_gradient_of_its_quantile(name):
    """x = icdf(u) with u held fixed: what reparameterisation means, up to a sign of the noise."""
    kind, parameters, _, _ = CASES[name]
    p, leaves = made(lucid, kind, parameters)
    x = p.rsample()
    got = lucid.autograd.grad(x.sum(), leaves)
    q, again = made(lucid, kind, parameters)
    u = p.cdf(x).detach()
    expected = lucid.autograd.grad(q.icdf(u).sum(), again)
    for a, b in zip(got, expected, strict=True):
        assert lucid.allclose(a, b, rtol=1e-6, atol=1e-7)


def test_samples_come_from_lucids_generator():
    p = D.Normal(lucid.zeros(4), 1.0)
    lucid.manual_seed(5)
    first = p.sample()
    lucid.manual_seed(5)
    assert (p.sample() == first).all()
    assert (p.sample() != first).any()


def test_numbers_are_parameters_too():
    assert D.Normal(0, 2).scale.dtype == lucid.get_default_dtype()
    assert D.Normal(lucid.zeros(2, dtype=lucid.float64), 2.0).scale.dtype == lucid.float64
    assert D.Bernoulli(0.5).sample().shape == ()


def test_independent_dimensions_add_up():
    base = D.Normal(lucid.zeros(2, 3), lucid.ones(3))
    p = D.Independent(base, 1)
    q = D.Independent(D.Normal(lucid.ones(2, 3), 1.0), 1)
    x = p.sample((4,))
    assert x.shape == (4, 2, 3)
    assert (p.batch_shape, p.event_shape) == ((2,), (3,))
    assert lucid.allclose(p.log_prob(x), base.log_prob(x).sum(-1))
    assert lucid.allclose(p.entropy(), base.entropy().sum(-1))
    assert D.kl_divergence(p, q).tolist() == [1.5, 1.5]
    assert p.expand((5, 2)).rsample().shape == (5, 2, 3)
    with pytest.raises(ValueError, match=r"reinterpreted_batch_ndims must be in \[0, 2\]; got 3"):
        D.Independent(base, 3)


def test_divergence_is_infinite_where_q_gives_nothing():
    p, q = D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)
    assert D.kl_divergence(p, q).item() == float("inf")
    assert D.kl_divergence(q, p).item() == pytest.approx(np.log(2))
    sure, never = D.Bernoulli(lucid.tensor(1.0)), D.Bernoulli(lucid.tensor(0.0))
    assert D.kl_divergence(sure, never).item() == float("inf")
    assert D.kl_divergence(sure, sure).item() == 0


def test_a_divergence_can_be_registered():
    class Point(D.Distribution):
        pass

    with pytest.raises(NotImplementedError, match="no formula is known for Point and Normal"):
        D.kl_divergence(Point(), D.Normal(0.0, 1.0))
    D.register_kl(Point, D.Normal)(lambda p, q: q.scale * 7)
    assert D.kl_divergence(Point(), D.Normal(0.0, 2.0)).item() == 14


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: D.Normal(0.0, -1.0), "Normal: scale must be positive; got -1.0"),
        (lambda: D.Uniform(1.0, 0.0), "Uniform: low must be below high"),
        (lambda: D.Bernoulli(1.5), r"Bernoulli: probs must be in \[0, 1\]; got 1.5"),
        (lambda: D.Bernoulli(), "either probs or logits must be given; got neither"),
        (lambda: D.Categorical(lucid.zeros(3)), "probs must not be negative, nor all 0"),
        (lambda: D.Exponential(0.0), "Exponential: rate must be positive"),
        (lambda: D.Exponential(1.0).log_prob(lucid.tensor(-1.0)), r"within the support \(>= 0\)"),
        (lambda: D.Bernoulli(0.5).log_prob(lucid.tensor(0.5)), r"within the support \(0 or 1\)"),
        (lambda: D.Normal(lucid.zeros(3), 1.0).cdf(lucid.zeros(2)), r"must fit the shape \(3,\)"),
        (lambda: D.Normal(0.0, 1.0).log_prob(0.5), "value must be a Tensor; got float"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_checks_can_be_switched_off():
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    quiet = D.Exponential(1.0, validate_args=False)
    assert quiet.log_prob(lucid.tensor(-1.0)).item() == 1

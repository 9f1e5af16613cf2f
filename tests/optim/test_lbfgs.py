"""L-BFGS: PyTorch's steps, with and without line search; its state; when it ends."""

import sys

import numpy
import pytest

import lucid
from lucid import nn, optim
from lucid.errors import CheckpointError
from lucid.optim import wolfe

torch = pytest.importorskip("torch")

RUNS = {
    "plain": {"lr": 0.1, "max_iter": 4},
    "history": {"lr": 0.1, "max_iter": 6, "history_size": 2},
    "evaluations": {"lr": 0.1, "max_iter": 6, "max_eval": 3},
    "wolfe": {"max_iter": 4, "line_search_fn": "strong_wolfe"},
    "wolfe-short-history": {"max_iter": 5, "history_size": 1, "line_search_fn": "strong_wolfe"},
    "wolfe-few-evaluations": {"max_iter": 5, "max_eval": 4, "line_search_fn": "strong_wolfe"},
    "wolfe-long-first-step": {"lr": 100.0, "max_iter": 3, "line_search_fn": "strong_wolfe"},
    "wolfe-short-first-step": {"lr": 1e-4, "max_iter": 3, "line_search_fn": "strong_wolfe"},
    "one-iteration": {"max_iter": 1, "line_search_fn": "strong_wolfe"},
    "tolerant": {"lr": 0.1, "tolerance_grad": 1.0, "tolerance_change": 1e-3},
}
START = [numpy.array([-1.2, 1.0, 0.3]), numpy.array([[0.5, -0.7], [1.1, 0.2]])]


def valley(a, b):
    """Rosenbrock's function of all numbers in a row."""
    x = [a[0], a[1], a[2], b[0, 0], b[0, 1], b[1, 0], b[1, 1]]
    return sum(10 * (v - u * u) ** 2 + (1 - u) ** 2 for u, v in zip(x, x[1:], strict=False))


def closure_for(optimizer, parameters):
    def closure():
        optimizer.zero_grad()
        loss = valley(*parameters)
        loss.backward()
        return loss

    return closure


def pair(settings):
    ours = [nn.Parameter(lucid.tensor(x, dtype=lucid.float64)) for x in START]
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in START]
    return (ours, optim.LBFGS(ours, **settings)), (theirs, torch.optim.LBFGS(theirs, **settings))


def steps(parameters, optimizer, count):
    return [optimizer.step(closure_for(optimizer, parameters)).item() for _ in range(count)]


def assert_equal(ours, theirs, tolerance=1e-10):
    for p, q in zip(ours, theirs, strict=True):
        numpy.testing.assert_allclose(
            p.detach().cpu().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("name", RUNS)
def test_ten_steps_equal_pytorchs(name, device):
    (ours, a), (theirs, b) = pair(RUNS[name])
    losses, expected = steps(ours, a, 10), steps(theirs, b, 10)
    # In this valley a difference of one rounding grows by some powers of ten in ten steps.
    assert losses == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert_equal(ours, theirs)
    mine, other = a.state[ours[0]], b.state[theirs[0]]
    for count in ("func_evals", "n_iter"):
        assert mine[count] == other[count]
    assert set(mine) == set(other) - {"al"}


@pytest.mark.parametrize("name", RUNS)
def test_one_step_equals_pytorchs_to_the_last_digits(name, device):
    (ours, a), (theirs, b) = pair(RUNS[name])
    steps(ours, a, 1)
    steps(theirs, b, 1)
    assert_equal(ours, theirs)


def slope_of(f, framework):
    """f and its derivative, of a number."""

    def at(t):
        x = framework.tensor(t, dtype=framework.float64, requires_grad=True)
        y = f(x)
        y.backward()
        return y.item(), x.grad.reshape(1)

    return at


# Bumpy, steep, flat and unbounded functions of one number, all falling at 0.
LINES = {
    "bumps": lambda x: (4 * x).cos() + 0.05 * (x - 6) ** 2,
    "narrow": lambda x: -(-((x - 2) ** 2) * 30).exp() - 0.01 * x,
    "steep": lambda x: (x - 1) ** 4 - 0.1 * x,
    "wall": lambda x: (3 * x - 6).exp() - 2 * x,
    "unbounded": lambda x: -x * (1 + 0.1 * x * x) ** 0.25,
    "waves": lambda x: (x * x - 1).sin() - 0.2 * x,
    "ripples": lambda x: (
        1.97 * (0.62 * x + 1.4).cos()
        - 0.54 * (0.3 * x + 1.25).cos()
        - 0.43 * (4.32 * x + 2.75).cos()
    ),  # here steps on the way grow to a higher point that still falls
}


@pytest.mark.parametrize("most", [0, 1, 3, 25])
@pytest.mark.parametrize("name", LINES)
def test_the_line_search_is_pytorchs_from_every_first_step(name, most):
    reference = sys.modules[torch.optim.LBFGS.__module__]._strong_wolfe
    mine, other = slope_of(LINES[name], lucid), slope_of(LINES[name], torch)
    f, g = mine(0.0)
    start = wolfe.Point(0.0, f, g, g.item())
    for first in numpy.geomspace(0.01, 40, 60).tolist():
        evaluated = []

        def at(t, evaluated=evaluated):
            evaluated.append(t)
            f, g = mine(t)
            return wolfe.Point(t, f, g, g.item())

        found = wolfe.search(at, start, first, 1.0, 1e-9, most)
        f0, g0 = other(0.0)
        f1, g1, t1, count = reference(
            lambda x, t, d: other(float(t)), None, first, torch.ones(1).double(), f0, g0,
            g0.dot(torch.ones(1).double()), max_ls=most,
        )  # fmt: skip
        assert found.t == pytest.approx(float(t1), rel=1e-6, abs=1e-9)
        assert found.f == pytest.approx(float(f1), rel=1e-6, abs=1e-9)
        assert len(evaluated) == count


def test_a_loss_that_hardly_changes_ends_a_step_as_at_pytorch():
    counts = []
    for framework in (lucid, torch):
        x = framework.nn.Parameter(framework.tensor([10.0]).double())
        rule = framework.optim.LBFGS([x], lr=0.1, max_iter=100, tolerance_change=0.05)

        def closure(x=x, rule=rule):
            rule.zero_grad()
            loss = 0.05 * (x**2).sum()
            loss.backward()
            return loss

        rule.step(closure)
        counts.append(rule.state[x]["n_iter"])
        # The loss changes by 0.0095 x^2, x by 0.1 x: only the former is below 0.05 yet.
        assert 1.5 < x.item() < 2.3
    assert counts[0] == counts[1]


def plain(state, convert):
    """A state with its tensors converted, also those in lists."""
    if isinstance(state, dict):
        return {key: plain(value, convert) for key, value in state.items()}
    if isinstance(state, list):
        return [plain(value, convert) for value in state]
    return convert(state) if hasattr(state, "detach") else state


@pytest.mark.parametrize("name", ["plain", "wolfe"])
def test_each_goes_on_from_the_others_state(name):
    (ours, a), (theirs, b) = pair(RUNS[name])
    steps(ours, a, 2)
    steps(theirs, b, 2)
    (others, c), (mine, d) = pair(RUNS[name])
    d.load_state_dict(plain(a.state_dict(), lambda t: torch.tensor(t.detach().numpy())))
    c.load_state_dict(plain(b.state_dict(), lambda t: lucid.tensor(t.detach().numpy())))
    with torch.no_grad(), lucid.no_grad():
        for p, q, r in zip(mine, others, theirs, strict=True):
            p.copy_(r)
            q.copy_(lucid.tensor(r.detach().numpy()))
    for parameters, optimizer in ((mine, d), (others, c), (theirs, b)):
        steps(parameters, optimizer, 2)
    assert_equal(others, theirs, 1e-9)
    assert_equal(mine, [torch.tensor(p.detach().numpy()) for p in others], 1e-9)


def test_parameters_without_gradient_stay_where_they_are(device):
    p, q = nn.Parameter(lucid.tensor([2.0, 3.0])), nn.Parameter(lucid.ones(2))
    optimizer = optim.LBFGS([q, p])

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert q.tolist() == [1, 1]
    assert abs(p.detach()).max().item() < 1e-3


def test_at_the_minimum_nothing_moves(device):
    p = nn.Parameter(lucid.zeros(3))
    optimizer = optim.LBFGS([p])

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 0
    assert optimizer.state[p] == {"func_evals": 1, "n_iter": 0}


P = nn.Parameter(lucid.ones(2))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: optim.LBFGS([{"params": [P]}, {"params": []}]), ValueError, "one group; got 2"),
        (lambda: optim.LBFGS([P], line_search_fn="armijo"), ValueError, "None or strong_wolfe"),
        (lambda: optim.LBFGS([P], lr=-1), ValueError, "LBFGS: lr must be >= 0; got -1"),
        (lambda: optim.LBFGS([P]).step(), TypeError, "needs a closure"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda s: s.pop("old_dirs"), "must have old_dirs"),
        (lambda s: s.clear(), "must have func_evals, n_iter; got nothing"),
        (lambda s: s.update(d=lucid.ones(3)), "d must have as many elements as all parameters, 7"),
        (lambda s: s["ro"].append(lucid.ones(2)), "ro must have as many"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(damage, text):
    (ours, a), _ = pair(RUNS["wolfe"])
    steps(ours, a, 1)
    state = a.state_dict()
    (_, other), _ = pair({})
    state["state"][0] = {
        k: list(v) if isinstance(v, list) else v for k, v in state["state"][0].items()
    }
    damage(state["state"][0])
    with pytest.raises(CheckpointError, match=text):
        other.load_state_dict(state)
    assert not other.state
    assert other.param_groups[0]["max_iter"] == 20

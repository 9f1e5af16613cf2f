"""Initialisation: the statistics that each formula promises, and the layers' own defaults."""

import math

import pytest

import lucid
from lucid import nn
from lucid.errors import ShapeError
from lucid.nn import init

SHAPE = (400, 500)  # fan_in 500, fan_out 400; 200,000 draws
KERNEL = (60, 50, 3, 3)  # fan_in 450, fan_out 540
N = 200_000


def five_sigma(std, n=N):
    """How far the mean of n draws may be from the true one, but for one time in a million."""
    return 5 * std / math.sqrt(n)


def check_normal(t, mean, std):
    n = t.numel()
    assert abs(t.mean().item() - mean) < five_sigma(std, n)
    # The variance of a normal sample's variance is 2 std^4 / n; its root spreads std / sqrt(2 n).
    assert abs(t.std().item() - std) < five_sigma(std / math.sqrt(2), n)


def check_uniform(t, bound):
    n = t.numel()
    std = bound / math.sqrt(3)
    assert abs(t.mean().item()) < five_sigma(std, n)
    assert t.abs().max().item() <= bound
    # The largest of n draws misses the bound by bound / n on average; 20 times that is e^-20.
    assert t.abs().max().item() > bound * (1 - 20 / n)


def test_uniform_and_normal(device):
    check_uniform(init.uniform_(lucid.empty(*SHAPE), -0.3, 0.3), 0.3)
    check_normal(init.normal_(lucid.empty(*SHAPE), 2.0, 0.5), 2.0, 0.5)


@pytest.mark.parametrize("shape", [SHAPE, KERNEL])
def test_xavier(shape, device):
    fan_in, fan_out = init._calculate_fan_in_and_fan_out(lucid.empty(*shape))
    std = 2.0 * math.sqrt(2 / (fan_in + fan_out))
    check_normal(init.xavier_normal_(lucid.empty(*shape), gain=2.0), 0, std)
    check_uniform(init.xavier_uniform_(lucid.empty(*shape), gain=2.0), std * math.sqrt(3))


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_kaiming(mode, device):
    fan = {"fan_in": 450, "fan_out": 540}[mode]
    std = math.sqrt(2 / fan)
    t = lucid.empty(*KERNEL)
    check_normal(init.kaiming_normal_(t, mode=mode, nonlinearity="relu"), 0, std)
    check_uniform(init.kaiming_uniform_(t, mode=mode, nonlinearity="relu"), std * math.sqrt(3))


@pytest.mark.parametrize(("a", "b"), [(-2.0, 2.0), (0.5, 1.0), (-math.inf, 0.0)])
def test_trunc_normal_has_the_moments_of_a_truncated_normal(a, b, device):
    stats = pytest.importorskip("scipy.stats")
    mean, std = 0.2, 0.8
    t = init.trunc_normal_(lucid.empty(*SHAPE), mean, std, a, b)
    law = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert a <= t.min().item()
    assert t.max().item() <= b
    assert abs(t.mean().item() - law.mean()) < five_sigma(law.std())
    # The fourth central moment of a distribution this narrow is below 3 var^2.
    assert abs(t.var().item() - law.var()) < five_sigma(law.var() * math.sqrt(3))


def test_trunc_normal_far_from_its_interval_warns_and_stays_inside():
    with pytest.warns(UserWarning, match="more than 2 std outside"):
        t = init.trunc_normal_(lucid.empty(100), mean=0.0, std=0.1, a=0.3, b=0.4)
    assert 0.3 <= t.min().item() <= t.max().item() <= 0.4


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (8, 3, 3, 3)])
def test_orthogonal_rows_or_columns_are_orthonormal_times_gain(shape, device):
    t = init.orthogonal_(lucid.empty(*shape, dtype=lucid.float64), gain=2.0)
    w = t.reshape(shape[0], -1)
    product = w @ w.t() if w.shape[0] < w.shape[1] else w.t() @ w
    assert (product - 4 * lucid.eye(product.shape[0])).abs().max().item() < 1e-12


def test_constants(device):
    assert (init.constant_(lucid.empty(2, 2), 0.3) == lucid.full((2, 2), 0.3)).all()
    assert init.ones_(lucid.empty(2)).tolist() == [1, 1]
    assert init.zeros_(lucid.empty(2)).tolist() == [0, 0]
    assert init.eye_(lucid.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("groups", [1, 2])
def test_a_dirac_convolution_passes_channels_on(groups, device):
    torch = pytest.importorskip("torch")
    for shape in [(4, 2, 3), (4, 2, 3, 5), (4, 3, 3, 3, 3)]:
        ours = init.dirac_(lucid.empty(*shape), groups)
        theirs = torch.nn.init.dirac_(torch.empty(*shape), groups)
        assert ours.tolist() == theirs.tolist()


def test_sparse_zeroes_the_same_number_in_each_column(device):
    t = init.sparse_(lucid.empty(10, 30), 0.35)
    assert ((t == 0).sum(0) == 4).all()  # ceil(3.5)


@pytest.mark.parametrize(
    ("name", "param"),
    [("linear", None), ("relu", None), ("tanh", None), ("selu", None), ("sigmoid", None),
     ("leaky_relu", None), ("leaky_relu", 0.2), ("conv2d", None)],
)  # fmt: skip
def test_gains_are_pytorchs(name, param):
    torch = pytest.importorskip("torch")
    expected = torch.nn.init.calculate_gain(name, param)
    assert init.calculate_gain(name, param) == pytest.approx(expected)


def test_a_generator_makes_the_draw_repeatable(device):
    draws = [
        init.xavier_normal_(lucid.empty(5, 5), generator=lucid.Generator().manual_seed(3))
        for _ in range(2)
    ]
    assert (draws[0] == draws[1]).all()


def test_parameters_are_filled_outside_the_graph(device):
    p = nn.Parameter(lucid.empty(3, 3))
    assert init.kaiming_uniform_(p) is p
    assert p.is_leaf
    assert p.requires_grad


def test_the_old_names_warn():
    with pytest.warns(FutureWarning, match="init.constant is now called init.constant_"):
        assert init.constant(lucid.empty(1), 2).item() == 2


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda: init.xavier_normal_(lucid.ones(3)), ShapeError, "at least 2 dimensions"),
        (lambda: init.eye_(lucid.ones(3)), ShapeError, "2 dimensions"),
        (lambda: init.dirac_(lucid.ones(3, 3)), ShapeError, "3, 4 or 5"),
        (lambda: init.kaiming_normal_(lucid.ones(3, 3), mode="fan"), ValueError, "fan_in or"),
        (lambda: init.calculate_gain("softmax"), ValueError, "nonlinearity must be"),
    ],
)
def test_mistakes_are_named(act, error, text):
    with pytest.raises(error, match=text):
        act()


# The layers' own.


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda: nn.Linear(500, 400), 500),
        (lambda: nn.Conv2d(50, 600, 3), 450),
        (lambda: nn.Conv2d(100, 600, 3, groups=2), 450),
        (lambda: nn.ConvTranspose2d(600, 50, 3), 450),
    ],
)
def test_linear_and_convolution_start_uniform_within_one_over_root_fan_in(layer, fan_in, device):
    made = layer()
    check_uniform(made.weight, 1 / math.sqrt(fan_in))
    assert made.bias.abs().max().item() <= 1 / math.sqrt(fan_in)
    assert made.bias.std().item() > 0


def test_an_embedding_starts_standard_normal(device):
    table = nn.Embedding(1000, 200, padding_idx=3).weight
    assert (table[3] == 0).all()
    # The zero row takes 1/1000 of the variance: 5e-4 of the spread, below five sigma's 8e-3.
    check_normal(table.detach(), 0, 1)


def test_seeding_makes_models_equal(device):
    models = []
    for _ in range(2):
        lucid.manual_seed(5)
        models.append(nn.Linear(3, 3))
    assert (models[0].weight == models[1].weight).all()

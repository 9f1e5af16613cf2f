"""Pruning: PyTorch's masks, states and training; what is random has the right amount."""

import copy
import inspect

import numpy
import pytest

import lucid
from lucid import nn, optim
from lucid.errors import DimensionError, ShapeError
from lucid.nn.utils import prune

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.nn.utils.prune")


def as_numpy(t):
    return t.detach().cpu().numpy()


def numbers(shape, seed=0):
    return numpy.random.default_rng(seed).normal(size=shape)


def conv(framework):
    net = framework.nn.Conv2d(4, 6, 3).double()
    with framework.no_grad():
        net.weight.copy_(framework.tensor(numbers((6, 4, 3, 3))))
        net.bias.copy_(framework.tensor(numbers(6, 1)))
    return net


def mask(framework, seed=5):
    return framework.tensor((numbers((6, 4, 3, 3), seed) > 0).astype(numpy.float64))


def assert_same_states(a, b):
    mine, other = a.state_dict(), b.state_dict()
    assert list(mine) == list(other)
    for key, value in mine.items():
        numpy.testing.assert_allclose(
            as_numpy(value), as_numpy(other[key]), rtol=1e-10, atol=1e-12, err_msg=key
        )


WAYS = {
    "l1": lambda p, m, f: p.l1_unstructured(m, "weight", 0.3),
    "l1-count": lambda p, m, f: p.l1_unstructured(m, "weight", 7),
    "l1-of-scores": lambda p, m, f: p.l1_unstructured(
        m, "weight", 0.3, importance_scores=f.tensor(numbers((6, 4, 3, 3), 3))
    ),
    "l1-nothing": lambda p, m, f: p.l1_unstructured(m, "weight", 0),
    "l1-bias": lambda p, m, f: p.l1_unstructured(m, "bias", 0.5),
    "l2-outputs": lambda p, m, f: p.ln_structured(m, "weight", 0.5, n=2, dim=0),
    "l1-inputs": lambda p, m, f: p.ln_structured(m, "weight", 2, n=1, dim=1),
    "inf-last": lambda p, m, f: p.ln_structured(m, "weight", 1, n=float("inf"), dim=-1),
    "ln-of-scores": lambda p, m, f: p.ln_structured(
        m, "weight", 2, 2, 0, importance_scores=f.tensor(numbers((6, 4, 3, 3), 3))
    ),
    "custom": lambda p, m, f: p.custom_from_mask(m, "weight", mask(f)),
    "identity": lambda p, m, f: p.identity(m, "weight"),
    "twice": lambda p, m, f: (
        p.l1_unstructured(m, "weight", 0.3),
        p.l1_unstructured(m, "weight", 0.3),
    ),
    "three-times": lambda p, m, f: (
        p.ln_structured(m, "weight", 0.5, n=2, dim=0),
        p.ln_structured(m, "weight", 1, n=2, dim=0),
        p.l1_unstructured(m, "weight", 10),
    ),
    "structured-after-elements": lambda p, m, f: (
        p.l1_unstructured(m, "weight", 0.5),
        p.ln_structured(m, "weight", 2, n=2, dim=1),
        p.custom_from_mask(m, "weight", mask(f)),
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_masks_and_states_are_pytorchs(name, device):
    a, b = conv(lucid), conv(torch)
    WAYS[name](prune, a, lucid)
    WAYS[name](theirs, b, torch)
    assert_same_states(a, b)
    numpy.testing.assert_allclose(as_numpy(a.weight), as_numpy(b.weight), rtol=1e-12)
    x = numbers((2, 4, 5, 5), 2)
    for net, framework in ((a, lucid), (b, torch)):
        for _ in range(2):
            net.zero_grad()
            (net(framework.tensor(x)) ** 2).sum().backward()
            with framework.no_grad():
                for p in net.parameters():
                    p.sub_(0.001 * p.grad)
    assert_same_states(a, b)


@pytest.mark.parametrize("name", WAYS)
def test_removing_leaves_the_pruned_value_in_the_same_parameter(name, device):
    which = "bias" if name == "l1-bias" else "weight"
    a, b = conv(lucid), conv(torch)
    parameter = getattr(a, which)
    WAYS[name](prune, a, lucid)
    WAYS[name](theirs, b, torch)
    assert prune.is_pruned(a)
    assert getattr(prune.remove(a, which), which) is parameter
    theirs.remove(b, which)
    assert_same_states(a, b)
    assert not prune.is_pruned(a)


def zeros(net):
    return (as_numpy(net.weight_mask) == 0).sum()


@pytest.mark.parametrize("amount", [0, 50, 0.25, 1.0])
def test_random_elements_are_as_many_as_asked_for(amount, device):
    net = prune.random_unstructured(conv(lucid), "weight", amount)
    count = amount if isinstance(amount, int) else amount * net.weight.numel()
    assert zeros(net) == count


@pytest.mark.parametrize(("amount", "zeros"), [(0, 0), (2, 2), (0.5, 3)])
def test_random_slices_are_as_many_as_asked_for(amount, zeros, device):
    net = prune.random_structured(conv(lucid), "weight", amount, dim=0)
    slices = as_numpy(net.weight_mask).reshape(6, -1)
    assert ((slices == 0).all(1) | (slices == 1).all(1)).all()
    assert (slices[:, 0] == 0).sum() == zeros


def test_random_pruning_prunes_what_is_left(device):
    net = prune.random_unstructured(conv(lucid), "weight", 100)
    prune.random_unstructured(net, "weight", 16)
    assert zeros(net) == 116
    with pytest.raises(ValueError, match="at most the 100 left; got 101"):
        prune.random_unstructured(net, "weight", 101)
    assert zeros(net) == 116


def test_random_pruning_is_repeated_with_the_seed(device):
    masks = []
    for _ in range(2):
        lucid.manual_seed(3)
        masks.append(as_numpy(prune.random_unstructured(conv(lucid), "weight", 0.5).weight_mask))
    numpy.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("scored", [False, True])
def test_global_pruning_is_pytorchs(scored, device):
    found = []
    for p, f in ((prune, lucid), (theirs, torch)):
        net, other = conv(f), conv(f)
        with f.no_grad():
            other.weight.mul_(0.5)
        p.l1_unstructured(net, "weight", 10)
        scores = {(net, "weight"): f.tensor(numbers((6, 4, 3, 3), 8))} if scored else None
        pairs = [(net, "weight"), (other, "weight"), (other, "bias")]
        p.global_unstructured(pairs, p.L1Unstructured, importance_scores=scores, amount=0.4)
        found.append((net, other))
    for a, b in zip(*found, strict=True):
        assert_same_states(a, b)
    total = sum((as_numpy(m) == 0).sum() for n in found[0] for m in n.buffers())
    assert total == 10 + round(0.4 * (2 * 216 + 6 - 10))


def test_an_optimizer_made_before_goes_on_training(device):
    net = conv(lucid)
    rule = optim.SGD(net.parameters(), lr=0.1)
    prune.l1_unstructured(net, "weight", 0.5)
    before = as_numpy(net.weight_orig).copy()
    net(lucid.tensor(numbers((2, 4, 5, 5)))).sum().backward()
    rule.step()
    changed = as_numpy(net.weight_orig) != before
    numpy.testing.assert_array_equal(changed, as_numpy(net.weight_mask) == 1)


def test_a_tensor_of_its_own_is_pruned_too(device):
    t = lucid.tensor([3.0, -1.0, 2.0, 0.5])
    assert prune.L1Unstructured(2).prune(t).tolist() == [3, 0, 2, 0]
    left = lucid.tensor([0.0, 1, 1, 1])
    assert prune.L1Unstructured(1).prune(t, left).tolist() == [0, -1, 2, 0]


def test_a_method_of_ones_own(device):
    class Small(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def __init__(self, below):
            self.below = below

        def compute_mask(self, t, default_mask):
            return default_mask * (t.abs() >= self.below).to(default_mask.dtype)

    net = nn.Linear(2, 1)
    net.weight.data.copy_(lucid.tensor([[0.2, -3.0]]))
    Small.apply(net, "weight", 0.5)
    assert net.weight.tolist() == [[0, -3]]
    prune.l1_unstructured(net, "weight", 1)
    methods = [hook.function for hook in net._forward_pre_hooks.values()]
    assert len(methods) == 1
    assert [type(m).__name__ for m in methods[0]] == ["Small", "L1Unstructured"]
    assert net.weight.tolist() == [[0, 0]]


def test_a_pruned_model_is_copied_after_its_forward(device):
    net = nn.Sequential(prune.l1_unstructured(nn.Linear(2, 2), "weight", 2))
    state = copy.deepcopy(net.state_dict())
    other = nn.Sequential(prune.identity(nn.Linear(2, 2), "weight"))
    other.load_state_dict(state)
    x = lucid.ones(1, 2)
    assert (other(x) == net(x)).all()


@pytest.mark.parametrize(
    "name",
    ["custom_from_mask", "global_unstructured", "identity", "is_pruned", "l1_unstructured",
     "ln_structured", "random_structured", "random_unstructured", "remove"],
)  # fmt: skip
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [
            (p.name, p.default, p.kind)
            for p in inspect.signature(getattr(m, name)).parameters.values()
        ]
        for m in (prune, theirs)
    )
    assert mine == other


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda n: prune.l1_unstructured(n, "weight", 1.5),
            ValueError,
            r"float in \[0, 1\]; got 1",
        ),
        (lambda n: prune.l1_unstructured(n, "weight", -1), ValueError, "int >= 0 or a float"),
        (
            lambda n: prune.l1_unstructured(n, "weight", "all"),
            TypeError,
            "int or a float; got 'all'",
        ),
        (
            lambda n: prune.l1_unstructured(n, "weight", 217),
            ValueError,
            "at most the 216 left; got",
        ),
        (lambda n: prune.l1_unstructured(n, "scale", 1), ValueError, "no parameter 'scale'"),
        (
            lambda n: prune.ln_structured(n, "bias", 1, 2, 0),
            ShapeError,
            "at least 2 dimensions; got",
        ),
        (
            lambda n: prune.ln_structured(n, "weight", 1, 2, 4),
            DimensionError,
            r"in \[-4, 3\]; got 4",
        ),
        (
            lambda n: prune.custom_from_mask(n, "weight", lucid.ones(2)),
            ShapeError,
            "tensor's shape",
        ),
        (
            lambda n: prune.l1_unstructured(n, "weight", 1, importance_scores=lucid.ones(2)),
            ShapeError,
            "importance_scores must have the tensor's shape",
        ),
        (lambda n: prune.remove(n, "weight"), ValueError, "'weight' of Conv2d is not pruned"),
        (lambda n: prune.global_unstructured(3, prune.L1Unstructured), TypeError, "pairs; got int"),
        (
            lambda n: prune.global_unstructured([(n, "weight")], prune.LnStructured, amount=1, n=2),
            TypeError,
            "must be an unstructured one; got",
        ),
        (
            lambda n: prune.global_unstructured(
                [(n, "weight")], prune.L1Unstructured, [1], amount=1
            ),
            TypeError,
            r"a dict from \(module, name\) to scores; got list",
        ),
    ],
)
def test_what_can_not_be_pruned_is_refused_and_changes_nothing(make, error, text):
    net = conv(lucid)
    with pytest.raises(error, match=text):
        make(net)
    assert list(net.state_dict()) == ["weight", "bias"]
    assert not prune.is_pruned(net)

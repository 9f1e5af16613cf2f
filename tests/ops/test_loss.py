"""Losses agree with PyTorch: values, gradients, weights, ignored labels, edge cases, messages."""

import itertools

import numpy
import pytest

import lucid
from lucid.errors import DTypeError, ShapeError
from lucid.nn import functional as ops

torch = pytest.importorskip("torch")
F = torch.nn.functional
REDUCTIONS = ["mean", "sum", "none"]


def compare(here, there, arrays, grads, rtol=1e-5, **kwargs):
    """Both functions on these arrays: value and the gradients of inputs ``grads`` must agree."""
    ours = [lucid.tensor(a, requires_grad=i in grads) for i, a in enumerate(arrays)]
    theirs = [torch.tensor(a, requires_grad=i in grads) for i, a in enumerate(arrays)]
    tensors = {k: v for k, v in kwargs.items() if isinstance(v, numpy.ndarray)}
    plain = {k: v for k, v in kwargs.items() if k not in tensors}
    y = here(*ours, **plain, **{k: lucid.tensor(v) for k, v in tensors.items()})
    expected = there(*theirs, **plain, **{k: torch.tensor(v) for k, v in tensors.items()})
    close = {"rtol": rtol, "atol": rtol}
    numpy.testing.assert_allclose(y.detach().cpu().numpy(), expected.detach().numpy(), **close)
    g = numpy.asarray(numpy.random.default_rng(1).uniform(0.5, 2, y.shape), arrays[0].dtype)
    y.backward(lucid.tensor(g))
    expected.backward(torch.tensor(g))
    for i in grads:
        numpy.testing.assert_allclose(ours[i].grad.cpu().numpy(), theirs[i].grad.numpy(), **close)


def scores(shape, seed=0):
    return numpy.random.default_rng(seed).normal(size=shape).astype("float32")


def labels(shape, classes, ignored=None, seed=0):
    rng = numpy.random.default_rng(seed)
    t = rng.integers(0, classes, shape)
    return t if ignored is None else numpy.where(rng.random(shape) < 0.3, ignored, t)


SHAPES = [(7, 5), (5,), (3, 4, 6), (2, 5, 3, 4)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "weighted, smoothing", list(itertools.product([False, True], [0.0, 0.1, 1.0]))
)
@pytest.mark.parametrize("ignored", [None, -100, 1])
def test_cross_entropy_of_labels_is_torchs(shape, reduction, weighted, smoothing, ignored, device):
    axis = min(1, len(shape) - 1)
    classes = shape[axis]
    t = numpy.asarray(labels(shape[:axis] + shape[axis + 1 :], classes, ignored))
    weight = {"weight": scores(classes) ** 2 + 0.1} if weighted else {}
    other = {} if ignored is None else {"ignore_index": ignored}
    compare(
        ops.cross_entropy,
        F.cross_entropy,
        [scores(shape), t],
        [0],
        reduction=reduction,
        label_smoothing=smoothing,
        **weight,
        **other,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted, smoothing", list(itertools.product([False, True], [0.0, 0.1])))
def test_cross_entropy_of_probabilities_is_torchs(shape, reduction, weighted, smoothing, device):
    axis = min(1, len(shape) - 1)
    q = numpy.abs(scores(shape, 1))
    q /= q.sum(axis, keepdims=True)
    weight = {"weight": scores(shape[axis]) ** 2 + 0.1} if weighted else {}
    compare(
        ops.cross_entropy,
        F.cross_entropy,
        [scores(shape), q],
        [0, 1],
        reduction=reduction,
        label_smoothing=smoothing,
        **weight,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "weighted, ignored", list(itertools.product([False, True], [None, -100, 1]))
)
def test_nll_loss_is_torchs(shape, reduction, weighted, ignored, device):
    axis = min(1, len(shape) - 1)
    t = numpy.asarray(labels(shape[:axis] + shape[axis + 1 :], shape[axis], ignored))
    weight = {"weight": scores(shape[axis]) ** 2 + 0.1} if weighted else {}
    other = {} if ignored is None else {"ignore_index": ignored}
    compare(
        ops.nll_loss, F.nll_loss, [scores(shape), t], [0], reduction=reduction, **weight, **other
    )


@pytest.mark.parametrize("function", [ops.cross_entropy, ops.nll_loss])
def test_the_mean_over_no_label_is_nan_and_the_sum_zero(function, device):
    x, t = lucid.zeros(2, 3), lucid.tensor([-100, -100])
    assert function(x, t).isnan().item()
    assert function(x, t, reduction="sum").item() == 0
    empty = lucid.zeros(0, 3), lucid.zeros(0, dtype=lucid.int64)
    assert function(*empty).isnan().item()
    assert function(*empty, reduction="sum").item() == 0


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_in_blocks_is_torchs(reduction, smoothing, device):
    arrays = [scores((300, 200)), labels(300, 200, -100)]  # two blocks
    kwargs = {"reduction": reduction, "label_smoothing": smoothing}
    compare(ops.cross_entropy, F.cross_entropy, arrays, [0], **kwargs)


def test_cross_entropy_of_large_scores_is_exact(device):
    x = lucid.tensor([[1e4, 0.0], [-1e4, 0.0], [1e30, -1e30]], requires_grad=True)
    y = ops.cross_entropy(x, lucid.tensor([1, 0, 0]), reduction="none")
    assert y.tolist() == [1e4, 1e4, 0.0]
    y.sum().backward()
    assert x.grad.tolist() == [[1, -1], [-1, 1], [0, 0]]


def test_cross_entropy_reads_a_certain_label_as_no_loss(device):
    x = lucid.tensor([[0.0, -float("inf")]])
    assert ops.cross_entropy(x, lucid.tensor([0])).item() == 0
    assert ops.cross_entropy(x, lucid.tensor([1])).item() == float("inf")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_cross_entropy_of_halves_is_computed_in_float32(dtype, device):
    x = torch.randn(64, 1000).to(getattr(torch, dtype))
    t = labels(64, 1000)
    ours = lucid.tensor(x.float().numpy()).to(getattr(lucid, dtype)).requires_grad_()
    y = ops.cross_entropy(ours, lucid.tensor(t))
    y.backward()
    exact = x.double().requires_grad_()
    expected = F.cross_entropy(exact, torch.tensor(t))
    expected.backward()
    step = {"float16": 2**-10, "bfloat16": 2**-7}[dtype]
    assert y.dtype is ours.grad.dtype is getattr(lucid, dtype)
    numpy.testing.assert_allclose(y.item(), expected.item(), rtol=step)
    numpy.testing.assert_allclose(
        ours.grad.double().cpu().numpy(), exact.grad.numpy(), rtol=2 * step, atol=1e-7
    )


@pytest.mark.parametrize("memory", ["contiguous_format", "channels_last"])
def test_cross_entropy_of_images_does_not_depend_on_memory_order(memory, device):
    x = lucid.randn(2, 5, 40, 50).contiguous(memory_format=getattr(lucid, memory))
    x.requires_grad_()
    t = lucid.tensor(labels((2, 40, 50), 5))
    ops.cross_entropy(x, t).backward()
    plain = torch.tensor(x.detach().cpu().numpy(), requires_grad=True)
    F.cross_entropy(plain, torch.tensor(t.cpu().numpy())).backward()
    numpy.testing.assert_allclose(x.grad.cpu().numpy(), plain.grad.numpy(), rtol=1e-4, atol=1e-9)


def test_cross_entropy_takes_any_integer_labels(device):
    x = lucid.randn(3, 4)
    expected = ops.cross_entropy(x, lucid.tensor([0, 3, 1]))
    for kind in (lucid.uint8, lucid.int32):
        assert ops.cross_entropy(x, lucid.tensor([0, 3, 1], dtype=kind)).equal(expected)


@pytest.mark.parametrize("function", [ops.cross_entropy, ops.nll_loss])
def test_a_label_out_of_range_is_named(function):
    x = lucid.zeros(5, 10)
    rule = rf"{function.__name__}: labels must be in \[0, 9\] or ignore_index -100; got "
    with pytest.raises(IndexError, match=rule + "10 at position 3"):
        function(x, lucid.tensor([0, 1, -100, 10, 11]))
    with pytest.raises(IndexError, match=rule + "-1 at position 0"):
        function(x, lucid.tensor([-1, 1, 2, 3, 4]))
    with pytest.raises(IndexError, match=rule + r"12 at position \(0, 1\)"):
        function(lucid.zeros(1, 10, 2), lucid.tensor([[0, 12]]))
    with pytest.raises(IndexError, match=rule + "12$"):
        function(lucid.zeros(10), lucid.tensor(12))


def test_labels_and_probabilities_are_checked():
    x = lucid.zeros(5, 3)
    with pytest.raises(ShapeError, match=r"labels for an input of shape \(5, 3\) must be .*\(5,\)"):
        ops.cross_entropy(x, lucid.zeros(5, 1, dtype=lucid.int64))
    with pytest.raises(ShapeError, match=r"probabilities must have the input's shape \(5, 3\)"):
        ops.cross_entropy(x, lucid.zeros(5))
    with pytest.raises(DTypeError, match="nll_loss: labels must be integers; got lucid.float32"):
        ops.nll_loss(x, lucid.zeros(5))
    with pytest.raises(ValueError, match="ignore_index does not apply to class probabilities"):
        ops.cross_entropy(x, x, ignore_index=1)


BINARY = [
    (ops.binary_cross_entropy, F.binary_cross_entropy),
    (ops.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits),
]


@pytest.mark.parametrize("here, there", BINARY, ids=["probabilities", "logits"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy_is_torchs(here, there, reduction, weighted, device):
    rng = numpy.random.default_rng(0)
    x, t = rng.uniform(0.01, 0.99, (2, 5, 4)).astype("float32")
    weight = {"weight": rng.uniform(size=(4,)).astype("float32")} if weighted else {}
    compare(here, there, [x, t], [0, 1], reduction=reduction, **weight)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_pos_weight_is_torchs(reduction, device):
    x, t = scores((5, 4)) * 10, numpy.abs(scores((5, 4), 1)) % 1
    weight = numpy.asarray([0.5, 1, 2, 4], "float32")
    compare(*BINARY[1], [x, t], [0, 1], reduction=reduction, pos_weight=weight)


def test_binary_cross_entropy_at_the_ends_costs_at_most_100(device):
    x = numpy.asarray([0, 0, 1, 1], "float32")
    t = numpy.asarray([0, 1, 0, 1], "float32")
    assert ops.binary_cross_entropy(
        lucid.tensor(x), lucid.tensor(t), reduction="none"
    ).tolist() == [0, 100, 100, 0]
    compare(*BINARY[0], [x, t], [0], reduction="none")


def test_logits_may_be_huge(device):
    x = numpy.asarray([-1e4, 1e4, -1e4, 1e4, -200, 200], "float32")
    t = numpy.asarray([0, 1, 1, 0, 0.5, 0.5], "float32")
    compare(*BINARY[1], [x, t], [0], reduction="none")


DISTANCES = [
    (ops.mse_loss, F.mse_loss, {}),
    (ops.l1_loss, F.l1_loss, {}),
    (ops.smooth_l1_loss, F.smooth_l1_loss, {"beta": 0.5}),
    (ops.smooth_l1_loss, F.smooth_l1_loss, {"beta": 0.0}),
    (ops.huber_loss, F.huber_loss, {"delta": 0.5}),
    (ops.poisson_nll_loss, F.poisson_nll_loss, {}),
    (ops.poisson_nll_loss, F.poisson_nll_loss, {"full": True}),
]


@pytest.mark.parametrize("here, there, kwargs", DISTANCES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5, 4), (), (0, 3)], ids=str)
def test_distances_are_torchs(here, there, kwargs, reduction, shape, device):
    x, t = scores(shape), 2 * scores(shape, 1)
    x = numpy.asarray(x, "float32")
    t = numpy.asarray(numpy.abs(t) if "full" in kwargs else t, "float32")  # counts
    compare(here, there, [x, t], [0, 1], reduction=reduction, **kwargs)


@pytest.mark.parametrize("here, there, kwargs", DISTANCES[:5])
def test_kinks_of_distances_are_torchs(here, there, kwargs, device):
    d = numpy.asarray([-2, -0.5, 0, 0.5, 2, float("inf")], "float32")
    compare(here, there, [d, numpy.zeros_like(d)], [0], reduction="none", **kwargs)


@pytest.mark.parametrize("here, there", [d[:2] for d in (DISTANCES[0], DISTANCES[1], DISTANCES[4])])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_of_distances_are_torchs(here, there, reduction, device):
    weight = numpy.abs(scores((5, 4), 2))
    arrays = [scores((5, 4)), scores((5, 4), 1)]
    compare(here, there, arrays, [0, 1], reduction=reduction, weight=weight)


def test_a_broadcast_target_is_warned_about(device):
    with pytest.warns(UserWarning, match=r"mse_loss: input \(3, 1\) and target \(3,\) are broadca"):
        y = ops.mse_loss(lucid.zeros(3, 1), lucid.ones(3))
    assert y.item() == 1


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.filterwarnings("ignore:reduction")
def test_kl_div_is_torchs(reduction, log_target, device):
    x, t = numpy.random.default_rng(0).uniform(0.1, 1, (2, 5, 4)).astype("float32")
    compare(ops.kl_div, F.kl_div, [x, t], [0, 1], reduction=reduction, log_target=log_target)


def test_kl_div_of_a_zero_target_is_zero(device):
    y = ops.kl_div(lucid.zeros(2), lucid.tensor([0.0, 1.0]), reduction="none")
    assert y.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (5, 1), (5,)])
def test_gaussian_nll_loss_is_torchs(full, shape, device):
    var = numpy.abs(scores(shape, 2))
    arrays = [scores((5, 4)), scores((5, 4), 1), var]
    compare(ops.gaussian_nll_loss, F.gaussian_nll_loss, arrays, [0, 1, 2], full=full)

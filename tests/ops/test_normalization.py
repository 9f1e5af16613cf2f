"""Normalizations agree with PyTorch: values, gradients, running statistics, layouts, halves."""

import numpy
import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.errors import DTypeError, ShapeError
from lucid.nn import functional as ops

torch = pytest.importorskip("torch")
F = torch.nn.functional

# Small ones, and one for each way in which the CPU walks over memory: whole rows of a channel, rows
# that hold all channels, several of them, and more elements than a block.
SHAPES = [
    (5, 3),
    (2, 3, 4),
    (2, 3, 2, 5),
    (2, 2, 2, 3, 2),
    (4096, 33),
    (7, 5, 37),
    (3, 6, 40, 41),
    (50, 70, 7, 7),
    (6, 300, 6, 6),
    (1, 2, 300, 200),
]


def compare(here, there, arrays, tolerance=2e-5, **kwargs):
    """Value and gradient of every array (None stays None)."""
    ours = [None if a is None else lucid.tensor(a, requires_grad=True) for a in arrays]
    theirs = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
    y, expected = here(*ours, **kwargs), there(*theirs, **kwargs)
    g = numpy.random.default_rng(9).normal(size=y.shape).astype(arrays[0].dtype)
    y.backward(lucid.tensor(g))
    expected.backward(torch.tensor(g))
    pairs = [(y, expected)]
    pairs += [(a.grad, b.grad) for a, b in zip(ours, theirs, strict=True) if a is not None]
    for a, b in pairs:
        b = b.detach().numpy()
        scale = max(1.0, float(numpy.abs(b).max(initial=0)))  # sums of many terms that cancel
        numpy.testing.assert_allclose(
            a.detach().cpu().numpy(), b, rtol=tolerance, atol=tolerance * scale
        )


def draw(*shape, seed=0, dtype="float32"):
    return numpy.random.default_rng(seed).normal(1.0, 2.0, shape).astype(dtype)


def parameters(channels, affine):
    return [draw(channels, seed=1), draw(channels, seed=2)] if affine else [None, None]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_in_training_is_torchs(shape, affine, device):
    compare(
        lambda x, w, b: ops.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        [draw(*shape), *parameters(shape[1], affine)],
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_in_evaluation_is_torchs(shape, affine, device):
    mean, var = draw(shape[1], seed=3), draw(shape[1], seed=4) ** 2

    def here(x, w, b):
        return ops.batch_norm(x, lucid.tensor(mean), lucid.tensor(var), w, b)

    def there(x, w, b):
        return F.batch_norm(x, torch.tensor(mean), torch.tensor(var), w, b)

    compare(here, there, [draw(*shape), *parameters(shape[1], affine)], tolerance=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_running_statistics_move_as_torchs(shape, momentum, device):
    x, c = draw(*shape), shape[1]
    ours = lucid.zeros(c), lucid.ones(c)
    theirs = torch.zeros(c), torch.ones(c)
    ops.batch_norm(lucid.tensor(x), *ours, training=True, momentum=momentum)
    F.batch_norm(torch.tensor(x), *theirs, training=True, momentum=momentum)
    for a, b in zip(ours, theirs, strict=True):
        numpy.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 4], ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_keeps_channels_last(shape, training, device):
    x, g = draw(*shape), draw(*shape, seed=5)
    w, b = (lucid.tensor(p) for p in parameters(shape[1], True))
    mean, var = lucid.tensor(draw(shape[1])), lucid.ones(shape[1])
    answers = []
    for memory in (lucid.contiguous_format, lucid.channels_last):
        t = lucid.tensor(x).contiguous(memory_format=memory).requires_grad_()
        y = ops.batch_norm(t, mean.clone(), var.clone(), w, b, training)
        assert y.is_contiguous(memory_format=memory)
        y.backward(lucid.tensor(g).contiguous(memory_format=memory))
        answers.append((y, t.grad))
    for one, other in zip(*answers, strict=True):
        assert one.allclose(other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("memory", ["contiguous_format", "channels_last"])
def test_a_gradient_in_another_memory_order_is_understood(memory, device):
    x = lucid.randn(4, 6, 20, 20).contiguous(memory_format=getattr(lucid, memory))
    x.requires_grad_()
    g = lucid.randn(4, 6, 20, 20)
    ops.batch_norm(x, None, None, training=True).backward(g)
    plain = torch.tensor(x.detach().cpu().numpy(), requires_grad=True)
    F.batch_norm(plain, None, None, training=True).backward(torch.tensor(g.cpu().numpy()))
    numpy.testing.assert_allclose(x.grad.cpu().numpy(), plain.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 8, 30, 30), (4096, 16), (128, 64, 5, 5)], ids=str)
def test_the_variance_survives_a_mean_a_thousand_times_larger(shape, device):
    x = numpy.random.default_rng(0).normal(1000, 1, shape).astype("float32")
    y = ops.batch_norm(lucid.tensor(x), None, None, training=True).cpu().numpy()
    axes = (0, *range(2, len(shape)))
    wide = x.astype("float64")
    exact = (wide - wide.mean(axes, keepdims=True)) / wide.std(axes, keepdims=True)
    # x itself is rounded to 6e-5; the mean comes rounded to float32, which is as much again.
    numpy.testing.assert_allclose(y, exact, atol=2e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(8, 16, 12, 12), (64, 32)], ids=str)
def test_batch_norm_of_halves_has_float32_statistics_and_parameters(dtype, training, shape, device):
    c = shape[1]
    x = torch.tensor(draw(*shape)).to(getattr(torch, dtype))
    w = [draw(c, seed=i) for i in (1, 2)]
    ours = lucid.tensor(x.float().numpy()).to(getattr(lucid, dtype)).requires_grad_()
    parameters = [lucid.tensor(a, requires_grad=True) for a in w]
    running = lucid.zeros(c), lucid.ones(c)
    y = ops.batch_norm(ours, *running, *parameters, training)
    exact = x.double().requires_grad_()
    others = [torch.tensor(a).double().requires_grad_() for a in w]
    stats = torch.zeros(c).double(), torch.ones(c).double()
    expected = F.batch_norm(exact, *stats, *others, training)
    g = draw(*shape, seed=7)
    half = lucid.tensor(g).to(getattr(lucid, dtype))
    y.backward(half)
    expected.backward(torch.tensor(half.double().cpu().numpy()))
    assert y.dtype is ours.grad.dtype is getattr(lucid, dtype)
    assert parameters[0].grad.dtype is running[0].dtype is lucid.float32
    step = {"float16": 2**-10, "bfloat16": 2**-7}[dtype]
    for a, b in [(y, expected), (ours.grad, exact.grad)]:
        numpy.testing.assert_allclose(
            a.detach().double().cpu().numpy(), b.detach().numpy(), rtol=step, atol=step / 10
        )
    for a, b in zip(parameters, others, strict=True):
        numpy.testing.assert_allclose(a.grad.cpu().numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-3)
    for a, b in zip(running, stats, strict=True):
        numpy.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_running_statistics_count_as_written_in_place(device):
    mean = lucid.zeros(3)
    before = mean._version
    ops.batch_norm(lucid.randn(4, 3), mean, lucid.ones(3), training=True)
    assert mean._version == before + 1


def test_batch_norm_of_nothing_is_nothing(device):
    x = lucid.zeros(0, 3, 2, 2)
    assert ops.batch_norm(x, lucid.zeros(3), lucid.ones(3)).shape == x.shape


def test_batch_norm_without_statistics_to_use_is_refused():
    with pytest.raises(ValueError, match="running_mean and running_var are needed when not train"):
        ops.batch_norm(lucid.ones(2, 3), None, None)


@pytest.mark.parametrize("shape, last", [((5, 3), 1), ((2, 3, 4), 2), ((300, 200), 1), ((0, 3), 1)])
@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm_is_torchs(shape, last, affine, device):
    inner = shape[-last:]
    w = [draw(*inner, seed=i) for i in (1, 2)] if affine else [None, None]
    compare(
        lambda x, w, b: ops.layer_norm(x, inner, w, b),
        lambda x, w, b: F.layer_norm(x, inner, w, b),
        [draw(*shape), *w],
    )


def test_layer_norm_differentiates_its_parameters_twice(device):
    arrays = [draw(4, 3, seed=i, dtype="float64") for i in range(2)]
    x = lucid.tensor(arrays[0], requires_grad=True)
    w, b = (lucid.tensor(arrays[1][i], requires_grad=True) for i in range(2))
    assert gradcheck(lambda *a: ops.layer_norm(a[0], 3, *a[1:]), [x, w, b])
    assert gradgradcheck(lambda *a: ops.layer_norm(a[0], 3, *a[1:]), [x, w, b])


def test_layer_norm_of_a_bias_alone(device):
    x, b = lucid.randn(4, 3), lucid.zeros(3, requires_grad=True)
    ops.layer_norm(x, 3, None, b).sum().backward()
    assert b.grad.tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("shape", [(3, 6), (3, 6, 4), (3, 6, 5, 4)], ids=str)
def test_group_norm_is_torchs(groups, shape, device):
    if shape == (3, 6) and groups == 6:
        pytest.skip("one element per group: everything is the bias")
    compare(
        lambda x, w, b: ops.group_norm(x, groups, w, b),
        lambda x, w, b: F.group_norm(x, groups, w, b),
        [draw(*shape), *parameters(6, True)],
    )


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 5, 4), (2, 3, 2, 3, 4)], ids=str)
def test_instance_norm_is_torchs(shape, device):
    compare(
        lambda x, w, b: ops.instance_norm(x, weight=w, bias=b),
        lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
        [draw(*shape), *parameters(3, True)],
    )


def test_instance_norm_moves_running_statistics_as_torchs(device):
    x = draw(2, 3, 4, 5)
    ours, theirs = (lucid.zeros(3), lucid.ones(3)), (torch.zeros(3), torch.ones(3))
    y = ops.instance_norm(lucid.tensor(x), *ours)
    F.instance_norm(torch.tensor(x), *theirs)
    for a, b in zip(ours, theirs, strict=True):
        numpy.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    fixed = ops.instance_norm(lucid.tensor(x), *ours, use_input_stats=False)
    assert fixed.shape == y.shape


@pytest.mark.parametrize("eps", [None, 1e-3])
@pytest.mark.parametrize("affine", [False, True])
def test_rms_norm_is_torchs(eps, affine, device):
    compare(
        lambda x, w: ops.rms_norm(x, (3, 4), w, eps),
        lambda x, w: F.rms_norm(x, (3, 4), w, eps),
        [draw(2, 3, 4), draw(3, 4, seed=1) if affine else None],
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rms_norm_of_halves_does_not_overflow(dtype, device):
    x = lucid.full((2, 4), 1e4, dtype=getattr(lucid, dtype))
    y = ops.rms_norm(x, 4)
    assert y.dtype is getattr(lucid, dtype) and y.tolist() == [[1.0] * 4] * 2


@pytest.mark.parametrize("size", [1, 2, 3, 4, 11])
@pytest.mark.parametrize("shape", [(2, 7, 3), (2, 7, 3, 2)], ids=str)
def test_local_response_norm_is_torchs(size, shape, device):
    kwargs = {"alpha": 0.5, "beta": 0.6, "k": 1.5}
    compare(
        lambda x: ops.local_response_norm(x, size, **kwargs),
        lambda x: F.local_response_norm(x, size, **kwargs),
        [draw(*shape)],
    )


@pytest.mark.parametrize("p, dim", [(2.0, 1), (1.0, 0), (3.0, -1)])
def test_normalize_is_torchs(p, dim, device):
    compare(
        lambda x: ops.normalize(x, p, dim),
        lambda x: F.normalize(x, p, dim),
        [draw(3, 4, 2)],
    )


def test_normalize_of_zeros_is_zeros(device):
    x = lucid.zeros(2, 3, requires_grad=True)
    y = ops.normalize(x)
    y.sum().backward()
    assert y.tolist() == [[0.0] * 3] * 2
    assert not x.grad.isnan().any()


def test_parameters_of_another_size_are_named():
    with pytest.raises(ShapeError, match=r"batch_norm: running_var must be \(3,\).*got \(2,\)"):
        ops.batch_norm(lucid.ones(2, 3), lucid.ones(3), lucid.ones(2))
    with pytest.raises(ShapeError, match=r"layer_norm: bias must be of shape \(3,\); got \(2,\)"):
        ops.layer_norm(lucid.ones(2, 3), 3, None, lucid.ones(2))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.batch_norm(x, None, None, training=True),
        lambda x: ops.layer_norm(x, (4,)),
        lambda x: ops.group_norm(x, 2),
        ops.instance_norm,
        lambda x: ops.rms_norm(x, (4,)),
        lambda x: ops.cross_entropy(x[0], lucid.zeros(4).long()),
    ],
)
def test_integers_are_refused(function):
    with pytest.raises(DTypeError, match="_(norm|entropy): the input must be floating point; got"):
        function(lucid.ones(2, 4, 4, dtype=lucid.int64))


@pytest.mark.parametrize("shape", [(2, 4, 2, 2), (1, 3, 1, 1)])
def test_a_batch_that_is_refused_is_not_counted(shape):
    layer = lucid.nn.BatchNorm2d(3)
    with pytest.raises(ShapeError):
        layer(lucid.ones(*shape))
    assert layer.num_batches_tracked.item() == 0

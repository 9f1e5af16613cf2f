"""embedding, one_hot and the similarities agree with PyTorch."""

import numpy
import pytest

import lucid
from lucid.autograd import gradgradcheck
from lucid.errors import DTypeError
from lucid.nn import functional as ops

torch = pytest.importorskip("torch")
F = torch.nn.functional


def table(rows, width, seed=0):
    return numpy.random.default_rng(seed).normal(size=(rows, width)).astype("float32")


@pytest.mark.parametrize("shape", [(6,), (), (0,), (3, 4), (40, 50)], ids=str)
@pytest.mark.parametrize(
    "kwargs",
    [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}],
    ids=str,
)
def test_embedding_is_torchs(shape, kwargs, device):
    index = numpy.asarray(numpy.random.default_rng(1).integers(0, 5, shape))
    w = table(5, 3)
    ours, theirs = lucid.tensor(w, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = ops.embedding(lucid.tensor(index), ours, **kwargs)
    expected = F.embedding(torch.tensor(index), theirs, **kwargs)
    g = numpy.asarray(numpy.random.default_rng(2).normal(size=y.shape), "float32")
    y.backward(lucid.tensor(g))
    expected.backward(torch.tensor(g))
    numpy.testing.assert_array_equal(y.detach().cpu().numpy(), expected.detach().numpy())
    # Up to 400 gradients are added up per row.
    numpy.testing.assert_allclose(
        ours.grad.cpu().numpy(), theirs.grad.numpy(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("kwargs", [{"padding_idx": 0}, {"scale_grad_by_freq": True}], ids=str)
def test_the_gradients_of_the_gradient_skip_and_scale_too(kwargs, device):
    w = torch.tensor(table(3, 2), dtype=torch.float64, requires_grad=True)
    index = torch.tensor([0, 2, 2, 1])
    ours = lucid.tensor(w.detach().numpy(), requires_grad=True)
    y = ops.embedding(lucid.tensor(index.numpy()), ours, **kwargs)
    (dw,) = lucid.autograd.grad((y * y).sum(), ours, create_graph=True)
    dw.square().sum().backward()
    rows = w[index]
    scale = torch.tensor([0.0, 1, 1, 1] if "padding_idx" in kwargs else [1.0, 0.5, 0.5, 1])
    scattered = torch.zeros(3, 2, dtype=torch.float64).index_add(
        0, index, 2 * rows * scale.double().unsqueeze(1)
    )
    weights = torch.autograd.grad(scattered.square().sum(), rows)[0] * scale.unsqueeze(1)
    expected = torch.zeros(3, 2, dtype=torch.float64).index_add(0, index, weights)
    numpy.testing.assert_allclose(ours.grad.cpu().numpy(), expected.numpy())


def test_embedding_is_differentiable_twice(device):
    w = lucid.randn(4, 2, dtype=lucid.float64, requires_grad=True)
    index = lucid.tensor([1, 1, 3])
    assert gradgradcheck(lambda w: ops.embedding(index, w).square(), [w])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gradients_of_halves_are_added_up_in_float32(dtype, device):
    w = lucid.zeros(2, 1, dtype=getattr(lucid, dtype), requires_grad=True)
    index = lucid.zeros(4096, dtype=lucid.int64)
    ops.embedding(index, w).backward(lucid.ones(4096, 1, dtype=getattr(lucid, dtype)))
    assert w.grad.tolist() == [[4096.0], [0.0]]


@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_max_norm_shortens_the_rows_that_are_used_in_place(norm_type, device):
    w = table(4, 3) * 3
    ours, theirs = lucid.tensor(w), torch.tensor(w)
    index = numpy.asarray([1, 1, 3])
    y = ops.embedding(lucid.tensor(index), ours, max_norm=1.0, norm_type=norm_type)
    F.embedding(torch.tensor(index), theirs, max_norm=1.0, norm_type=norm_type)
    numpy.testing.assert_allclose(ours.cpu().numpy(), theirs.numpy(), rtol=1e-5)
    numpy.testing.assert_array_equal(ours.cpu().numpy()[[0, 2]], w[[0, 2]])
    assert y.equal(ours[lucid.tensor(index)])


def test_an_index_out_of_range_is_named():
    w = lucid.zeros(3, 2)
    with pytest.raises(IndexError, match=r"embedding: indices must be in \[0, 2\]; got 3"):
        ops.embedding(lucid.tensor([0, 3]), w)
    with pytest.raises(IndexError, match=r"embedding: indices must be in \[0, 2\]; got -1"):
        ops.embedding(lucid.tensor([-1]), w)
    with pytest.raises(DTypeError, match="embedding: indices must be integers; got lucid.float32"):
        ops.embedding(lucid.zeros(2), w)


@pytest.mark.parametrize("shape", [(5,), (), (2, 3)], ids=str)
@pytest.mark.parametrize("classes", [-1, 7])
def test_one_hot_is_torchs(shape, classes, device):
    x = numpy.asarray(numpy.random.default_rng(0).integers(0, 5, shape))
    y = ops.one_hot(lucid.tensor(x), classes)
    assert y.dtype is lucid.int64
    numpy.testing.assert_array_equal(y.cpu().numpy(), F.one_hot(torch.tensor(x), classes).numpy())


def test_one_hot_refuses_what_has_no_place():
    with pytest.raises(IndexError, match=r"one_hot: indices must be in \[0, 1\]; got 2"):
        ops.one_hot(lucid.tensor([2]), 2)
    with pytest.raises(ValueError, match="num_classes is needed for an empty tensor"):
        ops.one_hot(lucid.zeros(0, dtype=lucid.int64))
    assert ops.one_hot(lucid.zeros(0, dtype=lucid.int64), 3).shape == (0, 3)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cosine_similarity_is_torchs(dim, device):
    a, b = table(3, 4), table(3, 4, 1)
    expected = F.cosine_similarity(torch.tensor(a), torch.tensor(b), dim)
    actual = ops.cosine_similarity(lucid.tensor(a), lucid.tensor(b), dim)
    numpy.testing.assert_allclose(actual.cpu().numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance_is_torchs(p, keepdim, device):
    a, b = table(3, 4), table(3, 4, 1)
    expected = F.pairwise_distance(torch.tensor(a), torch.tensor(b), p, keepdim=keepdim)
    actual = ops.pairwise_distance(lucid.tensor(a), lucid.tensor(b), p, keepdim=keepdim)
    numpy.testing.assert_allclose(actual.cpu().numpy(), expected.numpy(), rtol=1e-5)


def test_the_similarity_with_zero_is_zero(device):
    assert ops.cosine_similarity(lucid.zeros(1, 3), lucid.ones(1, 3)).item() == 0

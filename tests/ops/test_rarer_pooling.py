"""Power, fractional and inverse pooling are PyTorch's: values, both gradients, options, layers."""

import numpy
import pytest

import lucid
from lucid import nn
from tests.against_torch import compare, normal, uniform

torch = pytest.importorskip("torch")
F, T = lucid.nn.functional, torch.nn.functional
SHAPES = {1: (2, 3, 9), 2: (2, 3, 7, 6), 3: (2, 2, 5, 4, 6)}


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("p", [2, 1.0, 3.5, float("inf"), -float("inf"), -2.0])
@pytest.mark.parametrize("stride", [None, 1])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_power_pooling_is_torchs(d, p, stride, ceil_mode, device):
    here, there = getattr(F, f"lp_pool{d}d"), getattr(T, f"lp_pool{d}d")
    x = uniform(*SHAPES[d], low=0.2, high=2.0)
    compare(torch, here, there, [x], norm_type=p, kernel_size=2, stride=stride, ceil_mode=ceil_mode)


def test_an_odd_power_keeps_signs_as_torchs_does(device):
    x = normal(2, 3, 8, seed=3)
    there = T.lp_pool1d(torch.tensor(x), 3, 2)
    assert there.isnan().any()  # a negative sum has no cube root here
    here = F.lp_pool1d(lucid.tensor(x), 3, 2)
    numpy.testing.assert_allclose(here.cpu().numpy(), there.numpy())


def test_a_window_of_zeros_has_no_gradient(device):
    x = lucid.zeros(1, 1, 4, 4, requires_grad=True)
    y = F.lp_pool2d(x, 2, 2)
    y.sum().backward()
    assert y.abs().sum().item() == 0
    assert x.grad.abs().sum().item() == 0


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    "kernel, stride, padding", [(2, None, 0), (3, 2, 0), (3, 2, 1), (2, 1, 0)], ids=str
)
@pytest.mark.parametrize("sized", [False, True])
def test_unpooling_is_torchs(d, single, kernel, stride, padding, sized, device):
    shape = SHAPES[d][1:] if single else SHAPES[d]
    x = normal(*shape)
    pool = getattr(T, f"max_pool{d}d")
    y, at = pool(torch.tensor(x), kernel, stride, padding, return_indices=True)
    if not sized and int(at.max()) >= numpy.prod(_default(y.shape[-d:], kernel, stride, padding)):
        pytest.skip("these positions need output_size")
    kwargs = {"output_size": x.shape} if sized else {}
    if sized and single:  # PyTorch takes output_size with both leading dimensions or none
        kwargs = {"output_size": x.shape[1:]}
    here, there = getattr(F, f"max_unpool{d}d"), getattr(T, f"max_unpool{d}d")
    if stride == 1:  # one element may be the maximum of several windows: they hold the same value
        compare(torch, here, there, [y.numpy(), at.numpy()], second=False, kernel_size=kernel,
                stride=stride, padding=padding, **kwargs)  # fmt: skip
        return
    compare(torch, here, there, [y.numpy(), at.numpy()], kernel_size=kernel, stride=stride,
            padding=padding, **kwargs)  # fmt: skip


def _default(size, kernel, stride, padding):
    return [(n - 1) * (stride or kernel) - 2 * padding + kernel for n in size]


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("size", ["size", "ratio", "one"])
@pytest.mark.parametrize("kernel", [2, 3])
def test_fractional_pooling_is_torchs_for_the_same_draw(d, single, size, kernel, device):
    shape = (2, 3, 9, 8, 10)[: d + 2]
    x, u = normal(*shape), uniform(*shape[:2], d, seed=1)
    if single:
        x, u = x[0], u[:1]
    kwargs = {
        "size": {"output_size": (5, 4, 6)[:d]},
        "ratio": {"output_ratio": (0.5, 0.6, 0.7)[:d]},
        "one": {"output_size": 1},
    }[size]
    here, there = getattr(F, f"fractional_max_pool{d}d"), getattr(T, f"fractional_max_pool{d}d")
    compare(torch, here, there, [x], kernel_size=kernel, _random_samples=u, second=d == 2, **kwargs)
    _, ours = here(lucid.tensor(x), kernel, return_indices=True,
                   _random_samples=lucid.tensor(u), **kwargs)  # fmt: skip
    _, theirs = there(torch.tensor(x), kernel, return_indices=True,
                      _random_samples=torch.tensor(u), **kwargs)  # fmt: skip
    assert ours.tolist() == theirs.tolist()


def test_a_nan_wins_in_fractional_pooling(device):
    x = normal(1, 1, 6, 6)
    x[0, 0, 2, 3] = numpy.nan
    u = uniform(1, 1, 2)
    ours = F.fractional_max_pool2d(lucid.tensor(x), 3, 3, _random_samples=lucid.tensor(u))
    theirs = T.fractional_max_pool2d(torch.tensor(x), 3, 3, _random_samples=torch.tensor(u))
    numpy.testing.assert_array_equal(ours.cpu().numpy(), theirs.numpy())


def test_fractional_pooling_draws_from_the_generator(device):
    x = lucid.tensor(normal(4, 8, 20, 20))

    def pooled(seed):
        generator = lucid.Generator().manual_seed(seed)
        return F.fractional_max_pool2d(x, 2, 9, generator=generator)

    assert (pooled(0) == pooled(0)).all().item()
    assert not (pooled(0) == pooled(1)).all().item()
    lucid.manual_seed(5)
    first = F.fractional_max_pool2d(x, 2, 9)
    lucid.manual_seed(5)
    assert (first == F.fractional_max_pool2d(x, 2, 9)).all().item()


LAYERS = [
    ("LPPool1d", (2, 3), {"stride": 1}, SHAPES[1]),
    ("LPPool2d", (2.0, (2, 1)), {"ceil_mode": True}, SHAPES[2]),
    ("LPPool3d", (1, 2), {}, SHAPES[3]),
]


@pytest.mark.parametrize("name, args, settings, shape", LAYERS, ids=[name for name, *_ in LAYERS])
def test_a_power_layer_is_its_function_and_shows_as_torchs(name, args, settings, shape, device):
    here, there = getattr(nn, name)(*args, **settings), getattr(torch.nn, name)(*args, **settings)
    compare(torch, here, there, [uniform(*shape)], second=False)
    assert repr(here) == repr(there)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_an_unpooling_layer_is_its_function_and_shows_as_torchs(d, device):
    here, there = (
        getattr(library, f"MaxUnpool{d}d")(3, stride=2, padding=1) for library in (nn, torch.nn)
    )
    assert repr(here) == repr(there)
    pool = getattr(torch.nn, f"MaxPool{d}d")(3, stride=2, padding=1, return_indices=True)
    x = torch.tensor(normal(*SHAPES[d]))
    y, at = (t.numpy() for t in pool(x))
    compare(torch, here, there, [y, at], output_size=SHAPES[d][2:])


@pytest.mark.parametrize("d", [2, 3])
def test_a_fractional_layer_is_its_function_and_shows_as_torchs(d, device):
    x, u = normal(2, 3, *(8,) * d), uniform(2, 3, d, seed=1)
    here, there = (
        getattr(library.nn, f"FractionalMaxPool{d}d")(
            2, output_ratio=0.5, _random_samples=library.tensor(u)
        )
        for library in (lucid, torch)
    )
    compare(torch, here, there, [x])
    assert repr(here) == repr(there)
    assert list(here.state_dict()) == list(there.state_dict())
    assert (here.output_ratio, here.output_size) == (there.output_ratio, there.output_size)


def test_a_fractional_layer_wants_one_kind_of_size():
    with pytest.raises(ValueError, match="FractionalMaxPool2d: either output_size or output_ratio"):
        nn.FractionalMaxPool2d(2)
    with pytest.raises(ValueError, match="FractionalMaxPool2d: output_ratio must be between 0 and"):
        nn.FractionalMaxPool2d(2, output_ratio=1.5)

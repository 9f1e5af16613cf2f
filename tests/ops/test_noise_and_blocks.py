"""Gaussian dropout and DropBlock: what they do to numbers, and that they follow dropout's rules."""

import copy
import pickle

import numpy
import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F

MAKE = {
    "gaussian_dropout": lambda x, **more: F.gaussian_dropout(x, 0.4, **more),
    "drop_block2d": lambda x, **more: F.drop_block2d(x, 0.3, 3, **more),
    "drop_block3d": lambda x, **more: F.drop_block3d(x, 0.3, 2, **more),
}
SHAPES = {
    "gaussian_dropout": (8, 5, 9),
    "drop_block2d": (4, 3, 12, 10),
    "drop_block3d": (2, 3, 6, 8, 7),
}
each = pytest.mark.parametrize("name", MAKE)


def drawn(name, x, seed=0, **more):
    return MAKE[name](x, generator=lucid.Generator().manual_seed(seed), **more)


@each
def test_the_gradient_is_what_forward_multiplied_with(name, device):
    x = lucid.ones(*SHAPES[name], dtype=lucid.float64, requires_grad=True)
    y = drawn(name, x)
    y.sum().backward()
    assert (x.grad == y.detach()).all().item()


@each
def test_numbers_depend_on_seed_and_place_not_on_memory_layout_or_device(name, device):
    shape = SHAPES[name]
    values = numpy.random.default_rng(0).normal(size=shape).astype("float32")
    y = drawn(name, lucid.tensor(values)).cpu().numpy()
    turned = lucid.tensor(numpy.ascontiguousarray(values.T)).permute(*range(len(shape))[::-1])
    assert (drawn(name, turned).cpu().numpy() == y).all()
    on_cpu = drawn(name, lucid.tensor(values, device="cpu")).numpy()
    if name == "gaussian_dropout":  # normal numbers agree to a few ulp between devices
        numpy.testing.assert_allclose(y, on_cpu, rtol=1e-5, atol=1e-6)
    else:
        assert (y == on_cpu).all()
    assert not (drawn(name, lucid.tensor(values), seed=1).cpu().numpy() == y).all()


@each
def test_every_dtype_has_the_same_numbers(name, device):
    wide = drawn(name, lucid.ones(*SHAPES[name])).double().cpu().numpy()
    for dtype, digits in ((lucid.float64, 1e-6), (lucid.float16, 1e-3), (lucid.bfloat16, 8e-3)):
        y = drawn(name, lucid.ones(*SHAPES[name], dtype=dtype))
        assert y.dtype is dtype
        numpy.testing.assert_allclose(y.double().cpu().numpy(), wide, rtol=digits, atol=digits)


@each
def test_in_place_is_really_in_place(name, device):
    x = lucid.ones(*SHAPES[name])
    expected = drawn(name, x.clone())
    before = x._version
    y = drawn(name, x, inplace=True)
    assert y is x
    assert x._version == before + 1
    assert (x == expected).all().item()


@each
def test_nothing_is_drawn_where_nothing_is_random(name, device):
    generator = lucid.Generator().manual_seed(0)
    x = lucid.ones(*SHAPES[name])
    assert MAKE[name](x, training=False, generator=generator) is x
    empty = lucid.ones(0, *SHAPES[name][1:])
    assert MAKE[name](empty, generator=generator) is empty
    function = getattr(F, name)
    rest = () if name == "gaussian_dropout" else (3,)
    assert function(x, 0.0, *rest, generator=generator) is x
    assert generator.get_offset() == 0


def test_gaussian_noise_has_mean_1_and_the_variance_of_dropout(device):
    n, p = 400_000, 0.3
    y = F.gaussian_dropout(lucid.ones(n, dtype=lucid.float64), p).cpu().numpy()
    variance = p / (1 - p)
    assert abs(y.mean() - 1) < 5 * (variance / n) ** 0.5
    assert abs(y.var() - variance) < 5 * variance * (2 / n) ** 0.5  # of a normal sample's variance


def test_what_is_dropped_is_squares(device):
    """Of side 3; the number kept is what the factor says."""
    y = F.drop_block2d(lucid.ones(6, 4, 16, 16), 0.1, 3).cpu().numpy()
    drop = y == 0
    whole = numpy.lib.stride_tricks.sliding_window_view(drop, (3, 3), (2, 3)).all((-1, -2))
    covered = numpy.zeros_like(drop)
    for i, j in numpy.ndindex(3, 3):
        covered[:, :, i : i + 14, j : j + 14] |= whole
    assert drop.any()
    assert (covered == drop).all()
    assert numpy.unique(y[~drop]) == pytest.approx([drop.size / (~drop).sum()], rel=1e-6)


def test_about_a_fraction_p_is_dropped(device):
    """Blocks overlap, so a little less than p: (1 - gamma)^9 of the inner pixels are kept."""
    n, p, side = 200, 0.2, 3
    y = F.drop_block2d(lucid.ones(n, 10, 20, 20), p, side).cpu().numpy()
    gamma = p * 400 / (9 * 18 * 18)
    inner = (y[:, :, 2:-2, 2:-2] == 0).mean()
    count = n * 10 * 256
    # A square of 9 pixels falls as one: 9 times the variance of pixels that fall alone.
    five_sigma = 5 * (9 * p * (1 - p) / count) ** 0.5
    assert abs(inner - (1 - (1 - gamma) ** 9)) < five_sigma


def test_a_block_as_large_as_the_image_drops_whole_channels(device):
    y = F.drop_block2d(lucid.ones(100, 4, 3, 5), 0.4, 7).cpu().numpy().reshape(100, 4, 5, 3)
    side = 3  # cut to the smaller side: three squares stand next to each other in 3 x 5
    assert y.shape[-1] == side
    assert 0 < (y == 0).mean() < 1


def test_a_dropped_nan_leaves_no_trace(device):
    x = lucid.full((4, 2, 8, 8), float("nan"), requires_grad=True)
    y = F.drop_block2d(x, 0.5, 2)
    assert (y == 0).any().item()
    y.sum().backward()
    assert (x.grad[y == 0] == 0).all().item()
    assert x.grad.isfinite().all().item()


@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (2, 3, 6, 6, 6)], ids=str)
def test_the_mask_is_drawn_again_when_read(shape, device):
    layer = getattr(nn, f"DropBlock{len(shape) - 2}d")(0.3, 3)
    assert layer.mask is None
    x = lucid.ones(*shape)
    y = layer(x)
    assert (layer.mask == (y != 0)).all().item()
    assert layer.mask.dtype is x.dtype
    layer.eval()
    assert layer(x) is x
    assert layer.mask is None


def test_the_noise_is_drawn_again_when_read(device):
    layer = nn.GaussianDropout(0.3)
    assert layer.noise is None
    y = layer(lucid.ones(5, 7))
    assert (layer.noise == y).all().item()
    assert pickle.loads(pickle.dumps(layer)).noise is None
    layer.eval()
    layer(y)
    assert layer.noise is None


def test_layers_show_their_settings_and_can_be_copied():
    assert repr(nn.GaussianDropout(0.2)) == "GaussianDropout(p=0.2, inplace=False)"
    layer = copy.deepcopy(nn.DropBlock2d(0.1, 5, inplace=True))
    assert repr(layer) == "DropBlock2d(p=0.1, block_size=5, inplace=True)"
    assert repr(nn.DropBlock3d(0.1, 5)) == "DropBlock3d(p=0.1, block_size=5, inplace=False)"


def test_settings_are_checked_when_a_layer_is_made():
    with pytest.raises(ValueError, match="GaussianDropout: p must be below 1"):
        nn.GaussianDropout(1.0)
    with pytest.raises(ValueError, match=r"DropBlock2d: p must be in \[0, 1\]; got -0.1"):
        nn.DropBlock2d(-0.1, 3)
    with pytest.raises(ValueError, match="DropBlock3d: block_size must be a positive integer"):
        nn.DropBlock3d(0.1, 0)

"""grid_sample and affine_grid are PyTorch's: values and gradients of all modes and paddings."""

import numpy
import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from tests.against_torch import compare, normal, uniform

torch = pytest.importorskip("torch")
F, T = lucid.nn.functional, torch.nn.functional
PADDINGS = ["zeros", "border", "reflection"]
IMAGE, POINTS = normal(2, 3, 5, 4), uniform(2, 3, 6, 2, low=-2.5, high=2.5)
VOLUME, POINTS3 = normal(2, 2, 3, 5, 4), uniform(2, 2, 3, 4, 3, low=-2.0, high=2.0)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align", [True, False])
def test_images_are_sampled_as_torchs(mode, padding, align, device):
    kwargs = {"mode": mode, "padding_mode": padding, "align_corners": align}
    compare(torch, F.grid_sample, T.grid_sample, [IMAGE, POINTS], second=False, **kwargs)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align", [True, False])
def test_volumes_are_sampled_as_torchs(mode, padding, align, device):
    kwargs = {"mode": mode, "padding_mode": padding, "align_corners": align}
    compare(torch, F.grid_sample, T.grid_sample, [VOLUME, POINTS3], second=False, **kwargs)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align", [True, False])
def test_points_on_borders_and_elements_are_sampled_as_torchs(mode, padding, align, device):
    """On a kink the gradient is one of two; it is PyTorch's."""
    line = numpy.array([-1.5, -1.25, -1.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.0, 1.25, 1.5])
    grid = numpy.stack(numpy.meshgrid(line, line), -1)[None]
    kwargs = {"mode": mode, "padding_mode": padding, "align_corners": align}
    compare(torch, F.grid_sample, T.grid_sample, [normal(1, 2, 4, 4), grid], second=False, **kwargs)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_second_gradients_agree_with_differences(mode, padding, device):
    """PyTorch has none to compare with."""
    x = lucid.tensor(normal(1, 2, 3, 3), requires_grad=True)
    grid = lucid.tensor(uniform(1, 2, 2, 2, low=-1.4, high=1.4, seed=2), requires_grad=True)

    def sampled(x, grid):
        return F.grid_sample(x, grid, mode, padding, align_corners=False)

    assert gradcheck(sampled, [x, grid])
    assert gradgradcheck(sampled, [x, grid])


def test_a_point_nowhere_has_no_value_and_no_gradient(device):
    x = lucid.ones(1, 1, 3, 3, requires_grad=True)
    bad = [[float("nan"), 0.0], [float("inf"), 0.0], [0.0, -float("inf")], [1e30, 0.0]]
    grid = lucid.tensor([[bad]], requires_grad=True)
    y = F.grid_sample(x, grid)
    assert y.tolist() == [[[[0.0, 0.0, 0.0, 0.0]]]]
    y.sum().backward()
    assert (grid.grad == 0).all().item()
    assert (x.grad == 0).all().item()


def test_what_is_outside_is_not_multiplied_by_zero(device):
    x = lucid.tensor([[[[float("inf"), 1.0], [1.0, 1.0]]]])
    y = F.grid_sample(x, lucid.tensor([[[[3.0, 3.0], [1.0, 1.0]]]]), align_corners=True)
    assert y.tolist() == [[[[0.0, 1.0]]]]


def test_halves_are_computed_in_single_precision(device):
    x, grid = lucid.tensor(IMAGE).half(), lucid.tensor(POINTS).half()
    y = F.grid_sample(x, grid)
    assert y.dtype is lucid.float16
    expected = F.grid_sample(x.float(), grid.float()).half()
    assert (y == expected).all().item()


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")  # PyTorch's, of a dimension of size 1
@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 1, 3), (2, 1, 3, 4, 2)], ids=str)
def test_an_affine_grid_is_torchs(align, size, device):
    d = len(size) - 2
    theta = normal(2, d, d + 1)
    compare(torch, F.affine_grid, T.affine_grid, [theta], size=size, align_corners=align)


def test_the_identity_gives_back_the_image(device):
    x = lucid.tensor(IMAGE)
    for align in (True, False):
        grid = F.affine_grid(lucid.eye(2, 3).double().expand(2, 2, 3), x.shape, align)
        y = F.grid_sample(x, grid, align_corners=align)
        numpy.testing.assert_allclose(y.cpu().numpy(), IMAGE, atol=1e-12)

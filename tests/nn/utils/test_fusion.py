"""Batch normalization folded into the layer before it."""

import inspect

import numpy
import pytest

import lucid
from lucid import nn
from lucid.nn.utils import fusion

torch = pytest.importorskip("torch")

PAIRS = {
    "conv1d": (lambda n: n.Conv1d(2, 4, 3), lambda n: n.BatchNorm1d(4), (2, 2, 7)),
    "conv2d": (lambda n: n.Conv2d(2, 4, 3, groups=2), lambda n: n.BatchNorm2d(4), (2, 2, 5, 5)),
    "no-bias": (lambda n: n.Conv2d(2, 4, 3, bias=False), lambda n: n.BatchNorm2d(4), (2, 2, 5, 5)),
    "plain-norm": (
        lambda n: n.Conv2d(2, 4, 3), lambda n: n.BatchNorm2d(4, affine=False), (2, 2, 5, 5),
    ),
    "transposed": (
        lambda n: n.ConvTranspose2d(2, 4, 3), lambda n: n.BatchNorm2d(4), (2, 2, 5, 5),
    ),
    "linear": (lambda n: n.Linear(3, 4), lambda n: n.BatchNorm1d(4), (5, 3)),
    "linear-no-bias": (lambda n: n.Linear(3, 4, bias=False), lambda n: n.BatchNorm1d(4), (5, 3)),
}  # fmt: skip


def fill(module, framework):
    with framework.no_grad():
        for i, t in enumerate(module.state_dict().values()):
            if t.ndim:
                values = numpy.cos(i + numpy.arange(t.numel())).reshape(tuple(t.shape))
                t.copy_(framework.tensor(values + (1.5 if t.ndim == 1 else 0)))
    return module.double().eval()


def fuse(utils, layer, norm, name):
    if name.startswith("linear"):
        return utils.fuse_linear_bn_eval(layer, norm)
    return utils.fuse_conv_bn_eval(layer, norm, transpose=name == "transposed")


@pytest.mark.parametrize("name", PAIRS)
def test_the_fused_layer_does_what_both_did_and_is_pytorchs(name, device):
    make, make_norm, shape = PAIRS[name]
    layer, norm = fill(make(nn), lucid), fill(make_norm(nn), lucid)
    fused = fuse(nn.utils, layer, norm, name)
    x = lucid.randn(shape, dtype=lucid.float64)
    assert fused(x).allclose(norm(layer(x)), rtol=1e-10, atol=1e-12)
    other = fuse(
        torch.nn.utils, fill(make(torch.nn), torch), fill(make_norm(torch.nn), torch), name
    )
    for key in ("weight", "bias"):
        mine, expected = getattr(fused, key), getattr(other, key)
        numpy.testing.assert_allclose(
            mine.detach().cpu().numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-14
        )
        assert mine.requires_grad == expected.requires_grad
    assert type(fused) is type(layer)


def test_the_layers_themselves_stay(device):
    layer, norm = fill(nn.Conv1d(1, 1, 1), lucid), fill(nn.BatchNorm1d(1), lucid)
    before = layer.weight.tolist()
    nn.utils.fuse_conv_bn_eval(layer, norm)
    assert layer.weight.tolist() == before


def test_a_frozen_layer_stays_frozen_and_keeps_its_type():
    layer = nn.Conv1d(1, 1, 1).half().eval().requires_grad_(False)
    fused = nn.utils.fuse_conv_bn_eval(layer, nn.BatchNorm1d(1).eval())
    assert not fused.weight.requires_grad
    assert (fused.weight.dtype, fused.bias.dtype) == (lucid.float16, lucid.float16)


@pytest.mark.parametrize("name", fusion.__all__)
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
        for f in (getattr(fusion, name), getattr(torch.nn.utils, name))
    )
    assert mine == other


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda u: u.fuse_conv_bn_eval(nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1)), "evaluation mode"),
        (
            lambda u: u.fuse_conv_bn_eval(
                nn.Conv1d(1, 1, 1).eval(), nn.BatchNorm1d(1, track_running_stats=False).eval()
            ),
            "running statistics; got none",
        ),
        (
            lambda u: u.fuse_linear_bn_eval(nn.Linear(1, 3).eval(), nn.BatchNorm1d(2).eval()),
            "as many features as the layer has outputs, 3, or 1; got 2",
        ),
    ],
)
def test_what_can_not_be_fused_is_refused_in_a_sentence(make, text):
    with pytest.raises(ValueError, match=text):
        make(nn.utils)

"""What fused layers keep, refuse, warn of and differentiate: as the layers one by one."""

import re

import numpy
import pytest

import lucid
from lucid import nn
from lucid.utils.checkpoint import checkpoint
from tests.cuda.fusing import (
    NORM,
    C,
    N,
    image,
    learned,
    nodes,
    ops,
    relu_chain,
)
from tests.cuda.fusing import apart as apart
from tests.cuda.fusing import own_kernels as own_kernels


def kept(y):
    """Elements that the graph of y holds for backward, by size."""
    saved = [entry for node in nodes(y) for entry in getattr(node, "_saved", None) or ()]
    return sorted(entry.array.size for entry in saved if hasattr(entry, "array"))


def test_what_is_kept_for_backward(apart, cuda):
    """x, and per channel mean, var, w and a copy of b; relu's output no more."""
    x = image()
    assert kept(relu_chain().cuda()(x)) == [C] * 4 + [x.numel()]
    assert kept(nn.Sequential(nn.SELU(), nn.AlphaDropout()).cuda()(x)) == [x.numel()]
    apart()
    assert kept(relu_chain().cuda()(x)) == [C] * 3 + [x.numel()] * 2


def gradients(model, x, change):
    lucid.manual_seed(3)
    y = model(x)
    change(y)
    dy = lucid.tensor(numpy.random.default_rng(2).normal(size=y.shape), device="cuda").float()
    y.backward(dy)
    return [t.grad.cpu().numpy() for t in (x, *model.parameters())]


def test_the_output_may_be_overwritten_as_that_of_dropout_may(apart, cuda):
    def doubled(y):
        y.mul_(2.0)

    found = gradients(learned(relu_chain()), image(), doubled)
    apart()
    for a, b in zip(found, gradients(learned(relu_chain()), image(), doubled), strict=True):
        numpy.testing.assert_array_equal(a, b)


def test_backward_does_not_see_a_later_change_of_the_bias(apart, cuda):
    found = []
    for _ in range(2):
        model = learned(relu_chain())

        def change(y, model=model):
            with lucid.no_grad():
                model[0].bias.add_(3.0)

        found.append(gradients(model, image(), change))
        apart()
    for a, b in zip(*found, strict=True):
        numpy.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("changed", ["input", "weight"])
def test_a_later_change_of_what_is_kept_is_an_error(changed, cuda):
    model = relu_chain().cuda()
    x = image() * 1
    y = model(x)
    with lucid.no_grad():
        (x if changed == "input" else model[0].weight).add_(1.0)
    with pytest.raises(lucid.errors.GradError, match="modified in place"):
        y.sum().backward()


WRONG = {
    "channels": ((N, C + 1, 4, 4), {}, r"weight must be|running_mean must be"),
    "dimensions": ((N, C, 4), {}, r"BatchNorm2d: x must be \(N, C, H, W\)"),
    "one value": ((1, C, 1, 1), {}, "more than 1 value per channel"),
    "no float": ((N, C, 4, 4), {"dtype": lucid.int64}, "float"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_layer_refuses_it_refuses_in_its_own_name(what, cuda):
    shape, kwargs, message = WRONG[what]
    model = nn.Sequential(nn.Identity(), *relu_chain()).cuda()
    x = lucid.ones(shape, device="cuda", **kwargs)
    before = lucid.get_rng_state().tolist()
    with pytest.raises((lucid.errors.LucidError, ValueError), match=message) as caught:
        model(x)
    assert caught.value.__notes__ == ["in layer 1 (BatchNorm2d) of Sequential"]
    assert lucid.get_rng_state().tolist() == before
    assert int(model[1].num_batches_tracked) == 0


def test_an_error_in_the_fused_op_names_the_first_layer(cuda, monkeypatch):
    def full(*args):
        raise MemoryError("no memory left")

    monkeypatch.setattr(cuda.kernels, "training_statistics", full)
    model = nn.Sequential(nn.Sequential(nn.Identity(), *relu_chain())).cuda()
    with pytest.raises(MemoryError) as caught:
        model(image())
    assert caught.value.__notes__ == ["in layer 0.1 (BatchNorm2d) of Sequential"]


def test_a_wrong_p_is_refused_as_ever(cuda):
    model, x = relu_chain().cuda(), image()
    model[2].p = 1.5
    with pytest.raises(ValueError, match=re.escape("dropout2d: p must be in [0, 1]; got 1.5")):
        model(x)


def test_dropout2d_warns_of_other_shapes_as_ever(cuda):
    model = nn.Sequential(nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout2d(0.3)).cuda()
    with pytest.warns(UserWarning, match="dropout2d: x should be"):
        assert ops(model(image(N, C, 5))) == [NORM]


def test_without_gradients(apart, cuda):
    model, x = learned(relu_chain()), image()
    found = []
    for _ in range(2):
        lucid.manual_seed(1)
        with lucid.no_grad():
            found.append(model(x).cpu().numpy())
        apart()
    numpy.testing.assert_array_equal(*found)


def test_recomputation_drops_the_same(apart, cuda):
    found = []
    for _ in range(2):
        model, x = learned(nn.Sequential(nn.Conv2d(C, C, 1), *relu_chain())), image()
        lucid.manual_seed(4)
        checkpoint(model, x, use_reentrant=False).square().sum().backward()
        found.append([t.grad.cpu().numpy() for t in (x, *model.parameters())])
        apart()
    for a, b in zip(*found, strict=True):
        numpy.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["relu", "selu"])
def test_second_derivatives_are_those_of_the_layers(kind, apart, cuda):
    found = []
    for _ in range(2):
        chain = (
            relu_chain()
            if kind == "relu"
            else nn.Sequential(nn.SELU(), nn.FeatureAlphaDropout(0.3))
        )
        model, x = learned(chain.double()), image(dtype=lucid.float64)
        lucid.manual_seed(6)
        parameters = [x, *model.parameters()]
        y = model(x)
        first = lucid.autograd.grad((y * y * y).sum(), parameters, create_graph=True)
        second = lucid.autograd.grad(sum((g * g).sum() for g in first), parameters)
        found.append([t.detach().cpu().numpy() for t in (*first, *second)])
        apart()
    for a, b in zip(*found, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * numpy.abs(b).max())

"""Layers that run one by one, because somebody could tell; and what may still be fused."""

import numpy
import pytest

import lucid
from lucid import nn
from tests.cuda.fusing import (
    NORM,
    NORM_DROP,
    SELU,
    C,
    compare,
    image,
    learned,
    ops,
    relu_chain,
    steps,
)
from tests.cuda.fusing import apart as apart
from tests.cuda.fusing import own_kernels as own_kernels


def watched(kind):
    def make(model):
        getattr(model, f"register_{kind}")(lambda *args: None)

    return make


class OwnRelu(nn.ReLU):
    pass


def own_forward(layer):
    layer.forward = type(layer).forward.__get__(layer)


ALONE = {
    "forward hook": watched("forward_hook"),
    "forward pre-hook": watched("forward_pre_hook"),
    "backward hook": watched("full_backward_hook"),
    "backward pre-hook": watched("full_backward_pre_hook"),
    "a forward of its own": own_forward,
}


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("why", ALONE)
def test_a_layer_that_somebody_watches_runs_alone(why, layer, apart, cuda):
    def make():
        model = relu_chain()
        ALONE[why](model[layer])
        return model

    compare(make, image(), apart, [NORM] if layer == 2 else [])


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("why", ALONE)
def test_a_watched_selu_or_its_dropout_runs_alone(why, layer, apart, cuda):
    def make():
        model = nn.Sequential(nn.SELU(), nn.AlphaDropout(0.2))
        ALONE[why](model[layer])
        return model

    compare(make, image(), apart, [])


def test_a_hook_sees_what_is_between(cuda):
    seen = []
    model = relu_chain().cuda()
    model[1].register_forward_hook(lambda module, args, y: seen.append((args[0], y)))
    model(image())
    ((y, z),) = seen
    assert (z.detach().cpu().numpy() == numpy.maximum(y.detach().cpu().numpy(), 0)).all()


def test_subclasses_run_alone(cuda):
    class Norm(nn.BatchNorm2d):
        def forward(self, input):
            return super().forward(input) + 1

    class Drop(nn.Dropout2d):
        pass

    x = image()
    assert ops(nn.Sequential(Norm(C), nn.ReLU(), nn.Dropout2d()).cuda()(x)) == []
    assert ops(nn.Sequential(nn.BatchNorm2d(C), OwnRelu(), nn.Dropout2d()).cuda()(x)) == []
    assert ops(nn.Sequential(nn.BatchNorm2d(C), nn.ReLU(), Drop()).cuda()(x)) == [NORM]


def test_a_class_whose_forward_was_replaced_runs_alone(cuda, monkeypatch):
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, input: input.abs())
    y = relu_chain().cuda()(image())
    assert ops(y) == [] and "Abs" in repr(y.grad_fn.next_functions)


@pytest.mark.parametrize("layer, expected", [(0, []), (1, [NORM_DROP]), (2, [NORM])])
def test_modes_of_single_layers(layer, expected, apart, cuda):
    """Frozen statistics with dropout, statistics without dropout; relu has no mode."""

    def make():
        model = relu_chain()
        model[layer].eval()
        return model

    compare(make, image(), apart, expected)


def test_in_evaluation_nothing_is_fused(apart, cuda):
    compare(lambda: relu_chain().eval(), image(), apart, [])
    x = image()
    assert ops(nn.Sequential(nn.SELU(), nn.AlphaDropout(0.3)).cuda().eval()(x)) == []


def test_not_on_the_cpu(cuda):
    with lucid.device("cpu"):
        assert ops(relu_chain()(image().detach().cpu().requires_grad_())) == []


def test_not_under_anomaly_detection_which_names_ops(cuda):
    model, x = relu_chain().cuda(), image()
    with lucid.autograd.detect_anomaly():
        assert ops(model(x)) == []
    assert ops(model(x)) == [NORM_DROP]


def test_selu_in_place_writes_to_its_input(apart, cuda):
    model = nn.Sequential(nn.SELU(inplace=True), nn.AlphaDropout(0.3))
    x = image()
    given = x * 1
    y = model(given)
    assert ops(y) == [] and (given.detach() != x.detach()).any()


def test_dropout_in_place_of_what_nobody_sees(cuda):
    """Apart, backward refuses this, as relu's gradient needs its output; here there is none."""
    found = []
    for inplace in (False, True):
        model = relu_chain()
        model[2].inplace = inplace
        expected, shown, _ = steps(learned(model), image())
        assert expected == [NORM_DROP]
        found.append(shown)
    for name, theirs in found[0].items():
        numpy.testing.assert_array_equal(found[1][name].numpy(), theirs.numpy())


def test_a_generator_of_its_own(apart, cuda):
    def make():
        own = [lucid.Generator().manual_seed(seed) for seed in (9, 8)]
        drop = nn.Dropout2d(0.3, generator=own[0])
        last = nn.FeatureAlphaDropout(0.3, generator=own[1])
        return nn.Sequential(nn.BatchNorm2d(C), nn.ReLU(), drop, nn.SELU(), last)

    compare(make, image(), apart, [SELU, NORM_DROP])


def test_a_sequential_with_a_forward_of_its_own(cuda):
    class Reversed(nn.Sequential):
        def forward(self, input):
            for module in reversed(self):
                input = module(input)
            return input

    model = Reversed(nn.Dropout2d(0.3), nn.ReLU(), nn.BatchNorm2d(C)).cuda()
    assert ops(model(image())) == []


def test_a_replaced_layer_counts_from_the_next_call(cuda):
    model, x = relu_chain().cuda(), image()
    assert ops(model(x)) == [NORM_DROP]
    model[1] = nn.Tanh()
    assert ops(model(x)) == []
    model[1] = nn.ReLU()
    model.append(nn.SELU())
    model.append(nn.AlphaDropout(0.1))
    assert ops(model(x)) == [SELU, NORM_DROP]


def test_a_layer_that_a_hook_replaces_counts_at_once(cuda):
    model, x = nn.Sequential(nn.Identity(), *relu_chain()).cuda(), image()
    model[0].register_forward_hook(lambda *args: model.__setitem__(2, nn.Tanh()))
    assert ops(model(x)) == []

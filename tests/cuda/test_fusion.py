"""Neighbours in a Sequential that run as one: the same masks, numbers and manners as one by one."""

import copy
import re

import numpy
import pytest

import lucid
from lucid import nn
from lucid.backend.cuda import options
from lucid.utils.checkpoint import checkpoint
from tests.kernels.agreement import CLOSE

NORM, NORM_DROP, SELU = "NormReluDropout", "NormReluDropout with a key", "SeluDropout"
N, C = 4, 8


@pytest.fixture(autouse=True)
def own_kernels(monkeypatch):
    """cuDNN's batch norm adds in another order; with lucid's own there is one answer."""
    monkeypatch.setattr(options.cudnn, "batch_norm", False)


@pytest.fixture
def apart(monkeypatch):
    """Call it, and fusion is off for the rest of the test."""
    return lambda: monkeypatch.setattr(lucid.backends.fusion, "enabled", False)


def image(*shape, dtype=lucid.float32, order=lucid.contiguous_format, seed=0):
    values = numpy.random.default_rng(seed).normal(size=shape or (N, C, 4, 6)) * 2
    x = lucid.tensor(values, device="cuda").to(dtype)
    x = x.contiguous(memory_format=order) if x.ndim == 4 else x
    return x.detach().requires_grad_()


def ops(y):
    """The fused ops in y's graph, last first."""
    found = [n for n in nodes(y) if type(n).__name__ in (NORM, SELU)]
    return [NORM_DROP if n.key and n.name() == NORM else n.name() for n in found]


def nodes(y):
    """The graph of y, from its end to its beginnings."""
    found, ahead = [], [y.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in found:
            found.append(node)
            ahead += [edge[0] for edge in getattr(node, "edges", ()) if edge is not None]
    return found


def relu_chain(p=0.3, **kwargs):
    return nn.Sequential(nn.BatchNorm2d(C), nn.ReLU(), nn.Dropout2d(p), **kwargs)


def learned(model):
    """Weights and running statistics that are not 0 and 1."""
    rng = numpy.random.default_rng(1)
    with lucid.no_grad():
        for t in [*model.parameters(), *model.buffers()]:
            if t.is_floating_point():
                t.copy_(lucid.tensor(rng.uniform(0.5, 1.5, t.shape)))
    return model.cuda()


def steps(model, x, count=2):
    """All that training steps show: outputs, gradients, masks, statistics, how much was drawn."""
    lucid.manual_seed(5)
    shown = {}
    for i in range(count):
        x.grad = None
        model.zero_grad()
        y = model(x)
        shown[f"y{i}"] = y.detach()
        (y * y).sum().backward()
        shown[f"dx{i}"] = x.grad
        shown.update({f"{n}.grad{i}": p.grad for n, p in model.named_parameters()})
        masks = [(n, m.mask) for n, m in model.named_modules() if hasattr(m, "mask")]
        shown.update({f"{n}.mask{i}": mask for n, mask in masks})
    shown.update(model.state_dict())
    shown["next number"] = lucid.rand(1)
    versions = {n: b._version for n, b in model.named_buffers()}
    return ops(y), {k: None if t is None else t.cpu() for k, t in shown.items()}, versions


def compare(make, x, apart, expected, count=2):
    together = steps(learned(make()), x, count)
    apart()
    alone = steps(learned(make()), x, count)
    assert (together[0], alone[0]) == (expected, [])
    assert together[2] == alone[2]
    assert together[1].keys() == alone[1].keys()
    for name, theirs in alone[1].items():
        ours = together[1][name]
        if theirs is None:
            assert ours is None, name
            continue
        assert (ours.dtype, ours.shape, ours.stride()) == (
            theirs.dtype,
            theirs.shape,
            theirs.stride(),
        )
        a, b = (t.double().numpy() for t in (ours, theirs))
        if x.dtype in (lucid.float16, lucid.bfloat16) and "mask" not in name:
            # Rounded once, not after each layer; so backward starts from other halves.
            close = 8 * CLOSE[str(x.dtype).removeprefix("lucid.")]
            numpy.testing.assert_allclose(a, b, atol=close * max(1, abs(b).max()), err_msg=name)
        else:
            numpy.testing.assert_array_equal(a, b, err_msg=name)


ORDERS = ["contiguous_format", "channels_last"]
DTYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_norm_relu_dropout2d_is_one_op(dtype, order, apart, cuda):
    kind = getattr(lucid, dtype)
    x = image(dtype=kind, order=getattr(lucid, order))
    compare(lambda: relu_chain().to(kind), x, apart, [NORM_DROP])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_with_float32_parameters(dtype, apart, cuda):
    compare(relu_chain, image(dtype=getattr(lucid, dtype)), apart, [NORM_DROP])


def norm(**kwargs):
    return nn.BatchNorm2d(C, **kwargs)


IMAGE, PIXELS, ROWS, LINES, CUBE = (N, C, 4, 6), (N, C, 1, 1), (N, C), (N, C, 5), (N, C, 2, 3, 2)
CHAINS = {
    "1d": (LINES, [nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout1d(0.3)], [NORM_DROP]),
    "rows": (ROWS, [nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout(0.3)], [NORM_DROP]),
    "3d": (CUBE, [nn.BatchNorm3d(C), nn.ReLU(), nn.Dropout3d(0.3)], [NORM_DROP]),
    "a pixel each": (PIXELS, [norm(), nn.ReLU(), nn.Dropout(0.3)], [NORM_DROP]),
    "no dropout": (IMAGE, [norm(), nn.ReLU()], [NORM]),
    "dropout of elements": (IMAGE, [norm(), nn.ReLU(), nn.Dropout(0.3)], [NORM]),
    "dropout of samples": (ROWS, [nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout1d(0.3)], [NORM]),
    "p = 0": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(0.0)], [NORM]),
    "p = 1": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(1.0)], [NORM]),
    "tiny p": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(1e-12)], [NORM_DROP]),
    "p near 1": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(1 - 2**-40)], [NORM_DROP]),
    "in place": (IMAGE, [norm(), nn.ReLU(True), nn.Dropout2d(0.3)], [NORM_DROP]),
    "no affine": (IMAGE, [norm(affine=False), nn.ReLU(), nn.Dropout2d()], [NORM_DROP]),
    "no bias": (IMAGE, [norm(bias=False), nn.ReLU(), nn.Dropout2d()], [NORM_DROP]),
    "average": (IMAGE, [norm(momentum=None), nn.ReLU(), nn.Dropout2d()], [NORM_DROP]),
    "untracked": (IMAGE, [norm(track_running_stats=False), nn.ReLU()], [NORM]),
    "own settings": (IMAGE, [norm(eps=0.1, momentum=0.7), nn.ReLU()], [NORM]),
    "something between": (IMAGE, [norm(), nn.ReLU(), nn.Tanh(), nn.Dropout2d()], [NORM]),
    "twice": (IMAGE, 2 * [norm(), nn.ReLU(), nn.Dropout2d(0.3)], 2 * [NORM_DROP]),
    "alpha": (LINES, [nn.SELU(), nn.AlphaDropout(0.3)], [SELU]),
    "alpha of rows": (ROWS, [nn.SELU(), nn.AlphaDropout(0.3)], [SELU]),
    "feature": (LINES, [nn.SELU(), nn.FeatureAlphaDropout(0.3)], [SELU]),
    "feature of rows": (ROWS, [nn.SELU(), nn.FeatureAlphaDropout(0.3)], [SELU]),
    "alpha in place": (ROWS, [nn.SELU(), nn.AlphaDropout(0.3, inplace=True)], [SELU]),
    "alpha p = 0": (ROWS, [nn.SELU(), nn.AlphaDropout(0.0)], []),
    "alpha p = 1": (ROWS, [nn.SELU(), nn.AlphaDropout(1.0)], []),
    "dropout after selu": (ROWS, [nn.SELU(), nn.Dropout(0.3)], []),
}


@pytest.mark.parametrize("what", CHAINS)
def test_every_chain(what, apart, cuda):
    """``twice``: the same three layers stand there twice, and a mask is that of the last call."""
    shape, layers, expected = CHAINS[what]
    compare(lambda: nn.Sequential(*copy.deepcopy(layers)), image(*shape), apart, expected)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dropout", [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_selu_and_its_dropouts_are_one_op(dropout, dtype, order, apart, cuda):
    x = image(dtype=getattr(lucid, dtype), order=getattr(lucid, order))
    compare(lambda: nn.Sequential(nn.SELU(), dropout(0.3)), x, apart, [SELU])


def test_dropout_of_many_single_elements_runs_alone(cuda, monkeypatch):
    from lucid.nn import fusion

    monkeypatch.setattr(fusion, "_MOST_SINGLE", N * C - 1)
    model = nn.Sequential(nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout(0.3)).cuda()
    assert ops(model(image(N, C))) == [NORM]


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

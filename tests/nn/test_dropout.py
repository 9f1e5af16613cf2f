"""The dropout layers: settings, modes, and the mask that is shown without being stored."""

import copy
import inspect
import math
import pickle
import warnings

import numpy as np
import pytest

import lucid
from lucid import nn
from tests.dropout_family import (
    FLOATS,
    MEMBER,
    dropped,
    family,
    next_offset,
    same_bits,
    sample,
    to_numpy,
)
from tests.memory import traced


def make(member, *args, **kwargs):
    return getattr(nn, member.layer)(*args, **kwargs)


def keeps(member, p=0.5, seed=0, offset=0):
    return (~dropped(member.mask, p, seed, offset)).astype(np.float64)


# The mask.


@family
def test_a_fresh_layer_has_no_mask(member):
    assert make(member).mask is None


@family
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_mask_of_a_training_call_is_1_where_kept_and_0_where_dropped(member, dtype, device):
    layer = make(member, 0.3)
    x = sample(member.shape, dtype).requires_grad_()
    layer(x)
    mask = layer.mask
    assert (mask.shape, mask.dtype, mask.device) == (member.mask, x.dtype, x.device)
    assert not mask.requires_grad and mask.grad_fn is None
    assert (to_numpy(mask).astype(np.float64) == keeps(member, 0.3)).all()


@family
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.99])
def test_the_output_is_the_affine_of_the_input_where_the_mask_is_1_bit_for_bit(
    member, dtype, p, device
):
    layer = make(member, p)
    x = sample(member.shape, dtype)
    y = layer(x)
    assert same_bits(y, member.expected(to_numpy(x), to_numpy(layer.mask) == 0, p))


@family
def test_the_gradient_is_scaled_where_the_mask_is_1(member, device):
    layer = make(member, 0.3)
    x, dy = sample(member.shape).requires_grad_(), sample(member.shape, seed=1)
    layer(x).backward(dy)
    scaled = to_numpy(dy) * member.law(0.3)[0]
    assert same_bits(x.grad, np.where(to_numpy(layer.mask) == 1, scaled, 0.0))


@family
def test_an_eval_call_leaves_no_mask_and_the_next_training_call_a_new_one(member, device):
    layer, x = make(member), sample(member.shape)
    layer(x)
    first = layer.mask
    layer.eval()
    assert layer.mask is not None  # the mode was changed; nothing was called yet
    layer(x)
    assert layer.mask is None
    layer.train()(x)
    assert (to_numpy(layer.mask) == keeps(member, offset=math.ceil(first.numel() / 16))).all()


@family
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_p_0_shows_a_mask_of_ones_and_p_1_of_zeros(member, p, device):
    layer = make(member, p)
    layer(sample(member.shape, "float16"))
    assert layer.mask.dtype is lucid.float16
    assert same_bits(layer.mask, np.full(member.mask, 1 - p, np.float16))
    layer(lucid.ones(member.shape, dtype=lucid.int32))
    assert same_bits(layer.mask, np.full(member.mask, int(1 - p), np.int32))


@family
def test_an_empty_batch_has_a_mask_of_its_shape(member, device):
    layer = make(member)
    layer(lucid.ones(0, *member.shape[1:]))
    assert layer.mask.shape == (0, *member.mask[1:])


@pytest.mark.parametrize(
    "name, shape, mask",
    [
        ("dropout", (), ()),
        ("alpha_dropout", (), ()),
        ("dropout1d", (4, 5), (4, 1)),
        ("dropout3d", (4, 2, 3, 2), (4, 1, 1, 1)),
        ("feature_alpha_dropout", (4, 5), (4, 5)),
        ("feature_alpha_dropout", (4, 5, 2, 2, 2), (4, 5, 1, 1, 1)),
    ],
)
def test_the_mask_has_a_value_for_each_decision(name, shape, mask, device):
    layer = make(MEMBER[name])
    layer(lucid.ones(shape))
    assert layer.mask.shape == mask


@family
def test_reading_the_mask_again_later_draws_the_same(member, device):
    layer, x = make(member), sample(member.shape)
    layer(x)
    first = layer.mask
    offset = next_offset()
    first.fill_(7)  # a tensor of its own
    lucid.manual_seed(99)
    make(member)(x)
    assert (to_numpy(layer.mask) == keeps(member)).all()
    assert offset == math.ceil(math.prod(member.mask) / 16)  # reading took no random numbers


@family
def test_the_mask_can_only_be_read(member, device):
    layer = make(member)
    with pytest.raises(AttributeError):
        layer.mask = lucid.ones(1)


@family
def test_the_mask_is_no_part_of_state_copies_and_pickles(member, device):
    layer = make(member, 0.25, inplace=True)
    layer(sample(member.shape))
    assert layer.state_dict() == {}
    assert not list(layer.parameters()) and not list(layer.buffers())
    layer.load_state_dict({})
    for other in (copy.deepcopy(layer), copy.copy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.mask is None
        assert (other.p, other.inplace, other.training) == (0.25, True, True)
        other(sample(member.shape))
        assert other.mask is not None
    assert layer.mask is not None


# Memory.


@family
def test_a_layer_holds_no_array_between_forward_and_backward(member, one_thread):
    layer = make(member)
    shape = (64, 2**22 // 65_536, *[1] * (len(member.shape) - 3), 1024)  # 16 MiB
    x = lucid.ones(shape, requires_grad=True)
    layer(x).sum().backward()
    x.grad = None
    with traced(__file__) as held:
        before = held()
        y = layer(x)
        layer.mask  # noqa: B018  reading it leaves nothing behind either
        assert held() - before - y.nbytes < 2**11  # the Python objects of a step, and of the output


# Settings and modes.


@family
def test_the_signature_is_pytorch_s_and_a_generator(member):
    torch = pytest.importorskip("torch")
    ours = inspect.signature(getattr(nn, member.layer)).parameters
    theirs = inspect.signature(getattr(torch.nn, member.layer)).parameters
    assert [(p.name, p.default, p.kind) for p in theirs.values()] == [
        (p.name, p.default, p.kind) for p in ours.values() if p.name != "generator"
    ]
    assert ours["generator"].kind is inspect.Parameter.KEYWORD_ONLY


@family
@pytest.mark.parametrize("settings", [{}, {"p": 0.25}, {"inplace": True}, {"p": 1e-3}])
def test_the_repr_is_pytorch_s(member, settings):
    torch = pytest.importorskip("torch")
    assert repr(make(member, **settings)) == repr(getattr(torch.nn, member.layer)(**settings))


@family
@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, -math.inf])
def test_a_p_outside_0_to_1_is_refused_at_once(member, p):
    with pytest.raises(ValueError, match=rf"^{member.layer}: p must be in \[0, 1\]; got {p}"):
        make(member, p)


@family
@pytest.mark.parametrize("p", ["0.5", None, (0.5,)])
def test_a_p_that_is_no_number_is_refused_at_once(member, p):
    with pytest.raises(TypeError, match=rf"^{member.layer}: p must be a number in \[0, 1\]"):
        make(member, p)


@family
def test_a_p_changed_later_is_checked_and_used_at_the_call(member, device):
    layer, x = make(member), sample(member.shape)
    layer.p = 1.5
    with pytest.raises(ValueError, match=rf"^{member}: p must be in \[0, 1\]; got 1.5"):
        layer(x)
    layer.p = 0.25
    assert same_bits(layer(x), member.expected(to_numpy(x), dropped(member.mask, 0.25), 0.25))
    assert f"p=0.25, inplace={layer.inplace}" == layer.extra_repr()


@family
def test_a_layer_computes_its_function(member, device):
    x = sample(member.shape)
    y = make(member, 0.3)(x)
    lucid.manual_seed(0)
    assert same_bits(y, member(x, 0.3))
    assert same_bits(make(member).eval()(x), x)


@family
def test_eval_is_the_identity_and_draws_nothing(member, device):
    layer = make(member, 0.9, inplace=True).eval()
    x = sample(member.shape).requires_grad_()
    assert layer(x) is x
    assert next_offset() == 0
    layer(x * 1).sum().backward()
    assert (to_numpy(x.grad) == 1).all()


@family
def test_train_and_eval_reach_a_layer_inside_a_model(member, device):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(nn.Identity(), nn.Sequential(make(member)))

        def forward(self, x):
            return self.blocks(x)

    model, x = Model(), sample(member.shape)
    assert not same_bits(model(x), x)
    assert model.eval()(x) is x
    assert not same_bits(model.train()(x), x)


@family
def test_inplace_overwrites_the_input(member, device):
    x = sample(member.shape)
    expected = member.expected(to_numpy(x).copy(), dropped(member.mask, 0.5), 0.5)
    assert make(member, inplace=True)(x) is x
    assert same_bits(x, expected)


@family
def test_a_layer_may_have_a_generator_of_its_own(member, device):
    own = lucid.Generator().manual_seed(42)
    layer = make(member, generator=own)
    layer(sample(member.shape))
    assert (to_numpy(layer.mask) == keeps(member, seed=42)).all()
    assert next_offset() == 0
    again = copy.deepcopy(layer)
    first = layer(sample(member.shape))
    assert same_bits(again(sample(member.shape)), first)  # the copy's generator goes on alone


@family
def test_half_and_float64_layers_need_no_conversion(member, device):
    layer = make(member).to(lucid.float64).half()
    assert layer(sample(member.shape, "bfloat16")).dtype is lucid.bfloat16


@family
def test_a_checkpoint_leaves_the_mask_that_forward_drew(member, device):
    from lucid.utils.checkpoint import checkpoint

    layer = make(member)
    x = sample(member.shape).requires_grad_()
    y = checkpoint(layer, x, use_reentrant=False)
    y.sum().backward()  # runs the layer again
    assert (to_numpy(layer.mask) == keeps(member)).all()
    assert ((to_numpy(x.grad) != 0) == np.broadcast_to(keeps(member) != 0, member.shape)).all()


# Shapes that are not the usual ones.

UNUSUAL = [
    ("dropout2d", (7, 9), (7, 9)),
    ("dropout2d", (4, 6, 5), (4, 6, 1)),
    ("dropout2d", (4, 6, 2, 2, 2), (4, 6, 1, 1, 1)),
    ("dropout2d", (4, 6, 2, 2, 2, 2), (4, 6, 1, 1, 1, 1)),
    ("dropout3d", (7, 9), (7, 1)),  # the first dimension is C: PyTorch puts N = 1 before it
    ("dropout3d", (4, 6, 5), (4, 1, 1)),
    ("dropout3d", (4, 6, 2, 2, 2, 2), (4, 1, 1, 1, 1, 1)),
]


@pytest.mark.parametrize("name, shape, mask", UNUSUAL)
def test_an_unusual_shape_is_taken_with_a_warning(name, shape, mask, device):
    layer = make(MEMBER[name])
    with pytest.warns(UserWarning, match=rf"^{name}: x should be \(N, C, .*; got shape") as caught:
        y = layer(lucid.ones(shape))
    assert caught[0].filename == __file__
    assert layer.mask.shape == mask
    assert ((to_numpy(y) != 0) == np.broadcast_to(to_numpy(layer.mask) != 0, shape)).all()
    with pytest.warns(UserWarning) as caught:
        MEMBER[name](lucid.ones(shape))
    assert "tests" in caught[0].filename  # not in lucid


@pytest.mark.parametrize("name, shape, mask", UNUSUAL)
def test_pytorch_drops_the_same_dimensions_together_and_warns_too(name, shape, mask):
    torch = pytest.importorskip("torch")
    layer = getattr(torch.nn, MEMBER[name].layer)()
    torch.manual_seed(0)
    with pytest.warns(UserWarning):
        y = layer(torch.ones(shape)).numpy() != 0
    channels = y.reshape(*[n for n, m in zip(shape, mask, strict=True) if m > 1], -1)
    assert (channels == channels[..., :1]).all()
    assert 0 < y.mean() < 1


@pytest.mark.parametrize(
    "name, shape",
    [
        ("dropout1d", ()),
        ("dropout1d", (4,)),
        ("dropout1d", (4, 3, 2, 2)),
        ("dropout2d", ()),
        ("dropout2d", (4,)),
        ("dropout3d", (4,)),
        ("feature_alpha_dropout", (4,)),
        ("feature_alpha_dropout", ()),
    ],
)
def test_a_shape_without_channels_is_an_error_that_names_the_layer(name, shape, device):
    model = nn.Sequential(nn.Identity(), make(MEMBER[name]))
    with pytest.raises(RuntimeError, match=rf"^{name}: x must be \(N, C, .*; got shape") as caught:
        model(lucid.ones(shape))
    assert isinstance(caught.value, ValueError)
    assert any("layer 1" in note for note in caught.value.__notes__)


@family
def test_the_usual_shapes_are_taken_without_a_warning(member, device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(member)(lucid.ones(member.shape))

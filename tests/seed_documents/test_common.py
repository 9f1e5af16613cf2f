"""Statements R1 to R14: what the five seed documents say of the whole family."""

import inspect

import numpy as np
import pytest

import lucid
from lucid import nn
from tests.dropout_family import FAMILY, family, next_offset, same_bits, sample, to_numpy


def make(member, *args, **kwargs):
    return getattr(nn, member.layer)(*args, **kwargs)


def test_R1_the_six_layers_exist():
    for name in (
        "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"
    ):  # fmt: skip
        assert inspect.isclass(getattr(lucid.nn, name))


@family
def test_R2_each_is_a_module(member):
    layer = make(member)
    assert isinstance(layer, nn.Module)
    assert layer.training is True
    assert layer.eval().training is False
    assert layer.train().training is True
    assert callable(layer)


@family
def test_R3_p_is_the_first_parameter_and_an_attribute(member):
    assert make(member, 0.3).p == make(member, p=0.3).p == 0.3
    assert isinstance(make(member, 1).p, float)


@family
@pytest.mark.parametrize("p", [0.0, 1.0, 0.5])
def test_R4_both_ends_of_0_to_1_are_allowed(member, p):
    assert make(member, p).p == p


@family
@pytest.mark.parametrize("p", [-1e-9, 1 + 1e-9, float("nan")])
def test_R5_a_p_outside_is_an_error_at_construction(member, p):
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\]"):
        make(member, p)


@family
def test_R6_inplace_is_the_second_parameter_and_false_by_default(member):
    assert make(member).inplace is False
    assert make(member, 0.5, True).inplace is make(member, inplace=True).inplace is True


@family
def test_R7_init_forward_and_extra_repr_return_what_is_documented(member, device):
    layer = object.__new__(getattr(nn, member.layer))
    assert layer.__init__(0.5, False) is None
    assert isinstance(layer.forward(sample(member.shape)), lucid.Tensor)
    assert isinstance(layer.extra_repr(), str)


@family
def test_R8_training_drops_and_eval_is_the_identity(member, device):
    layer, x = make(member), sample(member.shape)
    assert not same_bits(layer.train()(x), x)
    assert same_bits(layer.eval()(x), x)


@family
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_R9_in_eval_mode_p_has_no_effect(member, p, device):
    x = sample(member.shape)
    assert same_bits(make(member, p).eval()(x), x)
    assert next_offset() == 0


@pytest.mark.parametrize("member", [m for m in FAMILY if not m.alpha], ids=str)
def test_R10_scaling_is_applied_in_training_and_none_in_eval(member, device):
    layer, x = make(member, 0.75), lucid.ones(member.shape)
    assert set(np.unique(to_numpy(layer(x)))) == {0.0, 4.0}
    assert set(np.unique(to_numpy(layer.eval()(x)))) == {1.0}


@family
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_R11_the_output_has_the_input_s_shape(member, p, device):
    layer = make(member, p)
    assert layer(lucid.ones(member.shape)).shape == member.shape
    assert layer.eval()(lucid.ones(member.shape)).shape == member.shape


@family
def test_R12_train_and_eval_of_a_model_reach_nested_layers(member, device):
    model = nn.Sequential(nn.Sequential(nn.Identity(), make(member)))
    x = sample(member.shape)
    assert same_bits(model.eval()(x), x)
    assert not same_bits(model.train()(x), x)


@pytest.mark.parametrize("member", [m for m in FAMILY if not m.alpha], ids=str)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_R13_the_expected_value_is_preserved(member, p, device):
    n = 1_000_000
    y = to_numpy(make(member, p)(lucid.ones(1000, 1000, *[1] * (len(member.shape) - 2))))
    assert abs(y.mean(dtype=np.float64) - 1) < 5 * (p / (1 - p) / n) ** 0.5


@family
def test_R14_works_in_sequential_and_in_a_module_of_the_user(member, device):
    layer = make(member)

    class Model(nn.Module):
        def __init__(self):
            super(Model, self).__init__()  # noqa: UP008  as seed 3 writes it
            self.drop = nn.Sequential(layer)

        def forward(self, x):
            return self.drop(x)

    x = sample(member.shape)
    y = Model()(x)
    lucid.manual_seed(0)
    assert same_bits(y, layer(x))

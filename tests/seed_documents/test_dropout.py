"""Statements R15 to R29: seed 2, of Dropout."""

import inspect

import numpy as np
import pytest

import lucid
from lucid import nn
from tests.dropout_family import dropped, independent, same_bits, sample, to_numpy


def test_R15_signature():
    parameters = list(inspect.signature(nn.Dropout).parameters.values())[:2]
    assert [(p.name, p.default) for p in parameters] == [("p", 0.5), ("inplace", False)]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_R16_each_element_is_zeroed_independently_with_probability_p(p, device):
    zero = to_numpy(nn.Dropout(p)(lucid.ones(1000, 1000))) == 0
    assert abs(zero.mean() - p) < 5 * (p * (1 - p) / 1e6) ** 0.5
    assert independent(zero[:, :-1], zero[:, 1:])
    assert independent(zero[:-1], zero[1:])


def test_R17_kept_elements_are_divided_by_1_minus_p(device):
    x = sample((1000,))
    y = to_numpy(nn.Dropout(0.3)(x))
    kept = y != 0
    np.testing.assert_allclose(y[kept], to_numpy(x)[kept] / 0.7, rtol=1e-15)


def test_R18_the_formula_is_piecewise_so_dropped_is_exactly_0(device):
    x = lucid.tensor([float("nan"), float("inf"), -float("inf"), -1.0] * 100)
    y = to_numpy(nn.Dropout(0.5)(x))
    assert same_bits(y[dropped((400,), 0.5)], np.zeros(dropped((400,), 0.5).sum(), np.float32))


def test_R19_p_0_disables_dropout(device):
    x = sample((100,))
    assert nn.Dropout(p=0)(x) is x


def test_R20_p_1_zeros_the_entire_tensor(device):
    assert same_bits(nn.Dropout(p=1)(sample((100,))), np.zeros(100))


def test_R21_inplace_modifies_the_input_tensor(device):
    x = sample((100,))
    before = to_numpy(x).copy()
    assert nn.Dropout(0.5, inplace=True)(x) is x
    assert same_bits(x, np.where(dropped((100,), 0.5), 0, before * 2))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (2, 0, 3), (2, 3, 4, 5, 6, 7)])
def test_R22_any_shape_comes_out_as_it_went_in(shape, device):
    assert nn.Dropout()(lucid.ones(shape)).shape == shape


def test_R23_a_fraction_p_is_zero_and_the_rest_is_scaled(device):
    drop = nn.Dropout(p=0.3)
    drop.train()
    values, counts = np.unique(to_numpy(drop(lucid.ones(400, 800))), return_counts=True)
    assert values.tolist() == [0.0, np.float32(1 / 0.7)]
    assert abs(counts[0] / 320_000 - 0.3) < 5 * (0.3 * 0.7 / 320_000) ** 0.5


def test_R24_ones_takes_sizes_as_separate_ints(device):
    assert same_bits(lucid.ones(4, 8), np.ones((4, 8), np.float32))


def test_R25_shape_prints_as_a_plain_tuple(device):
    assert str(nn.Dropout(0.3)(lucid.ones(4, 8)).shape) == "(4, 8)"


def test_R26_the_sum_of_an_eval_output_is_a_number(device):
    assert float(nn.Dropout(0.3).eval()(lucid.ones(4, 8)).sum()) == 32.0


def test_R27_forward_takes_x_and_is_the_identity_in_eval(device):
    x = sample((4, 8))
    assert nn.Dropout().eval().forward(x) is x


def test_R28_extra_repr_says_the_configuration():
    assert nn.Dropout(0.3).extra_repr() == "p=0.3, inplace=False"


def test_R29_the_argument_may_be_named_input(device):
    x = sample((4, 8))
    assert nn.Dropout().eval()(input=x) is nn.Dropout().eval()(x)

"""Statements R30 to R53: seeds 0 and 1, of Dropout2d."""

import inspect

import numpy as np
import pytest

import lucid
from lucid import Tensor, nn
from tests.dropout_family import dropped, independent, same_bits, sample, to_numpy
from tests.seed_documents.examples import run_script

NESTED = [
    [
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        [[7.0, 8.0, 9.0], [10.0, 11.0, 12.0]],
    ]
]
KEPT_SECOND_ONLY = next(  # a seed with which the second of two channels is kept, not the first
    seed for seed in range(100) if dropped((2,), 0.5, seed).tolist() == [True, False]
)


@pytest.fixture
def example(device):
    """The tensor of seed 0, the layer, and what comes out: channel 0 dropped, channel 1 kept."""
    lucid.manual_seed(KEPT_SECOND_ONLY)
    x = Tensor(NESTED, requires_grad=True)
    layer = nn.Dropout2d(p=0.5)
    return x, layer, layer(x)


def test_R30_signature():
    parameters = list(inspect.signature(nn.Dropout2d).parameters.values())[:2]
    assert [(p.name, p.default) for p in parameters] == [("p", 0.5), ("inplace", False)]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_R31_a_channel_is_zeroed_with_probability_p(p, device):
    y = to_numpy(nn.Dropout2d(p)(lucid.ones(500, 600, 2, 2)))
    zero = (y == 0).all((2, 3))
    assert abs(zero.mean() - p) < 5 * (p * (1 - p) / 300_000) ** 0.5


def test_R32_mask_is_a_tensor_or_none(device):
    layer = nn.Dropout2d()
    assert layer.mask is None
    layer(sample((2, 3, 4, 4)))
    assert isinstance(layer.mask, Tensor)


def test_R33_mask_has_shape_n_c_1_1(device):
    layer = nn.Dropout2d()
    layer(sample((2, 3, 4, 5)))
    assert layer.mask.shape == (2, 3, 1, 1)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_R34_mask_is_0_with_probability_p_and_1_otherwise(p, device):
    layer = nn.Dropout2d(p)
    layer(lucid.ones(500, 600, 1, 1))
    mask = to_numpy(layer.mask)
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert abs((mask == 0).mean() - p) < 5 * (p * (1 - p) / 300_000) ** 0.5


def test_R35_mask_broadcasts_to_the_input_in_a_training_call(device):
    layer, x = nn.Dropout2d(), sample((2, 3, 4, 5))
    y = layer(x)
    assert same_bits(y != 0, (layer.mask * lucid.ones_like(x)) != 0)


def test_R36_mask_entries_are_independent(device):
    layer = nn.Dropout2d(0.5)
    layer(lucid.ones(500, 600, 1, 1))
    mask = to_numpy(layer.mask)
    assert independent(mask[:, :-1], mask[:, 1:])
    assert independent(mask[:-1], mask[1:])


def test_R37_y_is_x_times_mask_over_1_minus_p(device):
    layer, x = nn.Dropout2d(0.3), sample((4, 6, 3, 3))
    y = layer(x)
    np.testing.assert_allclose(to_numpy(y), to_numpy(x * layer.mask / 0.7), rtol=1e-15)


def test_R38_in_eval_y_is_x(device):
    x = sample((4, 6, 3, 3))
    assert nn.Dropout2d(0.3).eval()(x) is x


def test_R39_in_training_the_gradient_is_mask_over_1_minus_p_times_dy(device):
    layer, x = nn.Dropout2d(0.3), sample((4, 6, 3, 3)).requires_grad_()
    dy = sample((4, 6, 3, 3), seed=1)
    layer(x).backward(dy)
    expected = to_numpy(layer.mask / 0.7 * dy)
    np.testing.assert_allclose(to_numpy(x.grad), expected, rtol=1e-15)


def test_R40_in_eval_the_gradient_is_dy(device):
    x, dy = sample((4, 6, 3, 3)).requires_grad_(), sample((4, 6, 3, 3), seed=1)
    (nn.Dropout2d(0.3).eval()(x) * 1).backward(dy)
    assert same_bits(x.grad, dy)


def test_R41_only_channels_that_were_kept_receive_gradient(device):
    layer, x = nn.Dropout2d(0.5), lucid.ones(40, 60, 2, 2, requires_grad=True)
    layer(x).sum().backward()
    reached = to_numpy(x.grad).any((2, 3))
    assert same_bits(reached, to_numpy(layer.mask)[:, :, 0, 0] == 1)


def test_R42_a_tensor_is_made_of_nested_lists(device):
    x = Tensor(NESTED, requires_grad=True)
    assert (x.shape, x.dtype, x.requires_grad) == ((1, 2, 2, 3), lucid.float32, True)
    assert x.tolist() == NESTED


def test_R43_a_dropped_channel_is_0_and_a_kept_one_doubles(example):
    _, _, y = example
    assert y.tolist() == [
        [[[0.0] * 3] * 2, [[14.0, 16.0, 18.0], [20.0, 22.0, 24.0]]],
    ]


def test_R44_print_shows_a_tensor_with_its_gradient_still_none(example, capsys):
    _, _, y = example
    print(y)
    text = "".join(capsys.readouterr().out.split())  # lines and columns are a matter of taste
    device = "" if y.device.type == "cpu" else f"device='{y.device}',"
    values = "[[[[0.,0.,0.],[0.,0.,0.]],[[14.,16.,18.],[20.,22.,24.]]]]"
    assert text == f"Tensor({values},{device}grad=None)"


def test_R45_backward_of_a_tensor_that_is_no_scalar_needs_no_argument(example):
    x, _, y = example
    assert y.backward() is None
    assert x.grad.shape == (1, 2, 2, 3)


def test_R46_the_gradient_is_2_in_the_kept_channel_and_0_in_the_dropped(example):
    x, _, y = example
    y.backward()
    assert x.grad.tolist() == [[[[0.0] * 3] * 2, [[2.0] * 3] * 2]]


def test_R47_the_mask_differs_from_sample_to_sample_and_is_constant_in_a_channel(device):
    y = to_numpy(nn.Dropout2d()(lucid.ones(16, 64, 5, 7))).reshape(16, 64, 35)
    assert (y == y[:, :, :1]).all()
    assert len({row.tobytes() for row in y[:, :, 0]}) == 16  # equal ones: 2**-64 each


def test_R48_channels_that_remain_are_scaled_by_1_over_1_minus_p(device):
    y = nn.Dropout2d(0.75)(lucid.ones(10, 20, 2, 2))
    assert set(np.unique(to_numpy(y))) == {0.0, 4.0}


def test_R49_the_share_of_active_channels_is_about_half():
    printed, _ = run_script("active_channels.py")
    ratio = float(printed.splitlines()[0].rpartition(" ")[2])
    assert abs(ratio - 0.5) < 5 * (0.25 / 32) ** 0.5


def test_R50_dropout_and_dropout2d_differ_in_what_they_drop_together():
    printed, names = run_script("elements_or_channels.py")
    assert "Dropout output shape: (2, 4, 8, 8)" in printed
    assert "Dropout2d output shape: (2, 4, 8, 8)" in printed
    partly, whole = (to_numpy(names[name][0, 0]) == 0 for name in ("out1", "out2"))
    assert 0 < partly.mean() < 1
    assert whole.all() or not whole.any()


def test_R51_a_convolutional_network_with_dropout2d():
    printed, names = run_script("network.py")
    assert printed == "Input shape: (4, 3, 32, 32) -> Output shape: (4, 10)\n"
    assert np.isfinite(to_numpy(names["output"])).all()


def test_R52_p_may_be_positional():
    assert nn.Dropout2d(0.3).p == 0.3


def test_R53_train_switches_dropping_on_and_eval_off(device):
    layer, x = nn.Dropout2d(), sample((4, 6, 3, 3))
    layer.eval()
    assert layer(x) is x
    layer.train()
    assert not same_bits(layer(x), x)

"""Statements R54 to R81: seeds 3 and 4, of AlphaDropout and FeatureAlphaDropout."""

import inspect

import numpy as np
import pytest

import lucid
from lucid import Tensor, nn
from tests.dropout_family import FLOOR, MEMBER, dropped, independent, same_bits, sample, to_numpy

ALPHA, FEATURE = MEMBER["alpha_dropout"], MEMBER["feature_alpha_dropout"]


def defaults(layer):
    parameters = list(inspect.signature(layer).parameters.values())[:2]
    return [(p.name, p.default) for p in parameters]


# AlphaDropout.


def test_R54_the_default_p_of_the_title_is_one_half():
    assert defaults(nn.AlphaDropout) == [("p", 0.5), ("inplace", False)]


def test_R55_the_0_1_of_the_text_has_to_be_asked_for():
    assert nn.AlphaDropout().p != 0.1 == nn.AlphaDropout(p=0.1).p  # contradiction C1


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_R56_p_is_the_probability_of_the_dropout_value(p, device):
    y = to_numpy(nn.AlphaDropout(p)(lucid.randn(1000, 1000)))
    rate = (y == np.float32(ALPHA.law(p)[2])).mean()
    assert abs(rate - p) < 5 * (p * (1 - p) / 1e6) ** 0.5


def test_R57_mask_is_none_or_a_tensor_of_the_input_s_shape(device):
    layer = nn.AlphaDropout()
    assert layer.mask is None
    layer(sample((3, 4, 5)))
    assert isinstance(layer.mask, Tensor) and layer.mask.shape == (3, 4, 5)


def test_R58_mask_is_binary_and_the_dropout_value_stands_in_the_output(device):
    layer = nn.AlphaDropout(0.3)
    y = layer(sample((40, 50)))
    assert set(np.unique(to_numpy(layer.mask))) == {0.0, 1.0}
    dropped_values = np.unique(to_numpy(y)[to_numpy(layer.mask) == 0])
    assert dropped_values == pytest.approx([ALPHA.law(0.3)[2]], rel=1e-15)


def test_R59_mask_entries_are_independent_and_1_with_probability_1_minus_p(device):
    layer = nn.AlphaDropout(0.3)
    layer(lucid.ones(1000, 1000))
    mask = to_numpy(layer.mask)
    assert abs(mask.mean(dtype=np.float64) - 0.7) < 5 * (0.21 / 1e6) ** 0.5
    assert independent(mask[:, :-1], mask[:, 1:])
    assert independent(mask[:-1], mask[1:])


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_R60_the_simple_formula_gives_way_to_the_affine_one_since_it_breaks_its_promise(p, device):
    layer, x = nn.AlphaDropout(p), lucid.randn(1_000_000, dtype=lucid.float64)
    y = to_numpy(layer(x))
    simple = to_numpy((x * layer.mask + FLOOR * (1 - layer.mask)) / (1 - p))
    assert abs(simple.mean()) > 0.19 and abs(simple.var() - 1) > 0.4
    assert abs(y.mean()) < 5e-3 and abs(y.var() - 1) < 1e-2


def test_R61_the_dropout_value_follows_from_selu_and_preserves_mean_and_variance(device):
    # The floor of SELU is -scale * alpha; a and b are what makes mean 0 and variance 1 of
    # q * N(0, 1) + p * floor.
    q, p = 0.7, 0.3
    floor = float(nn.SELU()(lucid.tensor([-1000.0], dtype=lucid.float64)))
    a = (q * (1 + p * floor**2)) ** -0.5
    y = nn.AlphaDropout(p)(lucid.ones(1000, dtype=lucid.float64))
    assert float(y.min()) == pytest.approx(a * floor - a * p * floor, rel=1e-14)
    assert float(y.max()) == pytest.approx(a - a * p * floor, rel=1e-14)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_R62_the_expected_value_of_normal_input_remains_0(p, device):
    y = to_numpy(nn.AlphaDropout(p)(lucid.randn(1_000_000)))
    assert abs(y.mean(dtype=np.float64)) < 5 / 1e3


def test_R63_eval_leaves_the_input_unchanged(device):
    x = sample((3, 4))
    assert nn.AlphaDropout().eval()(x) is x


def test_R64_only_elements_that_were_kept_get_a_gradient(device):
    layer, x = nn.AlphaDropout(0.3), sample((40, 50)).requires_grad_()
    layer(x).sum().backward()
    assert same_bits(to_numpy(x.grad) != 0, to_numpy(layer.mask) == 1)


def test_R65_of_the_example_s_numbers_what_can_be_is(device):
    # Printed there: 0.9091 = 1 / 1.1, 2.0 unscaled, negative gradients (contradiction C5).
    lucid.manual_seed(next(s for s in range(100) if dropped((4,), 0.1, s).tolist() == [0, 0, 0, 1]))
    x = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    output = nn.AlphaDropout(p=0.1)(x)
    output.backward()
    a, b, d = 0.9212845161497115, 0.1619709700575702, -1.4577387305181320
    np.testing.assert_allclose(to_numpy(output), [[a + b, 2 * a + b, 3 * a + b, d]], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(x.grad), [[a, a, a, 0]], rtol=1e-6)


def test_R66_a_model_with_a_linear_layer_before_it(device):
    class AlphaDropoutModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(in_features=4, out_features=2)
            self.alpha_dropout = nn.AlphaDropout(p=0.1)

        def forward(self, x):
            return self.alpha_dropout(self.linear(x))

    model = AlphaDropoutModel()
    data = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    output = model(data)
    output.backward()
    assert (output.shape, data.grad.shape) == ((1, 2), (1, 4))
    slope = to_numpy(model.alpha_dropout.mask) * 0.9212845161497115
    expected = slope @ to_numpy(model.linear.weight)
    np.testing.assert_allclose(to_numpy(data.grad), expected, rtol=1e-5)


def test_R67_linear_takes_its_sizes_by_name():
    assert nn.Linear(in_features=4, out_features=2).weight.shape == (2, 4)


# FeatureAlphaDropout.


def test_R68_signature():
    assert defaults(nn.FeatureAlphaDropout) == [("p", 0.5), ("inplace", False)]


def test_R69_one_draw_per_channel_and_sample(device):
    nn.FeatureAlphaDropout()(lucid.ones(16, 32, 7, 7))
    assert lucid.default_generator.get_offset() == 16 * 32 / 16  # 16 decisions to a block


def test_R70_a_dropped_channel_is_replaced_as_a_whole(device):
    y = to_numpy(nn.FeatureAlphaDropout(0.5)(lucid.randn(40, 50, 9)))
    uniform = (y == y[:, :, :1]).all(-1)
    assert 0.4 < uniform.mean() < 0.6
    assert len(np.unique(y[uniform])) == 1


def test_R71_the_value_is_selu_s_floor_before_the_affine_step(device):
    y = to_numpy(nn.FeatureAlphaDropout(0.3)(lucid.ones(40, 50, 2, dtype=lucid.float64)))
    a, b, _ = FEATURE.law(0.3)
    assert (y.min() - b) / a == pytest.approx(-1.0507009873554805 * 1.6732632423543772, rel=1e-14)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.7])
def test_R72_the_affine_step_restores_mean_0_and_variance_1(p, device):
    y = to_numpy(nn.FeatureAlphaDropout(p)(lucid.randn(1000, 1000, 1, dtype=lucid.float64)))
    assert abs(y.mean()) < 5e-3
    assert abs(y.var() - 1) < 1e-2


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 5), (4, 6, 5, 3), (4, 6, 5, 3, 2, 2)])
def test_R73_any_number_of_spatial_dimensions(shape, device):
    assert nn.FeatureAlphaDropout()(sample(shape)).shape == shape


def test_R74_each_channel_is_intact_or_uniform(device):
    layer, x = nn.FeatureAlphaDropout(0.5), sample((40, 50, 3, 3))
    y, mask = to_numpy(layer(x)), to_numpy(layer.mask)
    assert mask.shape == (40, 50, 1, 1)
    a, b, d = FEATURE.law(0.5)
    expected = np.where(mask == 1, a * to_numpy(x) + b, d)
    np.testing.assert_allclose(y, expected, rtol=1e-14, atol=1e-15)


def test_R75_in_eval_mode_it_is_the_identity(device):
    x = sample((4, 6, 3, 3))
    assert nn.FeatureAlphaDropout().eval()(x) is x


def test_R76_selu_exists_and_keeps_normal_input_normalized(device):
    y = to_numpy(nn.SELU()(lucid.randn(1_000_000, dtype=lucid.float64)))
    assert abs(y.mean()) < 5e-3 and abs(y.var() - 1) < 1e-2


def test_R77_a_self_normalizing_block_keeps_its_shape(device):
    block = nn.Sequential(
        nn.Conv2d(16, 32, kernel_size=3, padding=1), nn.SELU(), nn.FeatureAlphaDropout(p=0.05)
    ).train()
    assert str(block(lucid.randn(2, 16, 8, 8)).shape) == "(2, 32, 8, 8)"


def test_R78_the_second_example_keeps_its_shape(device):
    assert str(nn.FeatureAlphaDropout(p=0.3)(lucid.randn(4, 8, 6, 6)).shape) == "(4, 8, 6, 6)"


def test_R79_randn_takes_sizes_as_separate_ints(device):
    assert lucid.randn(2, 16, 8, 8).shape == (2, 16, 8, 8)


def test_R80_the_methods_are_documented():
    for method in (nn.FeatureAlphaDropout.forward, nn.FeatureAlphaDropout.extra_repr):
        assert method.__doc__
    assert "(N, C, *) -> y: (N, C, *)" in nn.FeatureAlphaDropout.__doc__


def test_R81_a_kept_channel_has_gone_through_the_affine_step_too(device):
    y = to_numpy(nn.FeatureAlphaDropout(0.3)(lucid.ones(40, 50, 2, dtype=lucid.float64)))
    a, b, _ = FEATURE.law(0.3)
    assert y.max() == pytest.approx(a + b, rel=1e-14) != 1

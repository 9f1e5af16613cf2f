"""Steps that a gradient scaler skips, steps counted on the device, learning rates as tensors."""

import copy

import numpy
import pytest

import lucid
from lucid import nn, optim
from tests import cuda_emulator

RULES = {
    "SGD": lambda params, **more: optim.SGD(params, lr=0.1, weight_decay=0.1, **more),
    "momentum": lambda params, **more: optim.SGD(params, lr=0.1, momentum=0.9, **more),
    "damped": lambda params, **more: optim.SGD(
        params, lr=0.1, momentum=0.9, dampening=0.5, maximize=True, **more
    ),
    "Adam": lambda params, **more: optim.Adam(params, lr=0.1, weight_decay=0.1, **more),
    "amsgrad": lambda params, **more: optim.Adam(params, lr=0.1, amsgrad=True, **more),
    "AdamW": lambda params, **more: optim.AdamW(params, lr=0.1, maximize=True, **more),
}
COUNTED = ["Adam", "amsgrad", "AdamW"]
GRADIENTS = numpy.random.default_rng(0).normal(size=(5, 3, 4)).astype(numpy.float32)


def parameter(dtype=lucid.float32):
    return nn.Parameter(lucid.tensor(numpy.linspace(-1, 1, 12).reshape(3, 4), dtype=dtype))


def scalar(value):
    return lucid.tensor(value, dtype=lucid.float32)


def run(make, scale=None, bad=(), dtype=lucid.float32, **more):
    """The parameter after five steps, those in ``bad`` said to be not finite; and the optimizer."""
    p = parameter(dtype)
    rule = make([p], **more)
    for i, g in enumerate(GRADIENTS):
        p.grad = lucid.tensor(g * (scale or 1), dtype=dtype)
        if scale is not None:
            rule.grad_scale, rule.found_inf = scalar(scale), scalar(float(i in bad))
        elif i in bad:
            continue
        rule.step()
    return p, rule


def as_numpy(p):
    return p.detach().cpu().numpy()


@pytest.mark.parametrize("bad", [(), (0,), (0, 1, 3), (4,)], ids=str)
@pytest.mark.parametrize("name", RULES)
def test_a_step_with_something_not_finite_is_none(name, bad, device):
    ours, rule = run(RULES[name], 4.0, bad)
    expected, other = run(RULES[name], None, bad)
    # Counted on the device, the step's size is computed there, in float64 too.
    numpy.testing.assert_allclose(as_numpy(ours), as_numpy(expected), rtol=2e-7, atol=1e-7)
    for key, value in other.state[expected].items():
        mine = rule.state[ours][key]
        if key == "step":
            assert int(mine) == int(value) == 5 - len(bad)
        else:
            numpy.testing.assert_allclose(as_numpy(mine), as_numpy(value), rtol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_gradients_are_unscaled_where_they_are_used_and_kept(name, device):
    p = parameter()
    rule = RULES[name]([p])
    p.grad = lucid.tensor(GRADIENTS[0] * 1024)
    rule.grad_scale, rule.found_inf = scalar(1024.0), scalar(0.0)
    rule.step()
    numpy.testing.assert_array_equal(as_numpy(p.grad), GRADIENTS[0])


@pytest.mark.parametrize("name", RULES)
def test_a_skipped_step_changes_neither_gradient_nor_parameter(name, device):
    p = parameter()
    rule = RULES[name]([p])
    p.grad = lucid.tensor(GRADIENTS[0])
    before = as_numpy(p).copy()
    rule.grad_scale, rule.found_inf = scalar(8.0), scalar(1.0)
    rule.step()
    numpy.testing.assert_array_equal(as_numpy(p), before)
    numpy.testing.assert_array_equal(as_numpy(p.grad), GRADIENTS[0])


@pytest.mark.cuda
@pytest.mark.parametrize("name", RULES)
def test_neither_scaling_nor_skipping_waits_for_the_device(name, device):
    if device.type == "cpu" or lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("counts what the emulated device was asked: --device cuda-emulated")
    p = parameter()
    rule = RULES[name]([p])
    p.grad = lucid.tensor(GRADIENTS[0])
    rule.step()
    rule.grad_scale, rule.found_inf = scalar(8.0), scalar(1.0)
    with cuda_emulator.counting() as c:
        rule.step()
        rule.step()
    assert c.synchronisations == c.d2h == 0


def test_only_rules_with_kernels_offer_it():
    offering = {
        name for name, rule in vars(optim).items()
        if getattr(rule, "_step_supports_amp_scaling", False)
    }  # fmt: skip
    assert offering == {"SGD", "Adam", "AdamW"}


# Capturable: the steps are counted where the parameters are.


@pytest.mark.parametrize("dtype", [lucid.float32, lucid.float64, lucid.float16])
@pytest.mark.parametrize("name", COUNTED)
def test_steps_counted_on_the_device_are_the_same_steps(name, dtype, device):
    ours, rule = run(RULES[name], dtype=dtype, capturable=True)
    expected, _ = run(RULES[name], dtype=dtype)
    # pow() on a GPU may differ from the host's in float64's last bits.
    close = 1e-14 if dtype is lucid.float64 else 1e-7
    numpy.testing.assert_allclose(as_numpy(ours), as_numpy(expected), rtol=close)
    step = rule.state[ours]["step"]
    assert (step.dtype, step.device, step.item()) == (lucid.float32, ours.device, 5.0)


@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("name", COUNTED)
def test_a_saved_state_goes_on_in_the_way_it_is_counted(name, capturable, device):
    p, rule = run(RULES[name], capturable=capturable)
    q = nn.Parameter(p.detach().clone())
    other = RULES[name]([q])
    other.load_state_dict(copy.deepcopy(rule.state_dict()))
    step = other.state[q]["step"]
    assert isinstance(step, lucid.Tensor) is capturable
    assert int(step) == 5
    for x, optimizer in ((p, rule), (q, other)):
        x.grad = lucid.tensor(GRADIENTS[0])
        optimizer.step()
    numpy.testing.assert_array_equal(as_numpy(p), as_numpy(q))
    assert int(step) == 6 - (not capturable)


def test_a_state_of_pytorchs_that_is_capturable_is_understood(device):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Parameter(torch.tensor(as_numpy(parameter())))
    rule = torch.optim.Adam([theirs], lr=0.1)
    theirs.grad = torch.tensor(GRADIENTS[0])
    rule.step()
    state = rule.state_dict()
    state["param_groups"][0]["capturable"] = True
    p = nn.Parameter(lucid.tensor(theirs.detach().numpy()))
    ours = optim.Adam([p], lr=0.1)
    ours.load_state_dict(state)
    step = ours.state[p]["step"]
    assert (step.item(), step.device) == (1.0, p.device)


# Learning rates as tensors.


@pytest.mark.parametrize("kind", [lucid.float32, lucid.float64, lucid.float16])
@pytest.mark.parametrize("where", ["here", "cpu"])
@pytest.mark.parametrize("name", ["SGD", "momentum", "Adam"])
def test_a_rate_may_be_a_tensor(name, where, kind, device):
    lr = lucid.tensor(0.125, dtype=kind, device=device if where == "here" else "cpu")
    found = []
    for rate in (0.125, lr):
        p = parameter()
        rule = RULES[name]([p])
        rule.param_groups[0]["lr"] = rate
        for g in GRADIENTS:
            p.grad = lucid.tensor(g)
            rule.step()
        found.append(as_numpy(p))
    numpy.testing.assert_allclose(*found, rtol=1e-7)


@pytest.mark.cuda
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_nobody_waits_for_a_rate_on_the_device(name, device):
    if device.type == "cpu" or lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("counts what the emulated device was asked: --device cuda-emulated")
    p = parameter()
    rule = RULES[name]([p])
    rule.param_groups[0]["lr"] = lucid.tensor(0.1)
    p.grad = lucid.tensor(GRADIENTS[0])
    rule.step()
    with cuda_emulator.counting() as c:
        rule.step()
    assert c.synchronisations == c.d2h == 0

"""GradScaler: what is scaled, skipped, adjusted and refused; beside PyTorch's where it is there."""

import pickle

import pytest

import lucid
from lucid import nn
from lucid.amp import GradScaler
from lucid.nn.utils import clip_grad_norm_

INF = float("inf")


def named(value):
    """The id of an optimizer among the parameters; none for its settings."""
    return getattr(value, "__name__", "")


OPTIMIZERS = [
    (lucid.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (lucid.optim.Adam, {"lr": 0.1}),
    (lucid.optim.AdamW, {"lr": 0.1}),
    (lucid.optim.RMSprop, {"lr": 0.1}),
]


class Recorder:
    """An optimizer that writes down what it is given; ``fused``: one that skips by itself."""

    def __init__(self, *parameters, fused=False):
        self.param_groups = [{"params": list(parameters)}]
        self._step_supports_amp_scaling = fused
        self.calls = []

    def step(self, *args, **kwargs):
        given = [getattr(self, name, None) for name in ("grad_scale", "found_inf")]
        self.calls.append([None if t is None else t.item() for t in given])
        return "stepped"


def parameter(*gradient):
    p = lucid.zeros(len(gradient), requires_grad=True)
    p.grad = lucid.tensor(list(gradient))
    return p


def scaler_of(device, **settings):
    """A scaler that has scaled a loss."""
    scaler = GradScaler(device.type, **{"init_scale": 4.0, **settings})
    scaler.scale(lucid.ones(()))
    return scaler


# scale.


def test_losses_are_multiplied_in_any_nest(device):
    scaler = GradScaler(device.type, init_scale=8.0)
    x = lucid.ones(2)
    assert scaler.scale(x).tolist() == [8.0, 8.0]
    (a, (b,)) = scaler.scale([x, (x * 2,)])
    assert (a.tolist(), b.tolist()) == ([8.0, 8.0], [16.0, 16.0])
    assert [t.tolist() for t in scaler.scale(t for t in [x])] == [[8.0, 8.0]]
    with pytest.raises(TypeError, match="scale: expected a Tensor or several; got int"):
        scaler.scale(3)


def test_a_loss_in_a_half_is_scaled_in_float32(device):
    """65536 is more than a float16 holds."""
    y = GradScaler(device.type).scale(lucid.ones((), dtype=lucid.float16))
    assert (y.dtype, y.item()) == (lucid.float32, 65536.0)


def test_the_gradient_is_scaled_with_the_loss(device):
    x = lucid.tensor([1.0], requires_grad=True)
    GradScaler(device.type, init_scale=8.0).scale(3 * x).backward()
    assert x.grad.item() == 24.0


# unscale_ and step.


def test_gradients_are_unscaled_before_they_are_clipped(device):
    p = parameter(12.0, 16.0)
    scaler, optimizer = scaler_of(device), lucid.optim.SGD([p], lr=1.0)
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [3.0, 4.0]
    assert clip_grad_norm_([p], 1.0).item() == 5.0
    scaler.step(optimizer)
    assert p.tolist() == pytest.approx([-0.6, -0.8], abs=1e-6)


@pytest.mark.parametrize("optimizer, settings", OPTIMIZERS, ids=named)
def test_a_step_is_that_of_the_unscaled_gradients(optimizer, settings, device):
    plain, scaled = parameter(0.5, -2.0), parameter(2.0, -8.0)
    one, other = optimizer([plain], **settings), optimizer([scaled], **settings)
    scaler = scaler_of(device)
    for _ in range(3):
        one.step()
        scaled.grad = lucid.tensor([2.0, -8.0])
        scaler.step(other)
        scaler.update()
    assert lucid.allclose(scaled, plain, rtol=1e-6, atol=0)  # a power of 2 costs no digits


@pytest.mark.parametrize("bad", [INF, -INF, float("nan")])
@pytest.mark.parametrize("optimizer, settings", OPTIMIZERS, ids=named)
def test_a_step_with_a_gradient_that_is_not_finite_is_skipped(optimizer, settings, bad, device):
    p, q = parameter(1.0, bad), parameter(1.0)
    rule, scaler = optimizer([p, q], **settings), scaler_of(device)
    scaler.step(rule)
    scaler.update()
    assert (p.tolist(), q.tolist(), scaler.get_scale()) == ([0.0, 0.0], [0.0], 2.0)
    p.grad, q.grad = lucid.tensor([2.0, 2.0]), lucid.tensor([2.0])
    fresh = parameter(1.0)
    scaler.step(rule)
    optimizer([fresh], **settings).step()
    assert q.item() == pytest.approx(fresh.item(), rel=1e-6)  # nothing of the skipped step is left


def test_each_optimizer_is_skipped_for_itself_and_the_scale_backs_off_once(device):
    good, bad = Recorder(parameter(1.0)), Recorder(parameter(INF))
    scaler = scaler_of(device)
    assert scaler.step(good) == "stepped"
    assert scaler.step(bad) is None
    scaler.update()
    assert (len(good.calls), len(bad.calls), scaler.get_scale()) == (1, 0, 2.0)


def test_parameters_without_a_gradient_are_passed_over(device):
    p, q = parameter(4.0), lucid.zeros(1, requires_grad=True)
    optimizer = lucid.optim.SGD([p, q], lr=1.0)
    scaler_of(device).step(optimizer)
    assert (p.item(), q.item(), q.grad) == (-1.0, 0.0, None)


def test_gradients_with_gaps_in_memory_are_unscaled(device):
    p = parameter(0.0, 0.0)
    p.grad = lucid.tensor([[4.0, 1.0], [8.0, 1.0]])[:, 0]
    q = parameter(12.0)
    scaler_of(device).unscale_(Recorder(p, q))
    assert (p.grad.tolist(), q.grad.tolist()) == ([1.0, 2.0], [3.0])


def test_bfloat16_gradients_are_unscaled_and_float16_ones_refused(device):
    p = lucid.zeros(2, dtype=lucid.bfloat16, requires_grad=True)
    p.grad = lucid.tensor([4.0, 8.0], dtype=lucid.bfloat16)
    scaler_of(device).unscale_(Recorder(p))
    assert p.grad.tolist() == [1.0, 2.0]
    q = lucid.zeros(1, dtype=lucid.float16, requires_grad=True)
    q.grad = lucid.ones(1, dtype=lucid.float16)
    with pytest.raises(TypeError, match="unscale_: gradients must not be float16"):
        scaler_of(device).unscale_(Recorder(q))


# The contract with optimizers that skip by themselves, on CUDA.


def test_such_an_optimizer_gets_the_scale_and_what_was_found(device):
    scaler = scaler_of(device)
    for gradient, found in ((1.0, 0.0), (INF, 1.0)):
        optimizer = Recorder(parameter(gradient), fused=True)
        result = scaler.step(optimizer)
        if device.type == "cuda":
            assert (optimizer.calls, result) == ([[4.0, found]], "stepped")
            assert optimizer.grad_scale is optimizer.found_inf is None
            (p,) = optimizer.param_groups[0]["params"]
            assert p.grad.item() == gradient  # still scaled
        else:
            assert optimizer.calls == ([] if found else [[None, None]])
    scaler.update()
    assert scaler.get_scale() == 2.0


def test_and_no_scale_where_the_gradients_were_unscaled_before(device):
    optimizer = Recorder(parameter(8.0), fused=True)
    scaler = scaler_of(device)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert optimizer.calls == [[None, 0.0 if device.type == "cuda" else None]]


# update.


def test_the_scale_moves_as_pytorchs(device):
    """Growth, an overflow that stops it, backing off, and the count between them."""
    torch = pytest.importorskip("torch")
    settings = {"init_scale": 2.0**126, "growth_factor": 1.7, "backoff_factor": 0.3}
    settings["growth_interval"] = 2
    ours, theirs = GradScaler(device.type, **settings), torch.amp.GradScaler("cpu", **settings)
    ours.scale(lucid.ones(())), theirs.scale(torch.ones(()))
    p, q = parameter(0.0), torch.zeros(1, requires_grad=True)
    one, other = lucid.optim.SGD([p], lr=0.0), torch.optim.SGD([q], lr=0.0)
    for bad in (0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0):
        value = INF if bad else 1.0
        p.grad, q.grad = lucid.tensor([value]), torch.tensor([value])
        ours.step(one), theirs.step(other)
        ours.update(), theirs.update()
        assert ours.get_scale() == theirs.get_scale()
        assert ours.state_dict() == theirs.state_dict()


def test_a_new_scale_may_be_given(device):
    scaler = scaler_of(device)
    scaler.update(32.0)
    assert scaler.get_scale() == 32.0
    scaler.update(lucid.tensor([0.5]))
    assert scaler.get_scale() == 0.5
    with pytest.raises(TypeError, match=r"update: new_scale must be a number, or one float32"):
        scaler.update(lucid.ones(2))


# What is wrong.


def test_the_order_of_calls_is_checked(device):
    scaler, optimizer = GradScaler(device.type), Recorder(parameter(1.0))
    for name, call in (
        ("unscale_", lambda: scaler.unscale_(optimizer)),
        ("step", lambda: scaler.step(optimizer)),
        ("update", scaler.update),
    ):
        with pytest.raises(RuntimeError, match=f"GradScaler.{name}: nothing was scaled yet"):
            call()
    scaler.scale(lucid.ones(()))
    with pytest.raises(RuntimeError, match="update: there must be gradients to look at"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="unscale_: was already called for this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="unscale_: must come before step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="step: was already called for this optimizer"):
        scaler.step(optimizer)
    scaler.update()
    scaler.step(optimizer)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_without_gradients_is_refused(fused, device):
    optimizer = Recorder(lucid.zeros(1, requires_grad=True), fused=fused)
    with pytest.raises(RuntimeError, match="step: there must be gradients to look at; got none"):
        scaler_of(device).step(optimizer)


def test_a_closure_is_refused(device):
    scaler, optimizer = scaler_of(device), Recorder(parameter(1.0))
    for given in (((lambda: 0),), {}), ((), {"closure": lambda: 0}):
        with pytest.raises(RuntimeError, match="step: a closure can't be used"):
            scaler.step(optimizer, *given[0], **given[1])


@pytest.mark.parametrize("settings", [{"growth_factor": 1.0}, {"backoff_factor": 1.0}])
def test_factors_that_go_nowhere_are_refused(settings, device):
    (name,) = settings
    with pytest.raises(ValueError, match=f"GradScaler: {name} must be . 1; got 1.0"):
        GradScaler(device.type, **settings)


# State.


def test_disabled_it_passes_everything_on(device):
    scaler, optimizer = GradScaler(device.type, enabled=False), Recorder(parameter(INF))
    x = lucid.ones(2)
    assert scaler.scale(x) is x
    scaler.unscale_(optimizer)
    assert scaler.step(optimizer) == "stepped"
    scaler.update()
    assert (scaler.is_enabled(), scaler.get_scale(), scaler.state_dict()) == (False, 1.0, {})
    scaler.load_state_dict({})


@pytest.mark.skipif(lucid.cuda.is_available(), reason="there is CUDA")
def test_without_cuda_it_disables_itself_with_a_warning():
    with pytest.warns(UserWarning, match="GradScaler: disabled, as "):
        assert not GradScaler().is_enabled()


def continued(scaler, device, how):
    if how == "pickle":
        return pickle.loads(pickle.dumps(scaler))
    other = GradScaler(device.type) if how == "fresh" else scaler_of(device)
    other.load_state_dict(scaler.state_dict())
    return other


@pytest.mark.parametrize("how", ["pickle", "fresh", "begun"])
def test_it_continues_where_it_was(how, device):
    scaler, optimizer = scaler_of(device, growth_interval=2), Recorder(parameter(1.0))
    scaler.step(optimizer)
    scaler.update()
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.25)
    other = continued(scaler, device, how)
    assert other.state_dict() == scaler.state_dict()
    assert (other.get_growth_factor(), other.get_backoff_factor()) == (3.0, 0.25)
    other.scale(lucid.ones(()))
    other.step(optimizer)
    other.update()  # the second good step
    assert (other.get_growth_interval(), other.get_scale()) == (2, 12.0)


def test_the_middle_of_an_iteration_is_not_pickled(device):
    scaler = scaler_of(device)
    scaler.unscale_(Recorder(parameter(1.0)))
    with pytest.raises(RuntimeError, match=r"pickled between update\(\) and the next step"):
        pickle.dumps(scaler)


def test_a_state_that_is_none_is_refused_and_changes_nothing(device):
    scaler = scaler_of(device)
    with pytest.raises(RuntimeError, match="load_state_dict: the state is empty"):
        scaler.load_state_dict({})
    with pytest.raises(RuntimeError, match="load_state_dict: the state must have"):
        scaler.load_state_dict({"scale": 2.0})
    assert scaler.get_scale() == 4.0


# All of it.


def test_a_small_network_trains_and_an_overflow_costs_one_step(device):
    lucid.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                        nn.Dropout(0.1), nn.Linear(16, 3))  # fmt: skip
    optimizer = lucid.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    scaler = GradScaler(device.type, init_scale=1024.0)
    x, t = lucid.randn(12, 1, 4, 4), lucid.arange(12) % 3
    losses = []
    for i in range(12):
        before = [p.detach().clone() for p in net.parameters()]
        optimizer.zero_grad()
        with lucid.autocast(device.type, dtype=lucid.float16):
            y = net(x)
            loss = nn.functional.cross_entropy(y, t)
        assert (y.dtype, loss.dtype) == (lucid.float16, lucid.float32)
        # 2^10 times 2^8 is more than a float16 holds: the gradient of y overflows.
        scaler.scale(loss * (2.0**18 if i == 5 else 1.0)).backward()
        scaler.unscale_(optimizer)
        norm = clip_grad_norm_(net.parameters(), 1.0)
        assert norm.isfinite().item() == (i != 5)
        scaler.step(optimizer)
        scaler.update()
        same = [lucid.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
        assert all(same) if i == 5 else not any(same)
        assert scaler.get_scale() == (1024.0 if i < 5 else 512.0)
        losses.append(loss.item())
    assert all(p.dtype is lucid.float32 for p in net.parameters())
    assert losses[-1] < 0.5 * losses[0]

"""make_graphed_step: replays of a whole training step are the steps themselves, bit for bit."""

import numpy
import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F
from tests.cuda.captured import (
    OPTIMIZERS,
    WARMUP,
    assert_same,
    batches,
    counting,
    digits_step,
    values,
)


@pytest.fixture(autouse=True)
def deterministic(cuda):
    """cuDNN may add up a weight's gradient in any order otherwise."""
    before = lucid.backends.cudnn.deterministic
    lucid.backends.cudnn.deterministic = True
    yield
    lucid.backends.cudnn.deterministic = before


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["relu", "selu"])
def test_five_replays_are_five_steps(kind, optimizer):
    data = batches(6)
    model, _, step = digits_step(kind, optimizer)
    losses = [step(*data[i]).item() for i in [0] * WARMUP + [1, 2, 3, 4, 5]]
    state = lucid.default_generator.state_tuple()

    captured_model, _, step = digits_step(kind, optimizer)
    graphed = lucid.cuda.make_graphed_step(step, *data[0], warmup=WARMUP)
    assert [graphed(*data[i]).item() for i in range(1, 6)] == losses[WARMUP:]
    assert_same(values(captured_model), values(model))
    assert lucid.default_generator.state_tuple() == state


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("kind", ["relu", "selu"])
def test_a_replay_is_one_launch_and_the_copies_of_the_inputs(kind, optimizer):
    data = batches(2)
    _, _, step = digits_step(kind, optimizer)
    graphed = lucid.cuda.make_graphed_step(step, *data[0])
    with counting() as c:
        graphed(*data[1])
    assert (c.graph_launches, c.operations) == (1, len(data[1]))
    assert c.launches == c.h2d == c.d2h == c.synchronisations == c.allocations == 0


def test_the_capture_itself_does_nothing():
    data = batches(1)
    model, _, step = digits_step("relu", "SGD")
    for _ in range(WARMUP):
        step(*data[0])
    state = lucid.default_generator.state_tuple()
    captured, _, step = digits_step("relu", "SGD")
    lucid.cuda.make_graphed_step(step, *data[0], warmup=WARMUP)
    assert_same(values(captured), values(model))
    assert lucid.default_generator.state_tuple() == state


def test_steps_and_replays_may_take_turns():
    data = batches(1)
    model, _, step = digits_step("relu", "Adam")
    for _ in range(WARMUP + 4):
        step(*data[0])
    mixed, _, step = digits_step("relu", "Adam")
    graphed = lucid.cuda.make_graphed_step(step, *data[0], warmup=WARMUP)
    for one in (graphed, step, graphed, step):
        one(*data[0])
    assert_same(values(mixed), values(model))


# What the host changes between replays.


def linear_step(make, dtype=lucid.float32):
    lucid.manual_seed(1)
    w = nn.Parameter(lucid.randn(5, 3, device="cuda", dtype=dtype))
    rule = make([w])

    def step(x):
        rule.zero_grad()
        loss = (x @ w).square().sum()
        loss.backward()
        rule.step()
        return loss

    return w, rule, step


RATES = {
    "SGD": lambda params: lucid.optim.SGD(params, lr=0.01),
    "momentum": lambda params: lucid.optim.SGD(params, lr=0.01, momentum=0.9, nesterov=True),
    "AdamW": lambda params: lucid.optim.AdamW(params, lr=0.01, capturable=True),
}


@pytest.mark.parametrize("dtype", [lucid.float32, lucid.float64])
@pytest.mark.parametrize("name", RATES)
def test_a_schedule_goes_on_while_the_step_is_replayed(name, dtype):
    found = []
    x = lucid.tensor(numpy.random.default_rng(0).random((4, 5)), dtype=dtype, device="cuda")
    for captured in (False, True):
        w, rule, step = linear_step(RATES[name], dtype)
        if captured:
            step = lucid.cuda.make_graphed_step(step, x, warmup=1)
        else:
            step(x)
        schedule = lucid.optim.lr_scheduler.ExponentialLR(rule, 0.7)
        for _ in range(4):
            step(x)
            schedule.step()
        found.append(w.detach().cpu().numpy())
    numpy.testing.assert_array_equal(*found)


def test_a_rate_that_stays_is_not_sent_again():
    x = lucid.ones(4, 5, device="cuda")
    _, rule, step = linear_step(RATES["SGD"])
    graphed = lucid.cuda.make_graphed_step(step, x)
    for lr, copies in ((0.01, 0), (0.02, 1), (0.02, 0)):
        rule.param_groups[0]["lr"] = lr
        with counting() as c:
            graphed(x)
        assert c.h2d == copies


def test_a_rate_may_be_a_tensor_on_the_device():
    x = lucid.ones(4, 5, device="cuda")
    found = []
    for captured in (False, True):
        lr = lucid.tensor(0.01, device="cuda")
        w, _, step = linear_step(lambda params, lr=lr: lucid.optim.SGD(params, lr=lr, momentum=0.9))
        step = lucid.cuda.make_graphed_step(step, x, warmup=1) if captured else step
        if not captured:
            step(x)
        for value in (0.03, 0.001):
            lr.fill_(value)
            step(x)
        found.append(w.detach().cpu().numpy())
    numpy.testing.assert_array_equal(*found)


def test_a_gradient_scaler_skips_and_counts_inside_of_a_replay():
    found = []
    good, bad = lucid.ones(4, 5, device="cuda"), lucid.full((4, 5), 3e38, device="cuda")
    for captured in (False, True):
        lucid.manual_seed(1)
        w = nn.Parameter(lucid.randn(5, 3, device="cuda"))
        rule = lucid.optim.Adam([w], lr=0.1, capturable=True)
        scaler = lucid.amp.GradScaler("cuda", init_scale=8.0, growth_interval=3)

        def step(x, w=w, rule=rule, scaler=scaler):
            rule.zero_grad()
            scaler.scale((x @ w).square().sum()).backward()
            scaler.step(rule)
            scaler.update()

        if captured:
            step = lucid.cuda.make_graphed_step(step, good, warmup=1)
        else:
            step(good)
        for x in (good, bad, good, good, good, bad):
            step(x)
        found.append((w.detach().cpu().numpy(), scaler.get_scale(), rule.state[w]["step"].item()))
    numpy.testing.assert_array_equal(found[0][0], found[1][0])
    # From 8: two good steps and a bad one, 4; three good ones, 8; a bad one, 4. 5 were good.
    assert found[0][1:] == found[1][1:] == (4.0, 5.0)


# Inputs and outputs.


def test_outputs_keep_their_form_and_their_place():
    def step(x, y):
        return {"sum": x + y, "pair": (x - y, None), "list": [y]}

    a, b = lucid.ones(3, device="cuda"), lucid.full((3,), 2.0, device="cuda")
    graphed = lucid.cuda.make_graphed_step(step, a, b)
    first = graphed(a, b)
    assert first["sum"].tolist() == [3, 3, 3]
    second = graphed(b, b)
    assert second is first
    assert first["sum"].tolist() == [4, 4, 4]
    assert (first["pair"][0].tolist(), first["pair"][1]) == ([0, 0, 0], None)
    assert first["list"][0].tolist() == [2, 2, 2]


def test_inputs_may_come_from_the_host_or_be_written_in_place():
    graphed = lucid.cuda.make_graphed_step(lambda x: x * 2, lucid.ones(3, device="cuda"))
    assert graphed(lucid.tensor([1.0, 2.0, 3.0], device="cpu")).tolist() == [2, 4, 6]
    (x,) = graphed.inputs
    x.fill_(5)
    assert graphed(x).tolist() == [10, 10, 10]


def test_a_sample_input_is_copied_and_stays_what_it_is():
    sample = lucid.ones(3, device="cuda")
    graphed = lucid.cuda.make_graphed_step(lambda x: x.mul_(2), sample)
    assert graphed(sample).tolist() == [2, 2, 2]
    assert sample.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        (lambda: (), TypeError, "takes 1 inputs"),
        (lambda: (3.0,), TypeError, "input 0 must be a tensor; got float"),
        (lambda: (lucid.ones(4),), ValueError, r"of shape \(3,\), as in the capture; got .*\(4,\)"),
        (lambda: (lucid.ones(3).long(),), ValueError, "must be lucid.float32"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, error, text):
    graphed = lucid.cuda.make_graphed_step(lambda x: x * 2, lucid.ones(3, device="cuda"))
    with pytest.raises(error, match=text):
        graphed(*inputs())


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "text"),
    [
        (lambda: (lucid.ones(3, device="cpu"),), {}, ValueError, "must be on a CUDA device"),
        (lambda: (1,), {}, TypeError, "input 0 must be a tensor; got int"),
        (lambda: (), {"warmup": 0}, ValueError, "warmup must be at least 1; got 0"),
    ],
)
def test_bad_arguments_are_refused(arguments, settings, error, text):
    with pytest.raises(error, match=text):
        lucid.cuda.make_graphed_step(lambda *x: None, *arguments(), **settings)


def test_gradients_that_add_up_do_so_in_replays():
    x = lucid.ones(2, 3, device="cuda")
    w = nn.Parameter(lucid.ones(3, device="cuda"))

    def step(x):
        F.linear(x, w[None]).sum().backward()

    graphed = lucid.cuda.make_graphed_step(step, x, warmup=2)
    graphed(x)
    assert w.grad.tolist() == [6, 6, 6]  # three times 2


def test_clipping_is_part_of_a_captured_step():
    x = lucid.ones(4, 5, device="cuda")
    found = []
    for captured in (False, True):
        lucid.manual_seed(1)
        ws = [nn.Parameter(lucid.randn(5, n, device="cuda")) for n in (3, 7)]
        rule = lucid.optim.SGD(ws, lr=0.1, momentum=0.9)

        def step(x, ws=ws, rule=rule):
            rule.zero_grad()
            sum((x @ w).square().sum() for w in ws).backward()
            norm = nn.utils.clip_grad_norm_(ws, 0.5)
            rule.step()
            return norm

        if captured:
            step = lucid.cuda.make_graphed_step(step, x, warmup=2)
        else:
            step(x), step(x)
        norms = [step(x).item() for _ in range(3)]
        found.append(norms + [w.sum().item() for w in ws])
    assert found[0] == found[1]
    assert found[0][0] > 0.5  # it did clip


def test_a_graph_of_the_parameters_is_stale_after_a_replay():
    x = lucid.ones(4, 5, device="cuda")
    w, _, step = linear_step(RATES["SGD"])
    graphed = lucid.cuda.make_graphed_step(step, x)
    y = (w * w).sum()
    graphed(x)
    with pytest.raises(lucid.errors.GradError, match="in place"):
        y.backward()


def test_a_replay_counts_as_a_step_for_schedules():
    x = lucid.ones(4, 5, device="cuda")
    _, rule, step = linear_step(RATES["SGD"])
    graphed = lucid.cuda.make_graphed_step(step, x)
    before = rule._step_count
    graphed(x)
    assert rule._step_count == before + 1

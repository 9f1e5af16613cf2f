"""GradScaler on CUDA: nothing waits for the device, graphs can hold it, devices may be several."""

import pytest

import lucid
from lucid import nn
from lucid.amp import GradScaler
from lucid.nn.utils import clip_grad_norm_
from tests import cuda_emulator

INF = float("inf")


@pytest.fixture
def emulated(device):
    if device.type != "cuda" or lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")


@pytest.fixture
def second(emulated):
    with cuda_emulator.machine_with(devices=2):
        yield lucid.device("cuda:1").concrete()


def begun(*, at=None):
    """A scaler that has scaled a loss by 4, on the device ``at``."""
    scaler = GradScaler(init_scale=4.0)
    scaler.scale(lucid.ones((), device=at))
    return scaler


OPTIMIZERS = [lucid.optim.SGD, lucid.optim.Adam, lucid.optim.AdamW]


@pytest.mark.parametrize("clipping", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_step_and_update_wait_for_nothing(optimizer, clipping, emulated):
    p = lucid.zeros(2, requires_grad=True)
    p.grad = lucid.ones(2)
    rule, scaler = optimizer([p], lr=0.1), begun()

    def iteration():
        if clipping:
            scaler.unscale_(rule)
        scaler.step(rule)
        scaler.update()

    iteration()
    with cuda_emulator.counting() as counts:
        iteration()
    assert (counts.synchronisations, counts.d2h) == (0, 0)


class Training:
    """A small network in mixed precision; ``step(x, t)`` is a whole iteration."""

    def __init__(self, clipping):
        lucid.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                                 nn.Dropout(0.1), nn.Linear(16, 3))  # fmt: skip
        self.optimizer = lucid.optim.AdamW(self.net.parameters(), lr=0.01, capturable=True)
        self.scaler, self.clipping = GradScaler(init_scale=1024.0), clipping

    def step(self, x, t):
        self.optimizer.zero_grad()
        with lucid.autocast("cuda"):
            loss = nn.functional.cross_entropy(self.net(x), t)
        self.scaler.scale(loss).backward()
        if self.clipping:
            self.scaler.unscale_(self.optimizer)
            clip_grad_norm_(self.net.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss


def test_a_whole_iteration_waits_for_nothing(emulated):
    training = Training(clipping=True)
    x, t = lucid.randn(12, 1, 4, 4), lucid.arange(12) % 3
    training.step(x, t)
    with cuda_emulator.counting() as counts:
        training.step(x, t)
    assert (counts.synchronisations, counts.d2h) == (0, 0)


@pytest.mark.cuda
@pytest.mark.parametrize("clipping", [False, True])
def test_a_captured_iteration_does_what_the_plain_one_does(clipping, device):
    """Also where a batch overflows: the replay skips it, and the scale backs off."""
    if device.type != "cuda":
        pytest.skip("graphs are captured on CUDA")
    x, t = lucid.randn(12, 1, 4, 4), lucid.arange(12) % 3
    ends = []
    for captured in (False, True):
        training = Training(clipping)
        if captured:
            step = lucid.cuda.make_graphed_step(training.step, x, t, warmup=2)
        else:
            step = training.step
            for _ in range(2):
                step(x, t)
        for batch in (x, -x, x * INF, x):
            step(batch, t)
        weights = [p.tolist() for p in training.net.parameters()]
        ends.append((weights, training.scaler.state_dict()))
    assert ends[0] == ends[1]
    assert ends[0][1]["scale"] == 512.0


@pytest.mark.parametrize("bad", [False, True])
def test_one_optimizer_may_have_parameters_on_two_devices(bad, second):
    p, q = (lucid.zeros(2, device=d, requires_grad=True) for d in (None, second))
    p.grad = lucid.tensor([4.0, 8.0])
    q.grad = lucid.tensor([4.0, INF if bad else 8.0], device=second)
    optimizer, scaler = lucid.optim.SGD([p, q], lr=1.0), begun(at=second)
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == q.tolist() == ([0.0, 0.0] if bad else [-1.0, -2.0])
    assert scaler.get_scale() == (2.0 if bad else 4.0)


def test_the_loss_may_be_on_another_device_than_the_parameters(second):
    p = lucid.zeros(1, requires_grad=True)
    p.grad = lucid.tensor([8.0])
    optimizer, scaler = lucid.optim.SGD([p], lr=1.0), begun(at=second)
    with cuda_emulator.counting() as counts:
        scaler.step(optimizer)
        scaler.update()
    assert p.item() == -2.0
    assert counts.synchronisations == 0

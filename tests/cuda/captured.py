"""What the tests of captured graphs share: a network's step, run as it is or captured."""

import numpy
import pytest

import lucid
from lucid.nn import functional as F
from lucid.vision.models import digits_cnn
from tests import cuda_emulator

WARMUP = 3

OPTIMIZERS = {
    "SGD": lambda params: lucid.optim.SGD(params, lr=0.05, momentum=0.9),
    "Adam": lambda params: lucid.optim.Adam(params, lr=0.01, capturable=True),
    "AdamW": lambda params: lucid.optim.AdamW(params, lr=0.01, amsgrad=True, capturable=True),
}


def digits_step(kind, optimizer):
    """A network for the digits, its optimizer, and a training step; always from the same weights.

    The seed and the offset of the random numbers are the same, too.
    """
    lucid.manual_seed(3)
    model = digits_cnn(kind, p=0.3).to("cuda")
    rule = OPTIMIZERS[optimizer](model.parameters())

    def step(x, y):
        rule.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        rule.step()
        return loss

    return model, rule, step


def batches(count, size=4):
    generator = numpy.random.default_rng(0)
    return [
        (
            lucid.tensor(generator.random((size, 1, 8, 8), dtype=numpy.float32), device="cuda"),
            lucid.tensor(generator.integers(0, 10, size), device="cuda"),
        )
        for _ in range(count)
    ]


def values(model):
    return {name: t.cpu().numpy().copy() for name, t in model.state_dict().items()}


def assert_same(a, b):
    """Bit for bit."""
    assert a.keys() == b.keys()
    for name in a:
        numpy.testing.assert_array_equal(a[name], b[name], err_msg=name)


def counting():
    """The emulator's counters; a GPU has none."""
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("counts what the emulated device was asked: --device cuda-emulated")
    return cuda_emulator.counting()

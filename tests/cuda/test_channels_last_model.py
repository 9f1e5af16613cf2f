"""model.to(memory_format=lucid.channels_last): weights lie as inputs do, never laid out anew.

A convolution wants its weight in the input's order. One in C order is copied for each pass, of
which there are two in a step; one that lies so already is not.
"""

import copy

import numpy as np
import pytest

import lucid
from lucid import nn, optim
from lucid.nn import functional as F
from tests import cuda_emulator


def network():
    lucid.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False), nn.MaxPool2d(2),
        nn.Conv2d(8, 4, 1, bias=False), nn.Flatten(), nn.Linear(64, 5),
    )  # fmt: skip


def step(model, optimizer, x, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def images():
    return lucid.randn(2, 3, 8, 8), lucid.randint(0, 5, (2,))


def is_last(t):
    return t.is_contiguous(memory_format=lucid.channels_last)


def test_parameters_of_four_dimensions_are_laid_out_and_stay_the_same_objects(device):
    model = network()
    before = list(model.parameters())
    values = [p.tolist() for p in before]
    assert model.to(memory_format=lucid.channels_last) is model
    after = list(model.parameters())
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert [p.tolist() for p in after] == values
    assert all(is_last(p) for p in after if p.ndim == 4)
    assert all(p.is_contiguous() for p in after if p.ndim != 4)


def test_the_way_back(device):
    model = network().to(memory_format=lucid.channels_last)
    model.to(memory_format=lucid.contiguous_format)
    assert all(p.is_contiguous() for p in model.parameters())


@pytest.mark.parametrize(
    "changed",
    [
        lambda m: m.double(),
        lambda m: m.half().float(),
        lambda m: m.to("cpu").to(lucid.get_default_device()),
        copy.deepcopy,
        lambda m: m.load_state_dict(network().state_dict()) and m,
    ],
)
def test_the_order_outlives_what_happens_to_a_model(changed, device):
    model = changed(network().to(memory_format=lucid.channels_last))
    assert all(is_last(p) for p in model.parameters() if p.ndim == 4)


@pytest.mark.parametrize("kind", [optim.SGD, optim.AdamW])
def test_on_cuda_gradients_lie_as_the_parameters_and_training_keeps_the_order(kind, device):
    """The losses are those of C order, but for sums in another order: 1e-6 of numbers near 1."""
    losses = {}
    for order in (lucid.contiguous_format, lucid.channels_last):
        model = network().to(memory_format=order)
        optimizer = kind(model.parameters(), lr=0.01)
        lucid.manual_seed(1)
        x, labels = images()
        x = x.contiguous(memory_format=order)
        losses[order] = [step(model, optimizer, x, labels) for _ in range(3)]
        for p in model.parameters():
            if p.ndim == 4:
                assert p.is_contiguous(memory_format=order)
                assert device.type == "cpu" or p.grad.contiguous(memory_format=order) is p.grad
    ours, theirs = losses.values()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def counted(model_order, kind):
    model = network().to(memory_format=model_order)
    optimizer = kind(model.parameters(), lr=0.01)
    x, labels = images()
    x = x.contiguous(memory_format=lucid.channels_last)
    for _ in range(3):  # plans, buffers and the pool are settled after two
        optimizer.zero_grad()
        with cuda_emulator.counting() as c:
            loss = F.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
    return c


@pytest.mark.parametrize("kind", [optim.SGD, optim.AdamW])
def test_a_channels_last_model_copies_no_weight(kind, device):
    if device.type != "cuda" or lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")
    c_order, ours = counted(lucid.contiguous_format, kind), counted(lucid.channels_last, kind)
    # Flatten wants the last map in C order, and its gradient is turned back where it meets one.
    assert ours.d2d <= 2
    # In C order: two weights in forward, one in backward. Those of 1 x 1 lie in both orders.
    assert c_order.d2d - ours.d2d == 3
    assert (ours.h2d, ours.synchronisations) == (1, 0)  # the optimizer's table of addresses

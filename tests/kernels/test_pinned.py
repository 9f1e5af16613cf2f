"""Pinned memory and copies that are not waited for."""

from collections import namedtuple

import numpy as np
import pytest

import lucid
from lucid.utils.data import DataLoader, TensorDataset
from tests.cuda.captured import counting
from tests.kernels.agreement import FLOATS, name_of

Sample = namedtuple("Sample", "x y")


@pytest.fixture
def host():
    return lucid.device("cpu")


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
def test_pinning_keeps_values_and_order_of_memory(cuda, host, dtype):
    x = lucid.arange(120, device=host).reshape(2, 3, 4, 5).to(lucid.tensor(dtype(0)).dtype)
    for a in (x, x.contiguous(memory_format=lucid.channels_last), x[:, :, ::2]):
        assert not a.is_pinned()
        b = a.pin_memory()
        assert b.is_pinned() and b.pin_memory() is b and b[1:].is_pinned()
        assert (b == a).all() and b.dtype is a.dtype
    assert x.contiguous(memory_format=lucid.channels_last).pin_memory().stride() == (60, 1, 15, 3)


def test_an_empty_tensor_can_be_pinned(cuda, host):
    assert lucid.zeros(0, 3, device=host).pin_memory().shape == (0, 3)


def test_only_host_memory_is_pinned(cuda):
    x = lucid.ones(3, device=cuda)
    assert not x.is_pinned()
    with pytest.raises(lucid.errors.DeviceError, match="pin_memory: only host memory"):
        x.pin_memory()


def test_the_gradient_passes_through(cuda, host):
    x = lucid.ones(3, device=host, requires_grad=True)
    (x.pin_memory() * 2).sum().backward()
    assert x.grad.tolist() == [2.0] * 3


@pytest.mark.parametrize("channels_last", [False, True])
def test_pinned_memory_is_copied_from_where_it_is(cuda, host, channels_last):
    """Not by way of CuPy's own pinned memory, and without waiting."""
    x = lucid.rand(2, 3, 4, 5, device=host)
    if channels_last:
        x = x.contiguous(memory_format=lucid.channels_last)
    pinned = x.pin_memory()
    with counting() as pageable:
        x.to(cuda, non_blocking=True)
    with counting() as direct:
        y = pinned.to(cuda, non_blocking=True)
    with counting() as waiting:
        pinned.to(cuda)
    assert (pageable.h2d, pageable.pinned) == (1, 0)
    assert (direct.h2d, direct.pinned, direct.synchronisations) == (1, 1, 0)
    assert (waiting.h2d, waiting.pinned) == (1, 0)
    assert (y.cpu() == x).all() and y.stride() == x.stride()


@pytest.mark.parametrize("move", [
    lambda x, cuda: x.cuda(non_blocking=True),
    lambda x, cuda: x.to(cuda, lucid.float32, True),
    lambda x, cuda: x.to(cuda, lucid.float16, non_blocking=True),
    lambda x, cuda: lucid.empty(6, device=cuda).copy_(x, non_blocking=True),
])  # fmt: skip
def test_every_way_to_the_device_can_be_non_blocking(cuda, host, move):
    x = lucid.arange(6, device=host).float().pin_memory()
    with counting() as c:
        y = move(x, cuda)
    assert (c.h2d, c.pinned, c.synchronisations) == (1, 1, 0)
    assert y.tolist() == [0, 1, 2, 3, 4, 5]


def test_the_host_does_not_wait_for_a_non_blocking_copy_to_it(cuda):
    x = lucid.arange(6, device=cuda).float()
    with counting() as c:
        y = x.to("cpu", non_blocking=True)
    assert (c.d2h, c.pinned, c.synchronisations) == (1, 1, 0)
    assert y.is_pinned()
    cuda.synchronize()
    assert y.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_conversion_on_the_host_waits_for_the_values(cuda):
    x = lucid.arange(6, device=cuda).float()
    with counting() as c:
        y = x.to("cpu", lucid.float64, non_blocking=True)
    assert c.synchronisations == 1 and y.tolist() == [0, 1, 2, 3, 4, 5]
    z = lucid.empty(6, device="cpu").copy_(x, non_blocking=True)
    assert z.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_loader_pins_its_batches(cuda, host):
    data = TensorDataset(lucid.rand(6, 2, device=host), lucid.arange(6, device=host))
    for pin in (True, False):
        batches = list(DataLoader(data, 4, pin_memory=pin))
        assert [t.is_pinned() for batch in batches for t in batch] == [pin] * 4
    assert batches[1][1].tolist() == [4, 5]


def test_a_loader_pins_what_is_nested(cuda, host):
    one = {"a": lucid.ones(2, device=host), "b": [Sample(np.zeros(2, np.float32), 3), "text"]}
    (batch,) = DataLoader([one, one], 2, pin_memory=True)
    (sample, text) = batch["b"]
    assert batch["a"].is_pinned() and sample.x.is_pinned() and sample.y.is_pinned()
    assert type(sample) is Sample and list(text) == ["text", "text"]

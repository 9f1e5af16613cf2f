"""Channels-last stays so through ops that CuPy would answer in C order."""

import pytest

import lucid
from lucid.nn import functional as F
from tests import cuda_emulator

ELEMENTWISE = {
    "x + 1": lambda x: x + 1,
    "1 - x": lambda x: 1 - x,
    "x * x": lambda x: x * x,
    "a channel each": lambda x: x * lucid.ones(1, x.shape[1], 1, 1, dtype=x.dtype),
    "exp": lambda x: x.exp(),
    "sqrt": lambda x: x.abs().sqrt(),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "compared": lambda x: (x > 0).to(x.dtype),
    "where": lambda x: lucid.where(x > 0, x, -x),
    "power": lambda x: x**2,
    "masked": lambda x: x.masked_fill(x > 0, 0.0),
    "relu": F.relu,
    "clone": lambda x: x.clone(),
    "detached": lambda x: x.detach() * 2,
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "pooled": lambda x: F.max_pool2d(x, 2),
    "convolved": lambda x: F.conv2d(x, lucid.ones(3, x.shape[1], 2, 2, dtype=x.dtype)),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_channels_last_in_channels_last_out(name, dtype, cuda):
    plain = lucid.randn(2, 3, 4, 5).to(getattr(lucid, dtype))
    last = plain.contiguous(memory_format=lucid.channels_last).requires_grad_()
    y, expected = ELEMENTWISE[name](last), ELEMENTWISE[name](plain)
    assert y.is_contiguous(memory_format=lucid.channels_last)
    assert expected.is_contiguous() and y.allclose(expected)
    if y.requires_grad:
        y.sum().backward()
        assert last.grad.shape == last.shape


def test_contiguous_means_c_order(cuda):
    x = lucid.randn(2, 3, 4, 5).contiguous(memory_format=lucid.channels_last)
    assert x.contiguous().is_contiguous() and (x.contiguous() == x).all()


def test_what_lies_in_c_order_is_not_copied(cuda):
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")
    x = lucid.randn(2, 3, 4, 5)
    with cuda_emulator.counting() as c:
        x + 1
    assert (c.launches + c.operations, c.d2d, c.allocations) == (1, 0, 1)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0), (1, 3, 0, 2)], ids=str)
def test_an_array_keeps_its_order_on_the_way_there_and_back(order, cuda):
    shape = [(2, 3, 4, 5)[d] for d in order]
    inverse = [order.index(d) for d in range(4)]
    x = lucid.randn(*shape, device="cpu").permute(inverse)
    assert x.shape == (2, 3, 4, 5)
    there = x.to(cuda)
    assert there.stride() == x.stride()
    back = there.cpu()
    assert back.stride() == x.stride() and (back == x).all()
    gaps = there[:, ::2]
    assert (gaps.cpu() == x[:, ::2]).all()


def test_a_channels_last_array_goes_to_the_host_without_a_copy_on_the_device(cuda):
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")
    x = lucid.randn(2, 3, 4, 5).contiguous(memory_format=lucid.channels_last)
    with cuda_emulator.counting() as c:
        x.cpu()
    assert (c.d2h, c.d2d, c.operations, c.launches) == (1, 0, 0, 0)

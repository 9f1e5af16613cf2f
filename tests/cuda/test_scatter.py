"""Adding at indices that stand twice, and gathering, on CUDA."""

import numpy
import pytest

import lucid
from tests import cuda_emulator

DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_type_adds_what_stands_twice(dtype, cuda):
    kind = getattr(lucid, dtype)
    index = lucid.tensor([0, 2, 0, 0])
    x = lucid.tensor([1, 0, 0]).to(kind)
    y = x.scatter_add(0, index, lucid.tensor([1, 1, 2, 0]).to(kind))
    expected = numpy.array([4, 0, 1])
    if dtype == "bool":
        expected = expected.astype(bool)
    assert y.dtype is kind and (y.to(lucid.int64).cpu().numpy() == expected).all()


def test_negative_numbers_add_in_int64(cuda):
    x = lucid.tensor([-5, 2**40])
    y = x.scatter_add(0, lucid.tensor([0, 0, 1]), lucid.tensor([-1, 7, -(2**40) - 3]))
    assert y.tolist() == [1, -3]


def test_nobody_waits_for_indices(cuda):
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")
    x, index = lucid.randn(3, 4), lucid.zeros(3, 2, dtype=lucid.int64)
    with cuda_emulator.counting() as c:
        y = x.gather(1, index)
        x.scatter_add(1, index, y)
        x.index_select(1, index[0])
        lucid.nn.functional.embedding(index, x)
        lucid.nn.functional.cross_entropy(x, index[:, 0])
        lucid.nn.functional.nll_loss(x, index[:, 0])
    assert (c.synchronisations, c.d2h) == (0, 0)


def test_a_label_out_of_range_makes_the_loss_nan(cuda):
    x = lucid.randn(4, 3)
    for wrong in (3, -1):
        labels = lucid.tensor([0, 1, wrong, 2])
        assert lucid.nn.functional.cross_entropy(x, labels).isnan().item()
        assert lucid.nn.functional.nll_loss(x.log_softmax(1), labels).isnan().item()

"""The gradient of an embedding: added up in the order in which the indices came."""

import numpy as np
import pytest

from tests.kernels.agreement import FLOATS, assert_close, bits, draw, name_of


def reference(dy, index, shape, skip, by_frequency):
    dw = np.zeros(shape)
    np.add.at(dw, index.reshape(-1), dy.reshape(-1, shape[1]).astype(np.float64))
    if by_frequency:
        dw /= np.maximum(np.bincount(index.reshape(-1), minlength=shape[0]), 1)[:, None]
    if skip is not None:
        dw[skip] = 0
    return dw


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("width", [1, 7, 32, 300])
@pytest.mark.parametrize("skip, by_frequency", [(None, False), (3, True)])
def test_every_dtype_and_width(cuda, dtype, width, skip, by_frequency):
    index = np.random.default_rng(0).integers(0, 12, (6, 9))
    dy = draw(6, 9, width, dtype=dtype)
    expected = reference(dy, index, (15, width), skip, by_frequency)
    for kind in (np.int64, np.int32):
        dw = cuda.kernels.embedding_gradient(
            cuda.asarray(dy), cuda.asarray(index.astype(kind)), (15, width), skip, by_frequency
        )
        assert_close(cuda, dw, expected, times=2)


def test_an_index_used_very_often_is_added_up_in_order(cuda):
    """float32 sums in order: exactly what a loop over the rows gives."""
    index, dy = np.zeros(700, np.int64), draw(700, 5)
    expected = np.zeros(5, np.float32)
    for row in dy:
        expected += row
    dw = cuda.kernels.embedding_gradient(cuda.asarray(dy), cuda.asarray(index), (2, 5), None, False)
    np.testing.assert_array_equal(bits(cuda, dw[0]), expected.view(np.uint32))
    assert not cuda.to_numpy(dw[1]).any()


def test_no_index_gives_zeros(cuda):
    empty = cuda.asarray(np.zeros(0, np.int64))
    dw = cuda.kernels.embedding_gradient(cuda.asarray(draw(0, 4)), empty, (3, 4), None, False)
    assert not cuda.to_numpy(dw).any()

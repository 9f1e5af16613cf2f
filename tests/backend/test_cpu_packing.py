"""Products cut into parts that OpenBLAS need not pack are still the same products."""

import numpy as np
import pytest

from lucid.backend.cpu import packing
from lucid.backend.cpu.packing import inner_product, product

# groups, rows, inner, points: one product; four parts; as many points as have no such divisor
SHAPES = [(1, 32, 25, 784), (2, 32, 25, 4 * 784), (1, 64, 27, 1021), (1, 64, 576, 300)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_product_in_parts_equals_the_whole(shape):
    groups, rows, inner, points = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((groups, rows, inner)), rng.standard_normal((groups, inner, points))
    out = np.empty((groups, rows, points))
    product(a, b, out)
    np.testing.assert_allclose(out, a @ b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_inner_product_in_parts_equals_the_whole(shape):
    groups, rows, columns, points = shape
    rng = np.random.default_rng(0)
    a = rng.standard_normal((groups, rows, points))
    b = rng.standard_normal((groups, columns, points))
    out = np.empty((groups, rows, columns))
    inner_product(a, b, out)
    np.testing.assert_allclose(out, a @ b.swapaxes(1, 2), rtol=1e-10, atol=1e-9)


def test_only_products_of_few_channels_are_cut():
    assert packing._parts(1024, 64 * 27) == 2  # 2 x 512 points of 64 x 27: under 10^6 each
    assert packing._parts(784, 32 * 25) == 1  # small enough as it is
    assert packing._parts(1024, 64 * 576) == 1  # would leave 27 points to a part
    assert packing._parts(1021, 64 * 27) == 1  # a prime number

"""Matrix products: NumPy's to rounding, and the same bits for every number of threads."""

import numpy as np
import pytest

from lucid.backend.cpu import matmul as module
from lucid.backend.cpu import threads

# One task; cut by rows, by columns; stacks, cut and not; what is left to NumPy.
SHAPES = [
    ((3, 4), (4, 5)),
    ((700, 90), (90, 300)),
    ((64, 300), (300, 1100)),
    ((9, 100, 300), (9, 300, 200)),
    ((5, 2, 3), (5, 3, 2)),
    ((4, 30, 50), (50, 20)),
    ((2, 1, 30, 50), (1, 3, 50, 20)),
    ((50,), (50, 20)),
    ((20, 50), (50,)),
    ((0, 5), (5, 3)),
    ((3, 0), (0, 3)),
    ((0, 3, 4), (0, 4, 5)),
]


@pytest.fixture
def set_threads():
    before = threads.get_num_threads()
    yield threads.set_num_threads
    threads.set_num_threads(before)


def draw(shape, dtype, transposed):
    x = np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)
    if transposed and len(shape) > 1:
        return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    return x


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
@pytest.mark.parametrize("left, right", SHAPES)
def test_the_product_is_numpys(left, right, dtype, transposed):
    a, b = draw(left, dtype, transposed), draw(right, dtype, transposed)
    y = module.matmul(a, b)
    expected = np.matmul(a.astype("c16"), b.astype("c16"))
    assert y.shape == expected.shape
    assert y.dtype == dtype
    # Sums of up to 300 products of normal numbers, each rounded.
    assert abs(y - expected).max(initial=0) <= 300 * 16 * np.finfo(dtype).eps


@pytest.mark.parametrize("left, right", SHAPES[1:4])
def test_the_number_of_threads_changes_no_bit(left, right, set_threads):
    a, b = draw(left, "f4", False), draw(right, "f4", True)
    found = []
    for number in (1, 2, 3):
        set_threads(number)
        found.append(module.matmul(a, b).tobytes())
    assert found[0] == found[1] == found[2]


def test_whole_numbers_are_multiplied_exactly():
    a = np.full((300, 300), 2**40)
    assert (module.matmul(a, np.eye(300, dtype=np.int64)) == a).all()


def test_a_large_product_is_shared_among_threads(set_threads):
    set_threads(2)
    tasks = []
    original = np.matmul
    a = np.ones((600, 200), "f4")
    try:
        np.matmul = lambda a, b, out: (tasks.append(len(a)), original(a, b, out=out))
        module.matmul(a, np.ones((200, 300), "f4"))
    finally:
        np.matmul = original
    assert sorted(tasks) == [300, 300]

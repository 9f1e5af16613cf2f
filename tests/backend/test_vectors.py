"""Norm and scaling of many arrays at once; what the routines can't do is left to the caller."""

import numpy as np
import pytest

from lucid.backend.cpu import threads, vectors


def arrays(dtype="f4"):
    draw = np.random.default_rng(0)
    large = draw.normal(size=(600, 1000)).astype(dtype)
    swapped = np.ascontiguousarray(draw.normal(size=(7, 30)).astype(dtype)).T
    return [large, swapped, np.zeros(0, dtype), np.full((), 2, dtype)]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_norm_is_that_of_all_elements(dtype):
    some = arrays(dtype)
    expected = np.sqrt(sum(np.square(a, dtype="f8").sum() for a in some))
    # Sums of 2**18 squares in many partial sums: a few roundings.
    assert vectors.norm(some) == pytest.approx(expected, rel=100 * float(np.finfo(dtype).eps))


def test_the_number_of_threads_changes_no_bit():
    before, found = threads.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            threads.set_num_threads(number)
            found.append(vectors.norm(arrays()))
    finally:
        threads.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("value", [1e30, 1e-30, np.inf, np.nan, 0.0])
def test_squares_that_float32_does_not_hold_are_left_alone(value):
    assert vectors.norm([np.full(5000, value, "f4")]) is None


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_scaling_is_multiplication(dtype):
    some, expected = arrays(dtype), [a * np.dtype(dtype).type(0.3) for a in arrays(dtype)]
    assert vectors.scale(some, 0.3)
    assert all((a == b).all() for a, b in zip(some, expected, strict=True))


def test_arrays_with_gaps_are_left_alone():
    gaps = np.ones((4, 4), "f4")[:, :2]
    assert vectors.norm([gaps]) is None
    assert not vectors.scale([np.ones(3, "f4"), gaps], 2.0)
    assert (gaps == 1).all()

"""assert_close accepts one rounding, and says which element differs most."""

import pytest

import lucid
from lucid.testing import assert_close


def test_accepts_a_rounding_error_of_the_dtype():
    assert_close(lucid.tensor([1.0]), lucid.tensor([1.0 + 1e-6]))
    assert_close(
        lucid.tensor([1.0], dtype=lucid.bfloat16), lucid.tensor([1.01], dtype=lucid.bfloat16)
    )


@pytest.mark.parametrize(
    "actual, expected, message",
    [
        (
            [1.0, 2.0],
            [1.0, 2.1],
            r"1 of 2 elements differ; the furthest at \(1,\): 2.0 against 2.09",
        ),
        ([float("nan")], [0.0], "1 of 1 elements differ"),
        ([1.0], [1.0, 2.0], r"shape differs: \(1,\) != \(2,\)"),
        ([1], [2], "1 of 1 elements differ"),
        ([2**60], [2**60 + 1], "1 of 1 elements differ"),
    ],
)
def test_says_what_differs(actual, expected, message):
    with pytest.raises(AssertionError, match=message):
        assert_close(lucid.tensor(actual), lucid.tensor(expected))


def test_compares_nested_structures_and_names_the_place():
    with pytest.raises(AssertionError, match=r"assert_close\['a'\]\[1\]: 1 of 1"):
        assert_close({"a": [lucid.ones(1), lucid.ones(1)]}, {"a": [lucid.ones(1), lucid.zeros(1)]})


def test_refuses_another_dtype_unless_told_otherwise():
    with pytest.raises(AssertionError, match="dtype differs"):
        assert_close(lucid.ones(1), lucid.ones(1).double())
    assert_close(lucid.ones(1), lucid.ones(1).double(), check_dtype=False)


def test_nan_equals_nan_only_on_request():
    nan = lucid.tensor([float("nan")])
    with pytest.raises(AssertionError):
        assert_close(nan, nan)
    assert_close(nan, nan, equal_nan=True)

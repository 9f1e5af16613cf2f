"""use_deterministic_algorithms: what has no order is refused, and cuDNN is told."""

import warnings

import pytest

import lucid
from lucid.nn import functional as F


@pytest.fixture
def deterministic():
    yield lucid.use_deterministic_algorithms
    lucid.use_deterministic_algorithms(False)


def scattered(dtype=None):
    index = lucid.tensor([0, 0, 1], device="cuda")
    return lucid.zeros(2, device="cuda", dtype=dtype).index_add_(
        0, index, lucid.ones(3, device="cuda", dtype=dtype)
    )


def test_sums_without_order_are_refused_where_determinism_is_asked_for(cuda, deterministic):
    deterministic(True)
    with pytest.raises(lucid.errors.DeviceError, match="scatter_add: adds .* in no fixed order"):
        scattered()
    assert scattered(lucid.int64).tolist() == [2, 1]  # sums of integers have no order
    deterministic(True, warn_only=True)
    with pytest.warns(UserWarning, match="scatter_add: adds"):
        assert scattered().tolist() == [2.0, 1.0]
    deterministic(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scattered().tolist() == [2.0, 1.0]


def test_on_the_cpu_nothing_is_refused(deterministic):
    deterministic(True)
    y = lucid.zeros(2).index_add_(0, lucid.tensor([0, 0, 1]), lucid.ones(3))
    assert y.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("asked", [False, True])
def test_cudnn_is_asked_for_algorithms_with_one_result(asked, problems, deterministic):
    deterministic(asked)
    F.conv2d(lucid.ones(1, 2, 4, 4, device="cuda"), lucid.ones(3, 2, 3, 3, device="cuda"))
    assert [problem.deterministic for problem in problems] == [asked]

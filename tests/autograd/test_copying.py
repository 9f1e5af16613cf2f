"""Copies and pickles of tensors."""

import copy
import pickle

import pytest

import lucid
from lucid.errors import GradError


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "int64", "bool"])
def test_a_pickled_tensor_comes_back_equal(dtype):
    x = lucid.tensor([[0.0, 1.0], [2.0, 3.0]]).to(getattr(lucid, dtype)).t()
    y = pickle.loads(pickle.dumps(x))
    assert y.tolist() == x.tolist()
    assert (y.dtype, y.device, y.shape) == (x.dtype, x.device, x.shape)


def test_a_pickled_leaf_requires_grad_and_a_pickled_result_becomes_a_leaf():
    x = lucid.ones(2, requires_grad=True)
    for t in (x, x * 2):
        y = pickle.loads(pickle.dumps(t))
        assert y.requires_grad
        assert y.is_leaf


def test_a_deep_copy_has_its_own_memory_and_gradient():
    x = lucid.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    y.grad.zero_()
    with lucid.no_grad():
        y.zero_()
    assert x.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [3.0, 3.0]
    assert y.requires_grad


def test_a_deep_copy_keeps_the_memory_order_and_identities():
    x = lucid.zeros(2, 3, 4, 5).contiguous(memory_format=lucid.channels_last)
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first.stride() == x.stride()


def test_a_computed_tensor_can_not_be_deep_copied():
    with pytest.raises(GradError, match="only leaves"):
        copy.deepcopy(lucid.ones(2, requires_grad=True) * 2)

"""Without CUDA pinning changes nothing."""

import pytest

import lucid
from lucid.ops import pinning
from lucid.utils.data import DataLoader, TensorDataset


@pytest.fixture(autouse=True)
def without_cuda(monkeypatch):
    monkeypatch.setattr(pinning, "is_available", lambda: False)


def test_a_tensor_stays_where_it_is():
    x = lucid.ones(3, device="cpu")
    assert x.pin_memory() is x and not x.is_pinned()


def test_a_loader_yields_its_batches():
    data = TensorDataset(lucid.arange(3, device="cpu"))
    assert [x.tolist() for (x,) in DataLoader(data, 2, pin_memory=True)] == [[0, 1], [2]]


def test_non_blocking_changes_no_result():
    x = lucid.ones(3, device="cpu")
    assert x.to("cpu", non_blocking=True) is x
    assert x.to(lucid.float64, non_blocking=True).tolist() == [1.0] * 3

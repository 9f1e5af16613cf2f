"""Memory that is used again: when it may be, when it must not, and how much of it is kept."""

import gc
import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.backend.cpu import arena

SHAPE = (1 << 20,)  # of float32: 4 MB, more than LARGE


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An arena of the test's own."""
    monkeypatch.setattr(arena, "_arena", arena._Arena())
    yield
    gc.collect()


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def test_memory_is_lent_again_when_its_array_has_died() -> None:
    x = arena.empty(SHAPE, "float32")
    where = _address(x)
    del x
    assert _address(arena.empty(SHAPE, "float32")) == where
    assert arena._arena.total == 4 << 20


def test_two_living_arrays_never_share_memory() -> None:
    arrays = [arena.empty(SHAPE, "float32") for _ in range(8)]
    for i, x in enumerate(arrays):
        x.fill(i)
    assert [x[0] == i and x[-1] == i for i, x in enumerate(arrays)] == [True] * 8


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[5:],
        lambda x: x.reshape(2, -1).T,
        lambda x: x.view(np.int32)[::2][::2],
        memoryview,
        lambda x: np.frombuffer(x, np.uint8)[3:],
        lambda x: np.from_dlpack(x),
        lambda x: x.__dlpack__(),
        lambda x: x.base,
        lambda x: x.ctypes,
    ],
)
def test_whatever_shows_an_array_keeps_its_memory(view: object) -> None:
    x = arena.empty(SHAPE, "float32")
    where, shown = _address(x), view(x)  # type: ignore[operator]
    del x
    gc.collect()
    assert _address(arena.empty(SHAPE, "float32")) != where
    del shown
    gc.collect()
    assert where in {_address(arena.empty(SHAPE, "float32")) for _ in range(2)}


def test_an_array_outlives_its_tensor() -> None:
    x = lucid.full((1 << 18,), 2.0)
    values = (x.relu() * 1).relu().numpy()
    for _ in range(4):
        lucid.zeros(1 << 18).relu()
    assert (values == 2).all()


def test_torch_may_keep_what_dlpack_gave_it() -> None:
    torch = pytest.importorskip("torch")
    kept = torch.from_dlpack(lucid.full((1 << 18,), 2.0).relu())
    for _ in range(4):
        lucid.zeros(1 << 18).relu()
    assert bool((kept == 2).all())


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)])
@pytest.mark.parametrize("shape", [(8, 16, 32, 32), (1, 256, 32, 32)])
def test_empty_like_lies_in_memory_as_numpys_does(shape: tuple, order: tuple) -> None:
    x = np.empty([shape[i] for i in order], "f").transpose(np.argsort(order))
    for model in (x, x[:, ::-1], x[..., ::2]):
        mine, theirs = arena.empty_like(model, "f8"), np.empty_like(model, "f8")
        pairs = zip(mine.strides, theirs.strides, mine.shape, strict=True)
        assert all(a == b for a, b, n in pairs if n > 1)
        assert mine.dtype == np.float64 and mine.shape == model.shape


def test_small_arrays_are_numpys_own() -> None:
    assert arena.empty(10, "f").base is None
    assert arena.empty((0, 1 << 30), "f").shape == (0, 1 << 30)
    assert arena._arena.total == 0


def test_release_gives_back_what_is_idle_and_nothing_else() -> None:
    kept, dropped = arena.empty(SHAPE, "float32"), arena.empty(SHAPE, "float32")
    kept.fill(3)
    del dropped
    assert arena.release() == 4 << 20
    assert arena.lent() == 4 << 20
    assert (kept == 3).all()


def test_idle_memory_makes_room_for_other_sizes() -> None:
    for megabytes in range(1, 200, 7):
        arena.empty(megabytes << 20, "uint8")
    most = 200 << 20
    assert arena._arena.total <= most + most // 4 + arena._SLACK


def test_what_nobody_needed_for_long_goes_back() -> None:
    del_me = [arena.empty(SHAPE, "float32") for _ in range(10)]
    del del_me
    for _ in range(3 * arena._arena.patience()):
        arena.empty(SHAPE, "float32")
    assert arena._arena.total == 4 << 20


def test_a_thousand_training_steps_need_no_more_memory_than_ten() -> None:
    layer = lucid.nn.Sequential(
        lucid.nn.BatchNorm2d(4), lucid.nn.ReLU(), lucid.nn.MaxPool2d(2), lucid.nn.SELU()
    )
    x = lucid.randn(16, 4, 40, 40)  # 400 KB
    totals = []
    for step in range(1000):
        x.requires_grad_()
        layer(x).sum().backward()
        x = x.detach()
        if step in (10, 999):
            totals.append(arena._arena.total)
    assert totals[1] <= totals[0]


def test_gradients_are_not_copied_because_their_memory_is_lent() -> None:
    x = lucid.randn(1 << 18).requires_grad_()
    y = x.relu()
    y.backward(lucid.ones(1 << 18))
    assert getattr(x.grad._array.base, "lent", False)


def test_threads_get_memory_of_their_own() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(200):
            x = arena.empty(1 << 18, "uint8")
            x.fill(number)
            if not (x == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_writes_to_memory_of_its_own() -> None:
    x = arena.empty(SHAPE, "float32")
    x.fill(1)
    child = os.fork()
    if child == 0:
        x.fill(2)
        y = arena.empty(SHAPE, "float32")
        os._exit(0 if _address(y) != _address(x) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (x == 1).all()


def test_without_a_gil_arrays_are_numpys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "_counts", False)
    assert arena.empty(SHAPE, "float32").base is None
    assert F.relu(lucid.ones(SHAPE))._array.base is None

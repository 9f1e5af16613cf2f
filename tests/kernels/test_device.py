"""The CUDA device: its stream, copies between host and device, and what lucid.cuda tells of it."""

import threading

import ml_dtypes
import numpy as np
import pytest

import lucid
from lucid.backend.cuda.device import is_pinned
from tests import cuda_emulator


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, ml_dtypes.bfloat16])
@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_there_and_back(cuda, size, dtype):
    """A large array comes back through pinned memory."""
    x = (np.arange(size) % 7).astype(dtype)
    y = cuda.to_numpy(cuda.asarray(x))
    assert y.dtype == x.dtype and (y == x).all()


def test_copies_from_and_to_pinned_memory_are_not_waited_for(cuda):
    x = cuda.pinned((100, 100), np.float32)
    x[...] = np.arange(100)
    assert is_pinned(x) and is_pinned(x[3:]) and not is_pinned(x.copy())
    a = cuda.asarray(x, non_blocking=True)
    y = cuda.to_numpy(a + 1, non_blocking=True)
    cuda.synchronize()
    assert is_pinned(y) and (y == x + 1).all()


def test_all_work_of_a_thread_is_queued_on_one_stream_of_its_own(cuda):
    """CuPy's default stream would not wait for it, and can't be captured."""
    seen = []

    def work():
        cuda.asarray([1.0])
        seen.append(cuda.xp.cuda.get_current_stream().ptr)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == [cuda.stream.ptr] * 2 and seen[0] != 0


def test_entering_the_current_device_is_nothing_to_undo(cuda):
    assert cuda.enter() is None
    cuda.leave(None)


def test_a_device_that_is_not_there_is_named(cuda):
    beyond = lucid.cuda.device_count() + 50  # on no machine of another test either
    with pytest.raises(lucid.errors.DeviceError, match=rf"got index {beyond}\. Hint: lucid.device"):
        lucid.device(f"cuda:{beyond}").concrete()


def test_a_copy_to_another_device_waits_for_the_array(cuda):
    if lucid.cuda.device_count() < 2 and not lucid.cuda.get_device_name().startswith("CUDA emu"):
        pytest.skip("needs two devices")
    with cuda_emulator.machine_with(devices=2):
        other = lucid.device("cuda:1").concrete()
        a = cuda.asarray(np.arange(5)) + 1
        b = other.asarray(a)
        assert b.data.device_id == 1 and other.to_numpy(b).tolist() == [1, 2, 3, 4, 5]


def test_properties(cuda):
    about = lucid.cuda.get_device_properties()
    assert about.name == lucid.cuda.get_device_name(0)
    assert lucid.cuda.get_device_capability() == (about.major, about.minor)
    assert lucid.cuda.mem_get_info()[1] == about.total_memory
    with lucid.cuda.device(0):
        assert lucid.cuda.current_device() == 0


def test_a_cpu_is_no_cuda_device(cuda):
    with pytest.raises(ValueError, match="cuda: expected a CUDA device; got cpu"):
        lucid.cuda.get_device_name("cpu")


def test_the_generators_state_is_that_of_every_device(cuda):
    lucid.cuda.manual_seed_all(5)
    states = lucid.cuda.get_rng_state_all()
    x = lucid.rand(4, device="cuda").cpu().numpy()
    lucid.cuda.set_rng_state_all(states)
    assert (lucid.rand(4, device="cpu").numpy() == x).all()
    assert lucid.cuda.initial_seed() == 5
    assert lucid.cuda.get_rng_state().tolist() == lucid.get_rng_state().tolist()


# Streams and events.


def test_work_goes_to_the_stream_that_was_entered(cuda):
    side, usual = lucid.cuda.Stream(), lucid.cuda.current_stream()
    assert usual == lucid.cuda.default_stream() != side
    x = lucid.ones(1000, device=cuda)
    side.wait_stream(usual)
    with lucid.cuda.stream(side):
        assert lucid.cuda.current_stream() == side
        y = x + 1
    assert lucid.cuda.current_stream() == usual
    usual.wait_stream(side)
    assert (y * 2).sum().item() == 4000


def test_events_measure_time(cuda):
    start, end = (lucid.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    lucid.ones(1000, device=cuda)
    end.record()
    end.synchronize()
    assert start.query() and start.elapsed_time(end) >= 0


def test_an_event_that_was_not_recorded_has_no_time(cuda):
    with pytest.raises(RuntimeError, match="elapsed_time: both events must have been recorded"):
        lucid.cuda.Event().elapsed_time(lucid.cuda.Event())


# Memory.


def test_counts_what_arrays_hold_and_the_most_they_held(cuda):
    lucid.cuda.reset_peak_memory_stats()
    before = lucid.cuda.memory_allocated()
    x = lucid.zeros(1 << 20, device=cuda)
    held = lucid.cuda.memory_allocated() - before
    assert held == x.numel() * 4
    del x
    assert lucid.cuda.memory_allocated() == before
    assert lucid.cuda.max_memory_allocated() == before + held
    lucid.cuda.reset_peak_memory_stats()
    assert lucid.cuda.max_memory_allocated() == before


def test_the_cache_goes_back_to_the_driver(cuda):
    x = lucid.zeros(1 << 20, device=cuda)
    del x
    lucid.cuda.empty_cache()
    assert lucid.cuda.memory_reserved() - lucid.cuda.memory_allocated() < 4 << 20


def test_out_of_memory_tells_what_was_asked_for_and_who_holds_the_rest(cuda):
    class Model(lucid.nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = lucid.nn.Linear(512, 1024)

    model = Model().to(cuda)
    kept = lucid.ones(1 << 18, device=cuda, requires_grad=True).exp()
    _, total = lucid.cuda.mem_get_info()
    with pytest.raises(lucid.cuda.OutOfMemoryError) as caught:
        lucid.empty(total // 2, device=cuda)
    text = str(caught.value)
    assert isinstance(caught.value, lucid.errors.DeviceError)
    assert text.startswith(f"cuda: out of memory; asked for {total * 2 / 2**30:.2f} GiB, ")
    assert "Model wide (parameters) 2." in text and "Exp (kept for backward) 1.00 MiB" in text
    assert "Hint: a smaller batch" in text
    assert "Model wide (parameters)" in lucid.cuda.memory_summary()
    assert model is not None and kept is not None

"""The benchmarks of `lucid gpu-report`: their order, their networks; on the emulator they run."""

from typing import Any, NamedTuple

import pytest

import lucid
from benchmarks import cuda_dropout, cuda_overhead, cuda_training
from benchmarks.cuda_clock import Contender
from benchmarks.cuda_jobs import plan
from lucid.cli.gpu_document import Figure, Gap, NotMeasured
from lucid.cli.gpu_report import EMULATOR

EMULATED = lucid.cuda.is_available() and lucid.cuda.get_device_name() == EMULATOR
emulated_only = pytest.mark.skipif(not EMULATED, reason="needs --device cuda-emulated")


def test_the_plan_begins_with_large_dropout_and_training_steps():
    jobs = plan("full")
    assert len({job.name for job in jobs}) == len(jobs)
    first_step = next(i for i, job in enumerate(jobs) if job.name.startswith("training"))
    assert all(job.name.startswith("dropout: ") for job in jobs[:first_step])
    important = [job.important for job in jobs]
    assert important == sorted(important, reverse=True)
    sizes = {job.name.rpartition("^")[2] for job in jobs if job.name.startswith("dropout: ")}
    assert {"16", "30"} <= sizes


def test_networks_are_the_same_in_lucid_and_in_torch():
    torch = pytest.importorskip("torch")
    from benchmarks.networks import NETWORKS

    for build in NETWORKS.values():
        mine = {k: tuple(v.shape) for k, v in build(lucid.nn).state_dict().items()}
        theirs = {k: tuple(v.shape) for k, v in build(torch.nn).state_dict().items()}
        assert mine == theirs


class PeerOnTheCpu(NamedTuple):
    """PyTorch in the peer's place, on the device that is here."""

    torch: Any
    device: str = "cpu"

    def contender(self, call):
        return Contender(call)  # lucid's event has the host's clock on the emulator

    def wait(self):
        pass

    def memory(self, call):
        call()
        return 2**20

    def release_memory(self):
        pass


@pytest.fixture
def pytorch(monkeypatch):
    peer = PeerOnTheCpu(pytest.importorskip("torch"))
    for module in ("cuda_clock", "cuda_dropout", "cuda_training", "cuda_overhead"):
        monkeypatch.setattr(f"benchmarks.{module}.peer", lambda: peer)


@emulated_only
def test_pytorch_takes_its_turns_in_dropout(pytorch):
    case = cuda_dropout.Case("AlphaDropout", "float16", "channels_last", 14)
    figures = {(f.case["direction"], f.quantity) for f in cuda_dropout.bandwidth(case, 2)}
    assert figures == {
        (direction, quantity)
        for direction in ("forward", "backward")
        for quantity in ("lucid", "a copy", "of the copy", "torch", "faster than torch")
    }


@emulated_only
def test_pytorch_takes_its_turns_in_small_ops(pytorch):
    assert {f.quantity for f in cuda_overhead.small_ops(1)} == {"lucid", "torch"}


@emulated_only
def test_a_launch_is_timed_beside_the_drivers_call_alone():
    names = {f.quantity for f in cuda_overhead.launch(1)}
    assert names == {"lucid's launcher", "the driver's call alone", "a ufunc of CuPy's"}


@emulated_only
def test_pytorch_takes_its_turns_in_a_training_step_from_the_same_weights(pytorch):
    found = list(cuda_training.step("seed CNN", 1, "channels_last", 1, compiled=False, size=4))
    figures = [f for f in found if isinstance(f, Figure)]
    assert {f.quantity for f in figures} == {
        "lucid", "lucid captured", "torch eager", "faster than torch eager",
        "faster than lucid captured", "captured, faster than torch eager",
    }  # fmt: skip
    # PyTorch on the CPU has no graphs: a gap in the report, not its end.
    assert [gap.job for gap in found if isinstance(gap, Gap)] == [
        "torch captured, seed CNN 1 channels_last"
    ]
    assert [f.median for f in figures if (f.quantity, f.unit) == ("torch eager", "MiB")] == [1]


@emulated_only
def test_a_tensor_that_does_not_fit_is_not_tried():
    case = cuda_dropout.Case("Dropout", "float32", "contiguous", 30)
    with pytest.raises(NotMeasured, match="needs 64.0 GiB"):
        next(cuda_dropout.bandwidth(case, 1))

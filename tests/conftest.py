"""Fixtures: a test that takes ``device`` runs on the CPU, and on CUDA where there is a GPU."""

import signal

import pytest

import lucid
from tests import cuda_emulator


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        action="append",
        choices=["cpu", "cuda", "cuda-emulated"],
        help="run device tests on this device only; may be given twice (default: cpu, and cuda"
        " where there is a GPU). cuda-emulated: CUDA on the CPU, see tests/cuda_emulator",
    )


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores Ctrl-C, and so would all the programs that tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _emulated(config):
        cuda_emulator.install()


def _emulated(config):
    asked = "cuda-emulated" in (config.getoption("--device") or [])
    return asked and not cuda_emulator.compiler_missing()


def _devices(config):
    chosen = config.getoption("--device")
    return chosen or ["cpu", *(["cuda"] if lucid.cuda.is_available() else [])]


def pytest_report_header(config):
    absent = lucid.cuda.why_unavailable()
    cuda = f"cuda not tested: {absent}" if absent else lucid.cuda.get_device_name()
    if _emulated(config):
        cuda = f"NO GPU IS USED: {cuda}"
    return f"lucid devices: {', '.join(_devices(config))} ({cuda})"


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        marks = {"cpu": (), "cuda": (pytest.mark.cuda,), "cuda-emulated": (pytest.mark.cuda,)}
        names = _devices(metafunc.config)
        params = [pytest.param(name, marks=marks[name]) for name in names]
        metafunc.parametrize("device", params, indirect=True)


@pytest.fixture
def device(request):
    """A lucid.device; new tensors are made on it for the length of the test."""
    if request.param == "cuda-emulated" and cuda_emulator.compiler_missing():
        pytest.skip(cuda_emulator.compiler_missing())
    if request.param == "cuda" and not lucid.cuda.is_available():
        pytest.fail("--device cuda was asked for, but " + lucid.cuda.why_unavailable())
    with lucid.device(request.param.removesuffix("-emulated")) as chosen:
        yield chosen.concrete()


@pytest.fixture
def one_thread():
    """For tests that count bytes: another thread may get its first block, and buffers, any time."""
    threads = lucid.get_num_threads()
    lucid.set_num_threads(1)
    yield
    lucid.set_num_threads(threads)


@pytest.fixture(autouse=True)
def same_start():
    """Every test draws the same random numbers, whatever ran before it."""
    lucid.manual_seed(0)

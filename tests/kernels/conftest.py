"""Kernels run on a GPU, or emulated: ``pytest --device cuda-emulated tests/kernels``."""

import pytest

import lucid


@pytest.fixture
def cuda():
    """The CUDA device; the test is skipped where there is none, not even an emulated one."""
    if not lucid.cuda.is_available():
        pytest.skip(f"{lucid.cuda.why_unavailable()}. Emulated: --device cuda-emulated")
    with lucid.device("cuda") as device:
        yield device.concrete()

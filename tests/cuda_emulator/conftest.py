"""The stand-in's own tests work on CuPy's default stream, whatever was current before."""

import pytest


@pytest.fixture(autouse=True)
def default_stream():
    """Under ``--device cuda-emulated`` lucid has made a stream of its own the current one."""
    from tests.cuda_emulator import cupy

    before = cupy.cuda.get_current_stream()
    cupy.cuda.Stream.null.use()
    yield
    before.use()

"""The emulator's own tests work on CuPy's default stream, whatever was current before."""

import numpy
import pytest

import lucid


@pytest.fixture(autouse=True)
def default_stream():
    """Under ``--device cuda-emulated`` lucid makes a stream of its own the current one, once."""
    from tests.cuda_emulator import cupy

    if lucid.cuda.is_available():
        lucid.cuda.current_stream()  # now, for it to be put back
    before = cupy.cuda.get_current_stream()
    cupy.cuda.Stream.null.use()
    yield
    before.use()


@pytest.fixture
def cp():
    from tests.cuda_emulator import cupy

    return cupy


@pytest.fixture
def x(cp):
    return cp.asarray(numpy.arange(12, dtype="float32").reshape(3, 4))

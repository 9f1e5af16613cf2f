"""Fixtures of the CUDA libraries: ``pytest --device cuda-emulated tests/cuda``."""

import pytest

import lucid
from lucid.backend.cuda import cublas, cudnn, options
from lucid.backend.cuda.cudnn import plans
from tests import cuda_emulator
from tests.cuda_emulator import libraries
from tests.kernels.conftest import cuda as cuda


def _stand_in(library, kind):
    if not isinstance(library, kind):
        pytest.skip("looks into the stand-in: --device cuda-emulated")
    return library


@pytest.fixture
def products(cuda):
    """What cuBLAS was asked for."""
    asked = _stand_in(cublas.library(), libraries.Cublas).products
    asked.clear()
    return asked


class Problems(list):
    """What cuDNN made plans for, in order; and how many plans were run."""

    executions = 0


@pytest.fixture
def problems(cuda, monkeypatch):
    """What cuDNN, or its stand-in, is asked for from now on, from an empty cache.

    Batch norm in every memory order is among it.
    """
    owner = cudnn.library()
    if owner is None:
        pytest.skip(cudnn.why_unavailable())
    for cache in ("_plans", "_refused"):
        monkeypatch.setattr(plans, cache, {})
    monkeypatch.setattr(options.cudnn, "batch_norm", True)
    asked, build, execute = Problems(), owner.build, owner.execute

    def recorded(problem, benchmark):
        built = build(problem, benchmark)
        asked.append(problem)
        return built

    def counted(*args):
        asked.executions += 1
        execute(*args)

    monkeypatch.setattr(owner, "build", recorded)
    monkeypatch.setattr(owner, "execute", counted)
    return asked


@pytest.fixture
def emulated(cuda):
    """For what only the emulator counts."""
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")

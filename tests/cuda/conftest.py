"""Fixtures of the CUDA libraries: ``pytest --device cuda-emulated tests/cuda``."""

import pytest

from lucid.backend.cuda import cublas, cudnn
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


@pytest.fixture
def problems(cuda, monkeypatch):
    """What cuDNN was asked to plan, from an empty cache."""
    monkeypatch.setattr(cudnn, "_plans", {})
    built = _stand_in(cudnn.library(), libraries.Cudnn).built
    built.clear()
    return built

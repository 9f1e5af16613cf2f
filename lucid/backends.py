"""Which library computes what, and how precisely: PyTorch's ``backends`` namespace.

    backends.cuda.matmul.allow_tf32    float32 matrix products may use TF32 (default: no)
    backends.cudnn.enabled             convolution by cuDNN, else by matrix products
    backends.cudnn.benchmark           try several algorithms per shape, keep the fastest
    backends.cudnn.deterministic       only algorithms that give the same bits every time
    backends.cudnn.allow_tf32          float32 convolution may use TF32 (default: yes)

Switches are read when an operation runs.

>>> lucid.backends.cudnn.benchmark
False
"""

from __future__ import annotations

from lucid.backend.cuda import availability, options
from lucid.backend.cuda import cublas as _cublas
from lucid.backend.cuda import cudnn as _cudnn


class _Cudnn:
    """The options of options.cudnn, and what there is of cuDNN."""

    _fields = ("enabled", "benchmark", "deterministic", "allow_tf32")

    def __getattr__(self, name: str) -> bool:
        if name not in self._fields:
            raise AttributeError(f"backends.cudnn has {', '.join(self._fields)}; got {name!r}")
        return getattr(options.cudnn, name)

    def __setattr__(self, name: str, value: bool) -> None:
        if name not in self._fields:
            raise AttributeError(f"backends.cudnn has {', '.join(self._fields)}; got {name!r}")
        setattr(options.cudnn, name, bool(value))

    def is_available(self) -> bool:
        """Whether CUDA and cuDNN can be used."""
        return availability.is_available() and not _cudnn.why_unavailable()

    def version(self) -> int | None:
        """cuDNN's version as one number, e.g. 91900; None where there is none."""
        return _cudnn.version() if self.is_available() else None


class _Cuda:
    """CUDA's own libraries."""

    matmul = options.matmul

    def is_built(self) -> bool:
        """True: there is nothing to build; kernels are compiled where they run."""
        return True

    def is_available(self) -> bool:
        """Whether a CUDA device can be used."""
        return availability.is_available()

    def cublas_version(self) -> int | None:
        """cuBLAS' version as one number; None where CuPy's own products take its place."""
        return _cublas.version() if availability.is_available() else None


cudnn = _Cudnn()
cuda = _Cuda()

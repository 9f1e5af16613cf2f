"""Which library computes what, and how precisely: PyTorch's ``backends`` namespace.

    backends.cuda.matmul.allow_tf32    float32 matrix products may use TF32 (default: no)
    backends.cudnn.enabled             convolution by cuDNN, else by matrix products
    backends.cudnn.batch_norm          batch norm in training by cuDNN: True, False (by lucid's own
                                       kernels), or "channels_last" (default): where cuDNN, whose
                                       engines know no other order, need not transpose a copy of
                                       its input. Fused with a relu it is lucid's own
    backends.cudnn.benchmark           try several algorithms per shape, keep the fastest
    backends.cudnn.deterministic       only algorithms that give the same bits every time
    backends.cudnn.allow_tf32          float32 convolution may use TF32 (default: yes)
    backends.onednn.enabled            float32 convolution and pooling on the CPU by oneDNN, where
                                       installed and measured to be quicker (default: yes)
    backends.fusion.enabled            neighbouring layers of an nn.Sequential run as one kernel on
                                       CUDA where nobody can tell (default: yes)
    use_deterministic_algorithms()     the same bits every time, or an error

Switches are read when an operation runs.

>>> lucid.backends.cudnn.benchmark
False
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from lucid.backend.cpu.onednn import library as _onednn
from lucid.backend.cpu.onednn.setting import onednn as _onednn_options
from lucid.backend.cuda import availability, options
from lucid.backend.cuda import cublas as _cublas
from lucid.backend.cuda import cudnn as _cudnn
from lucid.errors import DeviceError
from lucid.tensor import Tensor


class _Cudnn(ModuleType):
    """The options of options.cudnn, and what there is of cuDNN."""

    _fields = ("enabled", "batch_norm", "benchmark", "deterministic", "allow_tf32")

    def __getattr__(self, name: str) -> bool | str:
        if name not in self._fields:
            raise AttributeError(f"backends.cudnn has {', '.join(self._fields)}; got {name!r}")
        return getattr(options.cudnn, name)

    def __setattr__(self, name: str, value: bool | str) -> None:
        if name not in self._fields:
            raise AttributeError(f"backends.cudnn has {', '.join(self._fields)}; got {name!r}")
        if isinstance(value, str) and (name, value) != ("batch_norm", "channels_last"):
            also = ' or "channels_last"' if name == "batch_norm" else ""
            raise ValueError(f"backends.cudnn.{name}: must be True, False{also}; got {value!r}")
        setattr(options.cudnn, name, value if isinstance(value, str) else bool(value))

    def is_available(self) -> bool:
        """Whether CUDA and cuDNN can be used."""
        return availability.is_available() and not _cudnn.why_unavailable()

    def refusals(self) -> dict[str, str]:
        """What cuDNN was asked for and has no engine for; lucid computes it otherwise."""
        return _cudnn.refusals()

    def is_acceptable(self, tensor: Tensor) -> bool:
        """Whether cuDNN can work on this tensor, and is to be used."""
        wanted = tensor.is_cuda and tensor.is_floating_point() and bool(self.enabled)
        return wanted and self.is_available()

    def version(self) -> int | None:
        """cuDNN's version as one number, e.g. 91900; None where there is none."""
        return _cudnn.version() if self.is_available() else None


class _Cuda(ModuleType):
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


class _Mps(ModuleType):
    """Apple's GPUs: lucid does not compute on them, as a script that asks first will hear."""

    def is_built(self) -> bool:
        """False: there is no such device here."""
        return False

    def is_available(self) -> bool:
        """False: there is no such device here."""
        return False


class _Onednn(ModuleType):
    """oneDNN, a library of CPU kernels: ``pip install lucid-cupy[onednn]``, or LUCID_ONEDNN.

    LUCID_ONEDNN names a libdnnl.so.3 or its folder. The library is loaded by the first operation
    that may use it, or the first question here. Results differ from lucid's own in the last bits,
    and like those do not depend on the number of threads.

    >>> with lucid.backends.onednn.flags(enabled=False):
    ...     F.conv1d(lucid.ones(1, 1, 3), lucid.ones(1, 1, 2))
    Tensor([[[2., 2.]]])
    """

    def __getattr__(self, name: str) -> bool:
        if name != "enabled":
            raise AttributeError(f"backends.onednn has enabled; got {name!r}")
        return _onednn_options.enabled

    def __setattr__(self, name: str, value: bool) -> None:
        if name != "enabled":
            raise AttributeError(f"backends.onednn has enabled; got {name!r}")
        if value and (reason := self.why_unavailable()):
            raise DeviceError(reason)
        _onednn_options.enabled = bool(value)

    def is_available(self) -> bool:
        """Whether a oneDNN that fits was found."""
        return not self.why_unavailable()

    def why_unavailable(self) -> str:
        """What is missing, in one sentence; empty where nothing is."""
        return _onednn.why_unavailable()

    def version(self) -> str | None:
        """oneDNN's version, e.g. "3.2.0"; None where there is none."""
        found = _onednn.library()
        return None if found is None else ".".join(map(str, found.version))

    @contextmanager
    def flags(self, enabled: bool = False) -> Iterator[None]:
        """Inside a ``with`` block: whether oneDNN is used, by all threads."""
        before = _onednn_options.enabled
        self.enabled = enabled
        try:
            yield
        finally:
            _onednn_options.enabled = before


cudnn = _Cudnn(f"{__name__}.cudnn", _Cudnn.__doc__)
cuda = _Cuda(f"{__name__}.cuda", _Cuda.__doc__)
mps = _Mps(f"{__name__}.mps", _Mps.__doc__)
onednn = _Onednn(f"{__name__}.onednn", _Onednn.__doc__)
for _module in (cudnn, cuda, onednn):
    sys.modules[_module.__name__] = _module  # import lucid.backends.cudnn as cudnn
sys.modules[mps.__name__] = mps
fusion = options.fusion


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Give the same bits every time, or say what cannot: an error, or a warning with ``warn_only``.

    The CPU always does. On CUDA this makes cuDNN choose accordingly, and refuses additions at
    indices that may stand twice (scatter_add, index_add, and the gradient of indexing by tensors),
    whose order is not fixed.

    >>> lucid.use_deterministic_algorithms(True)
    >>> lucid.are_deterministic_algorithms_enabled()
    True
    >>> lucid.use_deterministic_algorithms(False)
    """
    options.determinism.enabled = bool(mode)
    options.determinism.warn_only = bool(mode) and bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms was told last."""
    return options.determinism.enabled


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether use_deterministic_algorithms was told to only warn."""
    return options.determinism.warn_only


_PRECISIONS = {"highest": False, "high": True, "medium": True}


def set_float32_matmul_precision(precision: str) -> None:
    """How float32 matrix products are computed on CUDA: "highest" in float32, else in TF32.

    "high" and "medium" both set ``backends.cuda.matmul.allow_tf32``: lucid has no product of
    bfloat16 parts.
    """
    if precision not in _PRECISIONS:
        raise ValueError(
            f"set_float32_matmul_precision: must be highest, high or medium; got {precision!r:.60}"
        )
    options.matmul.allow_tf32 = _PRECISIONS[precision]


def get_float32_matmul_precision() -> str:
    """ "high" if products may use TF32, else "highest"."""
    return "high" if options.matmul.allow_tf32 else "highest"


def set_flush_denormal(mode: bool) -> bool:
    """False: NumPy has no switch that takes the smallest numbers for 0, and nothing is changed."""
    return False

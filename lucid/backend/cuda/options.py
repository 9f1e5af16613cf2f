"""What a user may choose about cuBLAS and cuDNN; lucid.backends shows it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from lucid.errors import DeviceError


@dataclass
class MatmulOptions:
    """``allow_tf32``: float32 products may round their inputs to 10 bits of mantissa. Faster."""

    allow_tf32: bool = False


@dataclass
class CudnnOptions:
    """See lucid.backends.cudnn."""

    enabled: bool = True
    batch_norm: bool | str = "channels_last"
    benchmark: bool = False
    deterministic: bool = False
    allow_tf32: bool = True


@dataclass
class Determinism:
    """See lucid.use_deterministic_algorithms."""

    enabled: bool = False
    warn_only: bool = False

    def refuse(self, name: str) -> None:
        """Say that ``name`` gives no two times the same bits, if somebody wants to know."""
        text = (
            f"{name}: adds floating point numbers in no fixed order on CUDA, but deterministic"
            " algorithms were asked for. Hint: use_deterministic_algorithms(True, warn_only=True),"
            " or compute this on the CPU"
        )
        if self.enabled and not self.warn_only:
            raise DeviceError(text)
        if self.enabled:
            warnings.warn(text, stacklevel=2)


@dataclass
class FusionOptions:
    """``enabled``: neighbouring layers may run as one kernel. See lucid.nn.Sequential."""

    enabled: bool = True


fusion = FusionOptions()
matmul = MatmulOptions()
determinism = Determinism()
cudnn = CudnnOptions()

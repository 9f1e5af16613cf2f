"""What a user may choose about cuBLAS and cuDNN; lucid.backends shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class MatmulOptions:
    """``allow_tf32``: float32 products may round their inputs to 10 bits of mantissa. Faster."""

    allow_tf32: bool = False


@dataclass
class CudnnOptions:
    """See lucid.backends.cudnn."""

    enabled: bool = True
    benchmark: bool = False
    deterministic: bool = False
    allow_tf32: bool = True


matmul = MatmulOptions()
cudnn = CudnnOptions()

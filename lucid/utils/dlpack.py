"""PyTorch's ``utils.dlpack``: memory shared with other libraries."""

from __future__ import annotations

from typing import Any

from lucid.ops.creation import from_dlpack as from_dlpack
from lucid.tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """The tensor's memory as a DLPack capsule, which can be opened once.

    Libraries that take the tensor itself (``torch.from_dlpack(t)``, ``numpy.from_dlpack(t)``)
    need no capsule, and agree on the version of the format.

    >>> capsule = lucid.utils.dlpack.to_dlpack(lucid.ones(2))
    >>> lucid.utils.dlpack.from_dlpack(capsule)
    Tensor([1., 1.])
    """
    return tensor.__dlpack__()

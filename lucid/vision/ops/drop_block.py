"""DropBlock under torchvision's path; what it computes stands in lucid/ops/drop_block.py."""

from __future__ import annotations

from lucid.nn import DropBlock2d, DropBlock3d
from lucid.nn.functional import drop_block2d, drop_block3d

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]

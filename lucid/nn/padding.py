"""Padding: a border of zeros, of a constant, of mirrored, repeated or wrapped values.

``padding`` is one width for all sides, or one per side: low and high of the last dimension, then of
the one before it. A mirrored border does not repeat the edge itself.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lucid.errors import DTypeError
from lucid.nn import functional as F
from lucid.nn.module import Module
from lucid.tensor import Tensor


class _Pad(Module):
    """F.pad in one mode over ``spatial`` dimensions."""

    spatial: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: Any):
        super().__init__()
        sides = 2 * self.spatial
        if isinstance(padding, str):
            raise DTypeError(f"{self._name()}: padding must be an int or {sides}; got {padding!r}")
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(
                f"{self._name()}: padding must be an int or {sides} of them; got {padding!r}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(
            input, self.padding, self.mode, self.value if self.mode == "constant" else None
        )

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroPad1d(_Pad):
    """A border of zeros. x: (N, C, L) -> y: (N, C, L')."""

    spatial = 1


class ZeroPad2d(_Pad):
    """A border of zeros. x: (N, C, H, W) -> y: (N, C, H', W')."""

    spatial = 2


class ZeroPad3d(_Pad):
    """A border of zeros. x: (N, C, D, H, W) -> y: (N, C, D', H', W')."""

    spatial = 3


class ConstantPad1d(_ConstantPad):
    """A border of ``value``. x: (N, C, L) -> y: (N, C, L')."""

    spatial = 1


class ConstantPad2d(_ConstantPad):
    """A border of ``value``. x: (N, C, H, W) -> y: (N, C, H', W')."""

    spatial = 2


class ConstantPad3d(_ConstantPad):
    """A border of ``value``. x: (N, C, D, H, W) -> y: (N, C, D', H', W')."""

    spatial = 3


class ReflectionPad1d(_Pad):
    """A border mirrored at the edge. x: (N, C, L) -> y: (N, C, L')."""

    spatial = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """A border mirrored at the edge. x: (N, C, H, W) -> y: (N, C, H', W')."""

    spatial = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """A border mirrored at the edge. x: (N, C, D, H, W) -> y: (N, C, D', H', W')."""

    spatial = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """A border that repeats the edge. x: (N, C, L) -> y: (N, C, L')."""

    spatial = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """A border that repeats the edge. x: (N, C, H, W) -> y: (N, C, H', W')."""

    spatial = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """A border that repeats the edge. x: (N, C, D, H, W) -> y: (N, C, D', H', W')."""

    spatial = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """A border taken from the other side. x: (N, C, L) -> y: (N, C, L')."""

    spatial = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """A border taken from the other side. x: (N, C, H, W) -> y: (N, C, H', W')."""

    spatial = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """A border taken from the other side. x: (N, C, D, H, W) -> y: (N, C, D', H', W')."""

    spatial = 3
    mode = "circular"

"""The errors lucid raises. Each is also the builtin that a Python user would expect.

All of them read ``<function>: <rule>; got <values>. Hint: <way out>``. Shapes, dtypes,
devices and graphs are RuntimeErrors in PyTorch and here too, so that ``except RuntimeError`` keeps
working. A setting out of its range is a plain ValueError, also where PyTorch says RuntimeError.
"""

from __future__ import annotations

import sys
import warnings


class LucidError(Exception):
    """Base of every error that lucid raises on purpose."""


class ShapeError(LucidError, ValueError, RuntimeError):
    """Sizes or numbers of dimensions do not fit."""


class DimensionError(ShapeError, IndexError):
    """A dimension or an index that is not there."""


class DTypeError(LucidError, TypeError, RuntimeError):
    """An element type that the operation does not take."""


class IndexTypeError(DTypeError, IndexError):
    """An index of a type that indexes nothing."""


class DeviceError(LucidError, RuntimeError):
    """Tensors on different devices, or a device that this machine does not have."""


class GradError(LucidError, RuntimeError):
    """The graph cannot give the gradient that was asked for."""


class ExportError(GradError, BufferError):
    """A tensor that another library can't be given as it is."""


class LinAlgError(LucidError, RuntimeError):
    """A matrix that has no inverse, or not the factors that were asked for."""


class CheckpointError(LucidError, RuntimeError):
    """A file that cannot be loaded, or does not fit what it is loaded into."""


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn of the line that called lucid, however deep inside of lucid this is noticed."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "lucid":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)

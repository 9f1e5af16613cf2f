"""The errors lucid raises. Each is also the builtin that a Python user would expect.

All of them read ``<function>: <rule>; got <values>. Hint: <way out>``. Shapes, dtypes,
devices and graphs are RuntimeErrors in PyTorch and here too, so that ``except RuntimeError`` keeps
working. A setting out of its range is a plain ValueError, also where PyTorch says RuntimeError.
"""


class LucidError(Exception):
    """Base of every error that lucid raises on purpose."""


class ShapeError(LucidError, ValueError, RuntimeError):
    """Sizes or numbers of dimensions do not fit."""


class DimensionError(ShapeError, IndexError):
    """A dimension or an index that is not there."""


class DTypeError(LucidError, TypeError, RuntimeError):
    """An element type that the operation does not take."""


class DeviceError(LucidError, RuntimeError):
    """Tensors on different devices, or a device that this machine does not have."""


class GradError(LucidError, RuntimeError):
    """The graph cannot give the gradient that was asked for."""


class CheckpointError(LucidError, RuntimeError):
    """A file that cannot be loaded, or does not fit what it is loaded into."""

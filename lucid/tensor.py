"""Tensor: an array, its gradient, and the op that made it. Methods arrive from lucid/ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lucid import dtypes
from lucid.backend import Array, Device, device_of, resolve
from lucid.errors import DimensionError, DTypeError, GradError, ShapeError
from lucid.graph.compact import teach
from lucid.graph.grad_mode import flags
from lucid.graph.leaf import measure
from lucid.graph.recorded import Recorded
from lucid.methods import TensorMethods
from lucid.printing import format_tensor

F = TypeVar("F", bound=Callable[..., Any])


class Tensor(Recorded, TensorMethods):
    """An n-dimensional array that remembers how it was computed.

    ``Tensor([[1.0, 2.0]], requires_grad=True)`` takes numbers, nested lists and arrays;
    ``Tensor(2, 3)`` makes an uninitialised tensor of that shape, as in PyTorch.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.])
    """

    # An ordinary tensor sets these two fields and is done; what the graph adds is in Recorded.
    _array: Array
    _device: Device
    __array_priority__ = 1000

    def __init__(
        self,
        *data: Any,
        requires_grad: bool = False,
        dtype: Any = None,
        device: Any = None,
    ):
        sizes = data[0] if len(data) == 1 and isinstance(data[0], Tensor) else data
        if not data or (isinstance(sizes, tuple) and all(type(n) is int for n in sizes)):
            where = resolve(device)
            kind = dtypes.as_dtype(dtype) if dtype else dtypes.get_default_dtype()
            array = where.xp.empty(data or (0,), kind.numpy)
        elif len(data) == 1:
            like = isinstance(data[0], Tensor) or hasattr(data[0], "dtype")
            wanted = dtype or (None if like else dtypes.get_default_dtype())
            array, where = to_array(data[0], wanted, device)
        else:
            raise ShapeError(
                f"Tensor: expected one value or several ints as sizes; got {data!r}."
                " Hint: Tensor([1.0, 2.0]) or Tensor(2, 3)"
            )
        self._array, self._device = array, where
        if requires_grad:
            self.requires_grad = True

    @staticmethod
    def _wrap(array: Array, device: Device, requires_grad: bool = False) -> Tensor:
        """An array that is already where it belongs, as a tensor: the cheap way for inner code."""
        t = object.__new__(Tensor)
        t._array, t._device = array, device
        if requires_grad:
            t._requires_grad = True
        if flags.inference:
            t._inference = True
        return t

    # What it is.

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes._BY_NUMPY[self._array.dtype]

    @property
    def device(self) -> Device:
        return self._device

    @property
    def itemsize(self) -> int:
        return self._array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    @property
    def is_cuda(self) -> bool:
        return self._device.type == "cuda"

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry ``dim``."""
        return self.shape if dim is None else _entry("size", self.shape, dim)

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    def element_size(self) -> int:
        """Bytes per element."""
        return self._array.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours, in elements, per dimension."""
        steps = tuple(s // self._array.itemsize for s in self._array.strides)
        return steps if dim is None else _entry("stride", steps, dim)

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._array.data.ptr if self.is_cuda else self._array.ctypes.data

    def is_floating_point(self) -> bool:
        """Whether the elements are floating point numbers."""
        return self.dtype.category == 2

    @property
    def data(self) -> Tensor:
        """The same memory outside the graph; writes through it are not tracked."""
        return Tensor._wrap(self._array.view(), self._device)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise DTypeError(f"data: expected a Tensor; got {type(value).__name__}")
        self._array, self._device = value._array, value._device

    def detach(self) -> Tensor:
        """The same memory outside the graph; writes through it are noticed by backward."""
        # An array object of its own: what an op saves is recognised by the array's identity.
        t = Tensor._wrap(self._array.view(), self._device)
        t._counter = self._shared_counter()
        return t

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> tuple:
        host = self._device.to_numpy(self._array)
        return _rebuild, (type(self), host, self._device, self.dtype, self._requires_grad)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise GradError(
                "deepcopy: only leaves can be copied with their graph. Hint: use .detach().clone()"
            )
        t = object.__new__(type(self))
        t._array, t._device = self._array.copy(order="K"), self._device
        t._requires_grad = self._requires_grad
        memo[id(self)] = t
        if self._grad is not None:
            t._grad = self._grad.detach().__deepcopy__(memo)
        return t

    def __repr__(self) -> str:
        return format_tensor(self)


measure(lambda: Tensor._wrap(Device("cpu").xp.zeros((1, 2)).T, Device("cpu")))


_FIELDS = (
    "_array", "_device", "_node", "_requires_grad", "_index", "_counter", "_leaf", "_grad", "_base",
    "_chain", "_epoch",
)  # fmt: skip
teach(Tensor, _FIELDS)


def _rebuild(
    kind: type[Tensor], host: Any, device: Device, dtype: dtypes.dtype, requires_grad: bool
) -> Tensor:
    """Unpickle: the tensor's values, on the device where they were."""
    t = object.__new__(kind)
    t._device = device.concrete()
    t._array = t._device.asarray(host, dtype.numpy)
    t._requires_grad = requires_grad
    return t


def to_array(value: Any, dtype: Any, device: Any) -> tuple[Array, Device]:
    """Numbers, nested lists, arrays and tensors as an array of ``dtype`` on ``device``.

    Python floats become the default dtype, ints int64. Arrays and tensors keep their own dtype
    and device unless told otherwise, and are not copied if nothing has to change.
    """
    if isinstance(value, Tensor):
        value, at = value._array, value._device
        where = at if device is None else resolve(device)
    else:
        is_cuda_array = hasattr(value, "__cuda_array_interface__")
        where = device_of(value) if is_cuda_array and device is None else resolve(device)
    wanted = None if dtype is None else dtypes.as_dtype(dtype).numpy
    if isinstance(value, (list, tuple)):
        value = _plain(value)
    elif value is None or isinstance(value, str):
        raise DTypeError(f"tensor: data must be numbers; got {value!r:.60}")
    try:
        array = where.asarray(value, wanted)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            raise ShapeError(
                "tensor: nested lists must all have the same length, and hold numbers; got"
                f" {value!r:.80}"
            ) from error
        raise
    if wanted is None:
        if not hasattr(value, "dtype") and array.dtype == "float64":
            array = where.asarray(array, dtypes.get_default_dtype().numpy)
        dtypes.of(array.dtype)
    return array, where


def _entry(name: str, entries: tuple[int, ...], dim: int) -> int:
    try:
        return entries[dim.__index__()]
    except AttributeError:
        raise DTypeError(f"{name}: dim must be an int; got {dim!r:.60}") from None
    except IndexError:
        raise DimensionError(
            f"{name}: dim must be in [{-len(entries)}, {len(entries) - 1}]; got {dim}"
        ) from None


def _plain(value: Any) -> Any:
    """Nested lists with the tensors in them as numbers."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or value.__class__ is str:
        raise DTypeError(f"tensor: data must be numbers; got {value!r:.60} in a list")
    return value


def tensor_method(*names: str) -> Callable[[F], F]:
    """Give Tensor the decorated function as methods: ``@tensor_method("exp")``."""

    def attach(function: F) -> F:
        named: Any = function
        if named.__name__.startswith("_") or "<" in named.__qualname__:
            named.__name__ = named.__qualname__ = names[0]  # in Python's own errors
        for name in names:
            if name in Tensor.__dict__ and name not in ("__hash__",):
                raise TypeError(f"tensor_method: Tensor.{name} is defined twice")
            setattr(Tensor, name, function)
        return function

    return attach


def tensor_property(name: str) -> Callable[[F], F]:
    """Give Tensor the decorated function of the tensor as a read-only property."""

    def attach(function: F) -> F:
        setattr(Tensor, name, property(function))
        return function

    return attach

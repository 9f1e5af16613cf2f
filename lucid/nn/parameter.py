"""Parameter and Buffer: tensors that a Module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any, ClassVar

from lucid import dtypes
from lucid.backend import resolve
from lucid.errors import ShapeError
from lucid.tensor import Tensor


class Parameter(Tensor):
    """A tensor that is trained: assigned to a Module, it is one of ``parameters()``.

    Shares the memory of ``data``. Computing with it gives plain tensors.

    >>> nn.Parameter(lucid.ones(2))
    Parameter containing:
    Tensor([1., 1.], grad=None)
    """

    def __init__(self, data: Any = None, requires_grad: bool = True):
        if not isinstance(data, Tensor):
            data = Tensor() if data is None else Tensor(data)
        self._array, self._device = data._array, data._device
        self._counter = data._shared_counter()
        if requires_grad:
            self.requires_grad = True

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that belongs to a Module but is not trained, such as a running mean.

    ``persistent=False`` keeps it out of ``state_dict()``.
    """

    persistent = True

    def __init__(self, data: Any = None, *, persistent: bool = True):
        if not isinstance(data, Tensor):
            data = Tensor() if data is None else Tensor(data)
        self._array, self._device = data._array, data._device
        self._counter = data._shared_counter()
        self._requires_grad = data.requires_grad
        self.persistent = persistent


class _Nothing:
    """Stands where an array will be: it has a dtype, and nothing else."""

    def __init__(self, dtype: Any):
        self.dtype = dtype

    def __getattr__(self, name: str) -> Any:
        raise ShapeError(
            "uninitialized: a parameter or buffer of a lazy module has no shape and no values"
            f" before the module's first call; got a use of its {name}. Hint: call the model once,"
            " on an example"
        )

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__getattr__("values")

    __array_function__ = __neg__ = __array_ufunc__
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __array_ufunc__
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __array_ufunc__


class _Uninitialized(Tensor):
    """A tensor whose shape is not known yet; ``materialize`` makes it an ordinary one."""

    becomes: ClassVar[type[Tensor]]

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a tensor of this shape, its values undefined. Whoever holds it, holds that."""
        where = self._device if device is None else resolve(device)
        kind = self._array.dtype if dtype is None else dtypes.as_dtype(dtype).numpy
        self._array, self._device = where.xp.empty(tuple(shape), kind), where
        self.__class__ = self.becomes  # type: ignore[assignment]

    def _alike(self, requires_grad: bool = False) -> Any:
        return type(self)(requires_grad, device=self._device, dtype=self.dtype)

    # What can be done with it: moved, converted, copied, listed in a state.

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def data(self) -> Any:
        return self._alike()

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, _Uninitialized):
            raise ShapeError(
                "data: an uninitialized parameter is given a shape by materialize(shape); got a"
                f" tensor of shape {value.shape}"
            )
        self._array, self._device = value._array, value._device

    def to(self, device: Any = None, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        moved = self._alike()
        moved._device = self._device if device is None else resolve(device)
        moved._array = self._array if dtype is None else _Nothing(dtypes.as_dtype(dtype).numpy)
        return moved

    def detach(self) -> Any:
        return self._alike()

    def __deepcopy__(self, memo: dict) -> Any:
        memo[id(self)] = copy = self._alike(self._requires_grad)
        return copy

    def __reduce__(self) -> Any:
        return type(self), (self._requires_grad, self._device, self.dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter whose shape a lazy module learns from its first input."""

    becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None):
        self._device = resolve(device)
        self._array = _Nothing(_kind(dtype))
        self._requires_grad = requires_grad


class UninitializedBuffer(_Uninitialized, Buffer):
    """A buffer whose shape a lazy module learns from its first input."""

    becomes = Buffer

    def __init__(
        self,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ):
        self._device = resolve(device)
        self._array = _Nothing(_kind(dtype))
        self._requires_grad = requires_grad
        self.persistent = persistent


def _kind(dtype: Any) -> Any:
    return (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy


def is_lazy(param: Any) -> bool:
    """Whether this parameter or buffer still waits for its shape."""
    return isinstance(param, _Uninitialized)

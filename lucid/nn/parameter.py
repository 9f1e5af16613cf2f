"""Parameter and Buffer: tensors that a Module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

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

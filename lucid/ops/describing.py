"""What a tensor is and where it lies, for code that asks before it acts.

lucid has dense tensors of real numbers: it answers False where PyTorch asks for complex, sparse or
quantized ones.
"""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import ShapeError
from lucid.tensor import Tensor, tensor_method, tensor_property

__all__ = [
    "adjoint",
    "can_cast",
    "conj",
    "get_device",
    "is_complex",
    "is_conj",
    "is_inference",
    "is_neg",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "is_storage",
    "real",
    "resolve_conj",
    "resolve_neg",
    "typename",
]


@tensor_method("is_complex")
def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers. They never are: False."""
    return False


@tensor_method("is_conj")
def is_conj(input: Tensor) -> bool:
    """Whether a conjugation is still to be done. It never is: False."""
    return False


@tensor_method("is_neg")
def is_neg(input: Tensor) -> bool:
    """Whether a negation is still to be done. It never is: False."""
    return False


@tensor_method("is_signed")
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype not in (dtypes.uint8, dtypes._bool)


@tensor_method("is_nonzero")
def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0."""
    if input.numel() != 1:
        raise ShapeError(f"is_nonzero: expected one element; got shape {input.shape}")
    return bool(input.item())


@tensor_method("is_same_size")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape."""
    return input.shape == other.shape


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made under ``inference_mode``."""
    return input.is_inference()


def is_storage(obj: Any) -> bool:
    """Whether obj is a storage. lucid has none: False."""
    return False


@tensor_method("get_device")
def get_device(input: Tensor) -> int:
    """The number of the CUDA device that the tensor is on; -1 for the CPU."""
    return -1 if input._device.type == "cpu" else input._device.concrete().index or 0


@tensor_method("conj", "conj_physical", "resolve_conj", "resolve_neg")
def conj(input: Tensor) -> Tensor:
    """The conjugate, which of real numbers is the tensor itself."""
    return input


resolve_conj = resolve_neg = conj


def real(input: Tensor) -> Tensor:
    """The real part, which of real numbers is the tensor itself."""
    return input


@tensor_property("real")
def _real(self: Tensor) -> Tensor:
    """The real part, which of real numbers is the tensor itself."""
    return self


@tensor_property("mH")
def _adjoint(self: Tensor) -> Tensor:
    """mT: a view with the last two dimensions exchanged."""
    return self.mT


@tensor_method("adjoint")
def adjoint(input: Tensor) -> Tensor:
    """mT: a view with the last two dimensions exchanged."""
    return input.mT


@tensor_property("H")
def _matrix_adjoint(self: Tensor) -> Tensor:
    """The transpose of a matrix, a view. (M, N) -> (N, M)."""
    if self.ndim != 2:
        raise ShapeError(f"H: expected a matrix; got shape {self.shape}. Hint: .mH")
    return self.mT


@tensor_property("is_cpu")
def _is_cpu(self: Tensor) -> bool:
    """Whether the tensor is on the CPU."""
    return self._device.type == "cpu"


for _name in ("is_sparse", "is_quantized", "is_meta", "is_mkldnn", "is_mps", "is_nested", "is_xpu"):
    tensor_property(_name)(lambda self: False)


@tensor_method("storage_offset")
def _storage_offset(self: Tensor) -> int:
    """How many elements lie before the first one, in the memory that this tensor is a view of."""
    owner = self if self._base is None else self._base
    return (self.data_ptr() - owner.data_ptr()) // self.element_size()


@tensor_method("is_set_to")
def _is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same memory in the same way."""
    return (
        self.data_ptr() == tensor.data_ptr()
        and self.shape == tensor.shape
        and self.stride() == tensor.stride()
    )


def can_cast(from_: dtypes.dtype, to: dtypes.dtype) -> bool:
    """Whether PyTorch's rules let a result of one dtype be written into another: not downwards.

    >>> lucid.can_cast(lucid.float64, lucid.float32), lucid.can_cast(lucid.float32, lucid.int64)
    (True, False)
    """
    return dtypes.can_cast(from_, to)


def typename(obj: Any) -> str:
    """The name of an object's type; of a tensor that of its kind, as ``Tensor.type`` gives it."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) or hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", "")
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"

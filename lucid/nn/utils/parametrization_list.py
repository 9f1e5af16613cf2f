"""The parametrizations of one tensor, and what they start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.graph.grad_mode import no_grad
from lucid.nn.containers import ModuleList
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.tensor import Tensor

__all__ = ["ParametrizationList"]


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in order, and what they start from.

    ``original`` is that tensor, or ``original0``, ``original1``, ... if the first parametrization
    takes several. ``register_parametrization`` makes it.
    """

    original: Tensor

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False):
        if not modules:
            raise ValueError("ParametrizationList: at least one parametrization is needed")
        super().__init__(modules)
        self.unsafe = unsafe
        new = self._first_inverse(original)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        shape, dtype, before = original.shape, original.dtype, original.data
        if self.is_tensor:
            if (new.dtype, new.device) != (original.dtype, original.device):
                raise ValueError(
                    "register_parametrization: right_inverse must keep dtype and device,"
                    f" {original.dtype} on {original.device}; got {new.dtype} on {new.device}"
                )
            assign(original, new)  # the same object, so that optimizers keep it
            register(self, "original", original)
        else:
            for i, tensor in enumerate(new):
                if isinstance(original, Parameter):
                    tensor = Parameter(tensor, original.requires_grad)
                register(self, f"original{i}", tensor)
        if not unsafe:
            try:
                check_alike("the parametrized tensor", self(), shape, dtype)
            except Exception:
                original.data = before
                raise

    def _first_inverse(self, original: Tensor) -> Any:
        """What the first parametrization shall start from so that the result is ``original``."""
        new: Any = original.detach()
        with no_grad():
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:  # then the values change, and that is allowed
                        continue
        if isinstance(new, Tensor):
            return new
        if not isinstance(new, Sequence) or not all(isinstance(t, Tensor) for t in new):
            raise ValueError(
                "register_parametrization: right_inverse must return a tensor or a sequence of"
                f" tensors; got {new!r:.80}"
            )
        return new

    def right_inverse(self, value: Tensor) -> None:
        """Change the original(s) so that the parametrized tensor becomes ``value``."""
        new: Any = value.detach()
        with no_grad():
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        "assigning to a parametrized tensor needs right_inverse; got none in"
                        f" {type(module).__name__}"
                    )
                new = module.right_inverse(new)
            olds = self._originals()
            news = [new] if self.is_tensor else list(new)
            found = [t.dtype if isinstance(t, Tensor) else type(t).__name__ for t in news]
            if found != [old.dtype for old in olds]:
                raise ValueError(
                    "assigning to a parametrized tensor: right_inverse must return tensors of the"
                    f" original dtypes, {[old.dtype for old in olds]}; got {found}"
                )
            for old, t in zip(olds, news, strict=True):
                assign(old, t)

    def _originals(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        first, *others = self
        x = first(*self._originals())
        for module in others:
            x = module(x)
        return x


def check_alike(what: str, x: Any, shape: tuple[int, ...], dtype: Any) -> None:
    if not isinstance(x, Tensor):
        raise ValueError(
            f"register_parametrization: {what} must be a tensor; got {type(x).__name__}"
        )
    if (x.shape, x.dtype) != (shape, dtype):
        raise ValueError(
            f"register_parametrization: {what} must keep shape and dtype, {shape} {dtype}; got"
            f" {x.shape} {x.dtype}. Hint: unsafe=True if it is meant to change them"
        )


def assign(target: Tensor, value: Tensor) -> None:
    """Give a tensor that stays itself other values, and maybe another shape."""
    same = value.data_ptr() == target.data_ptr() and value.stride() == target.stride()
    if not (same and value.shape == target.shape and value.dtype == target.dtype):
        target.data = value.detach().clone()


def register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)

"""Module: the base of every layer and model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lucid import dtypes
from lucid.backend import Device, resolve
from lucid.errors import DTypeError
from lucid.nn.calling import Calling
from lucid.nn.explaining import explaining
from lucid.nn.state import State
from lucid.nn.tree import Tree
from lucid.ops.sharing import share_memory
from lucid.tensor import Tensor

_REGISTERS = (
    "_parameters", "_buffers", "_modules", "_forward_pre_hooks", "_forward_hooks",
    "_backward_pre_hooks", "_backward_hooks", "_state_dict_pre_hooks", "_state_dict_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


class Module(Tree, Calling, State):
    """Base of every layer and model: parameters, submodules and ``forward``.

    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> net = Net()
    >>> net(lucid.ones(3, 4)).shape
    (3, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    training: bool
    call_super_init: ClassVar[bool] = False  # True: pass further arguments on to the next class

    def __init__(self, *args: Any, **kwargs: Any):
        if not self.call_super_init and (args or kwargs):
            raise TypeError(
                f"{type(self).__name__}: Module.__init__() takes no arguments; got"
                f" {', '.join([*map(repr, args), *kwargs])}"
            )
        own = self.__dict__
        own["training"] = True
        own.update((name, {}) for name in _REGISTERS)
        own["_non_persistent_buffers_set"] = set()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("lucid.nn.") and "__init__" in cls.__dict__:
            cls.__init__ = explaining(cls.__init__)  # type: ignore[method-assign]

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)

    # Modes.

    def train(self, mode: bool = True) -> Any:
        """Training behaviour (of dropout, batch normalization) for this module and all below."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be a bool; got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Evaluation behaviour: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Switch gradients on or off for all parameters: ``False`` freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter._grad is not None:
                parameter._grad = parameter._grad.detach()
                parameter._grad.zero_()

    # Conversions. Parameters stay the same objects, so that optimizers keep working.

    def apply(self, fn: Callable[[Any], Any]) -> Any:
        """Call ``fn(module)`` on everything below, children first, and on this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replace the values of all parameters, their gradients, and all buffers by fn of them."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter.data = fn(parameter.data)
                if parameter._grad is not None:
                    parameter._grad = fn(parameter._grad.detach())
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(
        self,
        *args: Any,
        device: Any = None,
        dtype: Any = None,
        non_blocking: bool = False,
        memory_format: Any = None,
    ) -> Any:
        """Move or convert, in place: ``to("cuda")``, ``to(lucid.float16)``, ``to(other_tensor)``,
        ``to(memory_format=lucid.channels_last)``. Only floating point tensors change their dtype.
        """
        for arg in args:
            if isinstance(arg, Tensor):
                device, dtype = arg.device, arg.dtype
            elif isinstance(arg, bool):
                non_blocking = arg
            elif isinstance(arg, (Device, int)) or (
                isinstance(arg, str) and not dtypes.is_name(arg)
            ):
                device = arg
            elif arg is not None:
                dtype = arg
        if dtype is not None:
            dtype = dtypes.as_dtype(dtype)
            if not dtype.is_floating_point:
                raise DTypeError(
                    f"{type(self).__name__}.to: dtype must be floating point; got {dtype}"
                )
        where = None if device is None else resolve(device)

        def convert(t: Any) -> Tensor:
            t = t.to(where, dtype if t.is_floating_point() else None, non_blocking)
            if memory_format is not None and t.ndim == (memory_format.ndim or t.ndim):
                t = t.contiguous(memory_format=memory_format)
            return t

        return self._apply(convert)

    def cpu(self) -> Any:
        """Move to host memory."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Any:
        """Move to a CUDA device, the current one by default."""
        return self.to("cuda" if device is None else device)

    def float(self) -> Any:
        """All floating point tensors to float32."""
        return self.to(dtypes.float32)

    def double(self) -> Any:
        """All floating point tensors to float64."""
        return self.to(dtypes.float64)

    def half(self) -> Any:
        """All floating point tensors to float16."""
        return self.to(dtypes.float16)

    def bfloat16(self) -> Any:
        """All floating point tensors to bfloat16."""
        return self.to(dtypes.bfloat16)

    def type(self, dst_type: Any) -> Any:
        """All tensors, integers too, to ``dst_type``."""
        return self._apply(lambda t: t.type(dst_type))

    def share_memory(self) -> Any:
        """Move parameters, gradients and buffers to memory that other processes see, in one block.

        Those that get the module, as ``multiprocessing`` starts or sends it, train the same one.
        """
        parameters = list(self.parameters())
        gradients = [p._grad for p in parameters if p._grad is not None]
        share_memory([*parameters, *gradients, *self.buffers()])
        return self

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move to a device without the values: memory there is uninitialised."""
        where = resolve(device)

        def empty(t: Tensor) -> Tensor:
            return Tensor._wrap(where.xp.empty(t.shape, t._array.dtype), where)

        return self._apply(empty, recurse)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Accept a compiler's settings and do nothing: see ``lucid.compile``."""

    # What it looks like.

    def _get_name(self) -> str:
        return self._name()

    def extra_repr(self) -> str:
        """The settings, as they stand between the brackets of the repr."""
        return ""

    def _child_lines(self) -> list[str]:
        return [f"({name}): {_indent(repr(child))}" for name, child in self._modules.items()]

    def __repr__(self) -> str:
        settings = self.extra_repr()
        children = self._child_lines()
        if not children and "\n" not in settings:
            return f"{self._get_name()}({settings})"
        lines = [*settings.split("\n"), *children] if settings else children
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")

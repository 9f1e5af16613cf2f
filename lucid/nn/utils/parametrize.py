"""Parametrizations: a module's tensor that is computed from others whenever it is asked for."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lucid.graph.grad_mode import no_grad
from lucid.nn.containers import ModuleDict
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.nn.utils.parametrization_list import ParametrizationList as ParametrizationList
from lucid.nn.utils.parametrization_list import assign, check_alike, register
from lucid.tensor import Tensor

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations", "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]  # fmt: skip


class _Cache(threading.local):
    """Values computed within ``cached()``, by module and name."""

    depth = 0

    def __init__(self) -> None:
        self.values: dict[tuple[int, str], Tensor] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Within this context every parametrized tensor is computed once and kept.

    For weights that a forward uses several times, as those of recurrent layers.
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.values.clear()


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on ``module.<tensor_name>`` is ``parametrization(original)``; returns the module.

    The original, a parameter or buffer, moves to ``module.parametrizations.<name>.original``, where
    optimizers that know it keep training it. If the parametrization has ``right_inverse``, the
    original is changed by it, so that the value stays, and can be assigned; it may return several
    tensors, which forward then takes. Several parametrizations of a tensor are applied in order.
    Unless ``unsafe``, shape and dtype must stay.

    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    ...     def right_inverse(self, y):
    ...         return y.triu()
    >>> layer = nn.Linear(2, 2)
    >>> layer = nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> layer.weight = Tensor([[1.0, 2.0], [2.0, 3.0]])
    >>> layer.parametrizations.weight.original.detach()
    Tensor([[1., 2.],
            [0., 3.]])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_chained(parametrization, getattr(module, tensor_name))
        chain = module.parametrizations[tensor_name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
        return module
    original = module._parameters.get(tensor_name, module._buffers.get(tensor_name))
    if original is None:
        raise ValueError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer"
            f" {tensor_name!r}. Hint: it has {', '.join([*module._parameters, *module._buffers])}"
        )
    chain = ParametrizationList([parametrization], original, unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _change_class(module)
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = chain
    return module


def _check_chained(parametrization: Any, y: Tensor) -> None:
    """Raise unless a further parametrization takes a tensor to one that is alike, and back."""
    x = parametrization(y)
    check_alike("the parametrized tensor", x, y.shape, y.dtype)
    if hasattr(parametrization, "right_inverse"):
        try:
            z = parametrization.right_inverse(x)
        except NotImplementedError:
            return
        check_alike("right_inverse's answer", z, y.shape, y.dtype)


# The class of a parametrized module: its own one, with properties in the place of tensors.


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        chain = self.parametrizations[name]
        if not _cache.depth:
            return chain()
        key = (id(self), name)
        if key not in _cache.values:
            _cache.values[key] = chain()
        return _cache.values[key]

    def set_(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set_)


def _change_class(module: Module) -> None:
    base = type(module)
    members: dict[str, Any] = {"__getstate__": _refuse_pickling, "__module__": base.__module__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), members)


def _refuse_pickling(self: Any) -> Any:
    raise RuntimeError(
        f"{type(self).__name__}: a parametrized module can't be pickled. Hint: save its"
        " state_dict(), or remove_parametrizations() first"
    )


def _deepcopy(self: Any, memo: dict) -> Any:
    """A copy with a class of its own: removing a parametrization changes the class."""
    kind = type(self)
    members = {k: v for k, v in vars(kind).items() if k not in ("__dict__", "__weakref__")}
    replica: Any = object.__new__(type(kind.__name__, kind.__bases__, members))
    memo[id(self)] = replica
    replica.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return replica


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether this tensor of the module, or any, is parametrized."""
    chains = module._modules.get("parametrizations")
    if not isinstance(chains, ModuleDict):
        return False
    return len(chains) > 0 if tensor_name is None else tensor_name in chains


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parametrized tensor a plain parameter or buffer again; returns the module.

    It keeps the value that the parametrizations gave it, or with ``leave_parametrized=False`` gets
    that of the original, which there must be one of.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"remove_parametrizations: {type(module).__name__}.{tensor_name} is not parametrized"
        )
    chain = module.parametrizations[tensor_name]
    if not leave_parametrized and not chain.is_tensor:
        raise ValueError(
            "remove_parametrizations: leave_parametrized=False needs a single original; got"
            f" {chain.ntensors} of {tensor_name}"
        )
    if chain.is_tensor:
        tensor = chain.original
        if leave_parametrized:
            with no_grad():
                assign(tensor, getattr(module, tensor_name))
    else:
        tensor = getattr(module, tensor_name)
        tensor = Parameter(tensor) if tensor.requires_grad else tensor
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    register(module, tensor_name, tensor)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type_before_parametrizations(module, True)
    return module


def type_before_parametrizations(module: Module, _always: bool = False) -> type:
    """The module's class without its parametrizations."""
    kind = type(module)
    return kind.__bases__[0] if _always or is_parametrized(module) else kind


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize ``to_module`` as ``from_module`` is, with the same originals; returns it.

    All parametrized tensors, or the one named. What ``to_module`` does not have it gets.
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        source = from_module.parametrizations[name]
        for parametrization in source:
            register_parametrization(to_module, name, parametrization, unsafe=source.unsafe)
        target = to_module.parametrizations[name]
        count = source.ntensors
        for key in ["original"] if source.is_tensor else [f"original{i}" for i in range(count)]:
            setattr(target, key, getattr(source, key))
    return to_module

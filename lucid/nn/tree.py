"""Tree: a module's parameters, buffers and submodules: assigning, registering, walking, finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lucid.nn.parameter import Buffer, Parameter
from lucid.tensor import Tensor


class Tree:
    """What is assigned to an attribute decides where it goes: a Parameter, a Module, or a plain
    attribute; a Tensor becomes a buffer by ``register_buffer``."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]

    # Attributes.

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            self._take_name(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Tree):
            self._take_name(name, "_modules")
            self._modules[name] = value
        elif isinstance(value, Buffer):
            self._take_name(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif name in own.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"{self._name()}.{name}: a parameter can be replaced by a Parameter or None;"
                    f" got {type(value).__name__}. Hint: nn.Parameter(value), or `del` it first"
                )
            self._parameters[name] = None
        elif name in own.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"{self._name()}.{name}: a submodule can be replaced by a Module or None; got"
                    f" {type(value).__name__}. Hint: `del` it first"
                )
            self._modules[name] = None
        elif name in own.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"{self._name()}.{name}: a buffer can be replaced by a Tensor or None; got"
                    f" {type(value).__name__}. Hint: `del` it first"
                )
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def _take_name(self, name: str, kind: str) -> None:
        """Make room for ``name`` in one of the registers by removing it from all others."""
        self._require_init(f"assign {name!r}")
        self.__dict__.pop(name, None)
        for other in ("_parameters", "_buffers", "_modules"):
            if other != kind:
                self.__dict__[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _require_init(self, action: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"{self._name()}: can't {action} before Module.__init__() has run."
                " Hint: call super().__init__() first in __init__"
            )

    def __getattr__(self, name: str) -> Any:
        # Reached only when the attribute is not found in the ordinary way.
        own = self.__dict__
        if "_parameters" in own:  # __init__ has run
            if name in own["_parameters"]:
                return own["_parameters"][name]
            if name in own["_modules"]:
                return own["_modules"][name]
            if name in own["_buffers"]:
                return own["_buffers"][name]
        raise AttributeError(
            f"{self._name()!r} object has no attribute {name!r}", name=name, obj=self
        )

    def __delattr__(self, name: str) -> None:
        for register in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(register, ()):
                del self.__dict__[register][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = set(dir(type(self))) | set(self.__dict__)
        names.update(self._parameters, self._buffers, self._modules)
        return sorted(name for name in names if not name[:1].isdigit())

    def _name(self) -> str:
        return type(self).__name__

    # Registering.

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; None declares one that is absent (``bias=False``)."""
        self._require_init(f"register parameter {name!r}")
        self._check_new(name, "parameter", self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: {name!r} must be a Parameter or None; got"
                f" {type(param).__name__}. Hint: nn.Parameter(value)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"register_parameter: {name!r} must be a leaf; it was computed by {param.grad_fn}."
                " Hint: compute it in forward instead"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that moves with the module but is not trained.

        It is part of ``state_dict()`` unless ``persistent=False``.
        """
        self._require_init(f"register buffer {name!r}")
        self._check_new(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: {name!r} must be a Tensor or None; got {type(tensor).__name__}"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Any) -> None:
        """Add a submodule under ``name``, so that it is found as an attribute."""
        self._require_init(f"add module {name!r}")
        if module is not None and not isinstance(module, Tree):
            raise TypeError(
                f"add_module: {name!r} must be a Module or None; got {type(module).__name__}"
            )
        self._check_new(name, "module", self._modules)
        self._modules[name] = module

    def register_module(self, name: str, module: Any) -> None:
        """Another name of ``add_module``."""
        self.add_module(name, module)

    def _check_new(self, name: Any, kind: str, register: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(
                f"{self._name()}: a {kind}'s name must be a str; got {type(name).__name__}"
            )
        if "." in name or name == "":
            raise KeyError(
                f"{self._name()}: a {kind}'s name must not be empty nor contain a dot; got {name!r}"
            )
        if name not in register and hasattr(self, name):
            raise KeyError(f"{self._name()}: attribute {name!r} already exists")

    # Walking. Everything is visited once, parents first, in the order of registration.

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """This module and all below it, with their dotted names; shared ones once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Any]:
        """This module and all below it; shared ones once, or as often as they stand there."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The submodules one step below, with their names; shared ones once."""
        memo = set()
        for name, module in self._modules.items():
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def children(self) -> Iterator[Any]:
        """The submodules one step below."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self,
        members: Callable[[Any], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        memo = set()
        modules: Any = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules:
            for name, value in members(module):
                if value is None or value in memo:
                    continue
                if remove_duplicate:
                    memo.add(value)
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names; shared ones once."""
        return self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters: what an optimizer is given."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted names; shared ones once."""
        return self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # Finding.

    def get_submodule(self, target: str) -> Any:
        """The module at a dotted path, ``"features.3"``; ``""`` is this one."""
        module: Any = self
        for name in target.split(".") if target else ():
            if name not in module._modules or module._modules[name] is None:
                raise AttributeError(
                    f"get_submodule: {module._name()} has no submodule {name!r}; got path"
                    f" {target!r}. Hint: it has {', '.join(module._modules) or 'none'}"
                )
            module = module._modules[name]
        return module

    def set_submodule(self, target: str, module: Any) -> None:
        """Put ``module`` in the place of the one at a dotted path."""
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        parent.get_submodule(name or "?")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path, ``"features.3.weight"``."""
        return self._member("get_parameter", "parameter", "_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path, ``"bn1.running_mean"``."""
        return self._member("get_buffer", "buffer", "_buffers", target)

    def _member(self, function: str, kind: str, register: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        value = module.__dict__[register].get(name)
        if value is None:
            raise AttributeError(
                f"{function}: {module._name()} has no {kind} {name!r}; got path {target!r}"
            )
        return value

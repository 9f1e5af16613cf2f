"""Modules that hold modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from lucid.nn import fusion
from lucid.nn.module import Module, _indent


class _List(Module):
    """Modules under the names "0", "1", ..., in order; the common part of a list's behaviour."""

    def _key(self, index: Any) -> str:
        index, size = operator.index(index), len(self)
        if not -size <= index < size:
            raise IndexError(f"{self._name()}: index must be in [{-size}, {size}); got {index}")
        return next(islice(self._modules, index % size, None))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._modules.values())

    def __contains__(self, module: object) -> bool:
        return any(m is module for m in self._modules.values())

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)
        for key in keys[index] if isinstance(index, slice) else [self._key(index)]:
            delattr(self, key)
        left = list(self._modules.values())  # PyTorch numbers them anew, chosen names included
        self._modules.clear()
        self._modules.update({str(i): module for i, module in enumerate(left)})

    def _renumber(self, items: list[tuple[str, Any]]) -> None:
        """Numbers follow the order; names that a user chose stay."""
        fresh = {str(i) if k.isdigit() else k: module for i, (k, module) in enumerate(items)}
        self._modules.clear()
        self._modules.update(fresh)

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add several modules at the end."""
        if isinstance(modules, Module) and not isinstance(modules, (_List, ModuleDict)):
            raise TypeError(f"{self._name()}.extend: expected an iterable of modules; got a Module")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before position ``index``."""
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(
                f"{self._name()}.insert: index must be in [{-size}, {size}]; got {index}"
            )
        if not isinstance(module, Module):
            raise TypeError(f"{self._name()}.insert: expected a Module; got {module!r}")
        items = list(self._modules.items())
        items.insert(index, ("0", module))
        self._renumber(items)
        return self

    def pop(self, index: int | slice = -1) -> Any:
        """Remove and return the module at ``index``."""
        module = self[index]  # type: ignore[index]
        del self[index]
        return module


def _no_layer(name: str, index: int, given: Any) -> str:
    """What is said of an argument of Sequential that is no layer."""
    what, hint = type(given).__name__, ""
    if isinstance(given, list | tuple):
        hint = f". Hint: {name}(*layers)"
    elif isinstance(given, type) and issubclass(given, Module):
        what, hint = f"the class {given.__name__}", f". Hint: {given.__name__}()"
    return f"{name}: every layer must be a Module; got {what} at position {index}{hint}"


class Sequential(_List):
    """Modules called one after the other. ``model[0]``, ``model[1:3]`` and ``a + b`` work.

    While training on CUDA, BatchNorm, ReLU and a dropout of channels that stand in a row run as one
    kernel, and so do SELU and its dropouts; masks and statistics are the same.
    ``lucid.backends.fusion.enabled = False`` runs each by itself.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model(lucid.ones(1, 4)).shape
    (1, 2)
    """

    def __init__(self, *args: Any):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], dict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for index, module in enumerate(args):
                if module is not None and not isinstance(module, Module):
                    raise TypeError(_no_layer(self._name(), index, module))
                self.add_module(str(index), module)

    def forward(self, input: Any) -> Any:
        """Through all modules in order; neighbours may run as one: lucid/nn/fusion.py."""
        if fusion.applies(input):
            return fusion.run(self._modules, input)
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            part = type(self)()
            part._modules.update(list(self._modules.items())[index])
            return part
        return self._modules[self._key(index)]

    def __add__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Any:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int):
            return NotImplemented
        if times <= 0:
            raise ValueError(f"Sequential: the factor must be positive; got {times}")
        return Sequential(*list(self) * times)

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Any:
        added = list(self * times)[len(self) :]
        return self.extend(added)


class ModuleList(_List):
    """A list of modules that is part of its owner's parameters and state. It has no forward."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._key(index)]

    def __iadd__(self, modules: Iterable[Module]) -> Any:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def _child_lines(self) -> list[str]:
        """Equal neighbours share a line: ``(0-2): 3 x Linear(...)``."""
        runs: list[tuple[int, int, str]] = []
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        return [
            f"({first}): {_indent(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {_indent(text)}"
            for first, last, text in runs
        ]


class ModuleDict(Module):
    """A dict of modules that is part of its owner's parameters and state. It has no forward."""

    def __init__(self, modules: Any = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove everything."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Remove and return the module under ``key``."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs of name and module."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Add or replace modules, from a mapping or from pairs."""
        for key, module in pairs("ModuleDict", modules):
            self[key] = module


def pairs(name: str, given: Any) -> list[tuple[str, Any]]:
    """A mapping (or what looks like one) or an iterable of pairs, as pairs."""
    if isinstance(given, Mapping) or (hasattr(given, "keys") and hasattr(given, "items")):
        return list(given.items())
    if not isinstance(given, Iterable):
        raise TypeError(f"{name}: expected a mapping or pairs; got {type(given).__name__}")
    return [(key, value) for key, value in given]

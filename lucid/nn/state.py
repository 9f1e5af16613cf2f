"""State: a module's parameters and buffers as a dictionary, and back, all or nothing.

Loading has two halves. Every module checks its part and plans the copies; only when the whole
state is found to fit are the plans carried out.
"""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from lucid.backend import Array
from lucid.errors import CheckpointError, LucidError
from lucid.graph.grad_mode import no_grad
from lucid.graph.hooks import RemovableHandle
from lucid.nn.parameter import Parameter
from lucid.tensor import Tensor, to_array

EXTRA_STATE = "_extra_state"


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class _IncompatibleKeys(_Keys):
    """What ``load_state_dict`` found missing and unexpected; both empty when all is well."""

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()


class State:
    """``state_dict()`` and ``load_state_dict()``."""

    _version: int = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _state_dict_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: dict[int, Callable[..., Any]]
    modules: Callable[[], Iterator[Any]]  # Tree's

    # Out.

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False):
        """All parameters and persistent buffers by dotted name. They share the module's memory.

        ``keep_vars`` keeps them in the graph instead of detaching them.
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks.values()):
            changed = hook(self, destination, prefix, metadata)
            destination = destination if changed is None else changed
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """This module's own part; override it to save something else."""
        for name, value in self._own_state().items():
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor | None]:
        state: dict[str, Tensor | None] = dict(self._parameters)
        for name, buffer in self._buffers.items():
            if name not in self._non_persistent_buffers_set:
                state[name] = buffer
        return state

    def get_extra_state(self) -> Any:
        """Override together with ``set_extra_state`` to save more than tensors."""
        raise NotImplementedError(f"{type(self).__name__}: get_extra_state is not defined")

    def set_extra_state(self, state: Any) -> None:
        """Receives what ``get_extra_state`` returned."""
        raise NotImplementedError(f"{type(self).__name__}: set_extra_state is not defined")

    # In.

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy values into the parameters and buffers of the same names. All or nothing.

        Without ``strict``, names that only one side has are returned instead of refused; shapes
        must fit all the same. ``assign`` takes the given tensors instead of copying their values.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: expected a dict; got {type(state_dict).__name__}."
                " Hint: model.load_state_dict(lucid.load(path))"
            )
        state = OrderedDict(state_dict)
        metadata = getattr(state_dict, "_metadata", {})
        plan: list[Callable[[], None]] = []
        problems: list[str] = []
        keys = _IncompatibleKeys([], [])
        modules: list[State] = []  # those with post-hooks, the inner ones first

        def visit(module: State, prefix: str) -> None:
            local = {**metadata.get(prefix[:-1], {}), "_plan": plan, "_assign": assign}
            module._load_from_state_dict(state, prefix, local, True, *keys, problems)
            for name, child in module._modules.items():
                if child is not None:
                    visit(child, f"{prefix}{name}.")
            if module._load_state_dict_post_hooks:
                modules.append(module)

        visit(self, "")
        if problems or (strict and any(keys) and not modules):
            raise _misfit(self, keys, problems, strict)
        undo = self._snapshot() if any(keys) and modules else None
        with no_grad():
            for carry_out in plan:
                carry_out()
        for module in modules:
            for hook in list(module._load_state_dict_post_hooks.values()):
                if hook(module, keys) is not None:
                    raise RuntimeError("load_state_dict: a post-hook must change the keys in place")
        if strict and any(keys):  # the hooks could have forgiven them
            if undo is not None:
                undo()
            raise _misfit(self, keys, problems, strict)
        return keys

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Check this module's own part and plan its copies; override it to convert old states."""
        for hook in list(self._load_state_dict_pre_hooks.values()):
            hook(
                self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                error_msgs,
            )  # fmt: skip
        plan = local_metadata.get("_plan", [])
        for name, target in self._own_state().items():
            key = prefix + name
            if target is None:
                continue
            if key not in state_dict:
                missing_keys.append(key)
                continue
            try:
                value = _as_value(state_dict[key], target)
            except LucidError as error:
                error_msgs.append(f"{key}: {error}")
                continue
            if value.shape != target.shape:
                error_msgs.append(
                    f"shape mismatch for {key}: {target.shape} in the model,"
                    f" {value.shape} in the state"
                )
            elif local_metadata.get("_assign"):
                plan.append(_assignment(self, name, target, value))
            else:
                plan.append(lambda target=target, value=value: target.copy_(value))
        self._plan_extra_state(state_dict, prefix + EXTRA_STATE, plan, missing_keys)
        if "_plan" not in local_metadata:  # called by itself
            with no_grad():
                for carry_out in plan:
                    carry_out()
        if strict:
            unexpected_keys += self._unknown_keys(state_dict, prefix)

    def _plan_extra_state(self, state: dict, key: str, plan: list, missing: list[str]) -> None:
        if type(self).set_extra_state is not State.set_extra_state:
            if key in state:
                plan.append(lambda: self.set_extra_state(state[key]))
            else:
                missing.append(key)

    def _unknown_keys(self, state: dict[str, Any], prefix: str) -> list[str]:
        """Keys below ``prefix`` that neither this module nor any of its children answers for."""
        known = set(self._own_state())
        if type(self).set_extra_state is not State.set_extra_state:
            known.add(EXTRA_STATE)
        unknown = []
        for key in state:
            if key.startswith(prefix):
                name, dot, _ = key[len(prefix) :].partition(".")
                if name not in (self._modules if dot else known):
                    unknown.append(key)
        return unknown

    def _snapshot(self) -> Callable[[], None]:
        """A function that puts all parameters and buffers back to where they are now."""
        registers: list[tuple[dict, dict]] = []
        arrays: list[tuple[Tensor, Array]] = []
        for module in self.modules():
            for register in (module._parameters, module._buffers):
                registers.append((register, dict(register)))
                arrays += [(t, t._array.copy()) for t in register.values() if t is not None]

        def undo() -> None:
            for register, old in registers:
                register.update(old)
            for tensor, array in arrays:
                tensor._array[...] = array

        return undo

    # Hooks.

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before this module's part is collected."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after its part is collected."""
        return RemovableHandle(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """register_state_dict_post_hook, by the name that older code uses."""
        return self.register_state_dict_post_hook(hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """The same in its older form: the hook gets the module only ``with_module``."""
        if with_module:
            return self.register_load_state_dict_pre_hook(hook)
        return self.register_load_state_dict_pre_hook(lambda module, *rest: hook(*rest))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` before this module's part is checked; it may rename keys."""
        return RemovableHandle(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may clear the lists."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook)


def _as_value(value: Any, target: Tensor) -> Tensor:
    """An entry of a state as a tensor. Arrays will do, and so will another framework's tensors."""
    if not isinstance(value, Tensor):
        if not hasattr(value, "__array__"):
            raise CheckpointError(f"expected a Tensor; got {type(value).__name__}")
        value = Tensor._wrap(*to_array(value.__array__(), None, "cpu"))
    if target.shape == () and value.shape == (1,):  # how scalars used to be saved
        value = value[0]
    return value


def _assignment(module: Any, name: str, target: Tensor, value: Tensor) -> Callable[[], None]:
    if isinstance(target, Parameter) and not isinstance(value, Parameter):
        value = Parameter(value, requires_grad=target.requires_grad)
    register = module._parameters if name in module._parameters else module._buffers
    return lambda: register.update({name: value})


def _misfit(
    module: Any, keys: _IncompatibleKeys, problems: list[str], strict: bool
) -> CheckpointError:
    """One error that says everything that is wrong with a state."""
    missing, unexpected = keys if strict else ([], [])
    lines = []
    if missing:
        lines.append("missing keys: " + ", ".join(_hinted(missing, unexpected)))
    if unexpected:
        lines.append("unexpected keys: " + ", ".join(unexpected))
    lines += problems
    text = f"load_state_dict: the state does not fit {type(module).__name__}; nothing was loaded"
    text += "".join(f"\n    {line}" for line in lines)
    if missing and unexpected and all(k.startswith("module.") for k in unexpected):
        text += (
            "\nHint: the state was saved from DataParallel; strip the prefix:"
            ' {k.removeprefix("module."): v for k, v in state.items()}'
        )
    elif not problems:
        text += "\nHint: strict=False loads what fits and returns the other names"
    return CheckpointError(text)


def _hinted(missing: list[str], unexpected: list[str]) -> list[str]:
    """Missing names, each with the unexpected one that it resembles."""
    if len(missing) * len(unexpected) > 10_000:  # about a second
        return missing
    hinted = []
    for key in missing:
        close = difflib.get_close_matches(key, unexpected, n=1)
        hinted.append(f"{key} (is it {close[0]}?)" if close else key)
    return hinted

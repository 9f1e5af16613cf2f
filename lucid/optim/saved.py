"""Saved: an optimizer's state as a dictionary in PyTorch's format, and back, all or nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lucid import dtypes
from lucid.errors import CheckpointError
from lucid.graph.hooks import RemovableHandle
from lucid.ops import tensor
from lucid.optim.state import fit, number, step_on_device
from lucid.tensor import Tensor

SAVED_HOOKS = (
    "_state_dict_pre_hooks", "_state_dict_post_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


class Saved:
    """``state_dict()`` and ``load_state_dict()`` of an optimizer."""

    _fused: ClassVar[str]
    _numbers: ClassVar[tuple[str, ...]] = ("step",)  # what in a parameter's state is no tensor
    defaults: dict[str, Any]
    state: defaultdict[Tensor, dict[str, Any]]
    param_groups: list[dict[str, Any]]
    _state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _state_dict_post_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: dict[int, Callable[..., Any]]

    def state_dict(self) -> dict[str, Any]:
        """The state and the groups, with numbers in the place of parameters. Shares memory.

        Counts of steps, numbers on the host, are written as PyTorch's tensors of no dimension.
        """
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed = {key: value for key, value in group.items() if key != "params"}
            groups.append({**packed, "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers.get(id(p), p): _written(v) for p, v in self.state.items() if v != {}}
        collected = {"state": state, "param_groups": groups}
        for hook in list(self._state_dict_post_hooks.values()):
            changed = hook(self, collected)
            collected = collected if changed is None else changed
        return collected

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict()`` of an optimizer of the same parameters. All or nothing:
        if anything does not fit, nothing is changed."""
        for hook in list(self._load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        state, groups = _restored(self, state_dict)
        self.state = defaultdict(dict, state)
        self.param_groups = groups
        for hook in list(self._load_state_dict_post_hooks.values()):
            hook(self)

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """What the state of a parameter holds once it is begun."""
        return ()

    def _fitted(
        self, name: str, i: Any, values: Mapping[str, Any], p: Tensor, group: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The saved state of parameter i as p's; raises CheckpointError if it doesn't fit."""
        missing = [key for key in self._kept(group) if key not in values] if values else []
        if missing:
            raise CheckpointError(
                f"{name}: the state of parameter {i} must have {', '.join(missing)}; got"
                f" {', '.join(map(str, values))}"
            )
        fitted = {}
        for key, value in values.items():
            what = f"{name}: {key} of parameter {i}"
            if key in self._numbers:
                value = number(what, key, value)
                # Other rules accept "capturable", and count on the host.
                if key == "step" and self._fused and group.get("capturable"):
                    value = step_on_device(p, value)
                fitted[key] = value
            else:
                fitted[key] = fit(what, value, p.shape, p)
        return fitted

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` before the state is collected."""
        return RemovableHandle(self._state_dict_pre_hooks, hook, first=prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after that; it may return another dict."""
        return RemovableHandle(self._state_dict_post_hooks, hook, first=prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before a state is checked; it may return another."""
        return RemovableHandle(self._load_state_dict_pre_hooks, hook, first=prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state is loaded."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook, first=prepend)


_AS_TENSORS = ("step", "mu_product", "eta", "mu")  # of every rule; LBFGS's counts are ints there


def _written(values: Any) -> Any:
    """A parameter's state as it is saved."""
    if not isinstance(values, Mapping) or not any(key in values for key in _AS_TENSORS):
        return values
    wide = dtypes.get_default_dtype() is dtypes.float64
    kind = dtypes.float64 if wide else dtypes.float32
    return {
        key: tensor(float(v), dtype=kind, device="cpu")
        if key in _AS_TENSORS and isinstance(v, (int, float))
        else v
        for key, v in values.items()
    }


def _restored(optimizer: Any, state_dict: Any) -> tuple[dict, list[dict[str, Any]]]:
    """``state`` and ``param_groups`` for an optimizer from a ``state_dict()``; raises
    CheckpointError if anything is missing or doesn't fit."""
    name = f"{type(optimizer).__name__}.load_state_dict"
    saved = _saved_groups(name, optimizer, state_dict)
    groups = []
    for i, (old, new) in enumerate(zip(optimizer.param_groups, saved, strict=True)):
        # Settings that newer versions have added are flags, and off when absent.
        missing = [
            key for key, value in optimizer.defaults.items()
            if key not in new and not (value is None or isinstance(value, (bool, str)))
        ]  # fmt: skip
        if missing:
            raise CheckpointError(
                f"{name}: parameter group {i} must have {', '.join(missing)}; got"
                f" {', '.join(map(str, new))}. Hint: was it saved by another kind of optimizer?"
            )
        kept = {key: value for key, value in old.items() if key == "param_names"}
        group = {**optimizer.defaults, **kept, **new, "params": old["params"]}
        optimizer._check(group)
        groups.append(group)
    owners: dict[Any, tuple[Any, dict[str, Any]]] = {}
    for old, new in zip(saved, groups, strict=True):
        owners.update((n, (p, new)) for n, p in zip(old["params"], new["params"], strict=True))
    state: dict[Any, dict[str, Any]] = {}
    for n, values in state_dict["state"].items():
        if n not in owners:  # not a parameter's: kept as it is
            state[n] = values
            continue
        if not isinstance(values, Mapping):
            raise CheckpointError(
                f"{name}: the state of parameter {n} must be a dict; got {type(values).__name__}"
            )
        p, group = owners[n]
        state[p] = optimizer._fitted(name, n, values, p, group)
    return state, groups


def _saved_groups(name: str, optimizer: Any, state_dict: Any) -> list[Mapping[str, Any]]:
    """The saved parameter groups, found to be as many and as long as the optimizer's."""
    if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
        raise CheckpointError(
            f'{name}: expected a dict with "state" and "param_groups"; got'
            f" {list(state_dict) if isinstance(state_dict, Mapping) else type(state_dict)}."
            " Hint: pass what optimizer.state_dict() returned"
        )
    state, saved = state_dict["state"], state_dict["param_groups"]
    if not isinstance(state, Mapping) or not isinstance(saved, (list, tuple)):
        raise CheckpointError(
            f'{name}: "state" must be a dict and "param_groups" a list; got'
            f" {type(state).__name__} and {type(saved).__name__}"
        )
    for i, group in enumerate(saved):
        if not isinstance(group, Mapping) or not isinstance(group.get("params"), (list, tuple)):
            raise CheckpointError(
                f'{name}: parameter group {i} must be a dict with a list "params"; got'
                f" {group!r:.80}"
            )
    have, want = ([len(g["params"]) for g in groups] for groups in (saved, optimizer.param_groups))
    if have != want:
        raise CheckpointError(
            f"{name}: the state must have as many parameters in each group as the optimizer,"
            f" {want}; got {have}"
        )
    return list(saved)

"""Optimizer: parameter groups, state, hooks. A subclass adds a rule for one parameter."""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lucid.errors import CheckpointError
from lucid.graph.grad_mode import enable_grad
from lucid.graph.hooks import RemovableHandle
from lucid.optim import blocks
from lucid.tensor import Tensor, to_array


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the step hooks around it, and counted for the learning rate schedulers."""

    @functools.wraps(step)
    def wrapped(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        for hook in list(self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        self._step_count += 1
        for hook in list(self._step_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    return wrapped


class Optimizer:
    """Base of the optimizers.

    ``params`` are tensors, (name, tensor) pairs, or dicts with their own settings:
    ``[{"params": net.head.parameters(), "lr": 0.1}, ...]``; ``defaults`` are the settings of the
    groups that give none. ``state[p]`` holds what the rule remembers of p.

    Own optimizers define ``step()``, or, like those here, ``_begin`` and ``_rule``.
    """

    _fused: ClassVar[str] = ""  # the name of the rule's kernel, if it has one

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Any, defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError(
                f"{type(self).__name__}: params must be an iterable of tensors or dicts; got a"
                " Tensor. Hint: [tensor]"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._set_up()
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: params must not be empty; got none")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _set_up(self) -> None:
        self._step_pre_hooks: dict[int, Callable[..., Any]] = {}
        self._step_post_hooks: dict[int, Callable[..., Any]] = {}
        self._step_count = 0

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in _NOT_PICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up()
        self.__dict__.update(state)

    # The step.

    @_hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient. ``closure`` computes the loss first, and its
        answer is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        jobs = []
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is None:
                    continue
                states, settings = self._begin(p, group, self.state[p])
                arrays = [s._array for s in states]
                jobs.append(blocks.Job(p._device, settings, p._array, p._grad._array, arrays))
                p._shared_counter()[0] += 1
        blocks.update_all(self._rule, self._fused, jobs)
        return loss

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        """The state tensors (made the first time) and the numbers that the rule needs for p."""
        raise NotImplementedError(f"{type(self).__name__}: step() is not defined")

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        """Update p and the states in place: flat arrays, the last two of ``arrays`` are scratch."""
        raise NotImplementedError

    def _check(self, group: dict[str, Any]) -> None:
        """Raise if a setting of this group is out of range."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    p._grad = p._grad.detach()
                    p._grad.zero_()

    # Groups.

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; defaults fill in the others."""
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(f"{name}: a parameter group must be a dict; got {param_group!r:.80}")
        if "params" not in param_group:
            raise ValueError(f'{name}: a parameter group needs "params"; got {list(param_group)}')
        group = dict(param_group)
        given = group["params"]
        if isinstance(given, (set, frozenset)):
            raise TypeError(f"{name}: params must be in a fixed order; got a set. Hint: a list")
        entries = [given] if isinstance(given, Tensor) else list(given)
        if entries and all(isinstance(entry, tuple) for entry in entries):
            group["param_names"] = [key for key, _ in entries]
            entries = [p for _, p in entries]
        for p in entries:
            self._check_parameter(p)
        if any("param_names" in g for g in self.param_groups) != ("param_names" in group) and (
            self.param_groups
        ):
            raise ValueError(f"{name}: either all parameter groups have names or none has")
        if len({id(p) for p in entries}) != len(entries):
            warnings.warn(f"{name}: a parameter group contains a parameter twice")
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in entries):
            raise ValueError(f"{name}: a parameter is in more than one parameter group")
        group["params"] = entries
        for key, value in self.defaults.items():
            group.setdefault(key, value)
        if group.get("differentiable"):
            raise ValueError(
                f"{name}: differentiable=True is not supported. Hint: write the update with tensor"
                " operations"
            )
        self._check(group)
        self.param_groups.append(group)

    def _check_parameter(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"{type(self).__name__}: can only optimize tensors; got {type(p).__name__}"
            )
        if not p.is_leaf and not p.retains_grad:
            raise ValueError(
                f"{type(self).__name__}: can only optimize leaves; got a tensor computed by"
                f" {p.grad_fn}. Hint: optimize the parameters it was computed from"
            )

    # State.

    def state_dict(self) -> dict[str, Any]:
        """The state and the groups, with numbers in the place of parameters. Shares memory."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed = {key: value for key, value in group.items() if key != "params"}
            groups.append({**packed, "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers.get(id(p), p): values for p, values in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict()`` of an optimizer of the same parameters. All or nothing:
        if anything does not fit, nothing is changed."""
        name = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise CheckpointError(
                f'{name}: expected a dict with "state" and "param_groups"; got'
                f" {list(state_dict) if isinstance(state_dict, Mapping) else type(state_dict)}."
                " Hint: pass what optimizer.state_dict() returned"
            )
        saved = state_dict["param_groups"]
        have, want = ([len(g["params"]) for g in groups] for groups in (saved, self.param_groups))
        if have != want:
            raise CheckpointError(
                f"{name}: the state must have as many parameters in each group as the optimizer,"
                f" {want}; got {have}"
            )
        numbers = [n for group in saved for n in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        by_number = dict(zip(numbers, params, strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            p = by_number.get(number)
            if p is None:  # not a parameter's: kept as it is
                state[number] = values
                continue
            state[p] = {k: _fit(f"{name}: {k} of parameter {number}", k, v, p)
                        for k, v in values.items()}  # fmt: skip
        groups = []
        for old, new in zip(self.param_groups, saved, strict=True):
            group = {**self.defaults, **{k: v for k, v in old.items() if k == "param_names"}, **new}
            group["params"] = old["params"]
            self._check(group)
            groups.append(group)
        self.state = state
        self.param_groups = groups

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return both, changed."""
        return RemovableHandle(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return RemovableHandle(self._step_post_hooks, hook)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


_NOT_PICKLED = ("_step_pre_hooks", "_step_post_hooks", "_step_count")


def _fit(what: str, key: str, value: Any, p: Tensor) -> Any:
    """A saved value as p's state: tensors with p's dtype, on p's device, copied; step an int."""
    if key == "step":
        return int(value)
    if not isinstance(value, Tensor) and hasattr(value, "__array__"):
        value = Tensor._wrap(*to_array(value.__array__(), None, "cpu"))
    if not isinstance(value, Tensor):
        return value
    if value.ndim and value.shape != p.shape:
        raise CheckpointError(f"{what}: must have its shape {p.shape}; got {value.shape}")
    return value.detach().to(p.device, p.dtype, copy=True)


def require(name: str, group: Mapping[str, Any], **rules: str) -> None:
    """Raise unless every setting named in ``rules`` keeps its rule: ">= 0" or "in [0, 1)"."""
    for key, rule in rules.items():
        values = group[key] if isinstance(group[key], (tuple, list)) else [group[key]]
        for value in values:
            number = float(value)
            if not (number >= 0 and (rule == ">= 0" or number < 1)):
                raise ValueError(f"{name}: {key} must be {rule}; got {group[key]}")


def zeros_like(p: Tensor, value: float = 0.0) -> Tensor:
    """A state tensor for p, in p's order of memory."""
    return Tensor._wrap(p._device.xp.full_like(p._array, value), p._device)

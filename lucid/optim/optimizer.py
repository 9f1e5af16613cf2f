"""Optimizer: parameter groups, state, hooks. A subclass adds a rule for one parameter."""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from lucid.backend import capture
from lucid.graph.grad_mode import enable_grad
from lucid.graph.hooks import RemovableHandle
from lucid.optim import blocks, recorded
from lucid.optim.saved import SAVED_HOOKS, Saved
from lucid.tensor import Tensor


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()  # the default of settings that must be given, in older optimizers


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the step hooks around it, and counted for the learning rate schedulers."""

    @functools.wraps(step)
    def wrapped(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        for hook in list(self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        recording = capture.current()
        if recording is None:
            self._step_count += 1
        else:
            recording.at_each_replay(self._count_replay)
        for hook in list(self._step_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    return wrapped


class Optimizer(Saved):
    """Base of the optimizers.

    ``params`` are tensors, (name, tensor) pairs, or dicts with their own settings:
    ``[{"params": net.head.parameters(), "lr": 0.1}, ...]``; ``defaults`` are the settings of the
    groups that give none. ``state[p]`` holds what the rule remembers of p.

    Own optimizers define ``step()``, or, like those here, ``_begin`` and ``_rule``.

    ``grad_scale`` and ``found_inf`` are for a gradient scaler: numbers on the parameters' device,
    or None. A step divides the gradients by the first, in place, and is none (nothing changes, no
    step is counted) where the second is not 0. On a GPU the host doesn't wait to learn which.
    """

    _fused: ClassVar[str] = ""  # the name of the rule's kernel, if it has one
    _step_supports_amp_scaling: ClassVar[bool] = False  # what a scaler asks: see above
    _step_pre_hooks: dict[int, Callable[..., Any]]
    _step_post_hooks: dict[int, Callable[..., Any]]
    grad_scale: Tensor | None = None
    found_inf: Tensor | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Any, defaults: dict[str, Any]):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            one = isinstance(params, Tensor)
            hint = "[tensor]" if one else "model.parameters()"
            raise TypeError(
                f"{type(self).__name__}: params must be an iterable of tensors or dicts; got a"
                f" {'Tensor' if one else type(params).__name__}. Hint: {hint}"
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
        for name in _HOOKS:
            setattr(self, name, {})
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
        scale, found = self.grad_scale, self.found_inf
        if (scale is not None or found is not None) and not all(map(self._by_kernel, self._due())):
            if found is not None and bool(found):
                return loss
            self._unscale(scale)
            scale = found = None
        recording = capture.current()
        jobs = []
        for i, group in enumerate(self.param_groups):
            settings = group if recording is None else recorded.group_for(recording, self, i)
            for p in group["params"]:
                job = self._job(p, settings) if p._grad is not None else None
                if job is not None:
                    jobs.append(job)
        arrays = [None if t is None else t._array for t in (scale, found)]
        blocks.update_all(self._rule, self._fused, jobs, *arrays)
        return loss

    def _job(self, p: Tensor, group: dict[str, Any]) -> blocks.Job | None:
        """p's update, which its version counts already; None if it is skipped."""
        state = self.state[p]
        kept = len(state)
        begun = self._begin(p, group, state)
        if begun is None:
            return None
        if len(state) != kept and capture.current() is not None:
            del self.state[p]
            recorded.refuse_new_state(self)
        states, settings = begun
        p._shared_counter()[0] += 1
        if self.grad_scale is not None:
            p._grad._shared_counter()[0] += 1
        arrays = [s._array for s in states]
        return blocks.Job(p._device, settings, p._array, p._grad._array, arrays)

    def _count_replay(self) -> None:
        """What the host keeps of a step that a captured graph has done."""
        self._step_count += 1
        for p in self._due():
            p._shared_counter()[0] += 1

    def _due(self) -> list[Tensor]:
        """The parameters that a step changes."""
        return [p for group in self.param_groups for p in group["params"] if p._grad is not None]

    def _by_kernel(self, p: Tensor) -> bool:
        return blocks.has_kernel(self._fused, p._device, p._array)

    def _unscale(self, scale: Tensor | None) -> None:
        """Divide the gradients by a number, in place."""
        if scale is not None:
            factor = 1 / float(scale)
            for p in self._due():
                p._grad.detach().mul_(factor)

    def _begin(
        self, p: Tensor, group: dict, state: dict
    ) -> tuple[list[Tensor], Mapping[str, Any]] | None:
        """The state tensors (made the first time) and the numbers that the rule needs for p.

        None: no step of p's, after all."""
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
        if type(self).__module__.startswith("lucid."):
            _check_kinds(name, group)
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

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return both, changed."""
        return RemovableHandle(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return RemovableHandle(self._step_post_hooks, hook)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [""] * (i > 0) + [f"Parameter Group {i}"]
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


_HOOKS = ("_step_pre_hooks", "_step_post_hooks", *SAVED_HOOKS)
_NOT_PICKLED = (*_HOOKS, "_step_count", "grad_scale", "found_inf")


_NUMBERS = {
    "lr", "eps", "weight_decay", "momentum", "dampening", "alpha", "lr_decay", "rho", "lambd", "t0",
    "momentum_decay", "initial_accumulator_value",
}  # fmt: skip
_PAIRS = {"betas", "etas", "step_sizes"}


def _check_kinds(name: str, group: Mapping[str, Any]) -> None:
    """Raise unless the settings of lucid's own optimizers are numbers, or pairs of numbers."""
    for key, value in group.items():
        if key in _NUMBERS and not is_number(value):
            raise TypeError(f"{name}: {key} must be a number; got {value!r:.60}")
        if key in _PAIRS:
            pair = isinstance(value, (tuple, list))
            if not pair or not all(map(is_number, value)):
                raise TypeError(f"{name}: {key} must be a pair of numbers; got {value!r:.60}")
            if len(value) != 2:
                raise ValueError(f"{name}: {key} must be a pair of numbers; got {value!r:.60}")


def is_number(value: Any) -> bool:
    """Whether arithmetic takes it for a number: Python's, NumPy's, or a tensor of one element."""
    return hasattr(value, "__float__")


def require(name: str, group: Mapping[str, Any], **rules: str) -> None:
    """Raise unless every setting named in ``rules`` keeps its rule: ">= 0" or "in [0, 1)"."""
    for key, rule in rules.items():
        values = group[key] if isinstance(group[key], (tuple, list)) else [group[key]]
        for value in values:
            number = float(value)
            if not (number >= 0 and (rule == ">= 0" or number < 1)):
                raise ValueError(f"{name}: {key} must be {rule}; got {group[key]}")

"""Learning rates that go up and down all the time (Smith, 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from lucid.errors import CheckpointError
from lucid.optim.lr_scheduler.base import (
    LRScheduler,
    per_group,
    require_momentum,
    require_numbers,
    set_lr,
    set_momentum,
)
from lucid.optim.optimizer import Optimizer

# How far up each cycle goes, of 1: of its number, or of the steps so far.
_SCALES: dict[str, Callable[[float, float], float]] = {
    "triangular": lambda gamma, x: 1.0,
    "triangular2": lambda gamma, x: 1 / 2.0 ** (x - 1),
    "exp_range": lambda gamma, x: gamma**x,
}


class CyclicLR(LRScheduler):
    """From ``base_lr`` to ``max_lr`` in ``step_size_up`` steps, back in ``step_size_down``, again.

    Call ``step()`` after each batch. ``mode`` says how high a cycle goes: "triangular" to max_lr
    each time, "triangular2" half as far as the one before, "exp_range" by gamma^step; ``scale_fn``
    replaces it with a function of the cycle (1, 2, ...), or of the step if ``scale_mode`` is
    "iterations". With ``cycle_momentum`` momentum (or beta1) runs the other way, between
    ``max_momentum`` and ``base_momentum``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"CyclicLR: expected an Optimizer; got {type(optimizer).__name__}")
        if scale_fn is None and mode not in _SCALES:
            raise ValueError(
                f"CyclicLR: mode must be {', '.join(_SCALES)}, or scale_fn given; got {mode!r}"
            )
        groups = optimizer.param_groups
        base_lrs = per_group("CyclicLR", "base_lr", groups, base_lr)
        self.max_lrs = per_group("CyclicLR", "max_lr", groups, max_lr)
        require_numbers("CyclicLR", step_size_up=step_size_up)
        up = float(step_size_up)
        if not up:
            raise ValueError(f"CyclicLR: step_size_up must not be 0; got {step_size_up}")
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            require_momentum("CyclicLR", optimizer)
            self.use_beta1 = "betas" in optimizer.defaults
            self.base_momentums = per_group("CyclicLR", "base_momentum", groups, base_momentum)
            self.max_momentums = per_group("CyclicLR", "max_momentum", groups, max_momentum)
        if last_epoch == -1:
            self._begin(groups, base_lrs)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _begin(self, groups: list[dict[str, Any]], base_lrs: list[float]) -> None:
        for i, (group, lr) in enumerate(zip(groups, base_lrs, strict=True)):
            set_lr(group, lr)
            if self.cycle_momentum:
                group["base_momentum"] = self.base_momentums[i]
                group["max_momentum"] = self.max_momentums[i]
                set_momentum(group, self.max_momentums[i])

    def scale_fn(self, x: float) -> float:
        """How far up cycle (or step) x goes: 1 to max_lr, 0 not at all."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return _SCALES[self.mode](self.gamma, x)

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        rise = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        rise *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                set_momentum(group, high - (high - low) * rise)
        return [
            low + (high - low) * rise for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """As everywhere; of a scale_fn that is a function nothing is kept, of a callable object
        its attributes."""
        state, rule = super().state_dict(), self._scale_fn_custom
        kept = rule is not None and not isinstance(rule, FunctionType)
        state["_scale_fn_custom"] = dict(rule.__dict__) if kept else None
        return state

    def _check_state(self, state: Any) -> None:
        super()._check_state(state)
        if state["_scale_fn_custom"] is not None and self._scale_fn_custom is None:
            raise CheckpointError(
                "CyclicLR.load_state_dict: the state was saved with a scale_fn; got none. Hint:"
                " CyclicLR(..., scale_fn=...)"
            )

    def _restore(self, state: Mapping[str, Any]) -> None:
        """A function stays the one given to the constructor."""
        if state["_scale_fn_custom"] is not None:
            self._scale_fn_custom.__dict__.update(state["_scale_fn_custom"])
        super()._restore({k: v for k, v in state.items() if k != "_scale_fn_custom"})

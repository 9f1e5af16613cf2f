"""One rise and one fall of the learning rate over the whole training (Smith and Topin, 2019)."""

from __future__ import annotations

import math
from typing import Any

from lucid.optim.lr_scheduler.base import (
    LRScheduler,
    per_group,
    require_momentum,
    require_numbers,
    set_momentum,
)
from lucid.optim.optimizer import Optimizer


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to ``max_lr``, then down to the initial lr / final_div_factor.

    Call ``step()`` after each batch. ``total_steps`` is the number of batches, or ``epochs *
    steps_per_epoch``; the rise takes the fraction ``pct_start`` of them. ``three_phase`` falls back
    as fast as it rose, then goes on to the final lr. With ``cycle_momentum`` momentum (or beta1)
    runs the other way, between ``max_momentum`` and ``base_momentum``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"OneCycleLR: expected an Optimizer; got {type(optimizer).__name__}")
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "OneCycleLR: total_steps, or epochs and steps_per_epoch, must be given; got"
                    f" {total_steps}, {epochs} and {steps_per_epoch}"
                )
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps <= 0:
            raise ValueError(f"OneCycleLR: total_steps must be a positive int; got {total_steps}")
        require_numbers("OneCycleLR", pct_start=pct_start)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in [0, 1]; got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy must be cos or linear; got {anneal_strategy!r}"
            )
        self.total_steps, self.cycle_momentum = total_steps, cycle_momentum
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(total_steps, pct_start, three_phase)
        groups = optimizer.param_groups
        if last_epoch == -1:
            for group, top in zip(
                groups, per_group("OneCycleLR", "max_lr", groups, max_lr), strict=True
            ):
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            self._init_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _init_momentum(self, optimizer: Optimizer, base: Any, top: Any, last_epoch: int) -> None:
        groups = optimizer.param_groups
        require_momentum("OneCycleLR", optimizer)
        if last_epoch != -1:
            return
        lows, highs = (
            per_group("OneCycleLR", "base_momentum", groups, base),
            per_group("OneCycleLR", "max_momentum", groups, top),
        )
        for group, low, high in zip(groups, lows, highs, strict=True):
            group["base_momentum"], group["max_momentum"] = low, high
            set_momentum(group, high)

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step() was called {step} times, but total_steps is {self.total_steps}"
            )
        begin = 0.0
        phases = list(self._schedule_phases)
        while len(phases) > 1 and step > phases[0]["end_step"]:
            begin = phases.pop(0)["end_step"]
        phase = phases[0]
        length = phase["end_step"] - begin
        done = (step - begin) / length if length else 1.0
        if self._anneal_func_type == "cos":
            done = (1 - math.cos(math.pi * done)) / 2
        rates = []
        for group in self.optimizer.param_groups:
            start, end = group[phase["start_lr"]], group[phase["end_lr"]]
            rates.append(start + (end - start) * done)
            if self.cycle_momentum:
                start, end = group[phase["start_momentum"]], group[phase["end_momentum"]]
                set_momentum(group, start + (end - start) * done)
        return rates


def _phases(total: int, rise: float, three: bool) -> list[dict[str, Any]]:
    """Per phase: its last step, and what of the group lr and momentum go from and to."""
    up = ("initial_lr", "max_lr", "max_momentum", "base_momentum")
    back = ("max_lr", "initial_lr", "base_momentum", "max_momentum")
    out = ("initial_lr", "min_lr", "max_momentum", "max_momentum")
    down = ("max_lr", "min_lr", "base_momentum", "max_momentum")
    top, end = float(rise * total) - 1, total - 1
    ends = [(top, *up), (2 * top, *back), (end, *out)] if three else [(top, *up), (end, *down)]
    names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    return [dict(zip(names, phase, strict=True)) for phase in ends]

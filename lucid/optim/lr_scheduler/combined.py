"""Schedulers made of schedulers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from lucid.errors import CheckpointError
from lucid.optim.lr_scheduler.base import LRScheduler, set_lr
from lucid.optim.lr_scheduler.plateau import ReduceLROnPlateau
from lucid.optim.optimizer import Optimizer


class _Combined(LRScheduler):
    """Several schedulers of one optimizer."""

    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: at least one scheduler is needed; got none")
        optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name}: ReduceLROnPlateau can't be combined; got it at {i}")
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"{name}: all schedulers must have the same optimizer; number {i} has another"
                )
        self.optimizer = optimizer
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the states of the schedulers."""
        state = super().state_dict()
        state["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def _check_state(self, state: Any) -> None:
        super()._check_state(state)
        parts = state["_schedulers"]
        if len(parts) != len(self._schedulers):
            raise CheckpointError(
                f"{type(self).__name__}.load_state_dict: the state must have as many schedulers,"
                f" {len(self._schedulers)}; got {len(parts)}"
            )
        for scheduler, part in zip(self._schedulers, parts, strict=True):
            scheduler._check_state(part)

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore({key: value for key, value in state.items() if key != "_schedulers"})
        for scheduler, part in zip(self._schedulers, state["_schedulers"], strict=True):
            scheduler._restore(part)


class SequentialLR(_Combined):
    """One scheduler after the other; number i + 1 starts at epoch ``milestones[i]``."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ):
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "SequentialLR: there must be one milestone less than schedulers; got"
                f" {len(milestones)} and {len(schedulers)}"
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        # Each scheduler has already set the rates of its epoch 0: only the first one's count.
        for group in optimizer.param_groups:
            set_lr(group, group["initial_lr"])
        for scheduler in self._schedulers:
            _rewind(scheduler)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        _restart(first)
        self._last_lr = first.get_last_lr()

    def step(self, epoch: None = None) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            scheduler._advance(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Combined):
    """All schedulers at every epoch, each changing what the one before has set."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._take(list(schedulers), optimizer)
        self._last_lr = self._rates()

    def step(self, epoch: None = None) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()


def _rewind(scheduler: LRScheduler) -> None:
    """Take back the first step of a scheduler, and of those in it."""
    for inner in getattr(scheduler, "_schedulers", ()):
        _rewind(inner)
    if hasattr(scheduler, "last_epoch"):
        scheduler.last_epoch -= 1


def _restart(scheduler: LRScheduler) -> None:
    inner = getattr(scheduler, "_schedulers", None)
    if inner is None:
        scheduler._start()
    elif isinstance(scheduler, SequentialLR):
        scheduler.last_epoch += 1
        _restart(inner[0])
    else:
        for part in inner:
            _restart(part)

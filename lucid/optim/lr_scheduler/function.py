"""Learning rates that a function gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from lucid.optim.lr_scheduler.base import LRScheduler
from lucid.optim.optimizer import Optimizer

Rule = Callable[[int], float]


class _FunctionLR(LRScheduler):
    """One function of the epoch for all groups, or a list with one per group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Rule | list[Rule], last_epoch: int = -1):
        groups = len(optimizer.param_groups)
        many = isinstance(lr_lambda, (list, tuple))
        self.lr_lambdas: list[Any] = list(lr_lambda) if many else [lr_lambda] * groups  # type: ignore[arg-type]
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"{type(self).__name__}: lr_lambda must have one function per parameter group,"
                f" {groups}; got {len(self.lr_lambdas)}"
            )
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """As everywhere; of functions nothing is kept, of callable objects their attributes."""
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(rule, FunctionType) else dict(rule.__dict__)
            for rule in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict()``; functions stay those given to the constructor."""
        state = dict(state_dict)
        for rule, attributes in zip(self.lr_lambdas, state.pop("lr_lambdas"), strict=True):
            if attributes is not None:
                rule.__dict__.update(attributes)
        super().load_state_dict(state)


class LambdaLR(_FunctionLR):
    """The initial lr times ``lr_lambda(epoch)``."""

    def get_lr(self) -> list[float]:
        return [
            lr * rule(self.last_epoch)
            for lr, rule in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class MultiplicativeLR(_FunctionLR):
    """lr *= ``lr_lambda(epoch)`` every epoch but the first."""

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._rates()
        return [
            lr * rule(self.last_epoch)
            for lr, rule in zip(self._rates(), self.lr_lambdas, strict=True)
        ]

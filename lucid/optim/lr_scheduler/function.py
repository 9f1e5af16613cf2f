"""Learning rates that a function gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from lucid.errors import CheckpointError
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

    def _check_state(self, state: Any) -> None:
        super()._check_state(state)
        rules = state["lr_lambdas"]
        if len(rules) != len(self.lr_lambdas):
            raise CheckpointError(
                f"{type(self).__name__}.load_state_dict: lr_lambdas must have one entry per"
                f" parameter group, {len(self.lr_lambdas)}; got {len(rules)}"
            )

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Functions stay those given to the constructor."""
        for rule, attributes in zip(self.lr_lambdas, state["lr_lambdas"], strict=True):
            if attributes is not None:
                rule.__dict__.update(attributes)
        super()._restore({key: value for key, value in state.items() if key != "lr_lambdas"})


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

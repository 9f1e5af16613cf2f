"""LRScheduler: counts epochs and sets the groups' learning rates to what ``get_lr`` says."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from lucid.errors import CheckpointError
from lucid.optim.optimizer import Optimizer, is_number
from lucid.tensor import Tensor

# The optimizer, what belongs to one run of the program, and what only PyTorch's states have.
_NOT_SAVED = (
    "optimizer", "_steps_before", "_is_initial", "_get_lr_called_within_step", "verbose",
)  # fmt: skip


class LRScheduler:
    """Base of the schedulers.

    ``get_lr()`` gives the learning rates at ``last_epoch``, usually from those of the epoch before,
    so that schedulers can be combined and rates changed by hand. ``last_epoch=-1`` starts anew.
    """

    optimizer: Optimizer

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: expected an Optimizer; got {type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _number(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: resuming at last_epoch {last_epoch} needs"
                    f' "initial_lr" in parameter group {i}. Hint: load the optimizer\'s state first'
                )
        self.base_lrs = [_number(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[Any] = []
        self._start()

    def _start(self) -> None:
        """The first step, which sets the rates of epoch 0."""
        self._step_count = 0
        self._steps_before = self.optimizer._step_count
        self._advance(None)

    @property
    def _is_initial(self) -> bool:
        return self._step_count == 1

    def get_lr(self) -> list[Any]:
        """The learning rate of each group at ``last_epoch``."""
        raise NotImplementedError(f"{type(self).__name__}: get_lr() is not defined")

    def get_last_lr(self) -> list[Any]:
        """The learning rates set last."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, or to the one given."""
        if self._step_count == 1 and self.optimizer._step_count == self._steps_before:
            warnings.warn(
                f"{type(self).__name__}.step() was called before optimizer.step(): the first"
                " learning rate is skipped. Hint: call optimizer.step() first",
                stacklevel=2,
            )
        self._advance(epoch)

    def _advance(self, epoch: int | None) -> None:
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            values = self.get_lr()
        else:
            self.last_epoch = epoch
            closed = getattr(self, "_get_closed_form_lr", self.get_lr)
            values = closed()
        self._set(values)

    def _set(self, values: list[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_lr(group, lr)
        self._last_lr = self._rates()

    def _rates(self) -> list[float]:
        return [_number(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key not in _NOT_SAVED}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict()``. The optimizer's own state is loaded separately.

        A state from which something is missing is refused, and nothing changes.
        """
        self._check_state(state_dict)
        self._restore(state_dict)

    def _check_state(self, state: Any) -> None:
        """Raise CheckpointError unless the state has all that this scheduler remembers."""
        name = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping):
            raise CheckpointError(f"{name}: expected a dict; got {type(state).__name__}")
        missing = [key for key in self.state_dict() if key not in state]
        if missing:
            raise CheckpointError(
                f"{name}: the state must have {', '.join(missing)}; got"
                f" {', '.join(map(str, state)) or 'nothing'}. Hint: pass what"
                f" {type(self).__name__}.state_dict() returned"
            )
        groups = len(self.optimizer.param_groups)
        for key in ("base_lrs", "_last_lr"):
            if len(state.get(key, self._last_lr)) != groups:
                raise CheckpointError(
                    f"{name}: {key} must have one entry per parameter group, {groups}; got"
                    f" {len(state[key])}"
                )

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state that is known to be whole."""
        self.__dict__.update({k: v for k, v in state.items() if k not in _NOT_SAVED})


def set_lr(group: dict[str, Any], lr: float) -> None:
    """Give a group a learning rate; one that is a tensor is overwritten in place."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(float(lr))
    else:
        group["lr"] = lr


def _number(lr: Any) -> Any:
    return lr.item() if isinstance(lr, Tensor) else lr


def per_group(owner: str, name: str, groups: list[dict[str, Any]], value: Any) -> list[Any]:
    """A setting's value for each parameter group: one for all, or a list with one for each."""
    for one in value if isinstance(value, (list, tuple)) else [value]:
        require_numbers(owner, **{name: one})
    if not isinstance(value, (list, tuple)):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ValueError(
            f"{owner}: {name} must have one value per parameter group, {len(groups)}; got"
            f" {len(value)}"
        )
    return list(value)


def require_numbers(owner: str, **settings: Any) -> None:
    """Raise unless every setting is a number."""
    for key, value in settings.items():
        if not is_number(value):
            raise TypeError(f"{owner}: {key} must be a number; got {value!r:.60}")


def require_momentum(owner: str, optimizer: Optimizer) -> None:
    """Raise unless the optimizer has momentum, or a first beta that is one."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(
            f"{owner}: cycle_momentum needs an optimizer with momentum or betas; got"
            f" {type(optimizer).__name__}. Hint: cycle_momentum=False"
        )


def set_momentum(group: dict[str, Any], value: float) -> None:
    """Give a group a momentum, or a first beta."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value

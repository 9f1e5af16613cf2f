"""Averages of a model's weights over its training: of equal weight, or exponentially fading."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lucid import dtypes
from lucid.errors import ShapeError
from lucid.graph.grad_mode import no_grad
from lucid.nn.batch_norm import _BatchNorm
from lucid.nn.module import Module
from lucid.ops import tensor
from lucid.optim.lr_scheduler.base import LRScheduler, per_group
from lucid.optim.optimizer import Optimizer
from lucid.tensor import Tensor

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip

AvgFn = Callable[[Tensor, Tensor, Tensor], Tensor]
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def _check_decay(name: str, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"{name}: decay must be in [0, 1]; got {decay}")


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """For AveragedModel's ``avg_fn``: average = decay * average + (1 - decay) * current."""
    _check_decay("get_ema_avg_fn", decay)

    @no_grad
    def ema(average: Tensor, current: Tensor, num_averaged: Tensor) -> Tensor:
        return decay * average + (1 - decay) * current

    return ema


def get_swa_avg_fn() -> AvgFn:
    """For AveragedModel's ``avg_fn``: the mean of all, average += (current - average) / (n + 1)."""

    @no_grad
    def swa(average: Tensor, current: Tensor, num_averaged: Tensor) -> Tensor:
        return average + (current - average) / (num_averaged + 1)

    return swa


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """For AveragedModel's ``multi_avg_fn``: as ``get_ema_avg_fn``, in place."""
    _check_decay("get_ema_multi_avg_fn", decay)

    @no_grad
    def ema(averages: Sequence[Tensor], currents: Sequence[Tensor], num_averaged: Tensor) -> None:
        for average, current in zip(averages, currents, strict=True):
            if average.is_floating_point():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """For AveragedModel's ``multi_avg_fn``: as ``get_swa_avg_fn``, in place."""
    rule = get_swa_avg_fn()

    @no_grad
    def swa(averages: Sequence[Tensor], currents: Sequence[Tensor], num_averaged: Tensor) -> None:
        for average, current in zip(averages, currents, strict=True):
            average.copy_(rule(average, current, num_averaged))

    return swa


class AveragedModel(Module):
    """A copy of a model whose weights are the average of those that it is shown.

    ``update_parameters(model)`` adds the model's present weights; the first call copies them. The
    average is the mean (Izmailov et al., 2018) unless ``avg_fn(average, current, num_averaged)``
    gives another, or ``multi_avg_fn(averages, currents, num_averaged)``, which changes lists of
    them in place. Buffers are copied, or averaged too with ``use_buffers``; the statistics of batch
    normalization can be found anew by ``update_bn``. ``device`` is where the copy lies.

    >>> model = nn.Linear(1, 1)
    >>> averaged = lucid.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = model.weight.data.fill_(value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item()
    2.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @no_grad
    def update_parameters(self, model: Module) -> None:
        """Add a model's weights to the average."""
        pairs = _pairs(self.module.parameters(), model.parameters())
        buffers = _pairs(self.module.buffers(), model.buffers())
        if self.use_buffers:
            pairs += buffers
        known = [(own.detach(), new.detach().to(own.device)) for own, new in pairs]
        if not int(self.n_averaged):
            for own, new in known:
                own.copy_(new)
        elif self.multi_avg_fn is not None:
            self._average_many(self.multi_avg_fn, known)
        else:
            rule = self.avg_fn or get_swa_avg_fn()
            for own, new in known:
                own.copy_(rule(own, new, self.n_averaged.to(own.device)))
        if not self.use_buffers:
            for own, new in buffers:
                own.detach().copy_(new.detach().to(own.device))
        self.n_averaged += 1

    def _average_many(self, rule: MultiAvgFn, known: list[tuple[Tensor, Tensor]]) -> None:
        """All that are of one kind at once."""
        alike: dict[Any, list[tuple[Tensor, Tensor]]] = {}
        for own, new in known:
            alike.setdefault((own.device, own.dtype), []).append((own, new))
        for (device, _), some in alike.items():
            owns, news = zip(*some, strict=True)
            rule(owns, news, self.n_averaged.to(device))


def _pairs(owns: Iterable[Tensor], news: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    owns, news = list(owns), list(news)
    shapes, others = [t.shape for t in owns], [t.shape for t in news]
    if shapes != others:
        raise ShapeError(
            "AveragedModel.update_parameters: the model must have the tensors of the one that was"
            f" copied, {shapes!s:.200}; got {others!s:.200}"
        )
    return list(zip(owns, news, strict=True))


@no_grad
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Find the running statistics of all batch normalizations anew: their means over the batches.

    Runs the model over all batches of ``loader``: tensors, or lists and tuples whose first entry is
    the input; moved to ``device`` if one is given.
    """
    norms = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not norms:
        return
    training = model.training
    try:
        model.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """From the learning rate that it finds to ``swa_lr`` in ``anneal_epochs``; then constant.

    ``anneal_strategy`` "cos" goes along half a cosine, "linear" in a line. ``swa_lr`` may be a list
    with one per parameter group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"SWALR: expected an Optimizer; got {type(optimizer).__name__}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"SWALR: anneal_strategy must be cos or linear; got {anneal_strategy!r}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs must be an int >= 0; got {anneal_epochs}")
        groups = optimizer.param_groups
        for group, lr in zip(groups, per_group("SWALR", "swa_lr", groups, swa_lr), strict=True):
            group["swa_lr"] = lr
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _done(self, step: int) -> float:
        """How far the way to swa_lr is after this many steps, of 1."""
        t = min(1.0, max(0.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._done(step - 1), self._done(step)
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self._rates(), strict=True):
            end = group["swa_lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates

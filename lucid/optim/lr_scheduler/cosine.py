"""Learning rates along a cosine (Loshchilov and Hutter, 2017)."""

from __future__ import annotations

import math

from lucid.optim.lr_scheduler.base import LRScheduler, require_numbers
from lucid.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """From lr to ``eta_min`` in ``T_max`` epochs along half a cosine, and back in the next."""

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ):
        require_numbers("CosineAnnealingLR", T_max=T_max, eta_min=eta_min)
        if not T_max:
            raise ValueError(f"CosineAnnealingLR: T_max must not be 0; got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates, epoch, low = self._rates(), self.last_epoch, self.eta_min
        if epoch == 0:
            return rates
        if self._is_initial:
            return self._get_closed_form_lr()
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # the step up from the bottom
            up = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (b - low) * up for lr, b in zip(rates, self.base_lrs, strict=True)]
        here, before = (1 + math.cos(math.pi * e / self.T_max) for e in (epoch, epoch - 1))
        return [low + (lr - low) * here / before for lr in rates]

    def _get_closed_form_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (b - self.eta_min) * height for b in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """From lr to ``eta_min`` along half a cosine, again and again: in ``T_0`` epochs, then in
    ``T_mult`` times as many each time. ``step(epoch)`` takes fractions of epochs too."""

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ):
        require_numbers("CosineAnnealingWarmRestarts", eta_min=eta_min)
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"CosineAnnealingWarmRestarts: {name} must be an int of at least 1; got {value}"
                )
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (b - self.eta_min) * height for b in self.base_lrs]

    def _advance(self, epoch: float | None) -> None:
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        self._step_count += 1
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            self._locate(epoch)
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _locate(self, epoch: float) -> None:
        """Find the period that contains ``epoch``, and the place in it."""
        if epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must be >= 0; got {epoch}")
        self.T_cur, self.T_i = epoch, self.T_0
        while self.T_mult > 1 and self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self.T_cur %= self.T_i

"""GradScaler: gradients of half precision kept from vanishing, by a factor that finds itself."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from lucid.amp import unscaling
from lucid.amp.loss_scale import LossScale
from lucid.dtypes import float32
from lucid.errors import DTypeError, GradError
from lucid.graph.grad_mode import no_grad
from lucid.tensor import Tensor


class _Stage(Enum):
    SCALED = "scaled"
    UNSCALED = "unscaled"
    STEPPED = "stepped"


class _Progress:
    """How far an optimizer has come in this iteration."""

    def __init__(self) -> None:
        self.stage = _Stage.SCALED
        self.found: Tensor | None = None  # 0-d float32: not 0 where a gradient was not finite


class GradScaler(LossScale):
    """Multiplies the loss by a scale, and the gradients by its inverse before the step.

    A step whose gradients are not finite (the scale was too large) is skipped and the scale
    multiplied by ``backoff_factor``; after ``growth_interval`` steps in a row without such, by
    ``growth_factor``.

    Scale and count live on the device, where ``update`` changes them. ``step`` waits for the device
    to say whether to skip, but not with an optimizer that skips on the device itself: SGD, Adam and
    AdamW on "cuda".

    >>> p = lucid.tensor([1.0], requires_grad=True)
    >>> optimizer = lucid.optim.SGD([p], lr=0.5)
    >>> scaler = lucid.amp.GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale((p * p).sum()).backward()
    >>> p.grad
    Tensor([8.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> p.detach()
    Tensor([0.])
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        super().__init__(
            device, init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )
        self._progress: dict[int, _Progress] = {}

    # The iteration: scale, (unscale_), step, update.

    def scale(self, outputs: Any) -> Any:
        """A loss, or lists and tuples of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._begin(outputs._device)
            return outputs * self._scale_on(outputs._device)
        if isinstance(outputs, (list, tuple)):
            parts = [self.scale(o) for o in outputs]
            named = hasattr(outputs, "_fields")
            return type(outputs)(*parts) if named else type(outputs)(parts)
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise DTypeError(
            f"GradScaler.scale: expected a Tensor or several; got {type(outputs).__name__}"
        )

    def unscale_(self, optimizer: Any) -> None:
        """Multiply the gradients of this optimizer's parameters by the inverse scale, in place.

        Only for those who look at the gradients between backward and step, to clip them; ``step``
        does it otherwise.
        """
        if not self._enabled:
            return
        scale, _ = self._started("unscale_")
        progress = self._of(optimizer)
        if progress.stage is _Stage.UNSCALED:
            raise GradError(
                "GradScaler.unscale_: was already called for this optimizer since the last update()"
            )
        if progress.stage is _Stage.STEPPED:
            raise GradError("GradScaler.unscale_: must come before step(); got a call after it")
        with no_grad():
            gradients = unscaling.gradients_of(optimizer)
            unscaling.refuse_float16(gradients)
            progress.found = unscaling.unscale(gradients, scale)
        progress.stage = _Stage.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)`` with unscaled gradients, unless one is not finite.

        Returns what the optimizer does; None if the step was skipped.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or any(callable(a) for a in args):
            raise GradError(
                "GradScaler.step: a closure can't be used, as its losses would not be scaled"
            )
        scale, _ = self._started("step")
        progress = self._of(optimizer)
        if progress.stage is _Stage.STEPPED:
            raise GradError(
                "GradScaler.step: was already called for this optimizer since the last update()"
            )
        if unscaling.skips_itself(optimizer):
            result = self._fused_step(optimizer, scale, progress, args, kwargs)
        else:
            if progress.stage is _Stage.SCALED:
                self.unscale_(optimizer)
            found = self._found("step", [progress])
            result = None if found.item() else optimizer.step(*args, **kwargs)
        progress.stage = _Stage.STEPPED
        return result

    def _fused_step(
        self, optimizer: Any, scale: Tensor, progress: _Progress, args: Any, kwargs: Any
    ) -> Any:
        """The optimizer's kernel unscales and skips; nothing waits for the device."""
        scaled = progress.stage is _Stage.SCALED
        if scaled:
            with no_grad():
                progress.found = unscaling.find(unscaling.gradients_of(optimizer))
        optimizer.found_inf = found = self._found("step", [progress])
        optimizer.grad_scale = scale.to(found._device) if scaled else None
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            optimizer.found_inf = optimizer.grad_scale = None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adjust the scale to what the steps of this iteration found, or set it."""
        if not self._enabled:
            return
        scale, tracker = self._started("update")
        with no_grad():
            if new_scale is None:
                found = self._found("update", self._progress.values())
                factors = self._growth_factor, self._backoff_factor, self._growth_interval
                unscaling.adjust(scale, tracker, found.to(scale._device), *factors)
            elif isinstance(new_scale, Tensor):
                if new_scale.numel() != 1 or new_scale.dtype is not float32:
                    raise DTypeError(
                        "GradScaler.update: new_scale must be a number, or one float32; got"
                        f" {new_scale.dtype} of shape {new_scale.shape}"
                    )
                scale.copy_(new_scale.detach().reshape(()))
            else:
                scale.fill_(float(new_scale))
        self._progress = {}

    def __getstate__(self) -> dict[str, Any]:
        if self._progress:
            raise GradError(
                "GradScaler: can be pickled between update() and the next step only; got one in the"
                " middle of an iteration"
            )
        return super().__getstate__()

    # Inside.

    def _of(self, optimizer: Any) -> _Progress:
        return self._progress.setdefault(id(optimizer), _Progress())

    def _found(self, name: str, progress: Iterable[_Progress]) -> Tensor:
        """Not 0 if any of these optimizers has a gradient that is not finite."""
        total = unscaling.total([p.found for p in progress if p.found is not None])
        if total is None:
            raise GradError(
                f"GradScaler.{name}: there must be gradients to look at; got none since the last"
                " update(). Hint: backward() comes first"
            )
        return total

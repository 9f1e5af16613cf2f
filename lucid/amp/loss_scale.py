"""LossScale: the factor of a loss, how it is to change, and how a checkpoint keeps both."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from lucid.backend import Device
from lucid.backend.cuda.availability import is_available, why_unavailable
from lucid.dtypes import float32, int32
from lucid.errors import CheckpointError, GradError
from lucid.tensor import Tensor, to_array


class LossScale:
    """What GradScaler knows between two iterations. The factor and the count of good steps are made
    with the first loss, on its device."""

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self._device = str(device)
        if enabled and self._device.startswith("cuda") and not is_available():
            warnings.warn(f"GradScaler: disabled, as {why_unavailable()}", stacklevel=3)
            enabled = False
        self._enabled = bool(enabled)
        if not self._enabled:
            return
        given = {"init_scale": init_scale, "growth_factor": growth_factor}
        given |= {"backoff_factor": backoff_factor, "growth_interval": growth_interval}
        for name, value in given.items():
            if not hasattr(value, "__float__"):
                raise TypeError(f"GradScaler: {name} must be a number; got {value!r:.60}")
        if not growth_factor > 1.0:
            raise ValueError(f"GradScaler: growth_factor must be > 1; got {growth_factor}")
        if not backoff_factor < 1.0:
            raise ValueError(f"GradScaler: backoff_factor must be < 1; got {backoff_factor}")
        self._init_scale = float(init_scale)
        self._growth_factor, self._backoff_factor = float(growth_factor), float(backoff_factor)
        self._growth_interval = int(growth_interval)
        self._init_growth_tracker = 0
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None

    # What it is set to.

    def is_enabled(self) -> bool:
        """Whether it scales at all; if not, its methods only pass their arguments on."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale, as a number: waits for the device."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after ``growth_interval`` good steps in a row."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set the growth factor."""
        self._growth_factor = float(new_factor)

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a step that was skipped."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set the backoff factor."""
        self._backoff_factor = float(new_factor)

    def get_growth_interval(self) -> int:
        """How many good steps in a row make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the growth interval."""
        self._growth_interval = int(new_interval)

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else tracker.item()

    # Checkpoints and pickles.

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration needs, as numbers; {} if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict()``; nothing happens if disabled."""
        if not self._enabled:
            return
        if not state_dict:
            raise CheckpointError(
                "GradScaler.load_state_dict: the state is empty, as a disabled GradScaler's is."
                " Hint: enabled=False here, too"
            )
        wanted = set(self.state_dict())
        if not wanted <= set(state_dict):
            raise CheckpointError(
                f"GradScaler.load_state_dict: the state must have {sorted(wanted)}; got"
                f" {sorted(state_dict)}"
            )
        self._init_scale = float(state_dict["scale"])
        self._growth_factor = float(state_dict["growth_factor"])
        self._backoff_factor = float(state_dict["backoff_factor"])
        self._growth_interval = int(state_dict["growth_interval"])
        self._init_growth_tracker = int(state_dict["_growth_tracker"])
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # On the device.

    def _begin(self, device: Device) -> None:
        def scalar(value: float, kind: Any) -> Tensor:
            return Tensor._wrap(*to_array(value, kind, device))

        self._scale = scalar(self._init_scale, float32)
        self._growth_tracker = scalar(self._init_growth_tracker, int32)

    def _scale_on(self, device: Device) -> Tensor:
        scale, _ = self._started("scale")
        return scale if scale._device is device else scale.to(device)

    def _started(self, name: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise GradError(
                f"GradScaler.{name}: nothing was scaled yet. Hint: scaler.scale(loss).backward()"
            )
        return self._scale, self._growth_tracker

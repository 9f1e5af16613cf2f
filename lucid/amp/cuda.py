"""``lucid.cuda.amp``: lucid.amp with "cuda" filled in, as older scripts import it."""

from __future__ import annotations

import functools

from lucid import dtypes
from lucid.amp import autocast_mode, custom, grad_scaler
from lucid.dtypes import dtype as Dtype


class autocast(autocast_mode.autocast):
    """``lucid.autocast("cuda", ...)``."""

    def __init__(
        self,
        enabled: bool = True,
        dtype: Dtype = dtypes.float16,
        cache_enabled: bool = True,
    ):
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(grad_scaler.GradScaler):
    """``lucid.amp.GradScaler("cuda", ...)``."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )


custom_fwd = functools.partial(custom.custom_fwd, device_type="cuda")
custom_bwd = functools.partial(custom.custom_bwd, device_type="cuda")

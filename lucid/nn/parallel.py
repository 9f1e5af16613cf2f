"""DataParallel, for scripts that wrap their model: one device, passed straight through."""

from __future__ import annotations

import warnings
from typing import Any

from lucid.nn.module import Module


class DataParallel(Module):
    """``module`` under another name: calls go to it unchanged, on the one device it is on.

    State keys begin with ``module.``, as in PyTorch.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            warnings.warn(
                f"DataParallel: runs on the one device the module is on; got {device_ids}"
            )
        self.module = module
        self.device_ids, self.output_device, self.dim = device_ids, output_device, dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """``module(*inputs, **kwargs)``."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """``module(*inputs, **module_kwargs)``, on the one device the module is on."""
    if not isinstance(inputs, tuple):
        inputs = () if inputs is None else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*inputs, **(module_kwargs or {}))

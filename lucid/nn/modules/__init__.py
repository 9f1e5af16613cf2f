"""PyTorch's module paths: ``from lucid.nn.modules.batchnorm import _BatchNorm`` and the like.

The layers stand in lucid/nn/*.py. Each of these files is shown here again under the name that
PyTorch gives to the file of the same family: ``lucid.nn.modules.conv`` is ``lucid.nn.convolution``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from lucid.nn.module import Module as Module
from lucid.nn.modules import utils as utils

_FILES = {  # PyTorch's file: lucid's
    "adaptive": ("adaptive",),
    "activation": ("activation", "random_relu", "attention"),
    "batchnorm": ("batch_norm", "sync_batch_norm", "lazy"),
    "channelshuffle": ("resampling",),
    "container": ("containers", "parameter_containers"),
    "conv": ("convolution", "lazy"),
    "distance": ("distance",),
    "dropout": ("dropout", "noise"),
    "flatten": ("shape",),
    "fold": ("resampling",),
    "instancenorm": ("batch_norm", "lazy"),
    "linear": ("linear", "lazy"),
    "loss": ("loss", "margin_loss"),
    "module": ("module",),
    "normalization": ("normalization",),
    "padding": ("padding",),
    "pixelshuffle": ("resampling",),
    "pooling": ("pooling", "unpooling"),
    "rnn": ("recurrent", "recurrent_cells"),
    "sparse": ("embedding", "embedding_bag"),
    "transformer": ("transformer",),
    "upsampling": ("resampling",),
}
_RENAMED = {"dropout": {"_DropoutNd": "_Dropout"}}


def _show(name: str, files: tuple[str, ...]) -> None:
    """Make lucid.nn.modules.<name>, with what these files of lucid.nn define."""
    module = ModuleType(f"{__name__}.{name}", f"PyTorch's path to lucid.nn.{files[0]}.")
    for file in files:
        source = import_module(f"lucid.nn.{file}")
        for key, value in vars(source).items():
            if isinstance(value, type) and issubclass(value, Module):
                setattr(module, key, value)
                if not key.startswith("_") and value.__module__ == source.__name__:
                    globals()[key] = value
    for key, ours in _RENAMED.get(name, {}).items():
        setattr(module, key, getattr(module, ours))
    sys.modules[module.__name__] = module
    globals()[name] = module


for _name, _files in _FILES.items():
    _show(_name, _files)

"""torchvision as a peer: what of it is written in Python, also where its operators don't load."""

import sys
import types
import warnings
from importlib import import_module

import pytest


def torchvision(part):
    """The module ``torchvision.<part>``; without it the test is skipped.

    There is no build of torchvision for the CPU build of every torch, and a build for CUDA brings
    no operators then. Nobody needs them here; _meta_registrations does, while it is imported.
    """
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision says that its operators are missing
        if "torchvision" not in sys.modules:
            missing = "torchvision._meta_registrations"
            sys.modules.setdefault(missing, types.ModuleType(missing))
        try:
            return import_module(f"torchvision.{part}")
        except ModuleNotFoundError as error:
            return pytest.skip(f"torchvision is compared with: {error}")

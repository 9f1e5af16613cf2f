"""PyTorch's path from before tensors and variables were one: ``Variable`` is ``Tensor``."""

from lucid.tensor import Tensor as Variable

__all__ = ["Variable"]

"""Layers that only rearrange elements."""

from __future__ import annotations

from lucid.nn.module import Module
from lucid.tensor import Tensor


class Flatten(Module):
    """Join the dimensions from start_dim to end_dim. x: (N, C, H, W) -> y: (N, C * H * W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split dimension ``dim`` into several. x: (N, A * B) -> y: (N, A, B)."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be an int; got {dim!r}")
        if not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"Unflatten: the sizes must be ints; got {unflattened_size!r}")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, tuple(self.unflattened_size))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"

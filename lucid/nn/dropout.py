"""Dropout layers: hold p, follow train() and eval(), show what they last decided."""

from __future__ import annotations

from typing import Any, ClassVar

from lucid.nn.module import Module
from lucid.ops.dropout import (
    Decisions,
    channel_dims_of,
    check_probability,
    drop,
    scaling,
    self_normalizing,
)
from lucid.random import Generator
from lucid.tensor import Tensor

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    function: ClassVar[str]
    law: ClassVar[Any] = staticmethod(scaling)
    by_channel: ClassVar[bool] = True
    _decided: Decisions | None = None

    p: float
    inplace: bool

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.p = check_probability(type(self).__name__, p)
        self.inplace = inplace
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        """The layer's function in training mode, the identity in eval mode."""
        name = self.function
        dims = channel_dims_of(name, input) if self.by_channel else None
        y, decided = drop(
            name, input, self.p, self.training, self.inplace, self.generator, self.law, dims
        )
        self.__dict__["_decided"] = decided
        return y

    @property
    def mask(self) -> Tensor | None:
        """1 where the last training call kept an element (or channel), 0 where it dropped it.

        None before the first training call and after a call in eval mode. Of the input's shape and
        dtype; (N, C, 1, …) if whole channels are dropped. Not stored: each reading draws it anew.
        """
        return None if self._decided is None else self._decided.mask()

    def extra_repr(self) -> str:
        """The settings, as they stand in the layer's repr."""
        return f"p={self.p}, inplace={self.inplace}"

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_decided", None)
        return state


class Dropout(_Dropout):
    """x / (1 - p) with probability 1 - p, else 0, for each element. x: (*) -> y: (*).

    ``inplace`` overwrites the input. ``generator`` draws from its own stream. ``mask`` shows the
    last decisions. In eval mode the layer is the identity.

    >>> drop = nn.Dropout(p=0.3).eval()
    >>> float(drop(lucid.ones(4, 8)).sum())
    32.0
    """

    function = "dropout"
    by_channel = False


class Dropout1d(_Dropout):
    """Zero whole channels with probability p. x: (N, C, L) or (C, L), y alike."""

    function = "dropout1d"


class Dropout2d(_Dropout):
    """Zero whole channels with probability p. x: (N, C, H, W) -> y: (N, C, H, W).

    Kept channels are scaled by 1 / (1 - p). ``mask`` is (N, C, 1, 1).
    """

    function = "dropout2d"


class Dropout3d(_Dropout):
    """Zero whole channels with probability p. x: (N, C, D, H, W) or (C, D, H, W), y alike."""

    function = "dropout3d"


class AlphaDropout(_Dropout):
    """Dropout that keeps mean 0 and variance 1, for use after SELU. x: (*) -> y: (*)."""

    function = "alpha_dropout"
    law = staticmethod(self_normalizing)
    by_channel = False


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout with one decision per channel. x: (N, C, *) -> y: (N, C, *)."""

    function = "feature_alpha_dropout"
    law = staticmethod(self_normalizing)

"""Dropout's kin: noise that multiplies, and dropped squares and cubes."""

from __future__ import annotations

from typing import Any, ClassVar

from lucid.nn.module import Module
from lucid.op.drawing import check_probability
from lucid.ops.drop_block import Blocks, check_block_size, drop_blocks
from lucid.ops.noise import Noise, check_p, multiply
from lucid.random import Generator
from lucid.tensor import Tensor


class GaussianDropout(Module):
    """x (1 + sqrt(p / (1 - p)) n) with n normal, p in [0, 1). x: (*) -> y: (*).

    Mean and variance are those of Dropout(p). In eval mode the layer is the identity. Srivastava et
    al., Dropout, 2014, section 10.
    """

    _drawn: Noise | None = None

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.p = check_p("GaussianDropout", p)
        self.inplace = inplace
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        y, drawn = multiply(
            "gaussian_dropout", input, self.p, self.training, self.inplace, self.generator
        )
        self.__dict__["_drawn"] = drawn
        return y

    @property
    def noise(self) -> Tensor | None:
        """What the last training call multiplied with; not stored: each reading draws it anew.

        None before the first such call, after a call in eval mode, and where nothing was drawn.
        """
        return None if self._drawn is None else self._drawn.tensor()

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_drawn"}


class _DropBlock(Module):
    spatial: ClassVar[int]
    function: ClassVar[str]
    _decided: Blocks | None = None

    def __init__(
        self,
        p: float,
        block_size: int,
        inplace: bool = False,
        eps: float = 1e-6,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.p = check_probability(self._name(), p)
        self.block_size = check_block_size(self._name(), block_size)
        self.inplace, self.eps = inplace, eps
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        y, decided = drop_blocks(
            self.function, input, self.p, self.block_size, self.inplace, self.eps, self.training,
            self.generator, self.spatial,
        )  # fmt: skip
        self.__dict__["_decided"] = decided
        return y

    @property
    def mask(self) -> Tensor | None:
        """1 where the last training call kept an element, 0 where it dropped it.

        None before the first training call and after a call in eval mode. Of the input's shape and
        dtype. Not stored: each reading draws it anew.
        """
        return None if self._decided is None else self._decided.mask()

    def extra_repr(self) -> str:
        return f"p={self.p}, block_size={self.block_size}, inplace={self.inplace}"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_decided"}


class DropBlock2d(_DropBlock):
    """Zero random squares of side ``block_size``, about a fraction p. (N, C, H, W) -> same.

    In eval mode the layer is the identity. Ghiasi, Lin and Le, DropBlock, 2018.
    """

    spatial = 2
    function = "drop_block2d"


class DropBlock3d(_DropBlock):
    """Zero random cubes of side ``block_size``, about a fraction p. (N, C, D, H, W) -> same."""

    spatial = 3
    function = "drop_block3d"

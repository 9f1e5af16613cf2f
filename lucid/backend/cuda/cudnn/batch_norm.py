"""Batch norm in training, and its gradient, as graphs. Statistics are float32.

cuDNN's engines take float16, bfloat16 and float32 in four or five dimensions, whose channels fill
vectors of 16 bytes. They walk over channels-last memory: contiguous arrays are transposed into the
workspace and back, which makes it twice as large as x, and three times in the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lucid.backend.cuda.cudnn.graph import Layout, Operand, Sketch, per_channel

EPS = 9  # a number no operand has


class BatchNorm(NamedTuple):
    """Forward: x, w, b -> y, mean, inverse; backward: x, dy, w, mean, inverse -> dx, dw, db.

    inverse = 1 / sqrt(var + eps).
    """

    kind: str  # "forward" or "backward"
    dtype: str
    parameters: str  # the type of w, b and their gradients
    x: Layout
    eps: float  # forward
    deterministic: bool

    def __str__(self) -> str:
        kind = "" if self.kind == "forward" else " (gradient)"
        return (
            f"batch_norm{kind}: input {self.x.shape}, {self.dtype}, weight and bias"
            f" {self.parameters}, {self.x.order}"
        )

    def operands(self) -> dict[int, Operand]:
        channels = per_channel(self.x.shape[1], len(self.x.shape))
        x, w = Operand(self.x, self.dtype), Operand(channels, self.parameters)
        statistic = Operand(channels, "float32")
        if self.kind == "forward":
            operands = x, w, w, x, statistic, statistic
        else:
            operands = x, x, w, statistic, statistic, x, w, w  # type: ignore[assignment]
        return dict(enumerate(operands, start=1))

    def numbers(self) -> dict[int, float]:
        return {EPS: self.eps} if self.kind == "forward" else {}

    def unwanted(self) -> list[str]:
        return ["NONDETERMINISTIC"] * self.deterministic

    def draw(self, sketch: Sketch) -> Mapping[int, Any]:
        graph, given = sketch.graph, sketch.given
        if self.kind == "backward":
            dx, dw, db = graph.batchnorm_backward(
                input=given(1), grad=given(2), scale=given(3), mean=given(4), inv_variance=given(5)
            )
            return {6: dx, 7: dw, 8: db}
        # Running statistics are moved by lucid's own kernel, which also counts the batches.
        y, mean, inverse, *_ = graph.batchnorm(
            input=given(1), scale=given(2), bias=given(3), in_running_mean=None,
            in_running_var=None, epsilon=sketch.number(EPS, len(self.x.shape)), momentum=None,
        )  # fmt: skip
        return {4: y, 5: mean, 6: inverse}

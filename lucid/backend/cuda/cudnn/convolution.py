"""Convolution and its gradients as graphs. A bias is added before the sums are rounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lucid.backend.cuda.cudnn.graph import Layout, Operand, Sketch, per_channel

X, W, Y, BIAS = 1, 2, 3, 4


class Convolution(NamedTuple):
    """A convolution or one of its gradients."""

    kind: str  # "forward": x, w -> y; "input_gradient": y, w -> x; "weight_gradient": x, y -> w
    dtype: str
    x: Layout
    w: Layout
    y: Layout
    padding: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    tf32: bool
    deterministic: bool
    bias: bool = False  # forward: y = w * x + bias

    def __str__(self) -> str:
        kind = "" if self.kind == "forward" else f" ({self.kind.replace('_', ' ')})"
        return (
            f"conv{len(self.padding)}d{kind}: input {self.x.shape}, weight {self.w.shape},"
            f" output {self.y.shape}, stride={self.stride}, padding={self.padding},"
            f" dilation={self.dilation}, groups={self.x.shape[1] // self.w.shape[1]}"
            f"{', bias' if self.bias else ''}, {self.dtype}, {self.x.order}"
        )

    def operands(self) -> dict[int, Operand]:
        found = {n: Operand(layout, self.dtype) for n, layout in ((X, self.x), (W, self.w))}
        found[Y] = Operand(self.y, self.dtype)
        if self.bias:
            layout = per_channel(self.y.shape[1], len(self.y.shape))
            found[BIAS] = Operand(layout, self.dtype)
        return found

    def numbers(self) -> dict[int, float]:
        return {}

    def unwanted(self) -> list[str]:
        notes = []
        if self.dtype == "float32" and not self.tf32:
            notes += ["TENSOR_CORE", "DOWN_CONVERT_INPUTS"]
        return notes + ["NONDETERMINISTIC"] * self.deterministic

    def draw(self, sketch: Sketch) -> Mapping[int, Any]:
        graph, given = sketch.graph, sketch.given
        settings = {
            "padding": list(self.padding),
            "stride": list(self.stride),
            "dilation": list(self.dilation),
        }
        if self.kind == "input_gradient":
            return {X: graph.conv_dgrad(loss=given(Y), filter=given(W), **settings)}
        if self.kind == "weight_gradient":
            return {W: graph.conv_wgrad(image=given(X), loss=given(Y), **settings)}
        y = graph.conv_fprop(image=given(X), weight=given(W), **settings)
        if self.bias:
            y = graph.bias(input=sketch.between(y, self.y), bias=given(BIAS))
        return {Y: y}

"""Memory order on CUDA: NumPy's functions answer in their inputs' order, CuPy's in C order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def keeping(forward: Callable[..., Any]) -> Callable[..., Any]:
    """An op's generic forward, for CUDA: channels-last in, channels-last out.

    Only a result of the shape of a channels-last input, and only if that is the first of its shape,
    is laid out again: one copy that a kernel of the op's own, its forward_cuda, would save.
    """

    def in_order(op: Any, *arrays: Any) -> Any:
        result = forward(op, *arrays)
        if getattr(result, "ndim", 0) < 4 or op.out is not None or op.device.type != "cuda":
            return result
        for model in arrays:
            if getattr(model, "shape", None) == result.shape:
                laid_out = op.device.kernels.in_order_of(model, result)
                if laid_out is not result and op._kept:
                    op._kept = tuple([laid_out if a is result else a for a in op._kept])
                return laid_out
        return result

    return in_order

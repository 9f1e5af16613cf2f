"""The stand-in for cuDNN, at lucid's own thin interface (cudnn.Library): plans computed in NumPy.

It refuses what cuDNN 9.28 refuses of these problems, and checks what cuDNN would only suffer: which
pointers there are and how far they reach, their alignment, results that overlap an input, the
workspace.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy

from lucid.backend.cpu import convolution
from lucid.backend.cuda import cudnn

from .build import EmulationError
from .cupy.allocation import allocation_at
from .cupy.streams import current_stream, enqueue, not_while_capturing
from .placed import HALVES, placed
from .settings import counters

_ALIGNED = 16  # bytes: what the frontend tells cuDNN of every tensor
_CONVOLUTIONS = {"forward": 3, "input_gradient": 1, "weight_gradient": 2}  # the answers


class Cudnn:
    """Plans; each asks for a workspace, so that what passes none is found out."""

    workspace = 1 << 12

    def version(self) -> int:
        return 92800

    def build(self, problem: Any, benchmark: bool) -> tuple[Any, int]:
        if current_stream().is_capturing():
            raise not_while_capturing("building a cuDNN plan")
        for number, (layout, _) in problem.operands().items():
            _check_dense(f"operand {number}", layout)
        if isinstance(problem, cudnn.BatchNorm):
            _check_batch_norm(problem)
        else:
            _check_convolution(problem)
        return problem, self.workspace

    def execute(self, built: Any, pointers: dict[int, int], workspace: int) -> None:
        scratch = allocation_at(workspace)
        if scratch is None or workspace + self.workspace > scratch.ptr + scratch.size:
            raise EmulationError("cudnnExecute: the workspace is not device memory of its size")
        operands, numbers = built.operands(), built.numbers()
        if set(pointers) != {*operands, *numbers}:
            raise EmulationError(f"cudnnExecute: pointers {sorted(pointers)} for {built}")
        for number in numbers:  # they lie on the host
            if ctypes.c_float.from_address(pointers[number]).value != numpy.float32(
                numbers[number]
            ):
                raise EmulationError(f"cudnnExecute: number {number} is not {numbers[number]}")
        arrays, memory = {}, {}
        for number, (layout, dtype) in operands.items():
            what = f"cudnnExecute operand {number}"
            if pointers[number] % _ALIGNED:
                raise EmulationError(f"{what}: {pointers[number]:#x} is not aligned to 16 bytes")
            arrays[number], memory[number] = placed(what, pointers[number], *layout, dtype)
        compute, answers = _work(built)
        for a in answers:
            for number, array in arrays.items():
                if number != a and numpy.may_share_memory(array, arrays[a]):
                    raise EmulationError("cudnnExecute: a result overlaps another operand")
        counters.launches += 1

        def work() -> None:
            with numpy.errstate(all="ignore"):
                results = compute(*[a for n, a in arrays.items() if n not in answers])
                for number, result in zip(answers, results, strict=True):
                    target = arrays[number]
                    target[...] = numpy.asarray(result).reshape(target.shape).astype(target.dtype)

        reads = [m for n, m in memory.items() if n not in answers]
        writes = [memory[n] for n in answers]
        enqueue(work, [*reads, scratch], [*writes, scratch], current_stream())


def _work(problem: Any) -> tuple[Any, tuple[int, ...]]:
    """A function of the inputs, and the numbers of its answers."""
    if isinstance(problem, cudnn.BatchNorm):
        if problem.kind == "forward":
            return _batch_norm(problem.eps), (4, 5, 6)
        return _batch_norm_gradient, (6, 7, 8)
    pairs = tuple((p, p) for p in problem.padding)
    groups = problem.x.shape[1] // problem.w.shape[1]
    meeting = problem.stride, pairs, problem.dilation, groups

    def forward(x: Any, w: Any, bias: Any = None) -> Any:
        bias = None if bias is None else bias.reshape(-1)
        return (convolution.convolve(x, w, *meeting, bias),)

    def input_gradient(w: Any, dy: Any) -> Any:
        return (convolution.input_gradient(dy, w, problem.x.shape, *meeting),)

    def weight_gradient(x: Any, dy: Any) -> Any:
        return (convolution.weight_gradient(x, dy, problem.w.shape, *meeting),)

    functions = {
        "forward": forward,
        "input_gradient": input_gradient,
        "weight_gradient": weight_gradient,
    }
    return functions[problem.kind], (_CONVOLUTIONS[problem.kind],)


def _wide(a: Any) -> Any:
    return a.astype(numpy.float32) if a.dtype in HALVES else a


def _axes(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _batch_norm(eps: float) -> Any:
    def forward(x: Any, w: Any, b: Any) -> Any:
        x, w, b = _wide(x), _wide(w), _wide(b)
        mean = x.mean(_axes(x), keepdims=True)
        inverse = 1 / numpy.sqrt(((x - mean) ** 2).mean(_axes(x), keepdims=True) + eps)
        return (x - mean) * (inverse * w) + b, mean, inverse

    return forward


def _batch_norm_gradient(x: Any, dy: Any, w: Any, mean: Any, inverse: Any) -> Any:
    x, dy, w = _wide(x), _wide(dy), _wide(w)
    hat = (x - mean) * inverse
    dw, db = ((dy * a).sum(_axes(x), keepdims=True) for a in (hat, 1))
    n = x.size // x.shape[1]
    return w * inverse * (dy - (hat * dw + db) / n), dw, db


# What cuDNN refuses when a graph is built.


def _check_dense(name: str, layout: Any) -> None:
    step = 1
    for stride, n in sorted(zip(layout.strides, layout.shape, strict=True)):
        if n > 1 and stride != step:
            raise RuntimeError(f"cudnn: CUDNN_STATUS_NOT_SUPPORTED, {name} has gaps: {layout}")
        step *= n


def _check_convolution(problem: Any) -> None:
    if min(problem.padding) < 0 or min(problem.stride) < 1 or min(problem.dilation) < 1:
        raise RuntimeError("cudnn: CUDNN_STATUS_BAD_PARAM")
    (batch, channels, *extent), (out, per_group, *kernel) = problem.x.shape, problem.w.shape
    sides = zip(extent, kernel, problem.padding, problem.stride, problem.dilation, strict=True)
    size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, p, s, d in sides)
    groups = channels // per_group
    if problem.y.shape != (batch, out, *size) or channels % per_group or out % groups:
        raise RuntimeError(f"cudnn: CUDNN_STATUS_BAD_PARAM, the output must be {size}")


def _check_batch_norm(problem: Any) -> None:
    size = {"float32": 4, "float16": 2, "bfloat16": 2}.get(problem.dtype)
    known = size is not None and problem.parameters in (problem.dtype, "float32")
    shape = problem.x.shape
    if not known or len(shape) not in (4, 5) or shape[1] * size % 16:
        raise RuntimeError("No valid engine configs for BATCH_NORM")

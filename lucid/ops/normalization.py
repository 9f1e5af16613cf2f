"""Normalization within a sample: layer, group and rms norm, local response norm, unit length."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod as product
from typing import Any

from lucid import dtypes
from lucid.backend.cpu.norm import layer_backward, layer_forward
from lucid.errors import ShapeError
from lucid.op import Op, casts, floating
from lucid.op.standardize import PerGroup, Standardize, check_parameters
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["group_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm"]


class LayerNorm(Standardize):
    """Standardize over the last axes, w and b in their shape; on the CPU in one walk."""

    def forward_cpu(self, x, w, b):
        if not x.flags.c_contiguous or not x.size:
            return self.forward(x, w, b)
        return self._keep(x, w, *layer_forward(x, w, b, self.eps, len(self.axes)))

    def backward_cpu(self, dy, dmean, dvar):
        x, w, mean, var = self.saved_arrays
        if not (x.flags.c_contiguous and dy.flags.c_contiguous and x.size):
            return self.unfused(dy, dmean, dvar)
        dx, dw, db = layer_backward(dy, dmean, dvar, x, w, mean, var, self.eps, self.needs)
        dw = None if dw is None else dw.reshape(self.shapes[1])
        return dx, dw, (None if db is None else db.reshape(self.shapes[2]))


class RmsNorm(Op):
    """(y, mean of x²): x / sqrt(mean(x²) + eps) * w over the last axes."""

    axes: tuple[int, ...]
    eps: float
    promotes = upcasts = False
    takes_none = ("generic", "cuda")

    def forward(self, x, w):
        xp = self.xp
        wide = x.astype(xp.float32) if x.dtype.itemsize == 2 else x
        square = (wide * wide).mean(self.axes, keepdims=True)
        y = wide * (1 / xp.sqrt(square + self.eps))
        if w is not None:
            y *= w
        if self.needs:
            self.save(x, w, square)
        return y.astype(x.dtype, copy=False), square

    def forward_cuda(self, x, w):
        if not x.size:
            return self.forward(x, w)
        lead = self.axes[0]
        rows = x.size // max(1, product(x.shape[lead:]))
        y, _, square = self.device.kernels.row_norm(x, w, None, rows, 1, 1, self.eps, False)
        square = square.reshape(x.shape[:lead] + (1,) * len(self.axes))
        if self.needs:
            self.save(x, w, square)
        return y, square

    def backward_cuda(self, dy, dsquare):
        x, w, square = self.saved_arrays
        if not x.size:
            return self.unfused(dy, dsquare)
        gradient = self.device.kernels.row_norm_gradient
        needs = *self.needs, False
        arrays = dy, None, dsquare, x, w, None, square
        return gradient(*arrays, 1, 1, self.eps, needs, self.shapes[1])[:2]

    def backward(self, dy, dsquare):
        x, w, square = self.saved
        n = x.numel() // max(1, square.numel())
        scale = (square + self.eps).rsqrt()
        dx = dw = None
        if self.needs[0]:
            g = dy if w is None else dy * w
            along = (g * x).sum(self.axes, keepdim=True) * (scale * scale * scale)
            along = along if dsquare is None else along - dsquare * 2
            dx = g * scale - x * (along / n)
        if self.needs[1]:
            dw = (dy * (x * scale)).sum_to_size(self.shapes[1])
        return dx, dw


class ChannelWindow(Op):
    """The sum over the channels from c - before to c + after."""

    before: int
    after: int

    def forward(self, x):
        y = x.copy(order="K")
        channels = x.shape[1]
        for step in range(1, self.before + 1):
            y[:, step:] += x[:, : max(0, channels - step)]
        for step in range(1, self.after + 1):
            y[:, : max(0, channels - step)] += x[:, step:]
        return y

    def backward(self, dy):
        return ChannelWindow(self.after, self.before)(dy)


def _last_axes(name: str, x: Tensor, normalized_shape: Any, **tensors: Tensor | None) -> tuple:
    """The axes that normalized_shape names, checked against x and the parameters."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{name}: the input's last dimensions must be {shape}; got shape {x.shape}"
        )
    floating(name, "input", x)
    for what, t in tensors.items():
        if t is not None and t.shape != shape:
            raise ShapeError(f"{name}: {what} must be of shape {shape}; got {t.shape}")
    return tuple(range(x.ndim - len(shape), x.ndim))


@casts(cuda="float32")
def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardize over the last dimensions, then * weight + bias. x: (*, shape) -> y: (*, shape).

    ``normalized_shape`` names those dimensions, weight and bias have that shape. Ba et al., Layer
    Normalization, 2016.
    """
    axes = _last_axes("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return LayerNorm(axes, eps)(input, weight, bias)[0]


@casts(cuda="float32")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardize each sample's channels in groups. x: (N, C, *) -> y: (N, C, *).

    weight, bias: (C,). Wu and He, Group Normalization, 2018.
    """
    if input.ndim < 2:
        raise ShapeError(f"group_norm: input must be (N, C, *); got shape {input.shape}")
    n, c = input.shape[:2]
    if num_groups < 1 or c % num_groups:
        raise ShapeError(
            f"group_norm: num_groups must divide the {c} channels; got {num_groups} for an input of"
            f" shape {input.shape}"
        )
    if n * (c // num_groups) * product(input.shape[2:]) == 1:
        raise ShapeError(
            f"group_norm: expected more than 1 value per group; got {num_groups} groups and an"
            f" input of shape {input.shape}"
        )
    floating("group_norm", "input", input)
    check_parameters("group_norm", c, weight=weight, bias=bias)
    grouped = input.reshape(n, num_groups, c // num_groups, *input.shape[2:])
    axes = tuple(range(2, grouped.ndim))
    return PerGroup(axes, eps, num_groups)(grouped, weight, bias)[0].reshape(input.shape)


@casts(cuda="float32")
def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x²) + eps) * weight over the last dimensions. x: (*, shape) -> y: (*, shape).

    eps is the machine epsilon of the type that is computed in, unless given. Zhang and Sennrich,
    Root Mean Square Layer Normalization, 2019.
    """
    axes = _last_axes("rms_norm", input, normalized_shape, weight=weight)
    if eps is None:
        eps = dtypes.finfo(dtypes.promote_types(input.dtype, dtypes.float32)).eps
    return RmsNorm(axes, eps)(input, weight)[0]


@casts(cuda="float32")
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x² over ``size`` neighbouring channels)^beta.

    x: (N, C, *) -> y: (N, C, *); channels beyond the border count as 0. Krizhevsky et al., 2012.
    """
    if input.ndim < 3:
        raise ShapeError(f"local_response_norm: input must be (N, C, L, *); got {input.shape}")
    if size < 1:
        raise ValueError(f"local_response_norm: size must be positive; got {size}")
    squares = ChannelWindow(size // 2, (size - 1) // 2)(input * input)
    return input / (squares * (alpha / size) + k) ** beta


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x divided by its p-norm along ``dim``, or by eps if that is larger. x: (*) -> y: (*).

    >>> F.normalize(Tensor([[3.0, 4.0]]))
    Tensor([[0.6, 0.8]])
    """
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


def _standard(np: Any, x: Any, axes: Any, eps: float = 1e-5) -> Any:
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + eps)


spec(
    layer_norm,
    cases=[
        Case([(5, 3)], {"normalized_shape": 3}),
        Case([(2, 3, 4)], {"normalized_shape": (3, 4)}),
        Case([(0, 3)], {"normalized_shape": [3]}),
    ],
    reference=lambda np, x, normalized_shape: _standard(
        np, x, tuple(range(-len(np.atleast_1d(normalized_shape)), 0))
    ),
    errors=[
        (
            Case([(2, 3)], {"normalized_shape": 4}),
            ShapeError,
            r"layer_norm: the input's last dimensions must be \(4,\); got shape \(2, 3\)",
        )
    ],
)
spec(
    group_norm,
    cases=[
        Case([(2, 4, 3)], {"num_groups": 2}),
        Case([(2, 4, 3, 2)], {"num_groups": 1}),
        Case([(2, 6)], {"num_groups": 2}),
    ],
    reference=lambda np, x, num_groups: _standard(
        np, x.reshape(x.shape[0], num_groups, -1), (2,)
    ).reshape(x.shape),
    errors=[
        (
            Case([(2, 4)], {"num_groups": 3}),
            ShapeError,
            "group_norm: num_groups must divide the 4 channels; got 3",
        )
    ],
)
spec(
    rms_norm,
    cases=[
        Case([(5, 3)], {"normalized_shape": 3}),
        Case([(2, 3, 4)], {"normalized_shape": (3, 4)}),
    ],
    reference=lambda np, x, normalized_shape: (
        x
        / np.sqrt(
            (x**2).mean(tuple(range(-len(np.atleast_1d(normalized_shape)), 0)), keepdims=True)
        )
    ),
)


def _window_reference(np: Any, x: Any, size: int, k: float = 1.0) -> Any:
    squares = np.zeros_like(x)
    for c in range(x.shape[1]):
        first, last = max(0, c - size // 2), c + (size - 1) // 2 + 1
        squares[:, c] = (x[:, first:last] ** 2).sum(1)
    return x / (k + 1e-4 / size * squares) ** 0.75


spec(
    local_response_norm,
    cases=[Case([(2, 5, 3)], {"size": 3}), Case([(2, 3, 2, 2)], {"size": 4, "k": 2.0})],
    reference=_window_reference,
    errors=[(Case([(2, 3)], {"size": 3}), ShapeError, "local_response_norm: input must be")],
)
spec(
    normalize,
    cases=[Case([(3, 4)]), Case([(2, 3, 2)], {"p": 1, "dim": 0})],
    reference=lambda np, x, p=2, dim=1: x / ((np.abs(x) ** p).sum(dim, keepdims=True) ** (1 / p)),
)

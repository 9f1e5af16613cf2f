"""Time steps: what recurrent ops share.

Sequences lie packed: rows (total, *), step after step, at each step those sequences that still run.
The way back through time is written once, in operators that arrays and tensors have in common, and
an ``Algebra`` for the rest: on arrays when nobody differentiates the gradient, on tensors else.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

from lucid import dtypes
from lucid.op.base import Op


class Algebra(NamedTuple):
    """What arrays and tensors spell differently."""

    product: Callable[[Any, Any], Any]  # of matrices
    join: Callable[[list[Any], int], Any]  # parts one after the other along an axis
    tanh: Callable[[Any], Any]
    zeros_like: Callable[[Any], Any]


class Join(Op):
    """Parts one after the other along an axis."""

    axis: int
    upcasts = False

    def forward(self, *parts):
        return self.xp.concatenate(parts, self.axis)

    def backward(self, dy):
        sizes = [shape[self.axis] for shape in self.shapes]
        starts = accumulate(sizes, initial=0)
        parts = zip(self.needs, starts, sizes, strict=False)
        return tuple([dy.narrow(self.axis, i, n) if need else None for need, i, n in parts])


ON_TENSORS = Algebra(
    product=lambda a, b: a.matmul(b),
    join=lambda parts, axis: Join(axis)(*parts),
    tanh=lambda x: x.tanh(),
    zeros_like=lambda x: x.new_zeros(x.shape),
)


class Recurrence(Op):
    """Inputs x: (total, I), w_ih: (G, I), w_hh: (G, H), b_ih and b_hh: (G,) or None, h: (B, H), ...

    Outputs y: (total, H), the states at every step; (B, H), those after each one's last step; ...
    """

    sizes: tuple[int, ...]  # how many sequences run at each step; never growing
    reverse: bool  # from the last step to the first

    def steps(self):
        """(rows of a step, how many they are), in the order in which time runs."""
        ends = accumulate(self.sizes)
        steps = [(slice(end - n, end), n) for n, end in zip(self.sizes, ends, strict=True)]
        return steps[::-1] if self.reverse else steps

    @property
    def on_arrays(self):
        """The algebra of this device's arrays."""
        xp, device = self.xp, self.device
        product = device.kernels.matmul if device.type == "cuda" else xp.matmul
        return Algebra(product, xp.concatenate, xp.tanh, xp.zeros_like)

    def project(self, x, w, *biases):
        """x @ w.T + biases, of all steps at once."""
        y = self.on_arrays.product(x, w.T)
        for b in biases:
            if b is not None:
                y += b
        return y

    def before(self, states, first, algebra):
        """For every row the state that its step began with."""
        parts, state = [], first
        for rows, n in self.steps():
            parts.append(state[:n])
            state = behind(states[rows], state, n, algebra)
        return self.joined(parts, algebra)

    def joined(self, parts, algebra):
        """What was made step by step, from the first in time to the last, as rows."""
        return algebra.join(parts[::-1] if self.reverse else parts, 0)

    def forth(self, x, w, bias, algebra):
        """``project`` on tensors."""
        y = algebra.product(x, w.T)
        return y if bias is None else y + bias

    def backward(self, *gradients):
        return self.through_time(self.recomputed(), gradients, ON_TENSORS)

    def backward_cpu(self, *gradients):
        saved = [self._wide(a) for a in self.saved_arrays]
        return self.through_time(saved, [self._wide(g) for g in gradients], self.on_arrays)

    backward_cuda = backward_cpu

    def recomputed(self):
        """What forward kept, as tensors that all hang in the graph."""
        return self.saved

    def through_time(self, saved, gradients, algebra):
        """Gradients of the inputs, on arrays or on tensors."""
        raise NotImplementedError

    def of_weights(self, da, da_h, x, w_ih, before, algebra):
        """Gradients of x, w_ih, w_hh, b_ih, b_hh, from those of the sums before the gates."""
        dx = algebra.product(da, w_ih) if self.needs[0] else None
        dw_ih = algebra.product(da.T, x) if self.needs[1] else None
        dw_hh = algebra.product(da_h.T, before) if self.needs[2] else None
        db_ih = da.sum(0) if self.needs[3] else None
        db_hh = da_h.sum(0) if self.needs[4] else None
        return dx, dw_ih, dw_hh, db_ih, db_hh

    def _wide(self, array):
        """Halves as float32, as forward computed."""
        if getattr(array, "dtype", None) is None or array.dtype.itemsize > 2:
            return array
        return array.astype(dtypes.float32.numpy)


def behind(new: Any, old: Any, n: int, algebra: Algebra) -> Any:
    """The running states of all sequences, the first n of them replaced."""
    return new if n == old.shape[0] else algebra.join([new, old[n:]], 0)


def columns(x: Any, size: int) -> list[Any]:
    """The gates, which stand side by side: (total, k * size) -> k of (total, size)."""
    return [x[:, start : start + size] for start in range(0, x.shape[1], size)]

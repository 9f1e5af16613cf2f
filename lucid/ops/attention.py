"""Attention: softmax(scale q k^T + mask) v, with dropout of the weights, as one op.

Kept for backward are the inputs and the weights; dropout keeps its key and draws again. With w the
weights, d(.) the dropout, and dy the gradient of the output:

    dv = d(w)^T dy    dw = d(dy v^T)    ds = w (dw - sum(w dw))
    dq = scale ds k   dk = scale ds^T q

A row whose keys are all masked has weights of 0, an output of 0, and no gradient.
Vaswani et al. 2017.
"""

from __future__ import annotations

import math
from typing import Any

from lucid import dtypes, random
from lucid.backend import philox
from lucid.backend.philox import Key
from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, casts, floating, one_dtype
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]


class ScaledDotProduct(Op):
    """q: (*, L, E), k: (*, S, E), v: (*, S, F), mask: to (*, L, S), bool or added -> (*, L, F)."""

    scale: float
    causal: bool  # key j is for queries i >= j
    key: Key | None = None  # of the dropout
    threshold: int = 0
    factor: float = 1.0  # of weights that are kept; without a key 0 drops all

    apart = (3,)
    broadcasts = True

    def forward(self, q, k, v, mask):
        weights = self._weights(q, k, mask)
        if self.needs:
            self.save(q, k, v, mask, weights)
        return self._product(self._dropped(weights), v)

    def _weights(self, q, k, mask):
        """softmax(scale q k^T + mask), before the dropout."""
        xp = self.xp
        scores = self._product(q * self.scale, k.swapaxes(-1, -2))
        if self.causal:
            scores = xp.where(xp.tri(*scores.shape[-2:], dtype=bool), scores, -math.inf)
        if mask is not None:
            scores = xp.where(mask, scores, -math.inf) if mask.dtype == bool else scores + mask
        scores = scores.astype(q.dtype, copy=False)
        if not scores.shape[-1]:
            return scores
        most = scores.max(-1, keepdims=True)
        nothing = most == -math.inf
        scores -= xp.where(nothing, 0, most)
        xp.exp(scores, out=scores)
        scores /= xp.where(nothing, 1, scores.sum(-1, keepdims=True))
        return scores

    def _dropped(self, w):
        if self.key is not None:
            settings = self.key, self.threshold, self.factor, 0.0, 0.0, None, None
            return self.device.bernoulli_affine(w, *settings)
        return w if self.factor else self.xp.zeros_like(w)

    def _product(self, a, b):
        multiply = self.device.kernels.matmul if self.device.type == "cuda" else self.xp.matmul
        return multiply(a, b)

    def backward_cpu(self, dy):
        q, k, v, _, w = self.saved_arrays
        # Halves were computed in float32.
        dy, q, k, v = (a.astype(w.dtype, copy=False) for a in (dy, q, k, v))
        dq = dk = dv = dmask = None
        if self.needs[2]:
            dv = self._product(self._dropped(w).swapaxes(-1, -2), dy)
        if self.needs[0] or self.needs[1] or self.needs[3]:
            ds = self._dropped(self._product(dy, v.swapaxes(-1, -2))) * w
            ds -= w * ds.sum(-1, keepdims=True)
            dmask = ds if self.needs[3] else None
            if self.needs[0]:
                dq = self._product(ds, k) * self.scale
            if self.needs[1]:
                dk = self._product(ds.swapaxes(-1, -2), q) * self.scale
        return dq, dk, dv, dmask

    backward_cuda = backward_cpu

    def backward(self, dy):
        q, k, v, mask, kept = self.saved
        w = self._connected(q, k, mask)
        shape = kept.shape
        gone = None
        if self.key is not None:
            drop = self.device.draw("decisions", self.key, math.prod(shape), self.threshold)
            gone = self.wrap(drop.reshape(shape))
        elif not self.factor:
            gone = self.wrap(self.xp.ones(shape, bool))

        def dropped(x: Tensor) -> Tensor:
            return x if gone is None else x.masked_fill(gone, 0.0) * self.factor

        dv = dropped(w).transpose(-1, -2).matmul(dy) if self.needs[2] else None
        ds = w * dropped(dy.matmul(v.transpose(-1, -2)))
        ds = ds - w * ds.sum(-1, keepdim=True)
        dq = ds.matmul(k) * self.scale if self.needs[0] else None
        dk = ds.transpose(-1, -2).matmul(q) * self.scale if self.needs[1] else None
        return dq, dk, dv, ds if self.needs[3] else None

    def _connected(self, q, k, mask):
        """The weights as a function of q, k and mask that can be differentiated again."""
        scores = (q * self.scale).matmul(k.transpose(-1, -2))
        if self.causal:
            later = self.wrap(~self.xp.tri(*scores.shape[-2:], dtype=bool))
            scores = scores.masked_fill(later, -math.inf)
        if mask is not None:
            boolean = mask.dtype == dtypes._bool
            scores = scores.where(mask, -math.inf) if boolean else scores + mask
        if not scores.shape[-1]:
            return scores
        nothing = (scores == -math.inf).all(-1, keepdim=True)
        return scores.masked_fill(nothing, 0.0).softmax(-1).masked_fill(nothing, 0.0)


@casts(cpu="lower", cuda="lower")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """softmax(q k^T / sqrt(E) + mask) v. q: (*, L, E), k: (*, S, E), v: (*, S, F) -> (*, L, F).

    attn_mask, broadcast to (*, L, S), is bool, True where a key takes part, or a number to be
    added. ``is_causal``: query i takes keys up to i only. ``scale`` stands for 1 / sqrt(E).
    ``enable_gqa``: dimension -3 counts heads, and each one of k and v serves several of q.
    ``dropout_p`` drops weights, always, as ``dropout`` does: the decision on a weight depends on
    the generator's state and its index in (*, L, S). Rows whose keys are all masked give 0.

    >>> q = k = v = lucid.eye(2)
    >>> F.scaled_dot_product_attention(q, k, v, is_causal=True)[0]
    Tensor([1., 0.])
    """
    name = "scaled_dot_product_attention"
    one_dtype(name, query, key, value)
    floating(name, "query", query)
    _check(name, query, key, value, attn_mask)
    p = _probability(name, dropout_p)
    if enable_gqa:
        key, value = (_shared(name, query, t) for t in (key, value))
    shape = _broadcast(name, query.shape[:-2], key.shape[:-2], value.shape[:-2])
    weights = (*shape, query.shape[-2], key.shape[-2])
    if attn_mask is not None and _broadcast(name, attn_mask.shape, weights) != weights:
        raise ShapeError(f"{name}: attn_mask must broadcast to {weights}; got {attn_mask.shape}")
    settings: tuple = ()
    if p == 1.0:
        settings = None, 0, 0.0
    elif p and math.prod(weights):
        source = random.default_generator if generator is None else generator
        key_ = source.reserve(philox.blocks_for("decisions", math.prod(weights)))
        settings = key_, philox.threshold(p), 1 / (1 - p)
        # One decision per weight, also where q and k are shared along a dimension of v.
        query = query.expand(*shape, *query.shape[-2:])
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    return ScaledDotProduct(scale, is_causal, *settings)(query, key, value, attn_mask)


def _check(name: str, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> None:
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ShapeError(
            f"{name}: query, key and value must be (*, L, E), (*, S, E) and (*, S, F); got shapes"
            f" {q.shape}, {k.shape} and {v.shape}"
        )
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"{name}: query and key must agree in their last dimension, key and value in the one"
            f" before; got shapes {q.shape}, {k.shape} and {v.shape}"
        )
    if mask is not None and mask.dtype not in (dtypes._bool, q.dtype):
        raise DTypeError(
            f"{name}: attn_mask must be bool or of the query's dtype {q.dtype}; got {mask.dtype}"
        )


def _probability(name: str, p: Any) -> float:
    if isinstance(p, (str, bytes)) or not hasattr(p, "__float__"):
        raise DTypeError(f"{name}: dropout_p must be a number in [0, 1]; got {p!r}")
    if not 0.0 <= float(p) <= 1.0:
        raise ValueError(f"{name}: dropout_p must be in [0, 1]; got {p}")
    return float(p)


def _shared(name: str, q: Tensor, t: Tensor) -> Tensor:
    """Heads of keys or values, each as often as it serves one of the query's."""
    if min(q.ndim, t.ndim) < 3 or not t.shape[-3] or q.shape[-3] % t.shape[-3]:
        raise ShapeError(
            f"{name}: with enable_gqa the heads of key and value must divide the query's; got"
            f" shapes {q.shape} and {t.shape}"
        )
    return t.repeat_interleave(q.shape[-3] // t.shape[-3], -3)


def _broadcast(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that these have in common."""
    ndim = max(map(len, shapes))
    result = []
    for sizes in zip(*[(1,) * (ndim - len(s)) + s for s in shapes], strict=True):
        other = {n for n in sizes if n != 1}
        if len(other) > 1:
            got = " and ".join(map(str, shapes))
            raise ShapeError(f"{name}: leading dimensions must be equal or 1; got {got}")
        result.append(other.pop() if other else 1)
    return tuple(result)


def _reference(
    np: Any, q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False, scale: Any = None
) -> Any:
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    s = q @ np.swapaxes(k, -1, -2) * scale
    if is_causal:
        s = np.where(np.tri(*s.shape[-2:]) > 0, s, -1e300)
    if mask is not None:
        s = np.where(mask, s, -1e300) if mask.dtype == bool else s + mask
    w = np.exp(s - s.max(-1, keepdims=True)) if s.size else s
    live = s > -1e299
    w = w * live / np.maximum((w * live).sum(-1, keepdims=True), 1e-300)
    return w @ v


_qkv: list[tuple[int, ...]] = [(2, 4, 3), (2, 5, 3), (2, 5, 2)]
_bool = ("float32", "float32", "float32", "bool")
spec(
    scaled_dot_product_attention,
    cases=[
        Case(_qkv),
        Case(_qkv, {"is_causal": True, "scale": 0.3}),
        Case([*_qkv, (4, 5)]),
        Case([*_qkv, (4, 5)], low=0, dtypes=_bool),
        Case([*_qkv, (2, 4, 1)], {"is_causal": True}, low=0, dtypes=_bool),  # some rows have no key
        Case([(2, 1, 3, 2), (1, 3, 4, 2), (4, 2)]),
        Case([(3, 2), (4, 2), (2, 4, 3)]),
        Case([(3, 2), (0, 2), (0, 4)]),
    ],
    reference=_reference,
    errors=[
        (Case([(2,), (2,), (2,)]), ShapeError, r"query, key and value must be \(\*, L, E\)"),
        (Case([(2, 3), (2, 4), (2, 3)]), ShapeError, r"agree .*; got shapes \(2, 3\), \(2, 4\)"),
        (Case(_qkv, {"dropout_p": 1.5}), ValueError, r"dropout_p must be in \[0, 1\]; got 1.5"),
        (Case([*_qkv, (3, 5)]), ShapeError, r"must be equal or 1; got \(3, 5\) and \(2, 4, 5\)"),
        (
            Case([*_qkv, (4, 5)], dtypes=("float32", "float32", "float32", "int64")),
            DTypeError,
            "attn_mask must be bool or of the query's dtype",
        ),
        (
            Case([(3, 2, 2), (2, 2, 2), (2, 2, 2)], {"enable_gqa": True}),
            ShapeError,
            "heads of key and value must divide the query's",
        ),
    ],
)
spec(
    scaled_dot_product_attention,
    cases=[
        Case([*_qkv, (4, 5)], {"dropout_p": 0.4}),
        Case([(4, 3, 2), (2, 3, 2), (2, 3, 2)], {"dropout_p": 0.4, "enable_gqa": True}),
        Case(_qkv, {"dropout_p": 1.0}),
    ],
    random=True,
)

"""Recurrent cells along whole sequences: one op per layer and direction, gradients through time.

    rnn     h' = tanh(a)  or  max(a, 0)                    a = W_ih x + b_ih + W_hh h + b_hh
    lstm    c' = f c + i g                                 i, f, o = sigmoid(a), g = tanh(a)
            h' = o tanh(c'),  or W_hr of that
    gru     h' = n + z (h - n)                             r, z = sigmoid(a)
                                                           n = tanh(W x + b + r (W h + b))

The products with the inputs, and all gradients of weights, are one matrix product over all steps.
Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014; Sak et al. 2014 (the projection).
"""

from __future__ import annotations

from typing import Any

from lucid.op import casts
from lucid.op.stepping import ON_TENSORS, Recurrence, behind, columns
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__: list[str] = []


class Elman(Recurrence):
    relu: bool

    def forward(self, x, w_ih, w_hh, b_ih, b_hh, h):
        xp, product, first = self.xp, self.on_arrays.product, h
        y = self.project(x, w_ih, b_ih, b_hh)
        h = h.copy()
        for rows, n in self.steps():
            a = y[rows]
            a += product(h[:n], w_hh.T)
            h[:n] = xp.maximum(a, 0, out=a) if self.relu else xp.tanh(a, out=a)
        if self.needs:
            self.save(x, w_ih, w_hh, first, y)
        return y, h

    def through_time(self, saved, gradients, algebra):
        x, w_ih, w_hh, first, y = saved
        dy, dh = gradients
        slope = (y > 0) if self.relu else 1 - y * y
        parts = []
        for rows, n in reversed(self.steps()):
            da = (dh[:n] + dy[rows]) * slope[rows]
            parts.append(da)
            dh = behind(algebra.product(da, w_hh), dh, n, algebra)
        da = self.joined(parts[::-1], algebra)
        before = self.before(y, first, algebra) if self.needs[2] else None
        return (*self.of_weights(da, da, x, w_ih, before, algebra), dh)


class LSTM(Recurrence):
    """Also takes c: (B, C) and w_hr: (H, C) or None; also gives c after the last steps, and all.

    The gates i, f, g, o stand side by side. Without w_hr, H is C.
    """

    takes_none = ("generic", "cpu", "cuda")

    def forward(self, x, w_ih, w_hh, b_ih, b_hh, h, c, w_hr):
        xp, product, size = self.xp, self.on_arrays.product, c.shape[1]
        given = x, w_ih, w_hh, b_ih, b_hh, h, c, w_hr
        gates = self.project(x, w_ih, b_ih, b_hh)
        h, c = h.copy(), c.copy()
        y = xp.empty((x.shape[0], h.shape[1]), gates.dtype)
        memory = xp.empty((x.shape[0], size), gates.dtype) if self.needs else None
        for rows, n in self.steps():
            a = gates[rows]
            a += product(h[:n], w_hh.T)
            i, f, g, o = columns(a, size)
            sigmoid(xp, a[:, : 2 * size])
            xp.tanh(g, out=g)
            sigmoid(xp, o)
            cell = c[:n]
            cell *= f
            cell += i * g
            state = o * xp.tanh(cell)
            h[:n] = y[rows] = state if w_hr is None else product(state, w_hr.T)
            if memory is not None:
                memory[rows] = cell
        if memory is None:
            return y, h, c, c
        self.save(*given, y, memory, gates)
        return y, h, c, memory

    def recomputed(self):
        x, w_ih, w_hh, b_ih, b_hh, h, c, w_hr, y, memory, _ = self.saved
        a = self.forth(x, w_ih, b_ih, ON_TENSORS)
        a = a + self.forth(self.before(y, h, ON_TENSORS), w_hh, b_hh, ON_TENSORS)
        i, f, g, o = columns(a, c.shape[1])
        gates = ON_TENSORS.join([i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()], 1)
        return x, w_ih, w_hh, b_ih, b_hh, h, c, w_hr, y, memory, gates

    def through_time(self, saved, gradients, algebra):
        x, w_ih, w_hh, _, _, first, c, w_hr, y, memory, gates = saved
        dy, dh, dc, dmemory = gradients
        dh = algebra.zeros_like(first) if dh is None else dh
        dc = algebra.zeros_like(c) if dc is None else dc
        i, f, g, o = columns(gates, c.shape[1])
        squashed = algebra.tanh(memory)
        from_cell = o * (1 - squashed * squashed)
        # What the sums before the gates get: these times dc, and for o, times dh.
        si, sf = g * i * (1 - i), self.before(memory, c, algebra) * f * (1 - f)
        sg, so = i * (1 - g * g), squashed * o * (1 - o)
        parts, states = [], []
        for rows, n in reversed(self.steps()):
            dstate = dh[:n] + dy[rows]
            if w_hr is not None:
                states.append(dstate)
                dstate = algebra.product(dstate, w_hr)
            dcell = dc[:n] + dstate * from_cell[rows]
            if dmemory is not None:
                dcell = dcell + dmemory[rows]
            slopes = dcell * si[rows], dcell * sf[rows], dcell * sg[rows], dstate * so[rows]
            da = algebra.join(list(slopes), 1)
            parts.append(da)
            dc = behind(dcell * f[rows], dc, n, algebra)
            dh = behind(algebra.product(da, w_hh), dh, n, algebra)
        da = self.joined(parts[::-1], algebra)
        before = self.before(y, first, algebra) if self.needs[2] else None
        dw_hr = None
        if w_hr is not None and self.needs[7]:
            dw_hr = algebra.product(self.joined(states[::-1], algebra).T, o * squashed)
        return (*self.of_weights(da, da, x, w_ih, before, algebra), dh, dc, dw_hr)


class GRU(Recurrence):
    """The gates r, z, n stand side by side."""

    def forward(self, x, w_ih, w_hh, b_ih, b_hh, h):
        xp, product, size, first = self.xp, self.on_arrays.product, h.shape[1], h
        gates = self.project(x, w_ih, b_ih)
        h = h.copy()
        y = xp.empty((x.shape[0], size), gates.dtype)
        inner = xp.empty_like(y) if self.needs else None
        for rows, n in self.steps():
            a, state = gates[rows], product(h[:n], w_hh.T)
            if b_hh is not None:
                state += b_hh
            a[:, : 2 * size] += state[:, : 2 * size]
            sigmoid(xp, a[:, : 2 * size])
            r, z, new = columns(a, size)
            new += r * state[:, 2 * size :]
            xp.tanh(new, out=new)
            h[:n] = y[rows] = new + z * (h[:n] - new)
            if inner is not None:
                inner[rows] = state[:, 2 * size :]
        if inner is not None:
            self.save(x, w_ih, w_hh, b_ih, b_hh, first, y, gates, inner)
        return y, h

    def recomputed(self):
        x, w_ih, w_hh, b_ih, b_hh, h, y, _, _ = self.saved
        entering = columns(self.forth(x, w_ih, b_ih, ON_TENSORS), h.shape[1])
        state = self.forth(self.before(y, h, ON_TENSORS), w_hh, b_hh, ON_TENSORS)
        *others, inner = columns(state, h.shape[1])
        r, z = ((a + b).sigmoid() for a, b in zip(entering, others, strict=False))
        gates = ON_TENSORS.join([r, z, (entering[2] + r * inner).tanh()], 1)
        return x, w_ih, w_hh, b_ih, b_hh, h, y, gates, inner

    def through_time(self, saved, gradients, algebra):
        x, w_ih, w_hh, _, _, first, y, gates, inner = saved
        dy, dh = gradients
        r, z, new = columns(gates, first.shape[1])
        before = self.before(y, first, algebra)
        # What the sums before the gates get: these times the gradient of the state.
        sn, sz = (1 - z) * (1 - new * new), (before - new) * z * (1 - z)
        sr, inside = sn * inner * r * (1 - r), sn * r
        parts, states = [], []
        for rows, n in reversed(self.steps()):
            dstate = dh[:n] + dy[rows]
            da = algebra.join([dstate * sr[rows], dstate * sz[rows], dstate * inside[rows]], 1)
            states.append(dstate)
            parts.append(da)
            dh = behind(dstate * z[rows] + algebra.product(da, w_hh), dh, n, algebra)
        da_h = self.joined(parts[::-1], algebra)
        dnew = self.joined(states[::-1], algebra) * sn
        da = algebra.join([da_h[:, : 2 * first.shape[1]], dnew], 1)
        return (*self.of_weights(da, da_h, x, w_ih, before, algebra), dh)


def sigmoid(xp: Any, x: Any) -> None:
    """1 / (1 + exp(-x)), in place; exp may overflow to infinity, whose reciprocal is 0."""
    xp.negative(x, out=x)
    xp.exp(x, out=x)
    x += 1
    xp.reciprocal(x, out=x)


@casts(cpu="lower", cuda="lower")
def rnn_states(
    x: Tensor,
    h: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    *,
    sizes: tuple[int, ...],
    reverse: bool = False,
    relu: bool = False,
) -> tuple[Tensor, Tensor]:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, along time. x: (total, I) -> (total, H).

    h: (B, H) are the first states; the second answer, (B, H), are the last. At step t the first
    ``sizes[t]`` sequences run, whose rows of x lie step after step.
    """
    return Elman(sizes, reverse, relu)(x, w_ih, w_hh, b_ih, b_hh, h)


@casts(cpu="lower", cuda="lower")
def lstm_states(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    w_hr: Tensor | None = None,
    *,
    sizes: tuple[int, ...],
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory along time. x: (total, I) -> (total, H), (B, H), (B, C).

    h: (B, H), c: (B, C), w_ih: (4 C, I), w_hh: (4 C, H), and with a projection w_hr: (H, C). As
    ``rnn_states`` otherwise.
    """
    return LSTM(sizes, reverse)(x, w_ih, w_hh, b_ih, b_hh, h, c, w_hr)[:3]


@casts(cpu="own", cuda="lower")
def lstm_step(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """One step of ``lstm_states``. x: (B, I), h: (B, H), c: (B, C) -> (B, H), (B, C).

    The answers have c's dtype, on which PyTorch's autocast leaves them on the CPU.
    """
    w_ih, w_hh, b_ih, b_hh = weights
    op = LSTM((x.shape[0],), False)
    _, h, last, _ = op(x, w_ih, w_hh, b_ih, b_hh, h, c, None)
    return h.to(c.dtype), last.to(c.dtype)


@casts(cpu="own", cuda="lower")
def gru_states(
    x: Tensor,
    h: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    *,
    sizes: tuple[int, ...],
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent units along time. x: (total, I), h: (B, H) -> (total, H), (B, H).

    w_ih: (3 H, I), w_hh: (3 H, H). The answers have h's dtype, on which PyTorch's autocast leaves
    them on the CPU. As ``rnn_states`` otherwise.
    """
    y, last = GRU(sizes, reverse)(x, w_ih, w_hh, b_ih, b_hh, h)
    return y.to(h.dtype), last.to(h.dtype)


def _along(np: Any, x: Any, state: Any, sizes: Any, reverse: bool, cell: Any) -> Any:
    """The first part of the state at every step, sequence by sequence."""
    starts = np.cumsum((0, *sizes))
    y = [None] * len(x)
    for b in range(sizes[0]):
        now = tuple(s[b] for s in state)
        rows = [starts[t] + b for t, n in enumerate(sizes) if b < n]
        for row in reversed(rows) if reverse else rows:
            now = cell(x[row], *now)
            y[row] = now[0]
    return np.stack(y)


def _rnn(
    np: Any, x: Any, h: Any, w: Any, u: Any, b: Any = 0.0, d: Any = 0.0, *,
    sizes: Any, reverse: bool = False, relu: bool = False,
) -> Any:  # fmt: skip
    def cell(x, h):
        a = w @ x + b + u @ h + d
        return (np.maximum(a, 0) if relu else np.tanh(a),)

    return _along(np, x, (h,), sizes, reverse, cell)


def _lstm(
    np: Any, x: Any, h: Any, c: Any, w: Any, u: Any, b: Any = 0.0, d: Any = 0.0, p: Any = None, *,
    sizes: Any, reverse: bool = False,
) -> Any:  # fmt: skip
    def cell(x, h, c):
        i, f, g, o = np.split(w @ x + b + u @ h + d, 4)
        i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        return h if p is None else p @ h, c

    return _along(np, x, (h, c), sizes, reverse, cell)


def _gru(
    np: Any, x: Any, h: Any, w: Any, u: Any, b: Any = 0.0, d: Any = 0.0, *,
    sizes: Any, reverse: bool = False,
) -> Any:  # fmt: skip
    def cell(x, h):
        (r, z, n), (s, y, m) = np.split(w @ x + b, 3), np.split(u @ h + d, 3)
        r, z = (1 / (1 + np.exp(-a)) for a in (r + s, z + y))
        n = np.tanh(n + r * m)
        return ((1 - z) * n + z * h,)

    return _along(np, x, (h,), sizes, reverse, cell)


def _cases(gates: int, states: list[tuple[int, ...]], *more: dict[str, Any]) -> list[Case]:
    weights: list[tuple[int, ...]] = [(gates, 3), (gates, 2), (gates,), (gates,)]
    settings: list[dict[str, Any]] = [
        {"sizes": (3, 3)}, {"sizes": (3, 2, 2), "reverse": True}, {"sizes": (3, 1)}, *more
    ]  # fmt: skip
    return [
        Case([(sum(kwargs["sizes"]), 3), *states, *weights], kwargs, -1, 1) for kwargs in settings
    ]


spec(
    rnn_states,
    cases=[
        *_cases(2, [(3, 2)], {"sizes": (3, 2), "relu": True}),
        Case([(4, 3), (2, 5), (5, 3), (5, 5)], {"sizes": (2, 2)}),
    ],
    reference=_rnn,
)
spec(
    lstm_states,
    cases=[
        *_cases(8, [(3, 2), (3, 2)]),
        Case(
            [(5, 3), (3, 2), (3, 4), (16, 3), (16, 2), (16,), (16,), (2, 4)],
            {"sizes": (3, 2), "reverse": True}, -1, 1,
        ),
    ],
    reference=_lstm,
)  # fmt: skip
spec(gru_states, cases=_cases(6, [(3, 2)]), reference=_gru)

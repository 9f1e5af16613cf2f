"""Connectionist temporal classification: -log of the probability of all paths that spell a target.

A path names a class at every time; read without repetitions and blanks it is the target. The states
are the target's labels with a blank between and around them, ext[s]; a path stays in its state,
enters the next one, or skips the blank between two different labels:

    a_t[s] = log(exp a_t-1[s] + exp a_t-1[s-1] + exp a_t-1[s-2] if it may) + log_probs[t, ext[s]]

Graves et al., Connectionist Temporal Classification, 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import Op, casts, check_reduction, floating, reduced
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["ctc_loss"]

# The logarithm of "impossible": finite, so that no difference of two is NaN.
_NEVER = -1e30


class Later(Op):
    """The states' values n states further on (n < 0: back); ``fill`` where none comes from."""

    n: int
    fill: float
    upcasts = False

    def forward(self, x):
        y = self.xp.full(x.shape, self.fill, x.dtype)
        n = self.n
        if n > 0:
            y[:, n:] = x[:, :-n]
        else:
            y[:, :n] = x[:, -n:]
        return y

    def backward(self, dy):
        return Later(-self.n, 0.0)(dy)


class CtcStep(Op):
    """One time: a and log probabilities of the states -> the next a; a itself where time is over.

    skip: which states may be entered from the one before the last; runs: (N, 1), who still runs.
    """

    apart = (2, 3)

    def forward(self, a, e, skip, runs):
        xp = self.xp
        if self.needs:
            self.save(a, skip, runs)
        ways, top = self._ways(a, skip)
        y = xp.log(sum(xp.exp(w - top) for w in ways))
        y += top
        y += e
        return xp.where(runs, y, a)

    def _ways(self, a, skip):
        """a of the three states that each state can be entered from, and their maximum."""
        xp = self.xp
        never = xp.full((a.shape[0], 2), _NEVER, a.dtype)
        wide = xp.concatenate([never, a], axis=1)
        ways = wide[:, 2:], wide[:, 1:-1], xp.where(skip, wide[:, :-2], a.dtype.type(_NEVER))
        return ways, xp.maximum(xp.maximum(ways[0], ways[1]), ways[2])

    def backward_cpu(self, dy):
        xp = self.xp
        a, skip, runs = self.saved_arrays
        ways, top = self._ways(a, skip)
        shares = [xp.exp(w - top) for w in ways]
        de = xp.where(runs, dy, dy.dtype.type(0))
        part = de / sum(shares)
        da = part * shares[0]
        da[:, :-1] += (part * shares[1])[:, 1:]
        da[:, :-2] += (part * shares[2])[:, 2:]
        return da + (dy - de), (de if self.needs[1] else None), None, None

    backward_cuda = backward_cpu

    def backward(self, dy):
        a, skip, runs = self.saved
        top = self.wrap(self._ways(a._array, skip._array)[1])
        ways = a, Later(1, _NEVER)(a), Later(2, _NEVER)(a).masked_fill(~skip, _NEVER)
        shares = [(w - top).exp() for w in ways]
        de = dy.masked_fill(~runs, 0.0)
        part = de / (shares[0] + shares[1] + shares[2])
        da = part * shares[0] + dy.masked_fill(runs, 0.0)
        da = da + Later(-1, 0.0)(part * shares[1]) + Later(-2, 0.0)(part * shares[2])
        return da, de, None, None


@casts(cpu="float32", cuda="float32")
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that a path spells the target. log_probs: (T, N, C) -> y: ().

    y: (N,) with reduction="none". targets: labels (N, S), or all of them one after the other;
    log_probs (T, C) is a single sample. The lengths, N each, tell how much of T and S counts.
    "mean" divides each loss by its target's length first. A target too long for its input costs
    infinity, and its gradient is not finite; ``zero_infinity`` makes both 0. log_probs come from
    log_softmax: behind it the gradient is PyTorch's; that of log_probs themselves is theirs here,
    and there the one of the scores before the softmax. Lengths in tensors on a GPU are waited for.

    >>> x = lucid.zeros(4, 1, 3).log_softmax(-1)
    >>> F.ctc_loss(x, lucid.tensor([[1, 2]]), [4], [2], reduction="none")  # 15 paths of 81
    Tensor([1.6864])
    """
    name = "ctc_loss"
    check_reduction(name, reduction)
    floating(name, "log_probs", log_probs)
    if log_probs.ndim not in (2, 3) or 0 in log_probs.shape[1:]:
        raise ShapeError(
            f"{name}: log_probs must be (T, N, C) or (T, C), N and C > 0; got {log_probs.shape}"
        )
    x = log_probs if log_probs.ndim == 3 else log_probs.unsqueeze(1)
    times, n, classes = x.shape
    if not 0 <= blank < classes:
        raise DimensionError(f"{name}: blank must be in [0, {classes - 1}]; got {blank}")
    running = _lengths(name, "input_lengths", input_lengths, n, times)
    spelled = _lengths(name, "target_lengths", target_lengths, n, None)
    if targets.dtype.category != 1:
        raise DTypeError(f"{name}: targets must be integers; got {targets.dtype}. Hint: .long()")
    labels = _labels(name, targets.to(x.device), spelled, n, classes)
    wide = x.float() if x.dtype.itemsize == 2 else x
    losses = _losses(wide, labels, running, spelled, blank, zero_infinity).to(x.dtype)
    if reduction == "mean":
        losses = losses / losses.new_tensor([max(1, s) for s in spelled])
    return reduced(losses if log_probs.ndim == 3 else losses[0], reduction)


def _losses(
    x: Tensor, labels: Any, running: list[int], spelled: list[int], blank: int, zero_infinity: bool
) -> Tensor:
    """The loss of each sample; labels: an array (N, S)."""
    device, (times, n, _) = x._device, x.shape
    xp = device.xp
    states = 2 * labels.shape[1] + 1
    ext = xp.full((n, states), blank, "int64")
    ext[:, 1::2] = labels
    skip = xp.zeros((n, states), bool)
    skip[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    ends = device.asarray(running, "int64")
    index = Tensor._wrap(xp.broadcast_to(ext, (times, n, states)), device)
    emitted = x.gather(2, index).clamp(min=_NEVER)
    start = xp.full((n, states), _NEVER, x._array.dtype)
    start[:, 0] = 0  # before time 0: all but nothing is said yet
    a, may_skip = Tensor._wrap(start, device), Tensor._wrap(skip, device)
    for t in range(max(running, default=0)):
        runs = Tensor._wrap((t < ends)[:, None], device)
        a = CtcStep()(a, emitted[t], may_skip, runs)
    last = [[2 * s, max(0, 2 * s - 1)] for s in spelled]
    final = a.gather(1, Tensor._wrap(device.asarray(last, "int64"), device))
    empty = device.asarray([[False, s == 0] for s in spelled], "bool")
    losses = -final.masked_fill(Tensor._wrap(empty, device), _NEVER).logsumexp(1)
    impossible = losses.detach() > -_NEVER / 2
    if zero_infinity:
        return losses.masked_fill(impossible, 0.0)
    return losses * losses.new_ones(n).masked_fill(impossible, float("inf"))


def _lengths(name: str, what: str, given: Any, n: int, most: int | None) -> list[int]:
    """n lengths on the host."""
    if isinstance(given, Tensor):
        if given.dtype.category != 1:
            raise DTypeError(f"{name}: {what} must be integers; got {given.dtype}")
        given = given.tolist()
    lengths = [given] if isinstance(given, int) else [int(v) for v in given]
    if len(lengths) != n:
        raise ShapeError(f"{name}: {what} must be {n}, one per sample; got {len(lengths)}")
    if any(v < 0 or (most is not None and v > most) for v in lengths):
        limit = "must not be negative" if most is None else f"must be in [0, {most}]"
        raise ShapeError(f"{name}: {what} {limit}; got {lengths}")
    return lengths


def _labels(name: str, targets: Tensor, spelled: list[int], n: int, classes: int) -> Any:
    """The targets as an array (N, S); what is not part of a target is class 0."""
    device, labels = targets._device, targets._array
    xp = device.xp
    if labels.ndim == 2:
        if labels.shape[0] != n or max(spelled) > labels.shape[1]:
            raise ShapeError(
                f"{name}: targets must be ({n}, at least {max(spelled)}) for these target_lengths;"
                f" got {targets.shape}"
            )
    elif labels.ndim != 1 or len(labels) != sum(spelled):
        raise ShapeError(
            f"{name}: targets must be (N, S), or all {sum(spelled)} labels; got {targets.shape}"
        )
    longest = labels.shape[1] if labels.ndim == 2 else max(spelled)
    place = xp.arange(longest)[None, :]
    inside = place < device.asarray(spelled, "int64")[:, None]
    if labels.ndim == 1:
        starts = [sum(spelled[:i]) for i in range(n)]
        at = xp.where(inside, place + device.asarray(starts, "int64")[:, None], 0)
        labels = labels[at] if len(labels) else xp.zeros((n, longest), "int64")
    labels = xp.where(inside, labels.astype("int64"), 0)
    if device.type == "cpu" and ((labels < 0) | (labels >= classes)).any():
        raise DimensionError(
            f"{name}: targets must be in [0, {classes - 1}]; got {labels.min()} to {labels.max()}"
        )
    return labels


def _reference(np: Any, x: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
    """The sum over all paths, one by one."""
    total, start = 0.0, 0
    for i, (t, s) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        wanted = targets[i, :s] if targets.ndim == 2 else targets[start : start + s]
        start += s
        chance = 0.0
        for path in np.ndindex(*(x.shape[2],) * t):
            shown = [c for j, c in enumerate(path) if c and (j == 0 or path[j - 1] != c)]
            if shown == list(wanted):
                chance += np.exp(sum(x[j, i, c] for j, c in enumerate(path)))
        total += -np.log(chance) / max(1, s)
    return np.asarray(total / len(input_lengths))


_kinds = ("float32", "int64")
_lengths_of_two = {"input_lengths": (4, 3), "target_lengths": (2, 1)}
spec(
    ctc_loss,
    cases=[
        Case([(4, 2, 3), (2, 2)], _lengths_of_two, 1, 3, _kinds),
        Case([(4, 2, 3), (3,)], _lengths_of_two, 1, 3, _kinds),
        Case([(2, 1, 3), (1, 2)], {"input_lengths": (2,), "target_lengths": (0,)}, 1, 3, _kinds),
    ],
    reference=_reference,
    errors=[
        (
            Case([(4, 2, 3), (2, 2)], {"input_lengths": (5, 3), "target_lengths": (2, 1)}, 1, 3,
                 _kinds),
            ShapeError,
            r"ctc_loss: input_lengths must be in \[0, 4\]; got \[5, 3\]",
        ),
        (
            Case([(4, 2, 3), (2, 1)], _lengths_of_two, 1, 3, _kinds),
            ShapeError,
            r"ctc_loss: targets must be \(2, at least 2\)",
        ),
        (
            Case([(4, 2, 3), (4,)], _lengths_of_two, 1, 3, _kinds),
            ShapeError,
            r"ctc_loss: targets must be \(N, S\), or all 3 labels; got \(4,\)",
        ),
        (
            Case([(4, 2, 3), (2, 2)], {**_lengths_of_two, "blank": 3}, 1, 3, _kinds),
            IndexError,
            r"ctc_loss: blank must be in \[0, 2\]; got 3",
        ),
        (
            Case([(4, 2, 3), (2, 2)], _lengths_of_two, 3, 5, _kinds, by_value=True),
            IndexError,
            r"ctc_loss: targets must be in \[0, 2\]",
        ),
    ],
)  # fmt: skip

"""pad: a border around a tensor, of one value or of copies of what lies inside.

    constant   0 0 | 1 2 3 4 | 0 0        reflect    3 2 | 1 2 3 4 | 3 2
    replicate  1 1 | 1 2 3 4 | 4 4        circular   3 4 | 1 2 3 4 | 1 2

Every border is a slice of the inside, perhaps mirrored. The gradient adds it back to where it came
from, and the gradient of that copies it out again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, casts
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["pad"]

Amounts = tuple[tuple[int, int], ...]  # (before, after) for each dimension


class ConstantPad(Op):
    """Negative amounts crop; so the gradient is this op with the amounts negated."""

    amounts: Amounts
    value: float = 0.0
    upcasts = promotes = False

    def forward(self, x):
        shape, from_, to = [], [], []
        for n, (before, after) in zip(x.shape, self.amounts, strict=True):
            shape.append(n + before + after)
            from_.append(slice(max(-before, 0), n - max(-after, 0)))
            to.append(slice(max(before, 0), n + before + min(after, 0)))
        y = self.xp.empty_like(x, shape=shape)  # in x's order of strides
        y[...] = self.value
        y[tuple(to)] = x[tuple(from_)]
        return y

    def backward(self, dy):
        return ConstantPad(tuple((-before, -after) for before, after in self.amounts))(dy)


class Extend(Op):
    """A border of copies of the inside."""

    amounts: Amounts
    mode: str
    upcasts = promotes = False

    def forward(self, x):
        for axis, n, inside, borders in _layout(self.amounts, self.mode, x.shape):
            shape = list(x.shape)
            shape[axis] = n
            y = self.xp.empty_like(x, shape=shape)
            y[inside] = x
            for border, source in borders:
                y[border] = x[source]
            x = y
        return x

    def backward(self, dy):
        return Fold(self.amounts, self.mode, self.shapes[0])(dy)


class Fold(Op):
    """The gradient of Extend: what stands in the border is added to where it was copied from."""

    amounts: Amounts
    mode: str
    shape: tuple[int, ...]

    def forward(self, dy):
        for axis, _, inside, borders in reversed(
            list(_layout(self.amounts, self.mode, self.shape))
        ):
            dx = dy[inside].copy()
            for border, source in borders:
                part = dy[border]
                if self.mode == "replicate":
                    part = part.sum(axis, keepdims=True)
                dx[source] += part
            dy = dx
        return dy

    def backward(self, ddx):
        return Extend(self.amounts, self.mode)(ddx)


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Extend a tensor at both ends of its last dimensions. x: (*, n) -> y: (*, before + n + after).

    ``pad`` is (before, after) of the last dimension, then of the one before it, and so on; negative
    amounts crop. ``mode``: "constant" fills with ``value`` (0), "reflect" mirrors without repeating
    the edge, "replicate" repeats the edge, "circular" goes on at the other end.

    >>> lucid.nn.functional.pad(lucid.tensor([1.0, 2.0, 3.0]), (1, 2), mode="reflect")
    Tensor([2., 1., 2., 3., 2., 1.])
    """
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(
            f'pad: mode must be "constant", "reflect", "replicate" or "circular"; got {mode!r}'
        )
    if mode != "constant" and value is not None:
        raise ValueError(f'pad: only mode "constant" takes a value; got {mode!r} and {value}')
    amounts = _amounts(pad, input.shape)
    if mode == "constant":
        return ConstantPad(amounts, 0.0 if value is None else value)(input)
    cropped = tuple((min(before, 0), min(after, 0)) for before, after in amounts)
    if any(map(any, cropped)):
        input = ConstantPad(cropped)(input)
    amounts = tuple((max(before, 0), max(after, 0)) for before, after in amounts)
    _check_reach(mode, amounts, input.shape)
    if not any(map(any, amounts)):
        return input.clone()
    return Extend(amounts, mode)(input) if mode == "circular" else _extend(input, amounts, mode)


@casts(cpu="float32")
def _extend(input: Tensor, amounts: Amounts, mode: str) -> Tensor:
    return Extend(amounts, mode)(input)


def _amounts(pad: Sequence[int], shape: tuple[int, ...]) -> Amounts:
    if isinstance(pad, str):
        raise DTypeError(f"pad: the amounts must be ints; got {pad!r:.60}")
    if len(pad) % 2 or len(pad) > 2 * len(shape):
        raise ShapeError(
            f"pad: the amounts must be pairs (before, after), from the last dimension on, at most"
            f" {len(shape)} of them; got {tuple(pad)} for shape {shape}"
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    amounts = ((0, 0),) * (len(shape) - len(pairs)) + tuple(reversed(pairs))
    if any(n + before + after < 0 for n, (before, after) in zip(shape, amounts, strict=True)):
        raise ShapeError(f"pad: cannot crop more than there is; got {tuple(pad)} for shape {shape}")
    return amounts


def _check_reach(mode: str, amounts: Amounts, shape: tuple[int, ...]) -> None:
    """A border cannot copy more than there is inside."""
    for n, (before, after) in zip(shape, amounts, strict=True):
        reach = {"reflect": n - 1, "circular": n, "replicate": n * (before + after)}[mode]
        if max(before, after) > max(reach, 0):
            raise ShapeError(
                f"pad: {mode} can add at most {max(reach, 0)} to a dimension of size {n}; got"
                f" {(before, after)} for shape {shape}"
            )


def _layout(amounts: Amounts, mode: str, shape: tuple[int, ...]) -> Iterator[tuple]:
    """For each extended dimension: its axis, its new size, and the indices of the inside in the
    result and of (border in the result, its source in the input)."""
    for axis, (before, after) in enumerate(amounts):
        n = shape[axis]
        if not before and not after:
            continue

        def at(start: int | None, stop: int | None, step: int = 1, axis: int = axis) -> tuple:
            return (*(slice(None),) * axis, slice(start, stop, step))

        if mode == "reflect":
            last = n - 2 - after
            sources = at(before, 0, -1), at(n - 2, last if last >= 0 else None, -1)
        elif mode == "replicate":
            sources = at(0, 1), at(n - 1, n)
        else:
            sources = at(n - before, n), at(0, after)
        targets = at(0, before), at(before + n, before + n + after)
        sizes = before, after
        borders = [(t, s) for t, s, size in zip(targets, sources, sizes, strict=True) if size]
        yield axis, before + n + after, at(before, before + n), borders


def _reference(np: Any, x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    x = x[
        tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True))
    ]
    pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode == "constant":
        return np.pad(x, pairs, constant_values=0 if value is None else value)
    return np.pad(x, pairs, {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])


spec(
    pad,
    cases=[
        Case([(2, 3)], {"pad": (1, 2)}),
        Case([(2, 3, 4)], {"pad": (1, -1, 0, 2), "value": 3.5}),
        Case([(0, 3)], {"pad": (0, 0, 1, 1)}),
        Case([(2, 3, 4)], {"pad": (3, 1), "mode": "reflect"}),
        Case([(1, 2, 3, 4)], {"pad": (1, 2, 2, 0), "mode": "reflect"}),
        Case([(1, 2, 3, 4)], {"pad": (3, 5, 0, 1), "mode": "replicate"}),
        Case([(1, 2, 3, 4)], {"pad": (4, 1, -1, 2), "mode": "circular"}),
    ],
    reference=_reference,
    errors=[
        (Case([(3,)], {"pad": (1,)}), ShapeError, r"pad: the amounts must be pairs.*got \(1,\)"),
        (Case([(3,)], {"pad": (-2, -2)}), ShapeError, "pad: cannot crop more than there is"),
        (
            Case([(2, 3)], {"pad": (3, 0), "mode": "reflect"}),
            ShapeError,
            r"pad: reflect can add at most 2 to a dimension of size 3; got \(3, 0\)",
        ),
        (Case([(3,)], {"pad": (1, 1), "mode": "mirror"}), ValueError, "pad: mode must be"),
        (
            Case([(3,)], {"pad": (1, 1), "mode": "reflect", "value": 1.0}),
            ValueError,
            'pad: only mode "constant" takes a value',
        ),
    ],
)

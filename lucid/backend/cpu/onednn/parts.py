"""A part of a convolution as oneDNN primitives: reorder what comes in, compute, reorder the result.

A `Part` computes some samples and some channels (or groups) of a Problem, in one thread.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from lucid.backend.cpu.fields import Ints, Pairs
from lucid.backend.cpu.onednn.library import Library
from lucid.backend.cpu.onednn.primitive import Layout, Primitive, dims, in_lines, room

__all__ = ["DATA", "FORWARD", "WEIGHTS", "Part", "Problem", "part"]

FORWARD, DATA, WEIGHTS = "forward", "data", "weights"
_FORWARD_TRAINING, _DIRECT = 64, 1
_SRC, _DST, _WEIGHTS, _BIAS = 1, 17, 33, 41
_DIFF_SRC, _DIFF_DST, _DIFF_WEIGHTS = 129, 145, 161
_ASK = {_SRC: 129, _DIFF_SRC: 130, _WEIGHTS: 131, _DIFF_WEIGHTS: 132, _DST: 133, _DIFF_DST: 134}
# In x, w, y order: the argument numbers of each computation, and which of them is the result.
_ROLES = {
    FORWARD: ((_SRC, _WEIGHTS, _DST), 2),
    DATA: ((_DIFF_SRC, _WEIGHTS, _DIFF_DST), 0),
    WEIGHTS: ((_SRC, _DIFF_WEIGHTS, _DIFF_DST), 1),
}


class Problem(NamedTuple):
    """One convolution, or one of its two gradients, of contiguous or channels-last arrays."""

    kind: str
    x: Ints  # shapes
    w: Ints
    y: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints
    groups: int
    x_last: bool  # channels-last
    y_last: bool
    bias: bool

    @property
    def by_group(self) -> bool:
        return self.groups > 1

    def channels(self, units: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """(start, stop) in x's and in y's channels of units, which are groups or the result's."""
        start, stop = units
        inputs, outputs = self.x[1], self.y[1]
        if self.by_group:
            per_x, per_y = inputs // self.groups, outputs // self.groups
            return (start * per_x, stop * per_x), (start * per_y, stop * per_y)
        if self.kind == DATA:
            return (start, stop), (0, outputs)
        return (0, inputs), (start, stop)


class Part:
    """Addresses of the user's x, w, y -> the result is there. The reordered w may be shared."""

    def __init__(self, lib: Library, problem: Problem, samples: int, units: int) -> None:
        numbers, self.result = _ROLES[problem.kind]
        (_, c), (_, o) = problem.channels((0, units))
        users = [
            _user(lib, (samples, c, *problem.x[2:]), problem.x, problem.x_last),
            _weights(lib, problem, units, c, o),
            _user(lib, (samples, o, *problem.y[2:]), problem.y, problem.y_last),
        ]
        wanted = [
            _wanted(lib, (samples, c, *problem.x[2:]), problem.x_last),
            Layout(lib, _weights_shape(problem, units, c, o)),
            _wanted(lib, (samples, o, *problem.y[2:]), problem.y_last),
        ]
        create = _creator(lib, problem, wanted, o)
        slots: list[tuple[int, Layout | int]] = [(number, _ASK[number]) for number in numbers]
        if problem.bias:
            slots.append((_BIAS, Layout(lib, (o,), (1,))))
        self.primitive = Primitive(lib, create, slots)
        self.sizes = [layout.nbytes for layout in self.primitive.layouts[:3]]
        self.reorders: list[Primitive | None] = []
        self.places: list[int] = []  # of reordered x, w, y in this thread's scratch memory
        self.room = 0
        for i, user in enumerate(users):
            ends = (self.primitive.layouts[i], user)
            self.reorders.append(
                Primitive.reorder(lib, *(ends if i == self.result else ends[::-1]))
            )
            self.places.append(self.room)
            if self.reorders[i] is not None:
                self.room += in_lines(self.sizes[i])

    def base(self) -> int:
        """Scratch memory of this thread for all that is reordered."""
        return room("onednn", self.room) if self.room else 0

    def bring(self, i: int, at: int, base: int) -> int:
        """Reorder input i; the address of what the primitive reads."""
        reorder = self.reorders[i]
        if reorder is None:
            return at
        to = base + self.places[i]
        reorder(at, to)
        return to

    def compute(self, base: int, x: int, w: int, y: int, *bias: int) -> None:
        """From reordered inputs to the result in the user's layout."""
        i = self.result
        back = self.reorders[i]
        if back is None:
            self.primitive(x, w, y, *bias)
            return
        at = [x, w, y]
        user, at[i] = at[i], base + self.places[i]
        self.primitive(*at, *bias)
        back(at[i], user)


@lru_cache(512)
def part(lib: Library, problem: Problem, samples: int, units: int) -> Part | None:
    """The primitives of so many samples and units; None where oneDNN has no fast one."""
    with lib.one_thread():
        try:
            made = Part(lib, problem, samples, units)
        except NotImplementedError:
            return None
    return None if made.primitive.kind.startswith("ref") else made


def strides(shape: Ints, last: bool) -> list[int]:
    """In elements, of a contiguous or channels-last array."""
    order = [0, *range(2, len(shape)), 1] if last else list(range(len(shape)))
    steps, step = [0] * len(shape), 1
    for axis in reversed(order):
        steps[axis] = step
        step *= shape[axis]
    return steps


def _user(lib: Library, shape: Ints, whole: Ints, last: bool) -> Layout:
    return Layout(lib, shape, strides(whole, last))


def _wanted(lib: Library, shape: Ints, last: bool) -> Layout:
    return Layout(lib, shape, strides(shape, True) if last else None)


def _weights_shape(problem: Problem, units: int, c: int, o: int) -> Ints:
    if problem.by_group:
        return (units, o // units, c // units, *problem.w[2:])
    return (o, c, *problem.w[2:])


def _weights(lib: Library, problem: Problem, units: int, c: int, o: int) -> Layout:
    shape, steps = _weights_shape(problem, units, c, o), strides(problem.w, False)
    if problem.by_group:
        steps = [problem.w[0] // problem.groups * steps[0], *steps]
    return Layout(lib, shape, steps)


def _creator(lib: Library, problem: Problem, wanted: list[Layout], o: int) -> Any:
    x, w, y = (layout.handle for layout in wanted)
    before, after = zip(*problem.padding, strict=True)
    spaces = [dims(problem.stride), dims([d - 1 for d in problem.dilation])]
    spaces += [dims(before), dims(after)]
    bias = Layout(lib, (o,), (1,)) if problem.bias else None
    quick, engine = lib.quick, lib.engine

    def create_forward(kind: Problem, desc: Any, attributes: Any) -> int:
        shift = bias.handle if kind.bias and bias is not None else None
        return quick.dnnl_convolution_forward_primitive_desc_create(
            desc, engine, _FORWARD_TRAINING, _DIRECT, x, w, shift, y, *spaces, attributes
        )

    def create(desc: Any, attributes: Any) -> int:
        if problem.kind == FORWARD:
            return create_forward(problem, desc, attributes)
        hint = type(engine)()
        status = create_forward(problem, hint, None)
        if status:
            return status
        try:
            if problem.kind == DATA:
                return quick.dnnl_convolution_backward_data_primitive_desc_create(
                    desc, engine, _DIRECT, x, w, y, *spaces, hint, attributes
                )
            return quick.dnnl_convolution_backward_weights_primitive_desc_create(
                desc, engine, _DIRECT, x, w, None, y, *spaces, hint, attributes
            )
        finally:
            quick.dnnl_primitive_desc_destroy(hint)

    create.keep = wanted  # type: ignore[attr-defined]
    return create

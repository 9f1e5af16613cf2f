"""One side of a comparison: a library, the tensors made for a case, and what came out of it.

A case is a function of a ``Side``; it runs once with torch's and once with lucid's. Both draw the
same numbers.
"""

from __future__ import annotations

import itertools
import warnings
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy

from .names import look_up

FLOATS = ("float16", "bfloat16", "float32", "float64")
# What one rounding costs, and a few of them; torch computes halves in other steps than lucid.
TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "float64": 1e-10}
SPECIAL = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 3e4, -3e4, 1e-30, 1.0, -1.0]


@dataclass(frozen=True)
class Like:
    """How a tensor is to be made: its shape, dtype, layout in memory, and range of values."""

    shape: tuple[int, ...] = (2, 3)
    dtype: str = "float32"
    layout: str = "contiguous"  # transposed, strided, expanded, channels_last
    low: float = -2.0
    high: float = 2.0
    special: bool = False  # NaN, infinities, signed zeros among the values
    grad: bool = True  # floating point tensors are leaves whose gradient is compared

    def __str__(self) -> str:
        more = [self.layout] * (self.layout != "contiguous") + ["special"] * self.special
        return " ".join([str(self.shape), self.dtype, *more])


# A tensor of each kind that moving elements about may treat differently.
LIKES = [
    Like((2, 3, 4)),
    Like((2, 3, 4), "int64"),
    Like((2, 3, 4), "bool"),
    Like((2, 3, 4), "bfloat16"),
    Like((2, 3, 4), layout="transposed"),
    Like((2, 3, 4), layout="strided"),
    Like((2, 3, 4), layout="expanded"),
    Like((2, 0, 4)),
    Like((1, 3, 1)),
]


class Side:
    """torch or lucid, within one case."""

    def __init__(self, root: ModuleType, seed: str):
        self.root = root
        self.is_torch = root.__name__ == "torch"
        self.rng = numpy.random.default_rng(zlib.crc32(seed.encode()))
        self.made: list[Any] = []
        self.leaves: list[Any] = []
        root.manual_seed(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.root, name)

    def get(self, path: str) -> Any:
        """What ``path`` names, e.g. "nn.functional.relu"."""
        return look_up(self.root, path)

    def array(self, shape: tuple[int, ...], dtype: str, low: float, high: float) -> Any:
        if dtype == "bool":
            return self.rng.integers(0, 2, shape).astype(bool)
        if dtype in FLOATS:
            values = self.rng.uniform(low, high, shape)
            return numpy.asarray(values, "float64" if dtype == "float64" else "float32")
        low = max(low, 0) if dtype == "uint8" else low
        return self.rng.integers(int(low), max(int(high) + 1, int(low) + 1), shape).astype(dtype)

    def tensor(self, like: Like) -> Any:
        """A tensor as described; the same numbers on both sides."""
        n = like.shape
        if like.layout == "transposed":
            made = self._plain(like, n[::-1]).permute(tuple(reversed(range(len(n)))))
        elif like.layout == "strided":
            whole = self._plain(like, (*n[:-1], 2 * n[-1]))
            made = whole[..., ::2]
        elif like.layout == "expanded":
            made = self._plain(like, (1, *n[1:])).expand(n)
        elif like.layout == "channels_last":
            plain = self._plain(like, n)
            made = plain.contiguous(memory_format=self.root.channels_last)
        else:
            made = self._plain(like, n)
        made = made.detach()
        if like.grad and like.dtype in FLOATS:
            made.requires_grad_()
            self.leaves.append(made)
        self.made.append(made)
        return made

    def _plain(self, like: Like, shape: tuple[int, ...]) -> Any:
        values = self.array(shape, like.dtype, like.low, like.high)
        if like.special and values.size:
            flat = values.reshape(-1)
            for i, v in zip(range(flat.size), itertools.cycle(SPECIAL), strict=False):
                flat[i] = v
        made = self.root.tensor(values)
        return made.to(getattr(self.root, like.dtype))

    def run(self, function: Callable[[Side], Any]) -> tuple[Any, Any, str]:
        """(result, gradients of the leaves, "") or (None, None, the error)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = function(self)
                return result, self._gradients(result), ""
            except Exception as error:  # whatever a library refuses with
                return None, None, f"{type(error).__name__}: {error}"

    def _gradients(self, result: Any) -> Any:
        outputs = self.differentiable(result)
        if not outputs or not self.leaves:
            return None
        weights = self.weights(outputs)
        return self.root.autograd.grad(outputs, self.leaves, weights, allow_unused=True)

    def differentiable(self, result: Any) -> list[Any]:
        """The tensors in a result that were computed from leaves."""
        found = [t for t in flat(result) if self.is_tensor(t) and t.requires_grad and t.grad_fn]
        return [t for t in found if not any(t is leaf for leaf in self.leaves)]

    def weights(self, outputs: list[Any]) -> list[Any]:
        """Fixed numbers, other ones for each element, as the outputs' gradients."""
        made = []
        for t in [t.detach() for t in outputs]:
            w = numpy.asarray(numpy.cos(numpy.arange(t.numel())).reshape(tuple(t.shape)))
            made.append(self.root.empty_like(t).copy_(self.root.tensor(w)))  # lies as t does
        return made

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, self.root.Tensor)

    def shares(self, a: Any, b: Any) -> bool:
        """Whether two tensors lie in one piece of memory."""
        if self.is_torch and (a._is_zerotensor() or b._is_zerotensor()):
            return False  # zeros without memory
        if self.is_torch:
            return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
        return numpy.may_share_memory(a._array, b._array)


def twice_differentiable(side: Side) -> Any:
    """Within this PyTorch computes attention by a formula whose gradient has a gradient."""
    if not side.is_torch:
        return nullcontext()
    attention = side.root.nn.attention
    return attention.sdpa_kernel(attention.SDPBackend.MATH)


def second_gradients(side: Side, result: Any) -> Any:
    """Gradients of the gradients by all leaves; where nothing depends on a leaf, zeros."""
    outputs = side.differentiable(result)
    grad, weights = side.root.autograd.grad, side.weights(outputs)
    for w in weights:
        w.requires_grad_()
    by = [*side.leaves, *weights]
    once = grad(outputs, side.leaves, weights, create_graph=True, allow_unused=True)
    once = [g for g in once if g is not None and g.requires_grad]
    twice = grad(once, by, side.weights(once), allow_unused=True) if once else [None] * len(by)
    found = [side.root.zeros_like(t) if g is None else g for t, g in zip(by, twice, strict=True)]
    return [g.contiguous() for g in found]


def flat(value: Any) -> list[Any]:
    """The values in nested tuples, lists and dicts."""
    if isinstance(value, dict):
        return [v for key in value for v in flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [v for entry in value for v in flat(entry)]
    return [value]


def plain(side: Side, t: Any) -> Any:
    """A tensor's values in the widest type."""
    t = t.detach()
    name = kind(t)
    if side.is_torch and t._is_zerotensor():
        t = side.root.empty(t.shape, dtype=t.dtype).copy_(t)
    return (t.double() if name in FLOATS else t).cpu().numpy()


def kind(t: Any) -> str:
    return str(t.dtype).rpartition(".")[2]


def differences(theirs: Side, a: Any, ours: Side, b: Any, what: str = "") -> list[str]:
    """Where the results of torch (a) and lucid (b) differ."""
    if theirs.is_tensor(a):
        if not ours.is_tensor(b):
            return [f"{what}torch answers a tensor; lucid {b!r:.60}"]
        return _tensors(theirs, a, ours, b, what)
    if isinstance(a, dict):
        if not isinstance(b, dict) or list(map(str, a)) != list(map(str, b)):
            return [f"{what}keys {list(a)!r:.80} in torch; {b!r:.80}"]
        pairs = zip(a, a.values(), b.values(), strict=True)
        return [d for k, x, y in pairs for d in differences(theirs, x, ours, y, f"{what}[{k!r}] ")]
    if isinstance(a, (list, tuple)):
        if not isinstance(b, (list, tuple)) or len(a) != len(b):
            return [f"{what}torch answers {a!r:.80}; lucid {b!r:.80}"]
        both = enumerate(zip(a, b, strict=True))
        return [d for i, (x, y) in both for d in differences(theirs, x, ours, y, f"{what}[{i}] ")]
    if isinstance(a, float) and isinstance(b, (float, int)):
        same = a == b or abs(a - b) <= 2e-5 * max(1, abs(a)) or (a != a and b != b)
        return [] if same else [f"{what}{a} in torch, {b}"]
    if isinstance(a, (theirs.root.dtype, theirs.root.device, theirs.root.memory_format)):
        a, b = str(a).rpartition(".")[2], str(b).rpartition(".")[2]
    if isinstance(a, str):  # names of dtypes in a text
        a = a.replace(f"{theirs.root.__name__}.", f"{ours.root.__name__}.")
    same = type(a) is type(b) and a == b
    return [] if same else [f"{what}{a!r:.80} in torch, {b!r:.80}"]


def _tensors(theirs: Side, a: Any, ours: Side, b: Any, what: str) -> list[str]:
    if tuple(a.shape) != tuple(b.shape):
        return [f"{what}shape {tuple(a.shape)} in torch, {tuple(b.shape)}"]
    if kind(a) != kind(b):
        return [f"{what}dtype {kind(a)} in torch, {kind(b)}"]
    found = []
    if a.requires_grad != b.requires_grad:
        found.append(f"{what}requires_grad {a.requires_grad} in torch")
    x, y = plain(theirs, a), plain(ours, b)
    steps = [kind(t) for t in (a, *theirs.made)]  # torch may round to a half in between
    tolerance = max(TOLERANCE.get(k, 0.0) for k in steps) if kind(a) in FLOATS else 0.0
    if not _close(x, y, tolerance):
        found.append(f"{what}values {x.ravel()[:4]} in torch, {y.ravel()[:4]}")
    gradient = what.startswith("gradient")  # how it lies in memory is nobody's contract
    views = [theirs.shares(a, s) for s in theirs.made if s.numel() and a.numel()]
    # Of copies, those that might keep the order of an argument.
    ordered = any(views) or any(tuple(s.shape) == tuple(a.shape) for s in theirs.made)
    if a.numel() and ordered and not gradient and _steps(a) != _steps(b):
        found.append(f"{what}strides {_steps(a)} in torch, {_steps(b)}, shape {tuple(a.shape)}")
    if a.numel() and not gradient:
        for i, (s, t) in enumerate(zip(theirs.made, ours.made, strict=True)):
            if s.numel() and theirs.shares(a, s) != ours.shares(b, t):
                found.append(f"{what}view of argument {i}: {theirs.shares(a, s)} in torch")
    return found


def _steps(t: Any) -> tuple[int, ...]:
    """Strides of the dimensions that have more than one place."""
    return tuple(s for n, s in zip(t.shape, t.stride(), strict=True) if n > 1)


def _close(x: Any, y: Any, tolerance: float) -> bool:
    if x.dtype.kind != "f":
        return bool((x == y).all())
    with numpy.errstate(all="ignore"):
        scale = numpy.abs(x[numpy.isfinite(x)]).max(initial=1.0)
        if scale > 1e20:
            scale = 1.0
        near = numpy.abs(x - y) <= tolerance * (scale + numpy.abs(x))
        return bool((near | (x == y) | (numpy.isnan(x) & numpy.isnan(y))).all())

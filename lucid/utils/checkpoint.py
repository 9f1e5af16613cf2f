"""Checkpointing: forward keeps the arguments only, backward computes the rest once more.

Everything that the operations of the function save is replaced by a placeholder. The first
placeholder that backward opens runs the function again and fills all that are still alive; each
value goes as it is taken. Random numbers are addressed by keys, so the keys of the first run make
the masks of the second one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from lucid.backend import Array, device_of
from lucid.errors import GradError
from lucid.graph import saved
from lucid.graph.autocast import Snapshot
from lucid.graph.grad_mode import enable_grad, flags
from lucid.op import Op
from lucid.random import record_keys, replay_keys
from lucid.tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool = False,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, which keeps nothing for backward but its arguments.

    Backward runs the function a second time; it must then do what it did before. The gradients are
    those of the plain call, also second ones, and checkpoints may be nested.

    preserve_rng_state: draw the same random numbers again, from whichever generators they came.
        With False the second run draws new ones: what it recomputes behind a dropout then belongs
        to another mask than the result did, and the generator moves on during backward.
    use_reentrant: accepted for PyTorch's sake; there is one implementation.

    >>> x = lucid.ones(3, requires_grad=True)
    >>> lucid.utils.checkpoint.checkpoint(lambda x: x.exp().sin(), x).sum().backward()
    """
    if not flags.grad:
        return function(*args, **kwargs)
    run = _Run(function, args, kwargs)
    recording = record_keys() if preserve_rng_state else nullcontext()
    with recording as keys, saved.saved_tensors_hooks(run.pack, run.unpack):
        result = function(*args, **kwargs)
    run.keys, run.finished = keys, True
    return result


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool = False,
    preserve_rng_state: bool = True,
) -> Any:
    """A chain of functions (an nn.Sequential) in ``segments`` parts, all but the last checkpointed.

    >>> x = lucid.ones(3, requires_grad=True)
    >>> y = lucid.utils.checkpoint.checkpoint_sequential([lucid.exp, lucid.sin, lucid.cos], 2, x)
    """
    chain = list(functions)
    if not 1 <= segments <= max(len(chain), 1):
        raise ValueError(
            f"checkpoint_sequential: segments must be in [1, {len(chain)}]; got {segments}"
        )
    size = len(chain) // segments
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(
            _compose(chain[start : start + size]), input, preserve_rng_state=preserve_rng_state
        )
    return _compose(chain[size * (segments - 1) :])(input)


def _compose(functions: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for function in functions:
            x = function(x)
        return x

    return run


class _Place:
    """Stands for the value number ``index`` that a run saved."""

    def __init__(self, index: int, shape: tuple[int, ...], dtype: Any):
        self.index, self.shape, self.dtype = index, shape, dtype


class _Arguments(Op):
    """The tensors among the arguments, kept as any op keeps its own.

    So an argument that is overwritten is noticed, and that of an inner checkpoint is a placeholder
    of the outer one.
    """

    def wrap(self, array: Array) -> Tensor:
        return Tensor._wrap(array, device_of(array))

    def name(self) -> str:
        return "checkpoint"


class _Run:
    """One call of ``checkpoint``."""

    keys: Any = None
    finished = False

    def __init__(self, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]):
        self.function = function
        named = list(kwargs)
        values = [*args, *kwargs.values()]
        self.names = named
        self.others = [None if isinstance(v, Tensor) else v for v in values]
        self.wanted = [v.requires_grad if isinstance(v, Tensor) else None for v in values]
        tensors = [v for v in values if isinstance(v, Tensor)]
        self.casting = Snapshot()
        self.arguments = _Arguments()
        self.arguments.edges = [None] * len(tensors)
        self.arguments._saved = saved.keep(  # type: ignore[misc]
            self.arguments, [t._array for t in tensors], tensors, ()
        )
        self.places: list[weakref.ref[_Place]] = []
        self.values: dict[int, Tensor] = {}
        self.lock = threading.RLock()

    def pack(self, t: Tensor) -> _Place:
        place = _Place(len(self.places), t.shape, t.dtype)
        self.places.append(weakref.ref(place))
        return place

    def unpack(self, place: _Place) -> Tensor:
        if not self.finished:
            raise GradError("checkpoint: the function can't walk back through what it is computing")
        with self.lock:
            if place.index not in self.values:
                self.recompute()
            return self.values.pop(place.index)

    def recompute(self) -> None:
        """Run the function again and take the values that it saves for the places still alive."""
        values: dict[int, Tensor] = {}
        count = 0

        def pack(t: Tensor) -> Tensor:
            nonlocal count
            place = self.places[count]() if count < len(self.places) else None
            if place is not None:
                if (t.shape, t.dtype) != (place.shape, place.dtype):
                    raise GradError(
                        f"checkpoint: saved value {count} was {place.dtype} of shape {place.shape}"
                        f" in forward, but {t.dtype} of shape {t.shape} when computed again. Hint:"
                        " the function must do the same each time"
                    )
                values[count] = t
            count += 1
            return t

        args, kwargs = self.call()
        replaying = nullcontext() if self.keys is None else replay_keys(self.keys)
        hooks = saved.saved_tensors_hooks(pack, lambda t: t)
        with enable_grad(), self.casting, replaying, hooks:
            self.function(*args, **kwargs)
        if count != len(self.places):
            raise GradError(
                f"checkpoint: forward saved {len(self.places)} values, but the second run {count}."
                " Hint: the function must do the same each time"
            )
        self.values = values

    def call(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments once more; tensors outside the graph, leaves where they had a gradient."""
        tensors = iter(self.arguments.saved)
        values = []
        for other, wanted in zip(self.others, self.wanted, strict=True):
            if wanted is None:
                values.append(other)
            else:
                t = next(tensors)
                t = t.detach()
                t.requires_grad = wanted
                values.append(t)
        n = len(values) - len(self.names)
        return values[:n], dict(zip(self.names, values[n:], strict=True))

"""Parts of a model as CUDA graphs: forward is one launch, backward another, in an ordinary graph.

A call copies its inputs to where the capture read them, replays, and is one node for autograd.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lucid.amp.autocast_mode import is_autocast_cache_enabled, is_autocast_enabled
from lucid.autograd import Function, grad, once_differentiable
from lucid.backend.cuda.graph import CUDAGraph, graph, graph_pool_handle
from lucid.errors import GradError
from lucid.tensor import Tensor

__all__ = ["make_graphed_callables"]

_NAME = "make_graphed_callables"


def make_graphed_callables(
    callables: Any,
    sample_args: tuple[Any, ...],
    num_warmup_iters: int = 3,
    allow_unused_input: bool = False,
    pool: Any = None,
) -> Any:
    """The callables, as CUDA graphs for forward and backward; what is around them stays Python.

    A module or a function of tensors, with the tuple of its arguments; or a tuple of them, in the
    order in which they will be called, with a tuple of such tuples. Tensors may stand in lists,
    tuples and dicts. Arguments must later have the samples' shapes, dtypes and requires_grad. A
    module is returned itself: in the mode that it was captured in (training or evaluation) its
    forward is the graph, in the other one it is what it was. Its parameters must stay where they
    are: loading a state keeps them there, ``to`` may not.

    ``num_warmup_iters`` calls are made first, which move batch statistics but no parameter.
    ``allow_unused_input``: inputs and parameters that no output depends on are no error. What a
    call returns is overwritten by the next one, and so is what its backward needs: that must come
    first, once, and of several callables in the opposite order. It can't be differentiated twice.

    .. code-block:: python

        features = lucid.cuda.make_graphed_callables(features, (x,))
        for x, y in batches:  # all of one shape
            loss = F.cross_entropy(head(features(x)), y)
            loss.backward()
    """
    many = isinstance(callables, tuple)
    functions = callables if many else (callables,)
    samples = sample_args if many else (sample_args,)
    _check(functions, samples, num_warmup_iters)
    memory = graph_pool_handle() if pool is None else pool
    where = next((t._device for t in _leaves(samples)), None)
    token = where.enter() if where is not None else None
    try:
        parts = [_Part(f, args) for f, args in zip(functions, samples, strict=True)]
        with memory.in_use():
            for part in parts:
                part.warm_up(num_warmup_iters, allow_unused_input)
        for part in parts:
            part.capture_forward(memory)
        for part in reversed(parts):
            part.capture_backward(memory, allow_unused_input)
    finally:
        if where is not None:
            where.leave(token)
    graphed = tuple([_installed(f, part) for f, part in zip(functions, parts, strict=True)])
    return graphed if many else graphed[0]


class _Part:
    """One callable, captured. What the graphs read and write belongs to it."""

    def __init__(self, function: Any, args: tuple[Any, ...]):
        self.function = function
        own = [t.detach().clone().requires_grad_(t.requires_grad) for t in _leaves(args)]
        self.args = _filled(args, iter(own))
        self.inputs = own
        self.parameters = list(function.parameters()) if _is_module(function) else []
        self.read = [*own, *self.parameters]
        self.calls = 0  # the memory of forward is that of the last one

    def warm_up(self, times: int, allow_unused: bool) -> None:
        for _ in range(times):
            outputs = _with_grad(self.function(*self.args))
            if outputs:
                ones = [o.new_ones(o.shape) for o in outputs]
                grad(outputs, self._wanted(), ones, allow_unused=allow_unused)

    def _wanted(self) -> list[Tensor]:
        return [t for t in self.read if t.requires_grad]

    def capture_forward(self, pool: Any) -> None:
        self.forward = CUDAGraph()
        with graph(self.forward, pool=pool):
            self.answer = self.function(*self.args)
        self.outputs = list(_leaves(self.answer))

    def capture_backward(self, pool: Any, allow_unused: bool) -> None:
        outputs = _with_grad(self.outputs)
        self.seeds = [o.new_empty(o.shape) if o.requires_grad else None for o in self.outputs]
        found: Iterator[Any] = iter(())
        self.backward = CUDAGraph() if outputs else None
        if self.backward is not None:
            seeds = [s for s in self.seeds if s is not None]
            with graph(self.backward, pool=pool):
                found = iter(grad(outputs, self._wanted(), seeds, allow_unused=allow_unused))
        self.gradients = [next(found, None) if t.requires_grad else None for t in self.read]
        self.differentiable = [o.requires_grad for o in self.outputs]
        self.outputs = [o.detach() for o in self.outputs]  # without the graph, which is used up
        self.answer = _filled(self.answer, iter(self.outputs))

    def __call__(self, *args: Any) -> Any:
        given = list(_leaves(args))
        self._check_call(given)
        answers = _Replay.apply(self, *given, *self.parameters)
        for answer, mine in zip(answers, self.outputs, strict=True):
            answer._counter = mine._shared_counter()  # so that a stale one is noticed
        return _filled(self.answer, iter(answers))

    def _check_call(self, given: list[Tensor]) -> None:
        if len(given) != len(self.inputs):
            raise TypeError(
                f"graphed callable: takes {len(self.inputs)} tensors, as many as it was captured"
                f" with; got {len(given)}"
            )
        for i, (mine, t) in enumerate(zip(self.inputs, given, strict=True)):
            if t.shape != mine.shape or t.dtype is not mine.dtype:
                raise ValueError(
                    f"graphed callable: input {i} must be {mine.dtype} of shape {mine.shape}, as in"
                    f" the capture; got {t.dtype} of shape {t.shape}. Hint: drop the last, smaller"
                    " batch"
                )
            if t.requires_grad and not mine.requires_grad:
                raise ValueError(
                    f"graphed callable: input {i} was captured without a gradient; got one that"
                    " requires grad. Hint: detach() it, or capture with requires_grad=True"
                )


class _Replay(Function):
    """A call of a captured part: inputs and parameters -> outputs."""

    @staticmethod
    def forward(ctx: Any, part: _Part, *given: Tensor) -> tuple[Tensor, ...]:
        for mine, t in zip(part.inputs, given, strict=False):
            mine.detach().copy_(t.detach())
        part.calls += 1
        ctx.part, ctx.call = part, part.calls
        for mine in part.outputs:
            mine._shared_counter()[0] += 1
        part.forward.replay()
        outputs = tuple([o.detach() for o in part.outputs])
        flat = [o for o, d in zip(outputs, part.differentiable, strict=True) if not d]
        ctx.mark_non_differentiable(*flat)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        part = ctx.part
        if ctx.call != part.calls:
            raise GradError(
                "graphed callable: backward must come before the next call, and once; its memory"
                " was written over. Hint: capture one callable for each call within a step"
            )
        ctx.call = None
        for mine, dy in zip(part.seeds, gradients, strict=True):
            if mine is not None:
                mine.copy_(dy)
        part.backward.replay()
        # Copies: what a parameter's grad holds must outlive the next replay.
        return None, *[None if dx is None else dx.detach().clone() for dx in part.gradients]


def _installed(function: Any, part: _Part) -> Any:
    """The module with the graph as its forward; of a function the part."""
    if not _is_module(function):
        return part
    captured_in, before = function.training, function.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if function.training is not captured_in:
            return before(*args, **kwargs)
        if kwargs:
            raise TypeError(
                "graphed callable: arguments are given by place, as the samples were; got"
                f" {', '.join(kwargs)} by name"
            )
        return part(*args)

    function.forward = forward
    return function


def _is_module(function: Any) -> bool:
    return hasattr(function, "_forward_hooks")


def _check(functions: tuple, samples: tuple, warmup: int) -> None:
    if is_autocast_enabled("cuda") and is_autocast_cache_enabled():
        raise RuntimeError(
            f"{_NAME}: autocast must not keep its casts, which a graph would not make again; got"
            " cache_enabled=True. Hint: lucid.autocast(..., cache_enabled=False)"
        )
    if not isinstance(samples, tuple) or len(samples) != len(functions):
        raise ValueError(
            f"{_NAME}: sample_args must be one tuple of arguments for each callable; got"
            f" {len(samples)} for {len(functions)}"
        )
    if warmup < 1:
        raise ValueError(
            f"{_NAME}: num_warmup_iters must be at least 1; got {warmup}. Hint: kernels must be"
            " there before the capture"
        )
    for i, (function, args) in enumerate(zip(functions, samples, strict=True)):
        _check_one(i, function, args)


def _check_one(i: int, function: Any, args: Any) -> None:
    if not callable(function):
        raise TypeError(f"{_NAME}: callable {i} must be a module or function; got {function!r:.60}")
    if not isinstance(args, tuple):
        raise TypeError(
            f"{_NAME}: the sample arguments of callable {i} must be a tuple; got"
            f" {type(args).__name__}. Hint: (x,)"
        )
    for t in _leaves(args, all_kinds=True):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{_NAME}: all sample arguments must be tensors; got {type(t).__name__}. Hint: what"
                " is no tensor would stay as it is captured; bind it with functools.partial"
            )
        if t._device.type != "cuda":
            raise ValueError(
                f"{_NAME}: sample arguments must be on a CUDA device; got {t.device}. Hint: .cuda()"
            )
    if not _is_module(function):
        return
    if function._forward_hooks or function._forward_pre_hooks or function._backward_hooks:
        raise ValueError(
            f"{_NAME}: a module must have no hooks yet, which would not be called again; got"
            f" {type(function).__name__} with some. Hint: register them on the answer"
        )
    trained = [name for name, b in function.named_buffers() if b.requires_grad]
    if trained:
        raise ValueError(
            f"{_NAME}: a module's buffers must not require grad, parameters may; got"
            f" {', '.join(trained)}"
        )


def _leaves(value: Any, all_kinds: bool = False) -> Iterator[Any]:
    """The tensors in nested tuples, lists and dicts; what else there is, too, if asked for."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _leaves(part, all_kinds)
    elif all_kinds or isinstance(value, Tensor):
        yield value


def _filled(value: Any, leaves: Iterator[Tensor]) -> Any:
    """The same nesting with other tensors in it."""
    if isinstance(value, Tensor):
        return next(leaves)
    if isinstance(value, dict):
        return {key: _filled(part, leaves) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [_filled(part, leaves) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _with_grad(outputs: Any) -> list[Tensor]:
    return [o for o in _leaves(outputs) if o.requires_grad]

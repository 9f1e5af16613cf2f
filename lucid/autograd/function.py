"""Function: a differentiable function of the user's own: forward(ctx) and backward(ctx).

Inside lucid an operation is an Op; Function is for user code, where forward may run any operations,
take any arguments and write to its inputs.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

from lucid.backend import Array, device_of
from lucid.errors import DTypeError, GradError
from lucid.graph.grad_mode import flags, no_grad
from lucid.op import Op
from lucid.op.writing import check_writable, take_place
from lucid.tensor import Tensor

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What forward leaves to backward; any other attribute may be set on it as well."""

    needs_input_grad: tuple[bool, ...] = ()
    _to_save: tuple = ()
    _dirty: tuple = ()
    _flat: tuple = ()  # outputs without a gradient
    _materialize = True
    _node: Callable[[], Call | None] | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or other tensors for backward, which reads ``saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise DTypeError(
                    f"save_for_backward: expected tensors or None; got {type(t).__name__}."
                    " Hint: set other things as attributes of ctx"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward was given; an error if it was changed in place since."""
        node = self._node() if self._node is not None else None
        return self._to_save if node is None else tuple(node.saved)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs forward wrote to; forward must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no gradient. Those of integers never have one."""
        self._flat = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (as by default) or None for an output without a gradient."""
        self._materialize = value


class Call(Op):
    """The node of one ``Function.apply``."""

    function: type[Function]
    ctx: FunctionCtx
    broadcasts = True
    _places: ClassVar[Any] = ()  # of each output: shape, dtype and device; None if no tensor

    def backward(self, *gradients: Any) -> tuple:
        if self.ctx._materialize:
            gradients = tuple(
                [
                    _zeros(*place) if g is None and place else g
                    for g, place in zip(gradients, self._places, strict=True)
                ]
            )
        answers = self.function.backward(self.ctx, *gradients)
        if not isinstance(answers, (tuple, list)):
            answers = (answers,)
        n = len(self.edges)
        if len(answers) < n or any(g is not None for g in answers[n:]):
            raise GradError(
                f"{self.name()}.backward: must return one gradient per argument of forward; got"
                f" {len(answers)} for {n}"
            )
        for i, (g, shape) in enumerate(zip(answers, self.shapes, strict=False)):
            if g is not None and (shape is None or not isinstance(g, Tensor)):
                expected = "None, as that is not a tensor" if shape is None else "a Tensor or None"
                raise DTypeError(
                    f"{self.name()}.backward: expected {expected}, for argument {i}; got"
                    f" {type(g).__name__}"
                )
        return tuple(answers[:n])

    def wrap(self, array: Array) -> Tensor:
        return Tensor._wrap(array, device_of(array))

    def name(self) -> str:
        return f"{self.function.__name__}Backward"

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        return tuple(self.saved)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Function:
    """Subclass it with static ``forward(ctx, *args)`` and ``backward(ctx, *gradients)``.

    forward runs unrecorded and returns a tensor or a tuple; backward gets one gradient per output
    and returns one per argument of forward, None where there is none. If backward is made of
    differentiable operations, it can be differentiated again. In the other style, forward has no
    ctx and ``setup_context(ctx, inputs, output)`` follows it.

    >>> class Cube(lucid.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * dy
    >>> x = lucid.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    Tensor(12.)
    """

    setup_context: ClassVar[Callable[..., Any] | None] = None

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("Function.forward: a subclass must define it")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise NotImplementedError(
            "Function.backward: a subclass must define it to be differentiable"
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute forward, and record the call if an argument requires grad."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        if not isinstance(result, (Tensor, tuple)):
            raise DTypeError(
                f"{cls.__name__}.forward: must return a Tensor or a tuple; got"
                f" {type(result).__name__}"
            )
        if not flags.grad or not any(ctx.needs_input_grad):
            return result
        if isinstance(result, tuple):
            return _record(cls, ctx, args, result)
        return _record(cls, ctx, args, (result,))[0]


def _record(function: type[Function], ctx: FunctionCtx, args: tuple, results: tuple) -> tuple:
    node = Call(function, ctx)
    ctx._node = weakref.ref(node)
    node.device = next(x for x in args if isinstance(x, Tensor))._device
    node.outputs = len(results)  # type: ignore[misc]
    node.needs = list(ctx.needs_input_grad)
    for x in ctx._dirty:
        if not _among(x, args):
            raise GradError(f"{function.__name__}: mark_dirty is for tensors given to forward")
        check_writable(function.__name__, x)
    outputs = tuple([_output(ctx, args, y) for y in results])
    node._places = [  # type: ignore[misc]
        (y.shape, y._array.dtype, y._device) if isinstance(y, Tensor) else None for y in outputs
    ]
    shown = {id(r): y for r, y in zip(results, outputs, strict=True) if not _among(r, args)}
    kept = [shown.get(id(t), t) for t in ctx._to_save]
    node._kept = tuple([None if t is None else t._array for t in kept])  # type: ignore[misc]
    node._record(args, outputs)
    for i, t in enumerate(kept):  # neither argument nor output: it keeps its place in the graph
        if t is not None and t.requires_grad and not _among(t, (*args, *outputs)):
            node._saved[i] = t
    ctx._to_save = ()
    for index, y in enumerate(outputs):
        if not isinstance(y, Tensor) or _among(results[index], ctx._flat):
            continue
        if _among(y, ctx._dirty):
            take_place(y, node, index)
        elif y.is_floating_point():
            y._node, y._index, y._requires_grad = node, index, True
    return outputs


def _output(ctx: FunctionCtx, args: tuple, y: Any) -> Any:
    """y; or, where it shows an input's memory, a tensor that the graph will not derive from it."""
    if not isinstance(y, Tensor) or _among(y, ctx._dirty):
        return y
    if y._base is None and not _among(y, args):
        return y
    shown = Tensor._wrap(y._array.view(), y._device)
    shown._counter = y._shared_counter()
    base = y if y._base is None else y._base
    if any(isinstance(x, Tensor) and (x is base or x._base is base) for x in args):
        shown._base, shown._chain, shown._epoch = base, None, base._epoch
    return shown


def _among(x: Any, tensors: tuple) -> bool:
    return any(x is t for t in tensors)


def _zeros(shape: tuple, dtype: Any, device: Any) -> Tensor:
    return Tensor._wrap(device.xp.zeros(shape, dtype), device)


class NotAgain(Op):
    """Passes its first input on; its gradient is an error."""

    promotes = upcasts = False

    def forward(self, x, *others):
        return x.view()

    def backward(self, dy):
        raise GradError(
            "once_differentiable: this gradient can't be differentiated again, says its Function"
        )


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a Function's backward: it is not recorded, and differentiating it is an error.

    It goes below ``@staticmethod``.
    """

    @functools.wraps(backward)
    def unrecorded(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            answers = backward(ctx, *gradients)
        if not flags.grad:
            return answers
        node = ctx._node()
        reasons = [t for t in (*gradients, *node.saved) if isinstance(t, Tensor)]
        several = answers if isinstance(answers, (tuple, list)) else (answers,)
        guarded = tuple([g if g is None else NotAgain()(g, *reasons) for g in several])
        return guarded if isinstance(answers, (tuple, list)) else guarded[0]

    return unrecorded

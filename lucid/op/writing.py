"""In-place calls: the result of an op takes the place of its first input, also inside a graph.

The written tensor becomes the op's output. If it is a view, its base (and through it every other
view) becomes the output of a WriteView: the old base with the view's part replaced.
"""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError, GradError, ShapeError
from lucid.graph.grad_mode import flags
from lucid.op import promotion
from lucid.op.arguments import shown
from lucid.op.base import Op
from lucid.tensor import Tensor, tensor_method


class WriteView(Op):
    """``base`` with the part that a chain of view ops shows replaced by ``value``."""

    upcasts = False
    chain: tuple[Op, ...]

    def forward(self, base: Any, value: Any) -> Any:
        result = base.copy()
        part = result
        for view in self.chain:
            view = view.again()
            view.device = self.device
            part = view.forward(part)
        part[...] = value
        return result

    def backward(self, dy: Any) -> Any:
        part = dy
        for view in self.chain:
            part = view.again()(part)
        rest = None
        if self.needs[0]:
            zeros = self.wrap(self.xp.zeros(part.shape, part._array.dtype))
            rest = WriteView(self.chain)(dy, zeros)
        return rest, part


def inplace(op: Op, x: Tensor, *others: Any) -> Tensor:
    """Write ``op(x, *others)`` into x's memory and return x.

    The result must have x's shape, and a dtype that x's can hold without changing category.
    """
    name = f"{op.label()}_"
    if not isinstance(x, Tensor):
        raise DTypeError(f"{name}: expected a Tensor to write to; got {shown(x)}")
    recording = flags.grad and op.differentiable and _any_requires_grad(x, others)
    recording = recording and x.is_floating_point()
    if flags.grad:
        check_writable(name, x)
    _check_memory(name, x)
    others = tuple([o.clone() if _shares_memory(o, x) else o for o in others])
    inputs, arrays, device, aliases = promotion.prepare(op, (x, *others))
    first = inputs[0]
    if device is not x._device:
        raise ShapeError(f"{name}: can't write a result on {device} into a tensor on {x._device}")
    if recording:
        op.needs = (
            tuple([isinstance(v, Tensor) and v.requires_grad for v in inputs])
            if others
            else (True,)
        )
    op.device = device
    target = x._array
    if first is x and aliases is None:
        op.out = target  # type: ignore[misc]
    result = _run(op, arrays, aliases, x, name)
    if recording and result is not target:
        _keep_old_value(op, target, result)
    if result is not target:
        target[...] = result
    x._shared_counter()[0] += 1
    if recording:
        _rewrite_history(op, x, inputs)
    op.out = None  # type: ignore[misc]
    return x


def _shares_memory(other: Any, x: Tensor) -> bool:
    """Whether writing to x would change ``other``, which forward reads and backward may."""
    if other is x or not isinstance(other, Tensor):
        return False
    if other._counter is None or other._counter is not x._counter:
        return False
    return x._device.xp.may_share_memory(other._array, x._array)


def _any_requires_grad(x: Tensor, others: tuple) -> bool:
    return x.requires_grad or any(isinstance(o, Tensor) and o.requires_grad for o in others)


def check_writable(name: str, x: Tensor) -> None:
    """Refuse what would falsify a gradient: writing to x while operations are recorded."""
    if x._inference and not flags.inference:
        raise GradError(
            f"{name}: a tensor made under inference_mode can't be written to outside of it."
            " Hint: .clone() it first"
        )
    base = x._base
    if base is not None and base.requires_grad:
        _refuse_outdated(name, base)
        if base.is_leaf:
            raise GradError(
                f"{name}: a view of a leaf that requires grad can't be written to while recording."
                " Hint: with lucid.no_grad(): ..."
            )
        if x._chain is None or not x.requires_grad:
            where = "by a custom Function" if x._chain is None else "under no_grad"
            raise GradError(
                f"{name}: this view was made {where}, so the graph does not know which part of its"
                " base would change. Hint: .clone() it first"
            )
    if x.requires_grad and x.is_leaf:
        raise GradError(
            f"{name}: a leaf that requires grad can't be written to in place while recording."
            " Hint: with lucid.no_grad(): ..., or use the out-of-place form"
        )


def _refuse_outdated(name: str, base: Tensor) -> None:
    if base._base is not None:
        raise GradError(
            f"{name}: this view shows a tensor whose shape was changed in place since."
            " Hint: make the view afterwards"
        )


def _check_memory(name: str, x: Tensor) -> None:
    if x._array.size == 0:
        return  # NumPy gives empty arrays strides of 0
    for n, step in zip(x._array.shape, x._array.strides, strict=True):
        if n > 1 and step == 0:
            raise ShapeError(
                f"{name}: several elements of this expanded tensor share one memory location;"
                f" got shape {x.shape}, strides {x.stride()}. Hint: .clone() it first"
            )
    if not getattr(x._array.flags, "writeable", True):  # CuPy's arrays always are
        raise ShapeError(
            f"{name}: this memory can't be written to: it is part of an expanded tensor, or of a"
            f" read-only array; got shape {x.shape}. Hint: .clone() it first"
        )


def _run(op: Op, arrays: list[Any], aliases: Any, x: Tensor, name: str) -> Any:
    """forward, with the result checked against the tensor that it is to be written into."""
    token = op.device.enter()
    try:
        result = op._forward[op.device.type](op, *arrays)
        if aliases is not None or result.__class__ is not op.device.array_type:
            result = promotion.settle(op, result, aliases)
    except (TypeError, ValueError) as error:
        raise promotion.explain(op, arrays, error) from error
    finally:
        op.device.leave(token)
    if result.shape != x._array.shape:
        raise ShapeError(
            f"{name}: the result must have the tensor's shape {x.shape}; got {result.shape}."
            " Hint: use the out-of-place form"
        )
    have, want = dtypes.of(result.dtype), x.dtype
    if not dtypes.can_cast(have, want):
        raise DTypeError(
            f"{name}: the tensor must be able to hold the result's dtype; got {have} for {want}."
            " Hint: use the out-of-place form"
        )
    return result


def _keep_old_value(op: Op, target: Any, result: Any) -> None:
    """What forward kept of x must survive the write; what it kept of the result is x now."""
    kept = []
    for array in op._kept:
        if array is target:
            array = op._old = target.copy()  # type: ignore[misc]
        kept.append(target if array is result else array)
    op._kept = tuple(kept)  # type: ignore[misc]


def _rewrite_history(op: Op, x: Tensor, inputs: tuple) -> None:
    """x is now op's output; so is, through WriteView, the part of its base that x shows."""
    op._record(inputs, (x,))
    take_place(x, op, 0)


def take_place(x: Tensor, op: Op, index: int) -> None:
    """Make x, whose memory was written, the output ``index`` of op; and its base follow."""
    base = x._base
    if base is None:
        _become_output(x, op, index)
        return
    _refuse_outdated(op.label(), base)
    edge = base._edge
    write = WriteView(tuple(x._views()))
    write.device = op.device
    write.needs = [edge is not None, True]
    write.edges = [edge, (op, index)]
    write.shapes = [base.shape, x.shape]
    write._dtypes = [base._array.dtype, x._array.dtype]  # type: ignore[misc]
    _become_output(base, write, 0)
    x._refresh()
    x._keep_retaining()


def _become_output(t: Tensor, op: Op, index: int) -> None:
    t._node, t._index, t._requires_grad, t._leaf = op, index, True, None
    t._epoch += 1
    t._keep_retaining()


def inplace_method(name: str, op: type[Op], *settings: Any) -> None:
    """Give Tensor the method ``name``: this op with these settings, written over its input."""

    def method(self: Tensor) -> Tensor:
        return inplace(op(*settings), self)

    method.__name__ = name
    method.__doc__ = f"{name[:-1]}, in place."
    tensor_method(name)(method)

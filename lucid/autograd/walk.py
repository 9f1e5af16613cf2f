"""``backward`` and ``grad``: the two ways to start a walk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import DTypeError, GradError, ShapeError
from lucid.graph import engine
from lucid.graph.grad_mode import set_grad_enabled
from lucid.graph.leaf import Leaf
from lucid.tensor import Tensor, tensor_method

TensorOrMany = Tensor | Sequence[Tensor]


def backward(
    tensors: TensorOrMany,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: TensorOrMany | None = None,
) -> None:
    """Add the gradient of ``tensors`` to ``grad`` of every leaf that they depend on.

    grad_tensors: what flows in, of each tensor's shape. None means ones, whatever the shape
        (PyTorch allows that for scalars only).
    retain_graph: keep what forward saved, for another walk. By default as ``create_graph``.
    create_graph: record the walk, so that the gradients can be differentiated again.
    inputs: accumulate into these tensors only, instead of all leaves.
    """
    roots, gradients = _starts("backward", _as_tuple(tensors), grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        engine.run(roots, gradients, retain_graph=retain, create_graph=create_graph)
        return
    wanted = _as_tuple(inputs)
    if not wanted:
        raise GradError("backward: inputs must not be empty")
    found = grad(tensors, wanted, grad_tensors, retain, create_graph, allow_unused=True)
    with set_grad_enabled(create_graph):
        for t, g in zip(wanted, found, strict=True):
            if g is not None:
                (t._as_leaf() if t.is_leaf else Leaf(t)).pull([g])


def grad(
    outputs: TensorOrMany,
    inputs: TensorOrMany,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of ``outputs`` with respect to ``inputs``; no ``grad`` is touched.

    An input that the outputs don't depend on is an error; with ``allow_unused`` its gradient is
    None, with ``materialize_grads`` zeros. The other arguments are those of ``backward``;
    ``only_inputs`` and ``is_grads_batched`` are there for PyTorch's sake, with one value each.

    >>> x = lucid.tensor(3.0, requires_grad=True)
    >>> (dx,) = lucid.autograd.grad(x**3, x, create_graph=True)
    >>> lucid.autograd.grad(dx, x)
    (Tensor(18.),)
    """
    if not only_inputs or is_grads_batched:
        raise ValueError(
            "grad: only_inputs must be True and is_grads_batched False; got"
            f" {only_inputs} and {is_grads_batched}. Hint: backward() fills the other leaves' grad"
        )
    wanted = _as_tuple(inputs)
    roots, gradients = _starts("grad", _as_tuple(outputs), grad_outputs)
    edges = []
    for i, t in enumerate(wanted):
        edge = t._edge
        if edge is None:
            raise GradError(f"grad: input {i} of shape {t.shape} does not require grad")
        edges.append(edge)
    retain = create_graph if retain_graph is None else retain_graph
    found = engine.run(
        roots, gradients, retain_graph=retain, create_graph=create_graph, capture=edges
    )
    for i, g in enumerate(found):
        if g is None and materialize_grads:
            found[i] = _filled("zeros_like", wanted[i])
        elif g is None and not allow_unused:
            raise GradError(
                f"grad: the outputs do not depend on input {i} of shape {wanted[i].shape}."
                " Hint: allow_unused=True gives None for it"
            )
    return tuple(found)


def _as_tuple(tensors: Any) -> tuple[Tensor, ...]:
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)


def _starts(name: str, outputs: tuple[Tensor, ...], gradients: Any) -> tuple[list, list]:
    given = (
        (None,) * len(outputs)
        if gradients is None
        else (gradients,)
        if isinstance(gradients, Tensor)
        else tuple(gradients)
    )
    if len(given) != len(outputs):
        raise GradError(
            f"{name}: expected one gradient per output; got {len(given)} for {len(outputs)}"
        )
    roots, start = [], []
    for t, g in zip(outputs, given, strict=True):
        edge = t._edge
        if edge is None:
            raise GradError(
                f"{name}: this tensor does not require grad, so nothing was recorded for it;"
                f" got shape {t.shape}. Hint: requires_grad=True on an input, outside no_grad"
            )
        if g is None:
            g = _filled("ones_like", t)
        elif not isinstance(g, Tensor):
            raise DTypeError(f"{name}: a gradient must be a Tensor; got {type(g).__name__}")
        elif g.shape != t.shape:
            raise ShapeError(
                f"{name}: a gradient must have its output's shape {t.shape}; got {g.shape}"
            )
        roots.append(edge)
        start.append(g)
    return roots, start


def _filled(function: str, t: Tensor) -> Tensor:
    """``ones_like`` or ``zeros_like`` of t, on its device."""
    token = t._device.enter()
    try:
        return Tensor._wrap(getattr(t._device.xp, function)(t._array), t._device)
    finally:
        t._device.leave(token)


@tensor_method("backward")
def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: TensorOrMany | None = None,
) -> None:
    """Add d(self)/d(leaf) to ``grad`` of every leaf that this tensor depends on.

    gradient: what flows in, of this tensor's shape; ones by default, for any shape (PyTorch
    allows that for scalars only). The other arguments are those of ``lucid.autograd.backward``.
    """
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)

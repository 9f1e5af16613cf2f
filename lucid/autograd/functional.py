"""Derivatives of functions: jacobian, hessian and their products with vectors.

Each takes a function of tensors that returns tensors. Where inputs (outputs) is a tuple, the answer
has one entry per input (output); where it is one tensor, the entry itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid.autograd.walk import grad
from lucid.errors import DTypeError, GradError, ShapeError
from lucid.graph.grad_mode import enable_grad
from lucid.ops.joining import stack
from lucid.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Function = Callable[..., Any]


def jacobian(
    func: Function, inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """d func(inputs) / d inputs: for output y and input x of shape (*y.shape, *x.shape).

    Two tuples give a tuple (outputs) of tuples (inputs). create_graph: the answer can be
    differentiated again. strict: an output that does not depend on an input is an error, not zeros.
    vectorize and strategy say how PyTorch is to compute it; here it is row by row, in reverse.

    >>> lucid.autograd.functional.jacobian(lucid.exp, lucid.zeros(2))
    Tensor([[1., 0.],
            [0., 1.]])
    """
    _check_strategy("jacobian", strategy, vectorize, strict, create_graph)
    with enable_grad():
        xs, ys, shaped = _call("jacobian", func, inputs, create_graph)
        rows = tuple([_jacobian_of(y, xs, o, create_graph, strict) for o, y in enumerate(ys)])
    columns = [r if isinstance(inputs, (tuple, list)) else r[0] for r in rows]
    return shaped(columns)


def _jacobian_of(
    y: Tensor, xs: tuple[Tensor, ...], o: int, create_graph: bool, strict: bool
) -> tuple[Tensor, ...]:
    """The Jacobian of one output for each input, one walk per element."""
    xp = y._device.xp
    rows: list[list[Tensor]] = [[] for _ in xs]
    for at in xp.ndindex(y.shape):
        one = xp.zeros(y.shape, y._array.dtype)
        one[at] = 1
        seed = Tensor._wrap(one, y._device)
        found = _pull("jacobian", (y,), xs, (seed,), create_graph, strict, o)
        for row, dx in zip(rows, found, strict=True):
            row.append(dx)
    blocks = []
    for row, x in zip(rows, xs, strict=True):
        if row:
            blocks.append(stack(row).reshape(y.shape + x.shape))
        else:
            blocks.append(x.new_zeros(y.shape + x.shape))
    return tuple(blocks)


def hessian(
    func: Function, inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The second derivatives of a function with one output of one element.

    For inputs x and z of shape (*x.shape, *z.shape); a tuple of inputs gives a tuple of tuples. The
    settings are jacobian's.

    >>> lucid.autograd.functional.hessian(lambda x: (x**3).sum(), lucid.ones(2))
    Tensor([[6., 0.],
            [0., 6.]])
    """
    _check_strategy("hessian", outer_jacobian_strategy, vectorize, strict, create_graph)

    def gradient(*xs: Tensor) -> Any:
        y = _scalar("hessian", func(*xs))
        found = _pull("hessian", (y,), xs, (None,), True, strict, 0)
        return found if isinstance(inputs, (tuple, list)) else found[0]

    return jacobian(gradient, inputs, create_graph, strict)


def _check_strategy(
    name: str, strategy: str, vectorize: bool, strict: bool, create_graph: bool
) -> None:
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            f'{name}: strategy must be "reverse-mode" or "forward-mode"; got {strategy!r}'
        )
    if strategy == "forward-mode" and (create_graph or not vectorize):
        raise NotImplementedError(
            f"{name}: forward-mode goes with vectorize=True, without create_graph; got"
            f" vectorize={vectorize}, create_graph={create_graph}"
        )
    if strict and vectorize:
        raise RuntimeError(f"{name}: strict does not go with vectorize; got both")


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), vᵀ J): what backward gives for the gradient v of the outputs."""
    with enable_grad():
        xs, ys, shaped = _call("vjp", func, inputs, create_graph)
        found = _pull("vjp", ys, xs, _vectors("vjp", v, ys), create_graph, strict, 0)
    return shaped(_finished(ys, create_graph)), _like(inputs)(_finished(found, create_graph))


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), J v): how the outputs change when the inputs move along v.

    Costs two walks back: vᵀ J is linear in its vector, and J v is the gradient of that.
    """
    with enable_grad():
        xs, ys, shaped = _call("jvp", func, inputs, create_graph)
        ones = tuple([y.detach().clone().fill_(1).requires_grad_() for y in ys])
        found = _pull("jvp", ys, xs, ones, True, strict, 0)
        v = _vectors("jvp", v, xs)
        moved = _pull("jvp", found, ones, v, create_graph, strict, 0)
    return shaped(_finished(ys, create_graph)), shaped(_finished(moved, create_graph))


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), vᵀ H) for a function with one output of one element: two walks back."""
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), H v) for a function with one output of one element.

    H is symmetric, so this is vhp: the gradient of the product of gradient and v.
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(
    name: str, func: Function, inputs: Any, v: Any, create_graph: bool, strict: bool
) -> tuple[Any, Any]:
    with enable_grad():
        xs, ys, shaped = _call(name, func, inputs, create_graph)
        _scalar(name, ys)
        gradient = _pull(name, ys, xs, (None,), True, strict, 0)
        v = _vectors(name, v, xs)
        found = _pull(name, gradient, xs, v, create_graph, strict, 0)
    return shaped(_finished(ys, create_graph)), _like(inputs)(_finished(found, create_graph))


def _call(name: str, func: Function, inputs: Any, create_graph: bool) -> tuple[Any, Any, Any]:
    """The inputs as leaves, the outputs, and a function that shapes entries like the outputs."""
    given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    for x in given:
        if not isinstance(x, Tensor):
            raise DTypeError(f"{name}: inputs must be tensors; got {type(x).__name__}")
    # With create_graph the answer hangs in the graph of the inputs, through a view of them.
    xs = tuple(
        [
            x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
            for x in given
        ]
    )
    result = func(*xs)
    ys = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    for y in ys:
        if not isinstance(y, Tensor):
            raise DTypeError(f"{name}: the function must return tensors; got {type(y).__name__}")
    return xs, ys, _like(result)


def _like(structure: Any) -> Callable[[Any], Any]:
    """A tuple if ``structure`` is one, else the only entry."""
    return tuple if isinstance(structure, (tuple, list)) else lambda entries: entries[0]


def _scalar(name: str, outputs: Any) -> Tensor:
    ys = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    if len(ys) != 1 or ys[0].numel() != 1:
        raise ShapeError(
            f"{name}: the function must return one tensor of one element; got shapes"
            f" {', '.join(str(y.shape) for y in ys)}"
        )
    return ys[0]


def _vectors(name: str, v: Any, like: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """v, checked; without v, ones for a single element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise GradError(f"{name}: v may be left out only for a single element")
        return (like[0].detach().clone().fill_(1),)
    vs = tuple(v) if isinstance(v, (tuple, list)) else (v,)
    if [t.shape for t in vs] != [t.shape for t in like]:
        raise ShapeError(
            f"{name}: v must have the shapes {[t.shape for t in like]}; got {[t.shape for t in vs]}"
        )
    return vs


def _pull(
    name: str, ys: Any, xs: Any, v: Any, create_graph: bool, strict: bool, o: int
) -> tuple[Tensor, ...]:
    """The gradients of ys for xs; zeros, or an error if strict, where there is no dependence."""
    pairs = [(y, g) for y, g in zip(ys, v, strict=True) if y.requires_grad]
    found: tuple[Tensor | None, ...] = (None,) * len(xs)
    if pairs:
        outputs, flowing = zip(*pairs, strict=True)
        found = grad(outputs, xs, flowing, True, create_graph, allow_unused=True)
    if strict and any(g is None for g in found):
        missing = next(i for i, g in enumerate(found) if g is None)
        raise GradError(f"{name}: output {o} does not depend on input {missing}, and strict=True")
    return tuple([x.new_zeros(x.shape) if g is None else g for g, x in zip(found, xs, strict=True)])


def _finished(tensors: Any, create_graph: bool) -> tuple[Tensor, ...]:
    return tuple(tensors) if create_graph else tuple([t.detach() for t in tensors])

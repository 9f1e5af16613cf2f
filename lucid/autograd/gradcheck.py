"""gradcheck: is a gradient what the differences (f(x + eps) - f(x - eps)) / 2 eps say it is?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lucid import dtypes
from lucid.autograd.walk import grad
from lucid.backend import Array
from lucid.errors import DTypeError, GradError, ShapeError
from lucid.graph.grad_mode import enable_grad
from lucid.tensor import Tensor

__all__ = ["gradcheck", "gradgradcheck"]


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare the whole Jacobian of ``func(*inputs)`` with central differences.

    Each element of each float64 input that requires grad is moved by eps, in its own memory, so
    that what ``func`` reaches by other ways moves along. Other inputs are passed on as they are.
    An output that does not require grad must not change. ``func`` must give the same result each
    time: one that draws random numbers has to seed first. A disagreement raises GradError; with
    raise_exception=False the answer is False.

    nondet_tol: how far two walks over the same graph may differ.

    >>> x = lucid.ones(2, dtype=lucid.float64, requires_grad=True)
    >>> lucid.autograd.gradcheck(lucid.exp, x)
    True
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    moved = _moved("gradcheck", arguments)
    try:
        with enable_grad():
            _check(func, arguments, moved, eps, atol, rtol, nondet_tol)
    except GradError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """gradcheck of the gradient of ``func``, as a function of its inputs and of grad_outputs.

    grad_outputs: what flows into the outputs; by default fixed irregular numbers in [-1, 1].

    >>> x = lucid.ones(2, dtype=lucid.float64, requires_grad=True)
    >>> lucid.autograd.gradgradcheck(lucid.exp, x)
    True
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    moved = _moved("gradgradcheck", arguments)
    with enable_grad():
        outputs = _outputs(func, arguments)
    if grad_outputs is None:
        flowing = [_irregular(y) for y in outputs if y.requires_grad]
    else:
        flowing = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    flowing = [g if g.requires_grad else g.detach().requires_grad_() for g in flowing]

    def gradient(*both: Any) -> tuple[Tensor, ...]:
        xs, gradients = both[: len(arguments)], both[len(arguments) :]
        ys = [y for y in _outputs(func, xs) if y.requires_grad]
        if not ys:
            return ()
        wanted = [xs[i] for i in moved]
        found = grad(ys, wanted, gradients, create_graph=True, allow_unused=True)
        return tuple([g for g in found if g is not None])

    return gradcheck(
        gradient,
        (*arguments, *flowing),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )


def _moved(name: str, arguments: tuple) -> list[int]:
    """Positions of the inputs that are checked."""
    moved = [i for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
    if not moved:
        raise GradError(f"{name}: at least one of the inputs must be a tensor that requires grad")
    for i in moved:
        x = arguments[i]
        if x.dtype is not dtypes.float64:
            raise DTypeError(
                f"{name}: inputs that require grad must be float64, differences are too coarse"
                f" otherwise; got {x.dtype} for input {i}. Hint: use .double()"
            )
        overlaps = any(n > 1 and step == 0 for n, step in zip(x.shape, x.stride(), strict=True))
        if x.numel() and overlaps:
            raise ShapeError(
                f"{name}: elements of input {i} share memory, so they can't be moved one by one;"
                f" got shape {x.shape}, strides {x.stride()}. Hint: use .contiguous()"
            )
    return moved


def _outputs(func: Callable[..., Any], arguments: Sequence[Any]) -> list[Tensor]:
    """The floating point outputs: the others have no gradient."""
    result = func(*arguments)
    several = result if isinstance(result, (tuple, list)) else (result,)
    for y in several:
        if not isinstance(y, Tensor):
            raise DTypeError(f"gradcheck: the function must return tensors; got {type(y).__name__}")
    return [y for y in several if y.is_floating_point()]


def _check(
    func: Callable[..., Any],
    arguments: tuple,
    moved: list[int],
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
) -> None:
    outputs = _outputs(func, arguments)
    wanted = [arguments[i] for i in moved]
    rows = [_by_backward(y, wanted, o, nondet_tol) for o, y in enumerate(outputs)]
    for i, x in zip(moved, wanted, strict=True):
        for at in x._device.xp.ndindex(x.shape):
            columns = _by_differences(func, arguments, x, at, eps)
            if len(columns) != len(outputs):
                raise GradError(
                    "gradcheck: the function must return the same number of outputs each time;"
                    f" got {len(outputs)}, then {len(columns)}"
                )
            for o, numeric in enumerate(columns):
                analytic = rows[o][moved.index(i)][(..., *at)]
                _compare(analytic, numeric, o, i, at, atol, rtol)


def _by_differences(func: Any, arguments: tuple, x: Tensor, at: tuple, eps: float) -> list[Array]:
    """The change of each output as element ``at`` of x changes."""
    value = x._array[at].copy()  # CuPy answers a view
    ends = []
    try:
        for step in (eps, -eps):
            x._array[at] = value + step
            ends.append([y._array.astype("float64") for y in _outputs(func, arguments)])
    finally:
        x._array[at] = value
    return [(high - low) / (2 * eps) for high, low in zip(*ends, strict=True)]


def _by_backward(y: Tensor, wanted: list[Tensor], o: int, nondet_tol: float) -> list[Array]:
    """The Jacobian of y for each wanted tensor, of shape (*y.shape, *x.shape), row by row."""
    xp = y._device.xp
    jacobians = [xp.zeros((*y.shape, *x.shape)) for x in wanted]
    if not y.requires_grad:
        return jacobians
    for at in xp.ndindex(y.shape):
        one = xp.zeros(y.shape, y._array.dtype)
        one[at] = 1
        row = grad(y, wanted, y._wrap(one, y._device), retain_graph=True, allow_unused=True)
        for jacobian, g in zip(jacobians, row, strict=True):
            if g is not None:
                jacobian[at] = g._array
    if y.numel():  # the last row once more
        again = grad(y, wanted, y._wrap(one, y._device), retain_graph=True, allow_unused=True)
        for i, (jacobian, g) in enumerate(zip(jacobians, again, strict=True)):
            if g is not None and bool((abs(jacobian[at] - g._array) > nondet_tol).any()):
                raise GradError(
                    f"gradcheck: two walks back from output {o} gave different gradients of"
                    f" tensor {i} of those that require grad. Hint: backward must be deterministic,"
                    " or nondet_tol larger"
                )
    return jacobians


def _compare(
    analytic: Array, numeric: Array, o: int, i: int, at: tuple, atol: float, rtol: float
) -> None:
    close = abs(analytic - numeric) <= atol + rtol * abs(numeric)
    if bool(close.all()):
        return
    worst = tuple(int(axis[0]) for axis in (~close).nonzero())
    raise GradError(
        f"gradcheck: the gradient of output {o} at {worst} for input {i} at {at} is"
        f" {float(analytic[worst]):.9g} by backward, but {float(numeric[worst]):.9g} by differences"
    )


def _irregular(y: Tensor) -> Tensor:
    """Numbers without a pattern that a wrong gradient could hide behind; the same every time."""
    xp = y._device.xp
    values = xp.sin(xp.arange(1, y.numel() + 1, dtype="float64") ** 2 * 1.234)
    return y._wrap(values.astype(y._array.dtype).reshape(y.shape), y._device)

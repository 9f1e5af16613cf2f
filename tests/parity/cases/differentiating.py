"""Jacobians and their products, and Hessians."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side

D = "float64"
A = "autograd.functional."


def matrix(s: Side) -> Any:
    return s.tensor(Like((2, 3), D, grad=False))


def vector(s: Side) -> Any:
    return s.tensor(Like((3,), D, grad=False))


def curve(x: Any) -> Any:
    return x.sin() * x


def number(x: Any) -> Any:
    return (x**3).sum()


def of_two(x: Any, y: Any) -> Any:
    return (x * y).sum() ** 2


def to_two(x: Any) -> Any:
    return x.exp(), (x * x).sum(0)


def mixed(x: Any, y: Any) -> Any:
    return x @ y, x * 2


def unused(x: Any, y: Any) -> Any:
    return (x**2).sum()


def constant(s: Side) -> Any:
    return lambda x: s.ones(2, dtype=s.float64)


def constant_number(s: Side) -> Any:
    return lambda x: s.root.tensor(2.0, dtype=s.float64)


FLAGS: tuple[dict[str, Any], ...] = ({}, {"create_graph": True}, {"strict": True})


def asked(s: Side, name: str, f: Any, inputs: Any, v: Any = None, **kwargs: Any) -> Any:
    """The answer; with create_graph also its gradient by the inputs."""
    given = inputs(s)
    many = isinstance(given, tuple)
    leaves = [x.clone().requires_grad_() for x in (given if many else (given,))]
    if kwargs.get("create_graph"):
        s.leaves += leaves
    given = tuple(leaves) if many else leaves[0]
    more = (v(s),) if v is not None else ()
    function = f(s) if f in (constant, constant_number) else f
    return s.get(A + name)(function, given, *more, **kwargs)


def matrices(s: Side) -> Any:
    return matrix(s), matrix(s)


def factors(s: Side) -> Any:
    return matrix(s), vector(s)


def outputs(s: Side) -> Any:
    return matrix(s), vector(s)


def products(s: Side) -> Any:
    return vector(s)[:2], matrix(s)


CALLS: dict[str, list[tuple[Any, ...]]] = {
    "jacobian": [
        (curve, matrix), (number, matrix), (to_two, matrix), (of_two, matrices), (mixed, factors),
        (unused, matrices), (constant, matrix),
    ],
    "hessian": [
        (number, matrix), (of_two, matrices), (unused, matrices), (curve, matrix),
        (constant_number, matrix),
    ],
    "vjp": [
        (curve, matrix, matrix), (number, matrix), (to_two, matrix, outputs),
        (of_two, matrices), (mixed, factors, products), (unused, matrices),
        (constant, matrix, lambda s: vector(s)[:2]), (curve, matrix), (curve, matrix, vector),
        (curve, matrix, matrices),
    ],
    "jvp": [
        (curve, matrix, matrix), (number, matrix, matrix), (to_two, matrix, matrix),
        (of_two, matrices, matrices), (mixed, factors, factors), (unused, matrices, matrices),
        (constant, matrix, matrix), (curve, matrix), (curve, matrix, vector),
        (lambda x: x * x, lambda s: vector(s)[0]),
    ],
    "hvp": [
        (number, matrix, matrix), (of_two, matrices, matrices), (unused, matrices, matrices),
        (curve, matrix, matrix), (constant_number, matrix, matrix), (number, matrix),
        (number, matrix, vector),
    ],
    "vhp": [
        (number, matrix, matrix), (of_two, matrices, matrices), (unused, matrices, matrices),
        (curve, matrix, matrix), (constant_number, matrix, matrix), (number, matrix),
        (number, matrix, vector),
    ],
}  # fmt: skip
for name, calls in CALLS.items():
    for i, (f, inputs, *v) in enumerate(calls):
        for kwargs in FLAGS:
            add(A + name, f"{i} {f.__name__} {inputs.__name__} {kwargs}",
                lambda s, n=name, f=f, x=inputs, v=v, k=kwargs: asked(s, n, f, x, *v, **k)
                )  # fmt: skip
    add(A + name, "of a number", lambda s, n=name: s.get(A + n)(number, 3.0))
    add(A + name, "answers a number", lambda s, n=name: s.get(A + n)(lambda x: 3.0, matrix(s)))
for kwargs in ({"vectorize": True}, {"vectorize": True, "strict": True}):
    add(f"{A}jacobian", str(kwargs), lambda s, k=kwargs: asked(s, "jacobian", curve, matrix, **k))
    add(f"{A}hessian", str(kwargs), lambda s, k=kwargs: asked(s, "hessian", number, matrix, **k))
add(f"{A}hessian", "outer", lambda s: asked(
    s, "hessian", number, matrix, outer_jacobian_strategy="reverse-mode"
))  # fmt: skip

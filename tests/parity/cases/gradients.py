"""Gradients: asked for, clipped, hooked into, defined by hand."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, case, same
from tests.parity.library import Like, Side


def leaf(s: Side) -> Any:
    return s.tensor(Like((2, 3), grad=False)).requires_grad_()


def clipped(s: Side, name: str, *args: Any, **kwargs: Any) -> Any:
    a, b = leaf(s), leaf(s)
    (a * a * 10).sum().backward()
    b.grad = s.ones(2, 3)
    return s.get(f"nn.utils.{name}")([a, b], *args, **kwargs), a.grad, b.grad


for args in ((1.0,), (100.0,), (1.0, 1), (1.0, float("inf"))):
    add("nn.utils.clip_grad_norm_", str(args), lambda s, a=args: clipped(s, "clip_grad_norm_", *a))
add("nn.utils.clip_grad_value_", "2", lambda s: clipped(s, "clip_grad_value_", 2.0))
add(
    "nn.utils.get_total_norm",
    "of tensors",
    lambda s: s.nn.utils.get_total_norm([leaf(s).detach(), s.ones(2)]),
)
for name in ("parameters_to_vector", "vector_to_parameters"):
    add(
        f"nn.utils.{name}",
        "there and back",
        lambda s: (
            m := s.nn.Linear(2, 3),
            v := s.nn.utils.parameters_to_vector(m.parameters()),
            s.nn.utils.vector_to_parameters(s.arange(9.0), m.parameters()),
            [tuple(v.shape), m.weight.detach()],
        )[-1],
    )

same(
    "autograd.grad",
    lambda s: (x := leaf(s), s.autograd.grad((x * x).sum(), x))[1],
    lambda s: (
        x := leaf(s),
        y := leaf(s),
        s.autograd.grad((x * 2).sum(), [x, y], allow_unused=True),
    )[2],
    lambda s: (x := leaf(s), y := leaf(s), s.autograd.grad((x * 2).sum(), [x, y]))[2],
    lambda s: (
        x := leaf(s),
        g := s.autograd.grad((x**3).sum(), x, create_graph=True)[0],
        s.autograd.grad(g.sum(), x),
    )[2],
    lambda s: (
        x := leaf(s),
        s.autograd.grad(x * 2, x, grad_outputs=s.ones(2, 3), retain_graph=True, only_inputs=True),
    )[1],
    lambda s: (
        x := leaf(s),
        y := leaf(s),
        s.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True),
    )[2],
    lambda s: s.autograd.grad(s.ones(1), s.ones(1)),
)
same(
    "autograd.backward",
    lambda s: (x := leaf(s), s.autograd.backward((x * x).sum()), x.grad)[2],
    lambda s: (
        x := leaf(s),
        s.autograd.backward([x * x, x * 3], [s.ones(2, 3), s.ones(2, 3)]),
        x.grad,
    )[2],
)
same(
    "Tensor.backward",
    lambda s: (x := leaf(s), (x * x).sum().backward(), (x * 2).sum().backward(), x.grad)[3],
    lambda s: (x := leaf(s), (x * x).backward(s.ones(2, 3)), x.grad)[2],
    lambda s: (x := leaf(s), y := (x * x).sum(), y.backward(), y.backward()),
    lambda s: (
        x := leaf(s),
        y := (x * x).sum(),
        y.backward(retain_graph=True),
        y.backward(),
        x.grad,
    )[4],
    lambda s: s.ones(1).backward(),
    lambda s: (
        x := leaf(s),
        (x**3).sum().backward(create_graph=True),
        x.grad.sum().backward(),
        [x.grad.detach()],
    )[3],
)
same("Tensor.grad", lambda s: leaf(s).grad, lambda s: (x := leaf(s), x.sum().backward(), x.grad)[2])
same(
    "Tensor.detach",
    lambda s: (x := leaf(s), [x.detach().requires_grad, (x * 2).detach().is_leaf])[1],
)
same(
    "Tensor.requires_grad_",
    lambda s: (
        x := s.ones(2),
        [x.requires_grad_() is x, x.requires_grad, x.requires_grad_(False).requires_grad],
    )[1],
    lambda s: s.ones(2, dtype=s.int64).requires_grad_(),
)
same(
    "Tensor.requires_grad",
    lambda s: (x := s.ones(2), setattr(x, "requires_grad", True), x.requires_grad)[2],
)
same(
    "Tensor.register_hook",
    lambda s: (
        x := leaf(s),
        h := x.register_hook(lambda g: g * 2),
        x.sum().backward(),
        h.remove(),
        x.sum().backward(),
        x.grad,
    )[-1],
    lambda s: (
        x := leaf(s),
        y := x * 2,
        y.register_hook(lambda g: g + 1),
        y.sum().backward(),
        x.grad,
    )[-1],
)
same(
    "Tensor.retain_grad",
    lambda s: (x := leaf(s), y := x * 2, y.retain_grad(), (y * y).sum().backward(), y.grad)[-1],
)
same(
    "Tensor.data",
    lambda s: (x := leaf(s), x.data.mul_(2), x.detach())[2],
    lambda s: (x := leaf(s), setattr(x, "data", s.ones(4)), [tuple(x.shape), x.requires_grad])[2],
)
same("Tensor.is_leaf", lambda s: [leaf(s).is_leaf, (leaf(s) * 2).is_leaf])


@case("autograd.Function", "autograd.function.Function")
def own_functions(s: Side) -> Any:
    class Cube(s.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, scale: float) -> Any:
            ctx.save_for_backward(x)
            ctx.scale = scale
            return x * x * x * scale

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (x,) = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False)
            return dy * 3 * x * x * ctx.scale, None

    x = leaf(s)
    y = Cube.apply(x, 2.0)
    (g,) = s.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = s.autograd.grad(g.sum(), x)
    return y.detach(), g.detach(), h


for name in ("gradcheck", "gradgradcheck"):
    same(
        f"autograd.{name}",
        lambda s, n=name: s.get(f"autograd.{n}")(
            lambda x: (x * x).sin(), (s.tensor(Like((2, 2), "float64")),)
        ),
        lambda s, n=name: s.get(f"autograd.{n}")(
            lambda x: x.detach() * x, (s.tensor(Like((2, 2), "float64")),), raise_exception=False
        ),
    )
for path in ("autograd.Variable", "autograd.variable.Variable"):
    same(
        path,
        lambda s, p=path: [
            isinstance(s.ones(1), s.get(p)),
            s.get(p)(s.ones(2), requires_grad=True).requires_grad,
            s.get(p)(s.ones(2)),
        ],
    )
for name in ("checkpoint", "checkpoint_sequential"):

    def replayed(s: Side, name: str = name) -> Any:
        x = s.tensor(Like((2, 3)))
        f = s.get(f"utils.checkpoint.{name}")
        if name == "checkpoint":
            return f(lambda x: (x * x).sin(), x, use_reentrant=False)
        return f(
            s.nn.Sequential(s.nn.Tanh(), s.nn.Sigmoid(), s.nn.ReLU()), 2, x, use_reentrant=False
        )

    add(f"utils.checkpoint.{name}", "gradients", replayed)

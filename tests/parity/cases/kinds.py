"""Every function on every kind of tensor: dtypes, layouts, no elements, NaN and infinities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.parity.compare import add, call
from tests.parity.library import Like, Side

F = "nn.functional."
CHANGES: list[dict[str, Any]] = [
    *[{"dtype": d} for d in ("float64", "float16", "bfloat16", "int64", "bool")],
    *[{"layout": name} for name in ("transposed", "strided", "expanded")],
    {"special": True},
    {"shape": 0},
]


def changed(like: Like, change: dict[str, Any]) -> Like:
    """The tensor as that kind; one of integers keeps its dtype."""
    if "shape" in change:
        return replace(like, shape=(0, *like.shape[1:]))
    if like.dtype != "float32" and "layout" not in change:
        return like
    return replace(like, **change)


def sweep(
    path: str, *args: Any, fixed: tuple[int, ...] = (), made: Any = call, **more: Any
) -> None:
    """The call on each kind. fixed: arguments that keep their number of elements."""
    for change in CHANGES:
        given = [
            changed(a, change)
            if isinstance(a, Like) and a.shape and not (i in fixed and "shape" in change)
            else a
            for i, a in enumerate(args)
        ]
        made(path, *given, **more)


def in_place(path: str, target: Like, *rest: Any, **more: Any) -> None:
    """A method that writes into a copy of its tensor, which lies as the tensor does."""

    def run(s: Side) -> Any:
        x = s.tensor(target)
        y = s.empty_like(x).copy_(x)
        others = [s.tensor(r) if isinstance(r, Like) else r for r in rest]
        answer = s.get(path)(y, *others, **more)
        return answer.contiguous(), answer is y

    add(path, f"kinds {', '.join(map(str, [target, *rest]))} {more or ''}", run)


def index(*shape: int, high: int) -> Like:
    return Like(shape, "int64", low=0, high=high)


x, y, row = Like((3, 4)), Like((3, 4)), Like((4,))
positive = Like((3, 4), low=0.1)
for name in ("add_", "sub_", "mul_", "copy_", "__iadd__", "__isub__", "__imul__"):
    sweep(f"Tensor.{name}", x, y, made=in_place)
for name in ("div_", "__itruediv__"):
    sweep(f"Tensor.{name}", x, Like((3, 4), low=0.5), made=in_place)
for name in ("relu_", "sigmoid_", "tanh_", "exp_", "zero_"):
    sweep(f"Tensor.{name}", x, made=in_place)
sweep("Tensor.sqrt_", positive, made=in_place)
sweep("Tensor.pow_", positive, 2, made=in_place)
sweep("Tensor.clamp_", x, -1, 1, made=in_place)
sweep("Tensor.fill_", x, 3, made=in_place)
sweep("Tensor.masked_fill_", x, Like((3, 4), "bool"), 1, made=in_place)
sweep(f"{F}relu_", x, made=in_place)
sweep("Tensor.masked_fill", x, Like((3, 4), "bool"), 1)
sweep("Tensor.clamp", x, -1, 1)
for name in ("__radd__", "__rsub__", "__rmul__", "__rtruediv__"):
    sweep(f"Tensor.{name}", Like((3, 4), low=0.5), 2)
sweep("Tensor.__rpow__", Like((3, 4), low=0, high=2), 2)
sweep(f"{F}threshold", x, 0.5, -1.0)
for name in ("permute", "expand", "repeat"):
    sweep(f"Tensor.{name}", x, *{"permute": (1, 0), "expand": (2, 3, 4), "repeat": (2, 1)}[name],
          fixed=(0,))  # fmt: skip
sweep("Tensor.flatten", x)
sweep("Tensor.flip", x, 0)
sweep("Tensor.chunk", x, 2, 1)
sweep("Tensor.unfold", x, 1, 2, 1)
sweep("Tensor.triu", x)
sweep("Tensor.tril", x, -1)

# Elements by place. Each place once, where it is written to: which one wins is left open.

sweep("Tensor.index_select", x, 1, index(3, high=3), fixed=(2,))
sweep("Tensor.gather", x, 1, index(3, 4, high=3))
sweep("Tensor.scatter_add_", x, 1, index(3, 4, high=3), y, made=in_place)
sweep("Tensor.index_add_", x, 1, index(2, high=3), Like((3, 2)), fixed=(2,), made=in_place)


def placed(path: str, *args: Any) -> None:
    """The places 2, 0 and 3 of dimension 1 are written to."""

    def run(s: Side) -> Any:
        t = s.tensor(args[0])
        others = [s.tensor(a) if isinstance(a, Like) else a for a in args[1:]]
        at = s.root.tensor([2, 0, 3])
        if "scatter" in path:
            at = at.expand(t.shape[0], 3)
        target = s.empty_like(t).copy_(t) if path.endswith("_") else t
        return s.get(path)(target, 1, at, *others).contiguous()

    add(path, f"kinds {', '.join(map(str, args))}", run)


for name in ("scatter", "scatter_", "index_copy_"):
    sweep(f"Tensor.{name}", x, Like((3, 3)), made=placed)
sweep("Tensor.index_fill_", x, 2, made=placed)

# Products.

for name in ("mm", "matmul", "Tensor.mm", "Tensor.matmul", "Tensor.__matmul__"):
    sweep(name, Like((3, 4)), Like((4, 3)), fixed=(1,))
for name in ("bmm", "Tensor.bmm"):
    sweep(name, Like((2, 3, 4)), Like((2, 4, 3)))
for name in ("dot", "Tensor.dot"):
    sweep(name, row, row)
sweep(f"{F}linear", x, Like((5, 4)), Like((5,)), fixed=(1, 2))
sweep(f"{F}linear", x, Like((5, 4)), fixed=(1,))

# Convolutions and pools.

for d in (1, 2, 3):
    image = Like((2, 4, 6, 5, 4)[: d + 2])
    kernel = (3, 2, 2)[:d]
    sweep(f"{F}conv{d}d", image, Like((6, 2, *kernel)), Like((6,)), 2, 1, 1, 2, fixed=(1, 2))
    sweep(f"{F}conv_transpose{d}d", image, Like((4, 3, *kernel)), Like((6,)), 2, 1, 0, 2,
          fixed=(1, 2))  # fmt: skip
    for name in ("max_pool", "avg_pool"):
        sweep(f"{F}{name}{d}d", image, 2, 1, 1)
    for name in ("adaptive_avg_pool", "adaptive_max_pool"):
        sweep(f"{F}{name}{d}d", image, 2)
image = Like((2, 4, 6, 6))
sweep(f"{F}unfold", image, 2, 1, 1, 2)
sweep(f"{F}fold", Like((2, 12, 12)), (4, 5), 2)
for mode in ("constant", "reflect", "replicate", "circular"):
    sweep(f"{F}pad", image, (1, 2, 0, 1), mode)
for mode in ("nearest", "bilinear", "bicubic", "area"):
    sweep(f"{F}interpolate", image, (4, 7), None, mode)
sweep(f"{F}upsample", image, None, 2)
sweep(f"{F}pixel_shuffle", image, 2)

# Normalizations, activations with parameters, and what has weights.

stats = Like((4,), low=0.1, grad=False)
sweep(f"{F}batch_norm", image, stats, stats, Like((4,)), Like((4,)), fixed=(1, 2, 3, 4))
sweep(f"{F}batch_norm", image, None, None, Like((4,)), Like((4,)), True, fixed=(3, 4))
sweep(f"{F}instance_norm", image, fixed=(0,))
sweep(f"{F}layer_norm", image, (6, 6), Like((6, 6)), Like((6, 6)), fixed=(2, 3))
sweep(f"{F}group_norm", image, 2, Like((4,)), Like((4,)), fixed=(2, 3))
sweep(f"{F}local_response_norm", image, 3)
sweep(f"{F}normalize", x)
sweep(f"{F}prelu", image, Like((4,)), fixed=(1,))
sweep(f"{F}prelu", image, Like((1,)), fixed=(1,))
sweep(f"{F}glu", Like((3, 4)))
sweep(f"{F}embedding", index(2, 3, high=4), Like((5, 3)), fixed=(1,))
sweep(f"{F}one_hot", index(2, 3, high=4), 5)
for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
             "feature_alpha_dropout"):  # fmt: skip
    image = Like((2, 4, 6, 5, 4)[: {"dropout1d": 3, "dropout2d": 4}.get(name, 5)])
    sweep(F + name, image, 0.5, False)
    sweep(F + name, image, 0.0, True)

# Losses.

target = Like((3, 4), low=0.1, high=0.9)
LOSSES: dict[str, tuple[Like, ...]] = {
    "mse_loss": (x, y),
    "l1_loss": (x, y),
    "smooth_l1_loss": (x, y),
    "huber_loss": (x, y),
    "kl_div": (x, target),
    "binary_cross_entropy": (target, target),
    "binary_cross_entropy_with_logits": (x, target),
    "poisson_nll_loss": (x, positive),
    "cross_entropy": (x, index(3, high=3)),
    "nll_loss": (x, index(3, high=3)),
    "margin_ranking_loss": (x, y, y),
}
for name, inputs in LOSSES.items():
    for reduction in ("none", "mean"):
        sweep(F + name, *inputs, reduction=reduction)
sweep(f"{F}cross_entropy", x, target, label_smoothing=0.1)

# Matrices.


def symmetric(s: Side, t: Any) -> Any:
    """And positive, well away from being singular."""
    return t @ t.mT + s.eye(t.shape[-1], dtype=t.dtype)


def of_matrices(path: str, like: Like, *rest: Any) -> None:
    """Made symmetric and positive; vectors only by their products, whose signs are left open."""

    def run(s: Side) -> Any:
        t = symmetric(s, s.tensor(like))
        if path.endswith("eigh"):
            values, q = s.get(path)(t)
            return values, (q * values.unsqueeze(-2)) @ q.mT
        if path.endswith("svd"):
            u, d, v = s.get(path)(t)
            return d, (u * d.unsqueeze(-2)) @ v
        if path.endswith("qr"):
            q, r = s.get(path)(t)
            return q @ r
        return s.get(path)(t, *[s.tensor(r) for r in rest])

    add(path, f"kinds {', '.join(map(str, [like, *rest]))}", run)


matrix = Like((2, 3, 3))
for name in ("eigh", "eigvalsh", "svd", "svdvals", "inv", "det", "qr", "cholesky"):
    for change in CHANGES[:8]:
        of_matrices(f"linalg.{name}", changed(matrix, change))
for change in CHANGES[:8]:
    of_matrices("linalg.solve", changed(matrix, change), changed(Like((2, 3, 2)), change))
for name in ("norm", "vector_norm", "matrix_norm"):
    sweep(f"linalg.{name}", Like((3, 4)))

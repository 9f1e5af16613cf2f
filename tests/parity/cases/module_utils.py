"""nn.utils: pruning, layers fused, norms of gradients."""

from __future__ import annotations

import copy
from typing import Any

from tests.parity.cases.weight_norms import made, used
from tests.parity.compare import add, same
from tests.parity.library import Like, Side
from tests.parity.making import fill, shown, state

D = "float64"
U = "nn.utils."
P = "nn.utils.parametrizations."
Z = "nn.utils.parametrize."

# Pruning.


def pruned(s: Side, f: str, amount: Any, *more: Any, **kwargs: Any) -> Any:
    m, x = made(s, "Linear")
    if "importance" in kwargs:
        kwargs["importance_scores"] = s.tensor(Like((3, 5), grad=False))
        del kwargs["importance"]
    answer = s.get(f"nn.utils.prune.{f}")(m, "weight", amount, *more, **kwargs)
    return answer is m, used(s, m, x), m.weight_mask, s.nn.utils.prune.is_pruned(m)


def pruned_twice(s: Side) -> Any:
    m, x = made(s, "Linear")
    prune = s.nn.utils.prune
    prune.l1_unstructured(m, "weight", 4)
    prune.l1_unstructured(m, "weight", 0.5)
    prune.l1_unstructured(m, "bias", 1)
    return used(s, m, x)


def made_permanent(s: Side) -> Any:
    m, x = made(s, "Linear")
    prune = s.nn.utils.prune
    prune.l1_unstructured(m, "weight", 4)
    answer = prune.remove(m, "weight")
    return answer is m, used(s, m, x), prune.is_pruned(m), isinstance(m.weight, s.nn.Parameter)


def at_random(s: Side, amount: Any) -> Any:
    m, x = made(s, "Linear")
    s.nn.utils.prune.random_unstructured(m, "weight", amount)
    mask = m.weight_mask
    y = m(x)
    y.sum().backward()
    zeros = s.equal(m.weight.detach() == 0, mask == 0)
    grads = s.equal(m.weight_orig.grad == 0, mask == 0)
    return mask.sum(), mask.dtype, zeros, grads, shown(m), sorted(m.state_dict())


for amount in (3, 0, 0.4, 0.0, 1.0, 15, 0.33):
    add(f"{U}prune.l1_unstructured", str(amount),
        lambda s, a=amount: pruned(s, "l1_unstructured", a))  # fmt: skip
    add(f"{U}prune.random_unstructured", str(amount), lambda s, a=amount: at_random(s, a))
for amount in (16, -1, 1.5, -0.1, "x", None):
    for f in ("l1_unstructured", "random_unstructured"):
        add(f"{U}prune.{f}", f"amount {amount!r}", lambda s, a=amount, f=f: pruned(s, f, a))
add(f"{U}prune.l1_unstructured", "by given scores",
    lambda s: pruned(s, "l1_unstructured", 4, importance=True))  # fmt: skip
add(f"{U}prune.l1_unstructured", "no such parameter",
    lambda s: s.nn.utils.prune.l1_unstructured(s.nn.Linear(2, 3), "scale", 1))  # fmt: skip
for name in ("l1_unstructured", "remove"):
    same(f"{U}prune.{name}", pruned_twice, made_permanent)
add(f"{U}prune.remove", "none there",
    lambda s: s.nn.utils.prune.remove(s.nn.Linear(2, 3), "weight"))  # fmt: skip


# Fused layers.


def fused(s: Side, d: int, transpose: bool = False, **kwargs: Any) -> Any:
    kind = f"ConvTranspose{d}d" if transpose else f"Conv{d}d"
    conv = s.get(f"nn.{kind}")(4, 6, 3, **kwargs.pop("conv", {})).double()
    bn = s.get(f"nn.BatchNorm{d}d")(6, **kwargs).double()
    x = s.tensor(Like((2, 4, *[5] * d), D))
    for m in (conv, bn):
        fill(s, m)
    s.leaves.clear()
    if not kwargs.get("training"):
        conv.eval(), bn.eval()
    one = s.nn.utils.fuse_conv_bn_eval(conv, bn, transpose)
    y = one(x)
    return y, s.allclose(y, bn(conv(x))), state(one), shown(one), state(conv), one is conv


for d in (1, 2, 3):
    for kwargs in ({}, {"conv": {"bias": False}}, {"conv": {"groups": 2, "padding": 1}},
                   {"affine": False}, {"eps": 0.1}):  # fmt: skip
        add(f"{U}fuse_conv_bn_eval", f"{d} {kwargs}",
            lambda s, d=d, k=kwargs: fused(s, d, **copy.deepcopy(k)))  # fmt: skip
    for kwargs in ({}, {"conv": {"bias": False, "stride": 2}}):
        add(f"{U}fuse_conv_bn_eval", f"transposed {d} {kwargs}",
            lambda s, d=d, k=kwargs: fused(s, d, True, **copy.deepcopy(k)))  # fmt: skip
add(f"{U}fuse_conv_bn_eval", "in training", lambda s: shown(
    s.nn.utils.fuse_conv_bn_eval(s.nn.Conv2d(3, 4, 2), s.nn.BatchNorm2d(4))
))  # fmt: skip
add(f"{U}fuse_conv_bn_eval", "no statistics", lambda s: s.nn.utils.fuse_conv_bn_eval(
    s.nn.Conv2d(3, 4, 2).eval(), s.nn.BatchNorm2d(4, track_running_stats=False).eval()
))  # fmt: skip


# Norms of gradients.


def clipped(s: Side, norm: Any, *args: Any, **kwargs: Any) -> Any:
    a, b, c = (s.tensor(Like(n, grad=False)).requires_grad_() for n in ((2, 3), (4,), ()))
    a.grad, b.grad = (s.tensor(Like(tuple(t.shape), grad=False)) for t in (a, b))
    total = s.root.tensor(norm) if isinstance(norm, float) else norm
    answer = s.nn.utils.clip_grads_with_norm_([a, b, c], *args, total, **kwargs)
    return answer, a.grad, b.grad, c.grad


for norm in (3.0, 0.5, 0.0, float("inf"), float("nan")):
    for most in (1.0, 10.0):
        for kwargs in ({}, {"foreach": False}):
            add(f"{U}clip_grads_with_norm_", f"{norm} {most} {kwargs}",
                lambda s, n=norm, m=most, k=kwargs: clipped(s, n, m, **k))  # fmt: skip
add(f"{U}clip_grads_with_norm_", "one parameter", lambda s: (
    p := s.ones(3, requires_grad=True), (p * 4).sum().backward(),
    s.nn.utils.clip_grads_with_norm_(p, 2.0, s.root.tensor(8.0)), p.grad,
)[3])  # fmt: skip
for norm_type in (2.0, 1, 3.0, float("inf"), 0.0):
    for shapes in (((2, 3), (4,)), ((2, 3),), ((0,), (3,)), ()):
        add(f"{U}get_total_norm", f"{norm_type} {shapes}",
            lambda s, p=norm_type, n=shapes: s.nn.utils.get_total_norm(
                [s.tensor(Like(x, grad=False)) for x in n], p
            ))  # fmt: skip
add(f"{U}get_total_norm", "not finite", lambda s: s.nn.utils.get_total_norm(
    [s.root.tensor([1.0, float("nan")])], error_if_nonfinite=True
))  # fmt: skip
add(f"{U}get_total_norm", "two dtypes", lambda s: s.nn.utils.get_total_norm(
    [s.tensor(Like((3,), dtype, grad=False)) for dtype in ("float32", "float64", "float16")]
))  # fmt: skip

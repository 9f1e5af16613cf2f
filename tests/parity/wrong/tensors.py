"""Right calls of functions and methods of tensors, to be spoilt."""

from __future__ import annotations

from typing import Any

from tests.parity.library import Like
from tests.parity.refusals import operator, right


def f(*shape: int, **more: Any) -> Like:
    return Like(shape, **more)


def i(*shape: int, low: int = 0, high: int = 1) -> Like:
    return Like(shape, "int64", low=low, high=high)


def b(*shape: int) -> Like:
    return Like(shape, "bool")


def both(name: str, *args: Any, **kwargs: Any) -> None:
    """A function that is a method, too."""
    right(name, *args, **kwargs)
    right(f"Tensor.{name}", *args, **kwargs)


def method(name: str, *args: Any, **kwargs: Any) -> None:
    right(f"Tensor.{name}", *args, **kwargs)


ONE = "exp log sqrt abs sigmoid tanh relu neg isnan isinf isfinite sign round floor ceil"
for name in ONE.split():
    both(name, f(2, 3))
for name in ["exp", "sqrt", "tanh", "sigmoid", "relu"]:
    method(f"{name}_", f(2, 3, grad=False))
TWO = "add sub mul div eq ne gt ge lt le maximum minimum pow"
for name in TWO.split():
    right(name, f(2, 3), f(2, 3))
    if name not in ("maximum", "minimum"):
        method(name, f(2, 3), f(2, 3))
for name in ["add_", "sub_", "mul_", "div_", "pow_"]:
    method(name, f(2, 3, grad=False), f(2, 3, grad=False))
for name in [
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow",
    "eq", "ne", "lt", "le", "gt", "ge",
]:  # fmt: skip
    operator(name, f(2, 3, grad=False), f(2, 3, grad=False))
for name in ["iadd", "isub", "imul", "itruediv"]:
    operator(name, f(2, 3, grad=False), f(2, 3, grad=False))
for name in ("and_", "or_", "xor"):
    operator(name, i(2, 3), i(2, 3))
operator("invert", i(2, 3))
both("add", f(2, 3), f(2, 3), alpha=2)
both("clamp", f(2, 3), -1.0, 1.0, needed=1)
method("clamp_", f(2, 3, grad=False), -1.0, 1.0, needed=1)
for name in ["sum", "mean", "prod", "std", "var", "all", "any", "argmax", "argmin", "max", "min"]:
    both(name, f(2, 3))
    both(name, f(2, 3), 1, needed=1)
for name in ["sum", "mean", "std", "var"]:
    both(name, f(2, 3, 2), (0, 1), needed=1)
both("norm", f(2, 3), 2, 1, needed=1)
both("cumsum", f(2, 3), 1)
both("softmax", f(2, 3), 1)
both("log_softmax", f(2, 3), 1)
both("sort", f(2, 3), 1, needed=1)
both("argsort", f(2, 3), 1, needed=1)
both("topk", f(2, 3), 2, 1, needed=2)
both("gather", f(2, 3), 1, i(2, 3))
method("scatter", f(2, 3), 1, i(2, 2), f(2, 2))
method("scatter_", f(2, 3, grad=False), 1, i(2, 2), f(2, 2, grad=False))
method("scatter_add_", f(2, 3, grad=False), 1, i(2, 2), f(2, 2, grad=False))
method("index_select", f(2, 3), 1, i(2))
method("index_add_", f(2, 3, grad=False), 1, i(2), f(2, 2, grad=False))
method("index_copy_", f(2, 3, grad=False), 1, i(1), f(2, 1, grad=False))
method("index_fill_", f(2, 3, grad=False), 1, i(2), 0.5)
method("masked_fill", f(2, 3), b(2, 3), 0.5)
method("masked_fill_", f(2, 3, grad=False), b(2, 3), 0.5)
right("where", b(2, 3), f(2, 3), f(2, 3))
right("matmul", f(2, 3), f(3, 4))
right("matmul", f(2, 2, 3), f(2, 3, 4))
method("matmul", f(2, 3), f(3, 4))
operator("matmul", f(2, 3), f(3, 4))
both("mm", f(2, 3), f(3, 4))
both("bmm", f(2, 2, 3), f(2, 3, 4))
both("dot", f(3), f(3))
right("outer", f(2), f(3))
right("einsum", "ij,jk->ik", f(2, 3), f(3, 4))
both("flatten", f(2, 3, 2), 1, 2, needed=1)
both("transpose", f(2, 3), 0, 1)
right("permute", f(2, 3, 2), (2, 0, 1))
method("permute", f(2, 3, 2), 2, 0, 1)
method("permute", f(2, 3, 2), (2, 0, 1))
both("squeeze", f(2, 1), 1, needed=1)
both("unsqueeze", f(2, 3), 1)
right("flip", f(2, 3), (0, 1))
method("flip", f(2, 3), 0, 1, needed=1)
both("roll", f(2, 3), 1, 1, needed=2)
right("roll", f(2, 3), (1, 2), (0, 1))
right("reshape", f(2, 3), (3, 2))
method("reshape", f(2, 3), 3, 2, needed=1)
method("reshape", f(2, 3), (3, 2))
method("view", f(2, 3), 3, 2, needed=1)
method("view", f(2, 3), (-1, 2))
method("view", f(2, 3, layout="transposed"), (2, 3))
method("expand", f(2, 1), 2, 3, needed=2)
method("expand", f(2, 1), (2, 3))
method("expand_as", f(2, 1), f(2, 3))
method("repeat", f(2, 1), 2, 3, needed=2)
method("type_as", f(2, 1), f(2, 3))
method("t", f(2, 3))
both("split", f(4, 3), 2, 0, needed=2)
both("split", f(4, 3), [1, 3], 0, needed=2)
both("chunk", f(4, 3), 2, 0, needed=2)
both("tril", f(3, 3), 1, needed=1)
both("triu", f(3, 3), 1, needed=1)
right("diag", f(3, 3), 1, needed=1)
right("allclose", f(3), f(3), 1e-5, 1e-8, needed=2)
right("equal", f(3), f(3))
right("meshgrid", f(2), f(3), indexing="ij")
method("unfold", f(2, 6), 1, 3, 1)
method("size", f(2, 3), 1, needed=1)
method("stride", f(2, 3), 1, needed=1)
method("copy_", f(2, 3, grad=False), f(2, 3, grad=False))
method("fill_", f(2, 3, grad=False), 0.5)
method("zero_", f(2, 3, grad=False))
method("normal_", f(2, 3, grad=False), 0.0, 1.0, needed=1, values=False)
method("uniform_", f(2, 3, grad=False), 0.0, 1.0, needed=1, values=False)
method("bernoulli_", f(2, 3, grad=False), 0.5, needed=1, values=False)
method("requires_grad_", f(2, 3))
method("to", f(2, 3), "cpu")
method("item", f(1))
method("numpy", f(2, grad=False), values=False)
method("tolist", f(2))
method("backward", f(1))
method("new_zeros", f(2), (2, 3))
method("new_ones", f(2), (2, 3))
method("new_empty", f(2), (2, 3), values=False)
method("new_full", f(2), (2, 3), 0.5)
method("new_tensor", f(2), [1.0, 2.0])
method("__getitem__", f(2, 3), 1)
method("__getitem__", f(2, 3), (1, 2))
method("__getitem__", f(2, 3), i(2))
method("__getitem__", f(2, 3), b(2))
method("__setitem__", f(2, 3, grad=False), 1, f(3, grad=False))
method("__setitem__", f(2, 3, grad=False), b(2), 0.5)
method("__float__", f(1))
method("__int__", f(1))
method("__bool__", f(1))
method("__len__", f(2))
method("__index__", i(1))
method("__contains__", f(3), 0.5)
method("detach", f(2))
method("retain_grad", f(2))
method("register_hook", f(2), print, values=False)
for name in [
    "contiguous", "clone", "cpu", "float", "double", "half", "int",
    "long", "bool", "nelement", "numel", "dim",
]:  # fmt: skip
    method(name, f(2, 3))
for name in ["is_tensor", "is_floating_point", "numel"]:
    right(name, f(2, 3))

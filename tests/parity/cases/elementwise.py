"""Functions of each element: one tensor, two that broadcast, in place."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add
from tests.parity.library import FLOATS, Like, Side

DTYPES = (*FLOATS, "int64", "int32", "int16", "int8", "uint8", "bool")
ONE = [
    *[Like((2, 3), dtype) for dtype in DTYPES],
    *[Like(shape) for shape in [(), (1,), (0,), (2, 0, 3), (2, 3, 4)]],
    *[Like((3, 4), layout=layout) for layout in ("transposed", "strided", "expanded")],
    Like((2, 3, 4, 5), layout="channels_last"),
    Like((2, 3, 4), "float64", "transposed"),
    Like((10,), special=True),
    Like((2, 5), "float64", special=True),
    Like((40,), low=-30, high=30),
]
UNARY = """
exp log sqrt abs sigmoid tanh relu neg sign round floor ceil isnan isinf isfinite
nn.functional.relu nn.functional.relu6 nn.functional.leaky_relu nn.functional.elu nn.functional.celu
nn.functional.selu nn.functional.gelu nn.functional.silu nn.functional.mish nn.functional.sigmoid
nn.functional.tanh nn.functional.hardswish nn.functional.hardsigmoid nn.functional.hardtanh
nn.functional.softplus nn.functional.logsigmoid nn.functional.hardshrink nn.functional.softshrink
nn.functional.softsign nn.functional.tanhshrink
Tensor.exp Tensor.log Tensor.sqrt Tensor.abs Tensor.sigmoid Tensor.tanh Tensor.relu Tensor.neg
Tensor.round Tensor.floor Tensor.isnan Tensor.isinf Tensor.clone Tensor.detach Tensor.contiguous
Tensor.float Tensor.double Tensor.half Tensor.bool Tensor.long Tensor.int Tensor.cpu
Tensor.__neg__ Tensor.__abs__ Tensor.__invert__
zeros_like ones_like
"""


def _one(path: str, like: Like, **kwargs: Any):
    return lambda s: s.get(path)(s.tensor(like), **kwargs)


for path in UNARY.split():
    for like in ONE:
        add(path, like, _one(path, like))

WITH_SETTINGS = {
    "clamp": [{"min": -1}, {"max": 0.5}, {"min": -1, "max": 1}, {"min": 1, "max": 0}],
    "Tensor.clamp": [{"min": -0.5, "max": 1.5}],
    "round": [{"decimals": 1}, {"decimals": -1}],
    "nn.functional.leaky_relu": [{"negative_slope": 0.3}],
    "nn.functional.elu": [{"alpha": 0.5}],
    "nn.functional.celu": [{"alpha": 0.5}],
    "nn.functional.gelu": [{"approximate": "tanh"}],
    "nn.functional.hardtanh": [{"min_val": -0.5, "max_val": 1.5}],
    "nn.functional.softplus": [{"beta": 2.0, "threshold": 1.0}],
    "nn.functional.threshold": [{"threshold": 0.5, "value": -3.0}],
    "full_like": [{"fill_value": 2.5}, {"fill_value": 3, "dtype": None}],
}
SOME = [
    *[Like((2, 3), dtype) for dtype in ("float32", "float16", "int64", "uint8")],
    Like(()),
    Like((0, 3)),
    Like((3, 4), layout="transposed"),
    Like((10,), special=True),
]
for path, settings in WITH_SETTINGS.items():
    for kwargs in settings:
        for like in SOME:
            add(path, f"{like} {kwargs}", _one(path, like, **kwargs))

SAME = [(Like((2, 3), dtype), Like((2, 3), dtype)) for dtype in DTYPES]
MIXED = [
    (Like((2, 3), a), Like((2, 3), b))
    for a, b in [
        ("float32", "float64"),
        ("float16", "bfloat16"),
        ("float16", "float32"),
        ("int64", "float32"),
        ("int64", "float16"),
        ("bool", "float32"),
        ("bool", "int64"),
        ("uint8", "int8"),
        ("uint8", "int64"),
        ("int32", "int64"),
        ("int16", "uint8"),
    ]
]
SHAPED = [
    (Like((2, 3)), Like((3,))),
    (Like((2, 1)), Like((1, 3))),
    (Like(()), Like((2, 3))),
    (Like((0, 3)), Like((1, 3))),
    (Like((2, 0)), Like((1,))),
    (Like(()), Like(())),
    (Like((4, 1, 3)), Like((2, 1))),
    (Like((2, 3)), Like((2, 2))),
    (Like((2, 3)), Like((), "float64")),
    (Like((2, 3), "int64"), Like((), "float32")),
    (Like((2, 3), "float16"), Like((), "float32")),
    (Like((2, 3), "int32"), Like((), "int64")),
]
LAID_OUT = [
    (Like((3, 4), layout="transposed"), Like((3, 4), layout="transposed")),
    (Like((3, 4), layout="transposed"), Like((3, 4))),
    (Like((3, 4), layout="strided"), Like((3, 4), layout="expanded")),
    (Like((2, 3, 4, 5), layout="channels_last"), Like((2, 3, 4, 5), layout="channels_last")),
    (Like((2, 3, 4, 5), layout="channels_last"), Like((3, 1, 1))),
    (Like((2, 3, 4, 5), layout="channels_last"), Like((2, 3, 4, 5))),
    (Like((10,), special=True), Like((10,))),
    (Like((10,)), Like((10,), special=True)),
]
BINARY = """
add sub mul div eq ne gt ge lt le maximum minimum pow Tensor.add Tensor.sub Tensor.mul Tensor.div
Tensor.eq Tensor.ne Tensor.lt Tensor.le Tensor.gt Tensor.ge Tensor.pow Tensor.__add__ Tensor.__sub__
Tensor.__mul__ Tensor.__truediv__ Tensor.__floordiv__ Tensor.__mod__ Tensor.__pow__ Tensor.__eq__
Tensor.__ne__ Tensor.__lt__ Tensor.__le__ Tensor.__gt__ Tensor.__ge__ Tensor.__and__ Tensor.__or__
Tensor.__xor__
"""
WITH_NUMBERS = "Tensor.__radd__ Tensor.__rsub__ Tensor.__rmul__ Tensor.__rtruediv__ Tensor.__rpow__"


def _two(path: str, a: Like, b: Like):
    return lambda s: s.get(path)(s.tensor(a), s.tensor(b))


def _number(path: str, a: Like, number: Any):
    return lambda s: s.get(path)(s.tensor(a), number)


for path in [*BINARY.split(), *WITH_NUMBERS.split()]:
    for a, b in [] if path in WITH_NUMBERS.split() else [*SAME, *MIXED, *SHAPED, *LAID_OUT]:
        if "pow" in path or "mod" in path or "floordiv" in path:
            # Positive: negative numbers to a broken power are NaN, integers to negative refused.
            a, b = (Like(x.shape, x.dtype, x.layout, 1, 3, x.special) for x in (a, b))
        add(path, f"{a}, {b}", _two(path, a, b))
    for number in (2, 0.5, True):
        if path in ("maximum", "minimum"):
            continue
        for dtype in ("float32", "float16", "int64", "uint8", "bool"):
            a = Like((2, 3), dtype, low=0)
            add(path, f"{a}, {number}", _number(path, a, number))


def _in_place(path: str, a: Like, *rest: Any):
    def run(s: Side) -> Any:
        x = s.tensor(a)
        y = x.clone() if a.grad else x
        others = [s.tensor(r) if isinstance(r, Like) else r for r in rest]
        answer = s.get(path)(y, *others)
        return answer, y, answer is y

    return run


CHANGED = {
    "Tensor.add_": [Like((2, 3)), Like((3,)), Like((2, 3), "int64"), 2, 0.5],
    "Tensor.sub_": [Like((2, 3)), Like((3,)), 2],
    "Tensor.mul_": [Like((2, 3)), Like((3,)), Like((2, 3), "float64"), 2, 0.5],
    "Tensor.div_": [Like((2, 3), low=1), Like((3,), low=1), 2],
    "Tensor.pow_": [2, 3.0],
    "Tensor.__iadd__": [Like((3,)), 1],
    "Tensor.__isub__": [Like((3,)), 1],
    "Tensor.__imul__": [Like((3,)), 1.5],
    "Tensor.__itruediv__": [Like((3,), low=1), 3],
    "Tensor.fill_": [3.5, 2],
    "Tensor.copy_": [Like((2, 3)), Like((3,)), Like((2, 3), "int64")],
}
TARGETS = [
    Like((2, 3)),
    Like((2, 3), grad=False),
    Like((2, 3), "int64"),
    Like((2, 3), "float16"),
    Like((2, 3), layout="transposed", grad=False),
    Like((4, 2, 3), layout="strided", grad=False),
]
for path, others in CHANGED.items():
    for target in TARGETS:
        for other in others:
            add(path, f"{target}, {other}", _in_place(path, target, other))
for path in ("zero_", "relu_", "sigmoid_", "tanh_", "exp_", "sqrt_"):
    for target in TARGETS:
        add(f"Tensor.{path}", target, _in_place(f"Tensor.{path}", target))
for path in ("nn.functional.relu_",):
    for target in TARGETS:
        add(path, target, _in_place(path, target))
for target in TARGETS:
    add("Tensor.clamp_", target, _in_place("Tensor.clamp_", target, -1, 1))
    mask = Like((2, 3), "bool")
    add("Tensor.masked_fill_", target, _in_place("Tensor.masked_fill_", target, mask, 7))
    add("Tensor.masked_fill", target, _in_place("Tensor.masked_fill", target, mask, 7))
    add(
        "where",
        target,
        lambda s, t=target: s.where(
            s.tensor(Like((2, 3), "bool")), s.tensor(t), s.tensor(Like((3,)))
        ),
    )
    add(
        "where",
        f"{target} number",
        lambda s, t=target: s.where(s.tensor(Like((2, 3), "bool")), s.tensor(t), 2),
    )
    add(
        "Tensor.where",
        target,
        lambda s, t=target: s.tensor(t).where(
            s.tensor(Like((2, 3), "bool")), s.tensor(Like((2, 3), t.dtype))
        ),
    )

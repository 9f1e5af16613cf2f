"""Methods that change a tensor's shape in place, fill it by a mask, or tell what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.parity.cases.shapes import on, with_root
from tests.parity.compare import add, same
from tests.parity.library import Like, Side

SOME = [Like((2, 3)), Like((2, 3), "int64"), Like((1, 3, 1)), Like((4,)), Like(()), Like((0, 3))]


def changed(name: str, *calls: Callable[[Any], Any], likes: list[Like] = SOME) -> None:
    """Cases of an in-place method: of a computed tensor, of a view of one, and what it answers."""
    for i, change in enumerate(calls):
        for like in likes:
            add(name, f"{like} #{i}", lambda s, c=change, x=like: (y := s.tensor(x) * 1, c(y))[1])
            add(
                name,
                f"{like} #{i} of a view",
                lambda s, c=change, x=like: c((s.tensor(x) * 1)[None][0]),
            )
            add(
                name,
                f"{like} #{i} then written to",
                lambda s, c=change, x=like: (y := s.tensor(x) * 1, c(y), y.mul_(2), y * y)[2:],
            )
            add(
                name,
                f"{like} #{i} itself",
                lambda s, c=change, x=like: c(y := s.tensor(x) * 1) is y,
            )


changed("Tensor.unsqueeze_", lambda x: x.unsqueeze_(0), lambda x: x.unsqueeze_(dim=-1))
changed("Tensor.squeeze_", lambda x: x.squeeze_(), lambda x: x.squeeze_(0))
changed("Tensor.t_", lambda x: x.t_())
changed("Tensor.transpose_", lambda x: x.transpose_(0, 1), lambda x: x.transpose_(-1, 0))
for name in ("Tensor.swapaxes_", "Tensor.swapdims_"):
    changed(name, lambda x, n=name: getattr(x, n[7:])(0, -1))
for method in ("t_()", "unsqueeze_(0)", "squeeze_()", "transpose_(0, 1)"):
    add(
        f"Tensor.{method.partition('(')[0]}",
        "of a leaf",
        lambda s, m=method: eval(f"x.{m}", {"x": s.tensor(Like())}),
    )


def leaf(s: Side) -> Any:
    x = s.tensor(Like())
    with s.no_grad():
        x.t_()
    return [tuple(x.shape), x.is_leaf, x.requires_grad]


add("Tensor.t_", "of a leaf without grad", leaf)

PLAIN = [
    Like((2, 3), grad=False),
    Like((6,), "int64"),
    Like((0,), grad=False),
    Like((2, 3), layout="transposed", grad=False),
]
on(
    "Tensor.resize_",
    lambda x: x.resize_(1, 2) if x.numel() else x.resize_(0),
    lambda x: x.resize_((0, 3)),
    lambda x: tuple(x.resize_(4, 5).shape),
    lambda x: x.resize_(4, 5).stride(),
    lambda x: x.resize_(-1),
    lambda x: x.resize_(3) is x,
    likes=PLAIN,
)
add("Tensor.resize_", "requires grad", lambda s: s.tensor(Like()).resize_(2))
on("Tensor.resize_as_", lambda x: x.resize_as_(x.new_empty(2, 1)), likes=PLAIN[:2])
same(
    "Tensor.set_",
    lambda s: (s.zeros(2).set_(y := s.arange(3.0)), y.add_(1))[0],
    lambda s: tuple(s.zeros(2).set_().shape),
    lambda s: s.zeros(2).set_(s.arange(3)),
)
on(
    "Tensor.new",
    lambda x: tuple(x.new(2, 3).shape),
    lambda x: tuple(x.new().shape),
    lambda x: x.new([1, 2]),
    lambda x: x.new(3).dtype,
    lambda x: x.new(x[:1].tolist()),
    likes=[Like((2,)), Like((2,), "int64"), Like((2,), "float64")],
)
for name in ("zeros", "ones"):
    on(
        f"Tensor.new_{name}",
        lambda x, n=name: getattr(x, f"new_{n}")(2, 3),
        lambda x, n=name: getattr(x, f"new_{n}")((2,), dtype=x.dtype),
        lambda x, n=name: getattr(x, f"new_{n}")([]),
        likes=[Like((2,)), Like((2,), "int64"), Like((2,), "bool")],
    )
on(
    "Tensor.new_tensor",
    lambda x: x.new_tensor([1, 0]),
    lambda x: x.new_tensor(1.0),
    lambda x: x.new_tensor([[1.0], [2.0]]),
    likes=[Like((2,)), Like((2,), "int64"), Like((2,), "float64")],
)


def mask(s: Side, *shape: int) -> Any:
    return s.tensor(Like(shape, "bool"))


for name in ("masked_scatter", "Tensor.masked_scatter", "Tensor.masked_scatter_"):

    def scattered(s: Side, n: str, x: Any, m: Any, y: Any) -> Any:
        if n.endswith("_"):
            return (x * 1).masked_scatter_(m, y)
        return x.masked_scatter(m, y) if n.startswith("T") else s.masked_scatter(x, m, y)

    for dtype in ("float32", "int64", "float64"):
        for like, masked, source in (
            ((2, 3), (2, 3), (6,)),
            ((2, 3), (3,), (2, 4)),
            ((2, 3), (2, 1), (9,)),
            ((2, 3), (2, 3), (0,)),
            ((3,), (2, 3), (6,)),
        ):
            add(
                name,
                f"{like} {masked} {source} {dtype}",
                lambda s, n=name, f=scattered, a=like, b=masked, c=source, d=dtype: f(
                    s, n, s.tensor(Like(a, d)), mask(s, *b), s.tensor(Like(c, d))
                ),
            )
    add(
        name,
        "two dtypes",
        lambda s, n=name, f=scattered: f(
            s, n, s.tensor(Like((2,))), mask(s, 2), s.tensor(Like((2,), "float64"))
        ),
    )
for name in ("index_put", "Tensor.index_put", "Tensor.index_put_", "index_put_"):

    def put(s: Side, n: str, x: Any, *args: Any, **kwargs: Any) -> Any:
        if n.endswith("_"):
            x = x * 1
        if n.startswith("Tensor"):
            return getattr(x, n[7:])(*args, **kwargs)
        return getattr(s, n)(x, *args, **kwargs)

    for accumulate in (False, True):
        for i, indices in enumerate(
            [
                lambda s: (s.arange(2), s.arange(2)),
                lambda s: (s.arange(2),),
                lambda s: (s.arange(2) * 0, s.arange(2)),
                lambda s: (s.arange(9),),
                lambda s: (s.tensor(Like((), "int64", low=0, high=1)), s.arange(3)),
                lambda s: (s.arange(2), s.tensor(Like((), "int64", low=0, high=1))),
                lambda s: (s.tensor(Like((2, 3), "bool")),),
            ]
        ):
            add(
                name,
                f"#{i} {accumulate}",
                lambda s, n=name, f=put, k=indices, a=accumulate: f(
                    s, n, s.tensor(Like((2, 3))), k(s), s.tensor(Like(())) * 2, accumulate=a
                ),
            )
    add(
        name,
        "twice",
        lambda s, n=name, f=put: f(
            s, n, s.tensor(Like((3,))), (s.arange(4) // 2,), s.tensor(Like((4,))), True
        ),
    )
on(
    "Tensor.fill_diagonal_",
    lambda x: (x * 1).fill_diagonal_(7),
    lambda x: (x * 1).fill_diagonal_(7, wrap=True),
    likes=[Like((3, 3)), Like((2, 4)), Like((7, 2)), Like((3, 3, 3)), Like((2, 3, 3)), Like((3,))],
)
for method in [
    "acos",
    "asin",
    "atan",
    "tan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "exp2",
    "expm1",
    "log10",
    "log1p",
    "log2",
    "square",
    "frac",
    "fix",
    "negative",
    "absolute",
    "sgn",
    "sinc",
    "deg2rad",
    "rad2deg",
    "tril",
    "triu",
    "nan_to_num",
    "logical_not",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arctanh",
]:
    on(
        f"Tensor.{method}_",
        lambda x, m=method: getattr(x.detach().clone(), f"{m}_")(),
        likes=[Like((2, 3), low=0.1, high=0.9, grad=False), Like((2, 3), "float64", grad=False)],
    )
for method in [
    "atan2",
    "hypot",
    "copysign",
    "fmod",
    "xlogy",
    "divide",
    "multiply",
    "subtract",
    "true_divide",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "greater",
    "less_equal",
]:
    on(
        f"Tensor.{method}_",
        lambda x, m=method: getattr(x.detach().clone(), f"{m}_")(x.detach() + 1),
        likes=[Like((2, 3), low=0.1, high=0.9, grad=False), Like((2, 3), "int64")],
    )
on("Tensor.tan_", lambda x: (x * 1).tan_(), lambda x: x.tan_(), likes=[Like()])
on("Tensor.addmm_", lambda x: (x * 1).addmm_(x, x, beta=2), likes=[Like((3, 3)), Like((2, 3))])
on("Tensor.cumsum_", lambda x: (x * 1).cumsum_(0), likes=[Like((3, 3))])

# What it is.
KINDS = [Like((2,), d) for d in ("float32", "float16", "int64", "uint8", "bool")] + [Like(())]
for name in ["is_complex", "is_conj", "is_neg", "is_signed", "is_nonzero", "is_inference"]:
    with_root(name, lambda s, x, n=name: getattr(s, n)(x), likes=[*KINDS, Like((1,))])
for name in ["is_complex", "is_signed", "is_nonzero", "is_conj"]:
    on(f"Tensor.{name}", lambda x, n=name: getattr(x, n)(), likes=[*KINDS, Like((1,))])
for name in ["is_sparse", "is_quantized", "is_meta", "is_mkldnn", "is_cpu", "is_xpu", "is_nested"]:
    on(f"Tensor.{name}", lambda x, n=name: getattr(x, n), likes=KINDS[:2])
with_root("is_same_size", lambda s, x: s.is_same_size(x, x[:1]), likes=KINDS[:1])
with_root("conj", lambda s, x: s.conj(x), likes=KINDS[:2])
with_root("real", lambda s, x: s.real(x), likes=KINDS[:2])
on("Tensor.real", lambda x: x.real, likes=KINDS[:2])
on("Tensor.get_device", lambda x: x.get_device(), likes=KINDS[:1])
on(
    "Tensor.storage_offset",
    lambda x: x.storage_offset(),
    lambda x: x[1:].storage_offset(),
    lambda x: x[1:].t()[1:].storage_offset(),
    likes=[Like((3, 4)), Like((3, 4), "int64")],
)
for a in ("float32", "float64", "int64", "bool"):
    for b in ("float16", "int32", "bool", "float64"):
        add(
            "can_cast",
            f"{a} {b}",
            lambda s, a=a, b=b: s.can_cast(getattr(s.root, a), getattr(s.root, b)),
        )
with_root("typename", lambda s, x: s.typename(x).partition(".")[2], likes=KINDS[:3])
for name in ("as_strided", "Tensor.as_strided"):
    for i, settings in enumerate(
        [
            ((2, 2), (1, 2)),
            ((3,), (0,)),
            ((2, 3), (3, 1), 1),
            ((9,), (9,)),
            ((0, 2), (1, 1)),
            ((), ()),
        ]
    ):
        for like in (
            Like((12,)),
            Like((3, 4)),
            Like((3, 4), layout="transposed", grad=False),
            Like((2, 6), "int64"),
        ):
            add(
                name,
                f"#{i} {like}",
                lambda s, n=name, x=like, k=settings: (
                    s.tensor(x).as_strided(*k)
                    if n.startswith("T")
                    else s.as_strided(s.tensor(x), *k)
                ),
            )
    add(
        name,
        "of a view",
        lambda s: (s.tensor(Like((4, 3))) * 1)[1:].as_strided((2, 2), (3, 1)),
    )
    add(
        name,
        "of a view, from the beginning of its memory",
        lambda s: (s.tensor(Like((4, 3))) * 1)[1:].as_strided((2, 2), (3, 1), 4),
    )

"""Functions that scripts use now and then: of matrices, counts, ranks, parts, products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.parity.cases.shapes import on, with_root
from tests.parity.compare import add
from tests.parity.library import Like, Side

FLOATS = [Like((2, 3)), Like((2, 3), "float64"), Like(()), Like((0, 3))]
EVERY = [*FLOATS, Like((2, 3), "int64"), Like((2, 3), "bool"), Like((2, 3), "bfloat16")]
SPECIAL = [*EVERY, Like((4, 5), special=True), Like((4, 6), layout="strided")]


def square(s: Side, *shape: int, dtype: str = "float64") -> Any:
    return s.tensor(Like(shape, dtype)) + 2 * s.eye(shape[-1], dtype=getattr(s.root, dtype))


def square_cases(name: str, function: Any) -> None:
    for dtype in ("float32", "float64", "float16", "int64"):
        for shape in ((3, 3), (2, 3, 3), (0, 3, 3), (1, 1), (2, 3), (3,)):
            add(
                name,
                f"{shape} {dtype}",
                lambda s, f=function, sh=shape, d=dtype: f(s, square(s, *sh, dtype=d)),
            )


square_cases("inverse", lambda s, A: s.inverse(A))
square_cases("Tensor.inverse", lambda s, A: A.inverse())
square_cases("det", lambda s, A: s.det(A))
square_cases("Tensor.det", lambda s, A: A.det())
square_cases("slogdet", lambda s, A: s.slogdet(A))
square_cases("linalg.slogdet", lambda s, A: s.linalg.slogdet(A).logabsdet)
square_cases("logdet", lambda s, A: s.logdet(A))
square_cases("Tensor.logdet", lambda s, A: A.logdet())
add(
    "logdet", "negative", lambda s: s.logdet(s.tensor(Like((2, 2))).detach() * 0 - s.eye(2)[[1, 0]])
)
add("slogdet", "singular", lambda s: s.slogdet(s.zeros(2, 2)))

# Parts.
for name in ("tensor_split", "Tensor.tensor_split"):
    method = name.startswith("Tensor")
    for i, (where, dim) in enumerate(
        [(3, 0), (2, -1), ((1, 3), 1), ([0], 2), (7, 1), ((5, 2), 0), (0, 0), ((-1,), 1)]
    ):
        for like in [Like((2, 3, 4)), Like((2, 3, 4), "int64"), Like((0, 3, 4)), Like(())]:
            add(
                name,
                f"#{i} {like}",
                lambda s, m=method, w=where, d=dim, x=like: (
                    s.tensor(x).tensor_split(w, d) if m else s.tensor_split(s.tensor(x), w, dim=d)
                ),
            )
add("tensor_split", "a tensor", lambda s: s.tensor_split(s.tensor(Like((4,))), s.arange(1, 3)))
for name in ("hsplit", "vsplit", "dsplit"):
    with_root(
        name,
        lambda s, x, n=name: getattr(s, n)(x, 2),
        lambda s, x, n=name: getattr(s, n)(x, [1, 2]),
        likes=[Like((4, 2, 6)), Like((4, 6)), Like((4,)), Like(())],
    )
for name in ("dstack", "column_stack", "row_stack"):
    with_root(
        name,
        lambda s, x, n=name: getattr(s, n)([x, x]),
        lambda s, x, n=name: getattr(s, n)((x, x.double())),
        likes=[Like((2, 3)), Like((3,)), Like(()), Like((2, 3, 4)), Like((2, 3), "int64")],
    )
for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    with_root(
        name,
        lambda s, x, n=name: getattr(s, n)(x),
        lambda s, x, n=name: getattr(s, n)(x, x * 2),
        lambda s, x, n=name: getattr(s, n)([x, x * 2]),
        likes=[Like((2, 3)), Like((3,)), Like(()), Like((2, 3, 4))],
    )
with_root("fliplr", lambda s, x: s.fliplr(x), likes=[*FLOATS, Like((2, 3, 4))])
with_root("flipud", lambda s, x: s.flipud(x), likes=[*FLOATS, Like((2, 3, 4))])
with_root(
    "rot90",
    *[lambda s, x, k=k: s.rot90(x, k) for k in (-1, 0, 1, 2, 7)],
    lambda s, x: s.rot90(x, 1, (-1, 0)),
    lambda s, x: s.rot90(x, dims=[1, 1]),
    likes=[Like((2, 3)), Like((2, 3, 4), "int64"), Like((3,))],
)
with_root(
    "select_scatter",
    lambda s, x: s.select_scatter(x, x[:, 0] * 2, 1, -1),
    lambda s, x: s.select_scatter(x, x, 0, 0),
    likes=[Like((2, 3)), Like((2, 3, 4))],
)
with_root(
    "slice_scatter",
    lambda s, x: s.slice_scatter(x, x[:, :2] * 2, 1, 1),
    lambda s, x: s.slice_scatter(x, x[:, :2] * 2, 1, 0, 3, 2),
    lambda s, x: s.slice_scatter(x, x[:1] * 2, start=-1),
    likes=[Like((2, 3)), Like((2, 3, 4))],
)
with_root(
    "diag_embed",
    lambda s, x: s.diag_embed(x),
    lambda s, x: s.diag_embed(x, 1),
    lambda s, x: s.diag_embed(x, offset=-2, dim1=0, dim2=1),
    lambda s, x: s.diag_embed(x, 0, 1, 0),
    lambda s, x: s.diag_embed(x, dim1=1, dim2=1),
    likes=EVERY,
)
with_root("diagflat", lambda s, x: s.diagflat(x), lambda s, x: s.diagflat(x, -1), likes=EVERY)
with_root(
    "diagonal",
    lambda s, x: s.diagonal(x),
    lambda s, x: s.diagonal(x, 1),
    lambda s, x: s.diagonal(x, offset=-1, dim1=1, dim2=0),
    lambda s, x: s.diagonal(x, 9),
    likes=[*EVERY, Like((2, 3, 4)), Like((3, 4), layout="transposed"), Like((3,))],
)
with_root(
    "diagonal_scatter",
    lambda s, x: s.diagonal_scatter(x, x.detach()[0, :2] * 3),
    likes=[Like((2, 3)), Like((3, 3), "int64")],
)
with_root("trace", lambda s, x: s.trace(x), likes=[*EVERY, Like((3,))])
with_root(
    "block_diag",
    lambda s, x: s.block_diag(x),
    lambda s, x: s.block_diag(x, s.ones(2), x),
    lambda s, x: s.block_diag(x.double(), s.ones(())),
    likes=[Like((2, 3)), Like((3,)), Like(()), Like((2, 2, 2))],
)
with_root(
    "broadcast_shapes",
    lambda s, x: tuple(s.broadcast_shapes((2, 1), (3,))),
    lambda s, x: tuple(s.broadcast_shapes((2, 1), 3)),
    lambda s, x: tuple(s.broadcast_shapes((2,), (3,))),
    lambda s, x: tuple(s.broadcast_shapes((0,), (1,))),
    likes=[Like(())],
)

# Counts.
with_root(
    "histc",
    lambda s, x: s.histc(x),
    lambda s, x: s.histc(x, 5, -1, 1),
    lambda s, x: s.histc(x, bins=3, min=0, max=0),
    lambda s, x: s.histc(x, 0),
    lambda s, x: s.histc(x, 4, 2, 1),
    likes=[
        Like((20,), grad=False),
        Like((3, 4), "float64", grad=False),
        Like((0,), grad=False),
        Like((), grad=False),
    ],
)
with_root(
    "bincount",
    lambda s, x: s.bincount(x),
    lambda s, x: s.bincount(x, minlength=9),
    lambda s, x: s.bincount(x, x.float()),
    lambda s, x: s.bincount(x, x.double(), 7),
    lambda s, x: s.bincount(x, x),
    likes=[
        Like((6,), "int64", low=0),
        Like((0,), "int64"),
        Like((6,), "uint8"),
        Like((6,), "int64", low=-3, high=-1),
        Like((2, 3), "int64", low=0),
        Like((3,)),
    ],
)
with_root(
    "bucketize",
    lambda s, x: s.bucketize(x, s.arange(-1.0, 2.0)),
    lambda s, x: s.bucketize(x, s.arange(-1.0, 2.0), right=True),
    lambda s, x: s.bucketize(x, s.arange(-1, 2), out_int32=True),
    likes=[Like((3, 4), grad=False), Like((5,), "int64"), Like((), grad=False), Like((0,))],
)
with_root(
    "searchsorted",
    lambda s, x: s.searchsorted(s.arange(-1.0, 2.0), x),
    lambda s, x: s.searchsorted(s.arange(-1.0, 2.0), x, side="right"),
    lambda s, x: s.searchsorted(x.sort(-1).values, x),
    lambda s, x: s.searchsorted(x.sort(-1).values, x[..., :1] + 0.5, right=True),
    lambda s, x: s.searchsorted(x, x, sorter=x.argsort(-1)),
    likes=[Like((3, 4), grad=False), Like((5,), grad=False)],
)
add("searchsorted", "a number", lambda s: s.searchsorted(s.arange(5), 3))
with_root(
    "isin",
    lambda s, x: s.isin(x, s.arange(2)),
    lambda s, x: s.isin(x, 1),
    lambda s, x: s.isin(x, s.arange(2), invert=True),
    likes=[Like((3, 4), "int64"), Like((5,), "int32"), Like((), "int64"), Like((0,), "int64")],
)
with_root("argwhere", lambda s, x: s.argwhere(x), likes=[Like((3, 4), "int64"), Like((), "bool")])
with_root(
    "unique_consecutive",
    lambda s, x: s.unique_consecutive(x),
    lambda s, x: s.unique_consecutive(x, return_inverse=True, return_counts=True),
    lambda s, x: s.unique_consecutive(x, return_counts=True, dim=0),
    lambda s, x: s.unique_consecutive(x, dim=-1),
    likes=[Like((7,), "int64"), Like((3, 4), "bool"), Like((0,), "int64")],
)

# Ranks.
RANKED = [Like((3, 4)), Like((5,), "float64"), Like((2, 3, 4), "float32"), Like((5,), "int64")]
with_root(
    "kthvalue",
    lambda s, x: s.kthvalue(x, 2).values,
    lambda s, x: s.kthvalue(x, 1, 0, True).values,
    lambda s, x: s.kthvalue(x, 9),
    likes=RANKED,
)
with_root("kthvalue", lambda s, x: s.kthvalue(x, k=1, dim=-1), likes=RANKED[:3])
with_root(
    "mode",
    lambda s, x: s.mode(x),
    lambda s, x: s.mode(x, 0, keepdim=True),
    likes=[*RANKED[:3], Like(())],
)
for name in ("cummax", "cummin"):
    with_root(
        name,
        lambda s, x, n=name: getattr(s, n)(x, 0),
        lambda s, x, n=name: getattr(s, n)(x, dim=-1),
        likes=[
            *RANKED,
            Like((6,), special=True),
            Like(()),
            Like((0, 2), grad=False),
            Like((9,), "bool"),
        ],
    )
with_root("msort", lambda s, x: s.msort(x), likes=RANKED)
with_root(
    "aminmax",
    lambda s, x: s.aminmax(x),
    lambda s, x: s.aminmax(x, dim=-1, keepdim=True),
    lambda s, x: s.aminmax(x, dim=0).max,
    likes=[*RANKED, Like((0,))],
)
for name in ("quantile", "nanquantile"):
    with_root(
        name,
        lambda s, x, n=name: getattr(s, n)(x, 0.3),
        lambda s, x, n=name: getattr(s, n)(x, 0.5, 0),
        lambda s, x, n=name: getattr(s, n)(x, 0.5, dim=-1, keepdim=True),
        lambda s, x, n=name: getattr(s, n)(x, 0.9, keepdim=True),
        lambda s, x, n=name: getattr(s, n)(
            x, s.arange(0.0, 1.01, 0.25).to(x.dtype), -1, interpolation="nearest"
        ),
        *[
            lambda s, x, n=name, k=k: getattr(s, n)(x, 0.4, 0, interpolation=k)
            for k in ("linear", "lower", "higher", "midpoint", "nearest", "other")
        ],
        lambda s, x, n=name: getattr(s, n)(x, 1.4),
        likes=[Like((3, 4)), Like((5,), "float64"), Like((4,), "float16"), Like(()), Like((0,))],
    )
with_root("nanquantile", lambda s, x: s.nanquantile(x, 0.5, 1), likes=[Like((5, 4), special=True)])
for name in ("nansum", "nanmean", "nanmedian"):
    with_root(
        name,
        lambda s, x, n=name: getattr(s, n)(x),
        lambda s, x, n=name: getattr(s, n)(x, 0),
        lambda s, x, n=name: getattr(s, n)(x, dim=-1, keepdim=True),
        likes=[*RANKED[:3], Like((4, 5), special=True), Like((0,)), Like((3, 4), "int64")],
    )

# One number, or two.
for name in [
    "asinh",
    "acosh",
    "atanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "exp2",
    "deg2rad",
    "rad2deg",
    "erfc",
    "sinc",
    "sgn",
    "signbit",
    "positive",
    "isposinf",
    "isneginf",
    "isreal",
]:
    flat = [like if name != "sgn" else replace(like, grad=False) for like in SPECIAL]
    with_root(name, lambda s, x, n=name: getattr(s, n)(x), likes=flat)
    on(f"Tensor.{name}", lambda x, n=name: getattr(x, n)(), likes=flat[:2])
with_root(
    "logit",
    lambda s, x: s.logit(x),
    lambda s, x: s.logit(x, 0.1),
    lambda s, x: s.logit(x, eps=1e-6),
    likes=[Like((3, 4), low=0.0, high=1.0), Like((3,), "float64"), Like((3,), "int64")],
)
for like in SPECIAL:
    with_root(
        "heaviside",
        lambda s, x: s.heaviside(x, x[..., :1]),
        lambda s, x: s.heaviside(x, x),
        likes=[Like(like.shape, like.dtype, like.layout, special=like.special, grad=False)],
    )
for name in ("hypot", "copysign", "fmax", "fmin", "xlogy", "logaddexp", "logaddexp2"):
    for like in SPECIAL:
        other = Like(like.shape[-1:], like.dtype)
        add(
            name,
            f"{like}",
            lambda s, n=name, a=like, b=other: getattr(s, n)(s.tensor(a), s.tensor(b)),
        )
        add(name, f"{like} itself", lambda s, n=name, a=like: getattr(s, n)(x := s.tensor(a), x))
add("xlogy", "numbers", lambda s: (s.xlogy(2, s.tensor(Like((3,), low=0.1))),))
add("xlogy", "number", lambda s: s.xlogy(s.tensor(Like((3,))), 2.0))
add("xlogy", "zeros", lambda s: s.xlogy(s.zeros(3), 0.0))
add("copysign", "number", lambda s: s.copysign(s.tensor(Like((3,))), -1.0))

# Products.
for name, shapes in {
    "inner": [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (2, 3)), ((2, 3), (2, 2))],
    "vdot": [((3,), (3,)), ((2, 3), (3,))],
    "ger": [((3,), (2,)), ((2, 2), (2,))],
    "kron": [((2,), (3,)), ((2, 3), (3, 2)), ((2, 3), (2,)), ((), (2, 2)), ((0,), (2,))],
    "cross": [((2, 3), (2, 3)), ((3, 3), (3, 3)), ((2, 2), (2, 2))],
    "dist": [((2, 3), (2, 3)), ((2, 3), (3,))],
}.items():
    for a, b in shapes:
        for dtype in ("float32", "float64", "int64"):
            add(
                name,
                f"{a} {b} {dtype}",
                lambda s, n=name, a=a, b=b, d=dtype: getattr(s, n)(
                    s.tensor(Like(a, d)), s.tensor(Like(b, d))
                ),
            )
add("cross", "dim", lambda s: s.cross(s.tensor(Like((3, 2, 3))), s.tensor(Like((3, 2, 3))), -1))
for p in (0, 0.5, 1, 2, 3.0, float("inf"), -1):
    add("dist", f"p={p}", lambda s, p=p: s.dist(s.tensor(Like()), s.tensor(Like()), p))
    for name in ("nn.functional.pdist", "pdist"):
        for shape in ((4, 3), (1, 3), (0, 3), (4, 0), (3,)):
            # PyTorch's gradient of no rows reads memory that isn't there, and may crash.
            like = Like(shape, grad=shape[0] > 0)
            add(name, f"{shape} p={p}", lambda s, n=name, x=like, p=p: s.get(n)(s.tensor(x), p))
    for shapes in (((4, 3), (2, 3)), ((2, 4, 3), (2, 1, 3)), ((0, 3), (2, 3)), ((2, 3), (2, 2))):
        add(
            "cdist",
            f"{shapes} p={p}",
            lambda s, sh=shapes, p=p: s.cdist(s.tensor(Like(sh[0])), s.tensor(Like(sh[1])), p),
        )
add("nn.functional.pdist", "equal rows", lambda s: s.nn.functional.pdist(
    s.tensor(Like((1, 3))).expand(3, 3)))  # fmt: skip
with_root(
    "addr",
    lambda s, x: s.addr(x, x[:, 0], x[0], beta=0.5, alpha=2),
    likes=[Like()],
)
add("addbmm", "#0", lambda s: s.addbmm(
    s.tensor(Like((2, 4))), s.tensor(Like((5, 2, 3))), s.tensor(Like((5, 3, 4))), beta=2, alpha=3
))  # fmt: skip
add("chain_matmul", "#0", lambda s: s.chain_matmul(
    s.tensor(Like((2, 3))), s.tensor(Like((3, 4))), s.tensor(Like((4, 2)))
))  # fmt: skip
for name in ("trapezoid", "trapz"):
    with_root(
        name,
        lambda s, x, n=name: getattr(s, n)(x),
        lambda s, x, n=name: getattr(s, n)(x, dx=0.5, dim=0),
        lambda s, x, n=name: getattr(s, n)(x, x.detach().abs().cumsum(-1)),
        lambda s, x, n=name: getattr(s, n)(x, s.arange(3.0)),
        likes=[Like((2, 3)), Like((3,), "float64")],
    )
with_root(
    "cov",
    lambda s, x: s.cov(x),
    lambda s, x: s.cov(x, correction=0),
    lambda s, x: s.cov(x, fweights=s.arange(1, 1 + x.shape[-1])),
    lambda s, x: s.cov(x, aweights=s.arange(1.0, 1 + x.shape[-1]).to(x.dtype)),
    likes=[Like((3, 5)), Like((5,)), Like((3, 4), "float64"), Like((2, 2, 2))],
)
with_root("corrcoef", lambda s, x: s.corrcoef(x), likes=[Like((3, 5)), Like((5,)), Like((2, 2, 2))])

for dtype in ("float32", "float64", "int64"):
    for n in (0, 1, 2, 5, -1, -3):
        for name in ("matrix_power", "Tensor.matrix_power", "linalg.matrix_power"):
            add(
                name,
                f"{n} {dtype}",
                lambda s, p=name, n=n, d=dtype: (
                    square(s, 2, 3, 3, dtype=d).matrix_power(n)
                    if p.startswith("T")
                    else s.get(p)(square(s, 2, 3, 3, dtype=d), n)
                ),
            )
for shape in ((3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 3), (3,)):
    for dtype in ("float32", "float64", "float16"):
        like = Like(shape, dtype)
        for name in ("linalg.pinv", "pinverse", "Tensor.pinverse", "linalg.matrix_rank"):
            add(
                name,
                str(like),
                lambda s, n=name, x=like: (
                    s.tensor(x).pinverse() if n.startswith("T") else s.get(n)(s.tensor(x))
                ),
            )
        add("linalg.pinv", f"{like} rtol", lambda s, x=like: s.linalg.pinv(s.tensor(x), rtol=0.1))
        add("linalg.matrix_rank", f"{like} atol", lambda s, x=like: s.linalg.matrix_rank(
            s.tensor(x), atol=1.5
        ))  # fmt: skip
add("linalg.matrix_rank", "of rank 1", lambda s: s.linalg.matrix_rank(s.ones(3, 4)))
add("linalg.pinv", "of rank 1", lambda s: s.linalg.pinv(s.ones(3, 4, dtype=s.float64)))
for shapes in (
    ((2, 3), (3, 4)), ((2, 9), (9, 3), (3, 8)), ((3,), (3, 4), (4, 2), (2,)), ((3,), (3,)),
    ((2, 3),), ((2, 3), (2, 3)), ((2, 3), (3,), (3, 2)),
):  # fmt: skip
    add(
        "linalg.multi_dot",
        shapes,
        lambda s, sh=shapes: s.linalg.multi_dot([s.tensor(Like(n, "float64")) for n in sh]),
    )
for a, b, dim in (
    ((2, 3), (2, 3), -1),
    ((3, 2), (3, 1), 0),
    ((2, 3), (3,), -1),
    ((2, 2), (2, 2), -1),
):
    add(
        "linalg.cross",
        f"{a} {b} {dim}",
        lambda s, a=a, b=b, d=dim: s.linalg.cross(s.tensor(Like(a)), s.tensor(Like(b)), dim=d),
    )
    add(
        "linalg.vecdot",
        f"{a} {b} {dim}",
        lambda s, a=a, b=b, d=dim: s.linalg.vecdot(s.tensor(Like(a)), s.tensor(Like(b)), dim=d),
    )
for p in (None, 2, -2, 1, float("inf"), "fro", "nuc"):
    add("linalg.cond", p, lambda s, p=p: s.linalg.cond(square(s, 2, 3, 3), p))

"""Products of matrices, and linear algebra."""

from __future__ import annotations

import math
from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side

for path, shapes in {
    "mm": [((2, 3), (3, 4)), ((2, 3), (2, 3)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((3,), (3, 2))],
    "bmm": [((2, 3, 4), (2, 4, 5)), ((0, 3, 4), (0, 4, 5)), ((2, 3, 4), (3, 4, 5))],
    "matmul": [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((5, 2, 3), (3,)),
        ((), (3,)),
        ((2, 3), (4, 3)),
        ((0, 3), (3,)),
    ],
    "dot": [((3,), (3,)), ((0,), (0,)), ((3,), (4,)), ((2, 2), (2, 2))],
    "outer": [((3,), (2,)), ((0,), (2,)), ((2, 2), (2,))],
}.items():
    for a, b in shapes:
        for dtype in ("float32", "float64", "float16", "bfloat16", "int64"):
            for name in (path, f"Tensor.{path}") if path != "outer" else (path,):
                add(
                    name,
                    f"{a} {b} {dtype}",
                    lambda s, n=name, a=a, b=b, d=dtype: s.get(n)(
                        s.tensor(Like(a, d)), s.tensor(Like(b, d))
                    ),
                )
    add(
        path,
        "two dtypes",
        lambda s, p=path, a=shapes[0]: s.get(p)(
            s.tensor(Like(a[0])), s.tensor(Like(a[1], "float64"))
        ),
    )
    add(
        path,
        "strided",
        lambda s, p=path, a=shapes[0]: s.get(p)(
            s.tensor(Like(a[0], layout="strided")), s.tensor(Like(a[1], layout="transposed"))
        ),
    )
add("Tensor.__matmul__", "matrices", lambda s: s.tensor(Like((2, 3))) @ s.tensor(Like((3, 4))))
for equation, shapes in [
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("bij,bjk->bik", ((2, 3, 4), (2, 4, 2))),
    ("ii->i", ((3, 3),)),
    ("ij->", ((2, 3),)),
    ("i,j", ((2,), (3,))),
    ("...i,i->...", ((2, 4, 3), (3,))),
    ("ij,ij->j", ((2, 3), (2, 3))),
    ("ij->ji", ((2, 3),)),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
    ("ij,jk->ik", ((2, 3), (4, 2))),
    ("ij", ((2,),)),
]:
    add(
        "einsum",
        equation + str(shapes),
        lambda s, e=equation, sh=shapes: s.einsum(e, *[s.tensor(Like(x)) for x in sh]),
    )
add("einsum", "list", lambda s: s.einsum("ij,jk", [s.tensor(Like((2, 3))), s.tensor(Like((3, 4)))]))


def spd(s: Side, *shape: int, dtype: str = "float64") -> Any:
    x = s.tensor(Like(shape, dtype))
    return x @ x.transpose(-1, -2) + s.eye(shape[-1], dtype=getattr(s.root, dtype))


L = "linalg."
for dtype in ("float32", "float64", "float16", "int64"):
    for shape in ((3, 3), (2, 3, 3), (0, 3, 3), (1, 1)):
        for name in ("inv", "det", "cholesky"):
            add(
                L + name,
                f"{shape} {dtype}",
                lambda s, n=name, sh=shape, d=dtype: s.get(L + n)(spd(s, *sh, dtype=d)),
            )
        add(
            f"{L}eigh",
            f"{shape} {dtype}",
            lambda s, sh=shape, d=dtype: (
                (r := s.linalg.eigh(spd(s, *sh, dtype=d))).eigenvalues,
                r[1] ** 2,
            ),
        )
        add(
            f"{L}eigvalsh",
            f"{shape} {dtype}",
            lambda s, sh=shape, d=dtype: s.linalg.eigvalsh(spd(s, *sh, dtype=d)),
        )
        add(
            f"{L}solve",
            f"{shape} {dtype}",
            lambda s, sh=shape, d=dtype: s.linalg.solve(
                spd(s, *sh, dtype=d), s.tensor(Like((*sh[:-1], 2), d))
            ),
        )
    for shape in ((3, 3), (4, 2), (2, 4), (2, 3, 2)):
        add(
            f"{L}svd",
            f"{shape} {dtype}",
            lambda s, sh=shape, d=dtype: (
                (r := s.linalg.svd(s.tensor(Like(sh, d)), full_matrices=False)).U ** 2,
                r.S,
                r.Vh**2,
            ),
        )
        add(
            f"{L}svdvals",
            f"{shape} {dtype}",
            lambda s, sh=shape, d=dtype: s.linalg.svdvals(s.tensor(Like(sh, d))),
        )
        add(
            f"{L}qr",
            f"{shape} {dtype}",
            lambda s, sh=shape, d=dtype: ((r := s.linalg.qr(s.tensor(Like(sh, d)))).Q ** 2, r.R**2),
        )
for name in ("inv", "det", "cholesky", "eigh", "qr", "svd"):
    for shape in ((2, 3), (3,)):
        add(
            L + name,
            f"{shape}",
            lambda s, n=name, sh=shape: s.get(L + n)(s.tensor(Like(sh, grad=False)))[
                1 if n == "svd" else 0
            ],
        )
add(f"{L}inv", "singular", lambda s: s.linalg.inv(s.zeros(2, 2)))
add(f"{L}cholesky", "negative", lambda s: s.linalg.cholesky(-s.eye(2)))
add(f"{L}cholesky", "upper", lambda s: s.linalg.cholesky(spd(s, 3, 3), upper=True))
add(
    f"{L}eigh",
    "U",
    lambda s: s.linalg.eigh(s.tensor(Like((3, 3), "float64", grad=False)), UPLO="U").eigenvalues,
)
add(
    f"{L}svd",
    "full",
    lambda s: [tuple(t.shape) for t in s.linalg.svd(s.tensor(Like((4, 2), grad=False)))],
)
add(
    f"{L}qr",
    "complete",
    lambda s: [
        tuple(t.shape) for t in s.linalg.qr(s.tensor(Like((4, 2), grad=False)), mode="complete")
    ],
)
add(
    f"{L}qr",
    "r",
    lambda s: [tuple(t.shape) for t in s.linalg.qr(s.tensor(Like((4, 2), grad=False)), mode="r")],
)
add(f"{L}solve", "vector", lambda s: s.linalg.solve(spd(s, 3, 3), s.tensor(Like((3,), "float64"))))
add(
    f"{L}solve",
    "right",
    lambda s: s.linalg.solve(spd(s, 3, 3), s.tensor(Like((2, 3), "float64")), left=False),
)
add(
    f"{L}solve",
    "does not fit",
    lambda s: s.linalg.solve(spd(s, 3, 3), s.tensor(Like((2, 3), "float64"))),
)
for ord in (None, 0, 1, 2, -1, 2.5, math.inf, -math.inf, "fro", "nuc", -2, "other"):
    for kwargs in (
        {},
        {"dim": 0},
        {"dim": (0, 1)},
        {"dim": (1, 2), "keepdim": True},
        {"dim": -1, "keepdim": True},
    ):
        for shape in ((3,), (2, 3), (2, 3, 4), (0, 3)):
            for name in ("norm", "vector_norm", "matrix_norm"):
                if name == "matrix_norm" and isinstance(kwargs.get("dim"), int):
                    continue
                given = kwargs if ord is None else {"ord": ord, **kwargs}
                add(
                    L + name,
                    f"{shape} {given}",
                    lambda s, n=name, sh=shape, g=given: s.get(L + n)(s.tensor(Like(sh)), **g),
                )
add(f"{L}norm", "dtype", lambda s: s.linalg.norm(s.tensor(Like((3,), "float16")), dtype=s.float64))
add(f"{L}norm", "int64", lambda s: s.linalg.norm(s.tensor(Like((3,), "int64"))))

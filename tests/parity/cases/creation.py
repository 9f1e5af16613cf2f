"""New tensors: from data, filled, in patterns."""

from __future__ import annotations

from typing import Any

import numpy

from tests.parity.compare import add, same
from tests.parity.library import Like, Side

for name in ("zeros", "ones"):
    same(
        name,
        *[
            lambda s, n=name, a=a, k=k: s.get(n)(
                *a, **{x: getattr(s.root, v) if isinstance(v, str) else v for x, v in k.items()}
            )
            for a, k in [
                ((2, 3), {}),
                (((2, 3),), {}),
                (([2, 0],), {}),
                ((), {"size": (2,)}),
                (((),), {}),
                ((2,), {"dtype": "int64"}),
                ((2,), {"dtype": "bool"}),
                ((2,), {"dtype": "bfloat16"}),
                ((2,), {"requires_grad": True}),
                ((-1,), {}),
                ((1.5,), {}),
            ]
        ],
    )
same(
    "empty",
    lambda s: [tuple(s.empty(2, 3).shape), s.empty((2,), dtype=s.int32).dtype],
    lambda s: s.empty(2, 3, 4, 5, memory_format=s.channels_last).is_contiguous(
        memory_format=s.channels_last
    ),
    lambda s: s.empty(0),
)
same(
    "full",
    lambda s: s.full((2, 3), 1.5),
    lambda s: s.full((2,), 3),
    lambda s: s.full((2,), True),
    lambda s: s.full((), 3, dtype=s.float32),
    lambda s: s.full([2, 0], 3.0),
    lambda s: s.full((2,), fill_value=s.tensor_of(2.5) if hasattr(s.root, "tensor_of") else 2.5),
)
same(
    "arange",
    *[
        lambda s, a=a: s.arange(*a)
        for a in [
            (5,),
            (5.0,),
            (1, 4),
            (1, 2, 0.25),
            (5, 1, -1),
            (0,),
            (3, 3),
            (1, 10, 3),
            (-2.5, 2.5),
            (0, 1, 0.1),
        ]
    ],
    lambda s: s.arange(5, dtype=s.float32),
    lambda s: s.arange(start=1, end=5, step=2),
    lambda s: s.arange(3, dtype=s.float16),
    lambda s: s.arange(1, 5, -1),
    lambda s: s.arange(1, 5, 0),
    lambda s: s.arange(end=4),
)
same(
    "linspace",
    *[
        lambda s, a=a: s.linspace(*a)
        for a in [(0, 1, 5), (-1, 1, 2), (3, 10, 1), (0, 1, 0), (1, 0, 4)]
    ],
    lambda s: s.linspace(start=0, end=10, steps=5),
    lambda s: s.linspace(0, 1, 3, dtype=s.float64),
    lambda s: s.linspace(0, 10, 4, dtype=s.int64),
)
same(
    "eye",
    lambda s: s.eye(3),
    lambda s: s.eye(2, 3),
    lambda s: s.eye(3, 2, dtype=s.int64),
    lambda s: s.eye(0),
    lambda s: s.eye(n=2, m=4),
)
DATA: list[Any] = [
    1,
    1.5,
    True,
    [1, 2],
    [1.0, 2],
    [[1, 2], [3, 4]],
    [],
    [[]],
    [True, False],
    [1, 2.5, True],
    (1, 2),
    [[1, 2], [3]],
    "a",
    None,
    [1, None],
    numpy.arange(3),
    numpy.ones((2, 2), "float32"),
    numpy.float32(2),
    numpy.array(3),
    2**40,
    float("nan"),
]
for name in ("tensor", "as_tensor"):
    same(name, *[lambda s, n=name, d=d: s.get(n)(d) for d in DATA])
    same(
        f"{name}",
        *[lambda s, n=name, d=d: s.get(n)(d, dtype=s.float64) for d in (1, [1, 2], [True])],
    )
same(
    "tensor",
    lambda s: s.root.tensor([1.0], requires_grad=True),
    lambda s: s.root.tensor([1], requires_grad=True),
    lambda s: s.root.tensor(s.ones(2)),
    lambda s: s.root.tensor([s.root.tensor(1.0), s.root.tensor(2.0)]),
)
same(
    "from_numpy",
    lambda s: s.from_numpy(numpy.arange(3)),
    lambda s: s.from_numpy(numpy.ones((2, 3))[::1, ::2]),
    lambda s: s.from_numpy([1]),
    lambda s: (a := numpy.zeros(2), t := s.from_numpy(a), a.fill(3), t)[-1],
)
same(
    "Tensor",
    lambda s: s.Tensor([1, 2]),
    lambda s: tuple(s.Tensor(2, 3).shape),
    lambda s: s.Tensor(),
    lambda s: s.Tensor([[1, 2], [3, 4]]),
    lambda s: s.Tensor(numpy.ones(3, "float32")),
    lambda s: tuple(s.Tensor(2).shape),
    lambda s: s.Tensor((2, 3)),
)
for name, dtype in {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
}.items():
    path = f"{name}Tensor"
    same(
        path,
        lambda s, p=path: s.get(p)([1, 0, 2]),
        lambda s, p=path: tuple(s.get(p)(2, 3).shape),
        lambda s, p=path: s.get(p)(),
        lambda s, p=path, d=dtype: [
            isinstance(s.ones(1).to(getattr(s.root, d)), s.get(p)),
            isinstance(s.ones(1, dtype=s.int8), s.get(p)),
        ],
        lambda s, p=path: s.get(p)([[1, 2], [3, 4]]).dtype,
    )
for like in (
    Like((2, 3)),
    Like((2, 3), "int64"),
    Like((2, 3, 4, 5), layout="channels_last"),
    Like((3, 4), layout="transposed"),
    Like(()),
):
    for name in ("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like"):
        for kwargs in ({}, {"dtype": "float64"}, {"requires_grad": True}):

            def run(s: Side, n: str = name, like: Like = like, kwargs: Any = kwargs) -> Any:
                given = {
                    k: getattr(s.root, v) if isinstance(v, str) else v for k, v in kwargs.items()
                }
                y = s.get(n)(s.tensor(like), **given)
                values = [y] if n[0] in "zo" else []
                return [tuple(y.shape), y.dtype, y.requires_grad, tuple(y.stride()), values]

            add(name, f"{like} {kwargs or ''}", run)
    add("full_like", f"{like} strides", lambda s, like=like: s.full_like(s.tensor(like), 2))
    add(
        "randint_like",
        str(like),
        lambda s, like=like: [tuple((y := s.randint_like(s.tensor(like), 3)).shape), y.dtype],
    )
    for name, args in (
        ("zeros", (2,)),
        ("ones", (2, 3)),
        ("empty", ((2,),)),
        ("full", ((2,), 3)),
        ("tensor", ([1, 2],)),
    ):
        add(
            f"Tensor.new_{name}",
            str(like),
            lambda s, like=like, n=name, a=args: (
                y := getattr(s.tensor(like), f"new_{n}")(*a),
                [tuple(y.shape), y.dtype, [] if n == "empty" else y],
            )[1],
        )

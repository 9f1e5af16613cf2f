"""Dtypes, conversions, devices, memory formats."""

from __future__ import annotations

from tests.parity.compare import add, same
from tests.parity.library import Like

DTYPES = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
)
for a in DTYPES:
    same(
        a,
        lambda s, a=a: [
            (d := getattr(s.root, a)).is_floating_point,
            d.itemsize,
            str(d).rpartition(".")[2],
        ],
    )
    for b in DTYPES:
        add(
            "Tensor.to",
            f"{a} to {b}",
            lambda s, a=a, b=b: s.tensor(Like((2, 3), a)).to(getattr(s.root, b)),
        )
        add(
            "Tensor.type",
            f"{a} to {b}",
            lambda s, a=a, b=b: s.tensor(Like((2, 3), a)).type(getattr(s.root, b)),
        )
        add(
            "Tensor.type_as",
            f"{a} to {b}",
            lambda s, a=a, b=b: s.tensor(Like((2, 3), a)).type_as(s.tensor(Like((1,), b))),
        )
    add(
        "Tensor.type", f"{a} name", lambda s, a=a: s.tensor(Like((2,), a)).type().rpartition(".")[2]
    )
for short, long in {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
}.items():
    same(short, lambda s, a=short, b=long: getattr(s.root, a) is getattr(s.root, b))
same(
    "Tensor.to",
    lambda s: (
        x := s.ones(2),
        [
            x.to(s.float32) is x,
            x.to("cpu") is x,
            x.to(x) is x,
            x.to(s.float64) is x,
            x.to(s.float32, copy=True) is x,
        ],
    )[1],
    lambda s: s.ones(2).to("cpu", s.float64),
    lambda s: s.ones(2).to(device="cpu", dtype=s.int32, non_blocking=True),
    lambda s: s.ones(2, 3, 4, 5).to(memory_format=s.channels_last),
    lambda s: s.ones(2).to(s.device("cpu"), non_blocking=True),
    lambda s: s.ones(2).to("nonsense"),
)
same(
    "Tensor.type",
    lambda s: s.ones(2).type(s.get("LongTensor")),
    lambda s: s.ones(2).type("torch.IntTensor"),
    lambda s: s.ones(2).type("nonsense"),
)
same(
    "Tensor.is_contiguous",
    lambda s: (
        s.ones(2, 3, 4, 5)
        .to(memory_format=s.channels_last)
        .is_contiguous(memory_format=s.channels_last)
    ),
    lambda s: s.ones(2, 1, 4, 5).is_contiguous(memory_format=s.channels_last),
    lambda s: s.ones(2, 3).is_contiguous(memory_format=s.contiguous_format),
)
same(
    "Tensor.contiguous",
    lambda s: s.ones(2, 3, 4, 5).contiguous(memory_format=s.channels_last),
    lambda s: s.ones(2, 3, 4).contiguous(memory_format=s.channels_last),
    lambda s: s.ones(2, 3, 4, 5, 6).contiguous(memory_format=s.channels_last_3d),
)
for name in (
    "contiguous_format",
    "channels_last",
    "channels_last_3d",
    "preserve_format",
    "memory_format",
):
    same(
        name,
        lambda s, n=name: (
            str(s.get(n)).rpartition(".")[2].rstrip("'>")
            if n != "memory_format"
            else isinstance(s.channels_last, s.memory_format)
        ),
    )
for d in DTYPES:
    for name in ("finfo", "iinfo"):
        add(
            name,
            d,
            lambda s, n=name, d=d: [
                (i := s.get(n)(getattr(s.root, d))).bits,
                float(i.max),
                float(i.min),
                *([float(i.eps), float(i.tiny), float(i.smallest_normal)] if n == "finfo" else []),
                str(i.dtype),
            ],
        )
same("finfo", lambda s: s.finfo().bits)
same(
    "dtype",
    lambda s: isinstance(s.float32, s.dtype),
    lambda s: s.float32 == s.root.tensor(1.0).dtype,
    lambda s: len({s.float32, s.float32, s.int64}),
)
same(
    "device",
    lambda s: [
        s.device("cpu").type,
        s.device("cpu") == s.device("cpu"),
        str(s.device("cuda:1")),
        s.device("cuda", 1).index,
        s.device("cpu").index,
    ],
    lambda s: s.device("nonsense"),
    lambda s: s.device("cuda:x"),
    lambda s: repr(s.device("cuda:0")),
)
same(
    "Size",
    lambda s: isinstance(s.ones(2, 3).size(), s.Size),
    lambda s: tuple(s.Size((2, 3))),
    lambda s: s.ones(2, 3).shape == (2, 3),
    lambda s: isinstance(s.ones(2).shape, tuple),
)
same("is_tensor", lambda s: s.is_tensor(1))
same(
    "set_default_dtype",
    lambda s: (
        s.set_default_dtype(s.float64),
        [s.get_default_dtype(), s.ones(1).dtype, s.root.tensor(1.0).dtype, s.root.tensor(1).dtype],
        s.set_default_dtype(s.float32),
    )[1],
    lambda s: s.set_default_dtype(s.int64),
)
same("get_default_dtype", lambda s: s.get_default_dtype())

"""New tensors of random numbers: their kind, and what can be known of their values."""

from __future__ import annotations

from tests.parity.compare import same

for name in ("rand", "randn"):
    same(
        name,
        *[
            lambda s, n=name, a=a: [tuple((y := s.get(n)(*a)).shape), y.dtype]
            for a in [(2, 3), ((2, 3),), (0,), ()]
        ],
        lambda s, n=name: [
            s.get(n)(2, dtype=s.float64).dtype,
            s.get(n)(2, requires_grad=True).requires_grad,
        ],
        lambda s, n=name: (
            s.manual_seed(3),
            a := s.get(n)(4),
            s.manual_seed(3),
            s.equal(a, s.get(n)(4)),
        )[-1],
        lambda s, n=name: s.get(n)(2, dtype=s.int64),
        lambda s, n=name: (
            (y := s.get(n)(20000), [round(float(y.mean()) / 0.05), round(float(y.std()), 1)])[1]
            if n == "randn"
            else (
                y := s.get(n)(20000),
                [bool((y >= 0).all()), bool((y < 1).all()), round(float(y.mean()), 1)],
            )[1]
        ),
    )
same(
    "randint",
    lambda s: [
        tuple((y := s.randint(5, (2, 3))).shape),
        y.dtype,
        bool((y >= 0).all() & (y < 5).all()),
    ],
    lambda s: [sorted(set(s.randint(2, 5, (200,)).tolist()))],
    lambda s: s.randint(3, size=(2,)).dtype,
    lambda s: s.randint(low=0, high=3, size=(2,), dtype=s.int32).dtype,
    lambda s: s.randint(3, 3, (2,)),
    lambda s: s.randint(3),
)
same(
    "randperm",
    lambda s: [sorted(s.randperm(9).tolist()), s.randperm(9).dtype],
    lambda s: s.randperm(0),
    lambda s: s.randperm(3, dtype=s.int32).dtype,
    lambda s: s.randperm(-1),
)
same(
    "normal",
    lambda s: [tuple(s.normal(0.0, 1.0, (2, 3)).shape)],
    lambda s: tuple(s.normal(mean=s.zeros(3), std=s.ones(3)).shape),
    lambda s: s.normal(s.arange(3.0), 0.0),
    lambda s: s.normal(0.0, -1.0, (2,)),
)
same(
    "bernoulli",
    lambda s: s.bernoulli(s.root.tensor([0.0, 1.0, 1.0])),
    lambda s: s.bernoulli(s.root.tensor([2.0])),
    lambda s: [round(float(s.bernoulli(s.full((20000,), 0.3)).mean()), 1)],
)
for name, args in {"normal_": (), "uniform_": (), "bernoulli_": (0.5,)}.items():
    same(
        f"Tensor.{name}",
        lambda s, n=name, a=args: (x := s.zeros(2, 3), [getattr(x, n)(*a) is x, tuple(x.shape)])[1],
        lambda s, n=name: getattr(s.zeros(2), n)(
            *{"normal_": (0.0, -1.0), "uniform_": (1.0, 0.0), "bernoulli_": (2.0,)}[n]
        ),
        lambda s, n=name, a=args: getattr(s.zeros(2, dtype=s.int64), n)(*a).dtype,
    )
same("Tensor.uniform_", lambda s: bool((s.zeros(1000).uniform_(2, 3) >= 2).all()))
same("Tensor.normal_", lambda s: round(float(s.zeros(20000).normal_(5, 0.1).mean()), 1))

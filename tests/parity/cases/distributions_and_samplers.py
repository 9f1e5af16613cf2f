"""Distributions by their densities, moments and distances; samplers by the places they name."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side

X, P = Like((3, 4), "float64"), (0.2, 0.5, 0.3)

MADE = {
    "Bernoulli": (lambda s: s.root.distributions.Bernoulli(s.root.tensor(P)), (1.0, 0.0, 1.0)),
    "Categorical": (lambda s: s.root.distributions.Categorical(s.root.tensor(P)), (2, 0, 1)),
    "OneHotCategorical": (
        lambda s: s.root.distributions.OneHotCategorical(s.root.tensor(P)),
        (0.0, 1.0, 0.0),
    ),
    "Normal": (lambda s: s.root.distributions.Normal(0.5, s.root.tensor(P)), (0.1, -2.0, 3.0)),
    "Uniform": (lambda s: s.root.distributions.Uniform(-1.0, s.root.tensor(P)), (0.1, 0.0, -0.5)),
    "Exponential": (lambda s: s.root.distributions.Exponential(s.root.tensor(P)), (0.1, 2.0, 3.0)),
    "Laplace": (lambda s: s.root.distributions.Laplace(0.5, s.root.tensor(P)), (0.1, -2.0, 3.0)),
}


def independent(s: Side) -> Any:
    d = s.root.distributions
    return d.Independent(d.Normal(s.root.zeros(2, 3), s.root.ones(3)), 1)


def shapes(d: Any) -> list[Any]:
    return [tuple(d.batch_shape), tuple(d.event_shape)]


def expanded(d: Any) -> Any:
    return d.expand((2, *d.batch_shape))


for _name, (_make, _value) in MADE.items():
    _full = f"distributions.{_name}"
    add(_full, "log_prob", lambda s, m=_make, v=_value: m(s).log_prob(s.root.tensor(v)))
    add(_full, "entropy", lambda s, m=_make: m(s).entropy())
    add(_full, "variance", lambda s, m=_make: m(s).variance)
    add(_full, "shapes", lambda s, m=_make: shapes(m(s)))
    add(
        _full,
        "expanded",
        lambda s, m=_make: shapes(m(s).expand((2, 3) if m(s).batch_shape else (2,))),
    )
    add(_full, "sample's shape", lambda s, m=_make: tuple(m(s).sample((5,)).shape))
    add(
        "distributions.kl_divergence",
        _name,
        lambda s, m=_make: s.root.distributions.kl_divergence(m(s), m(s)),
    )
add("distributions.Independent", "log_prob", lambda s: independent(s).log_prob(s.root.ones(2, 3)))
add("distributions.Independent", "entropy", lambda s: independent(s).entropy())
add("distributions.Independent", "shapes", lambda s: shapes(independent(s)))
add(
    "distributions.Distribution",
    "is their base",
    lambda s: [isinstance(m(s), s.root.distributions.Distribution) for m, _ in MADE.values()],
)

for _name in ("arcsin", "arccos", "arctan"):
    add(_name, "of some", lambda s, n=_name: getattr(s.root, n)(s.tensor(X).tanh()))
    add(f"Tensor.{_name}", "of some", lambda s, n=_name: getattr(s.tensor(X).tanh(), n)())
add("adjoint", "of matrices", lambda s: s.root.adjoint(s.tensor(Like((2, 3, 4)))))
add("adjoint", "of a vector", lambda s: s.root.adjoint(s.tensor(Like((3,)))))
for _offset in (-1, 0, 2):
    add("Tensor.diagonal", f"{_offset}", lambda s, o=_offset: s.tensor(X).diagonal(o))
    add("Tensor.diag_embed", f"{_offset}", lambda s, o=_offset: s.tensor(X).diag_embed(o))


def places(s: Side, where: Any, **settings: Any) -> list[Any]:
    data = s.root.utils.data.TensorDataset(s.root.arange(10))
    return [list(where(data, num_replicas=3, rank=r, shuffle=False, **settings)) for r in range(3)]


for _settings in ({}, {"drop_last": True}):
    for _name, _where in {
        "utils.data.DistributedSampler": lambda s: s.root.utils.data.DistributedSampler,
        "utils.data.distributed.DistributedSampler": (
            lambda s: s.root.utils.data.distributed.DistributedSampler
        ),
    }.items():
        add(_name, f"{_settings}", lambda s, w=_where, k=_settings: places(s, w(s), **k))
add(
    "utils.data.StackDataset",
    "pairs",
    lambda s: [
        [float(v) for v in pair]
        for pair in s.root.utils.data.StackDataset([1.0, 2.0], s.root.arange(2))
    ],
)

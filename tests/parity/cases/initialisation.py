"""Initialisation: what is fixed, and the spread of what is drawn."""

from __future__ import annotations

import math
from typing import Any

from tests.parity.compare import add, same
from tests.parity.library import Side

for name, value in {"constant_": (0.3,), "zeros_": (), "ones_": (), "eye_": ()}.items():
    same(f"nn.init.{name}", lambda s, n=name, v=value: s.get(f"nn.init.{n}")(s.empty(3, 4), *v))
same(
    "nn.init.dirac_",
    lambda s: s.nn.init.dirac_(s.empty(4, 3, 3, 3)),
    lambda s: s.nn.init.dirac_(s.empty(4, 2, 3), groups=2),
    lambda s: s.nn.init.dirac_(s.empty(4, 2)),
)
same("nn.init.eye_", lambda s: s.nn.init.eye_(s.empty(3)))
same(
    "nn.init.orthogonal_",
    lambda s: (w := s.nn.init.orthogonal_(s.empty(3, 5), gain=2.0), (w @ w.t() * 1000).round())[1],
    lambda s: s.nn.init.orthogonal_(s.empty(3)),
)
for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "other"):
    same("nn.init.calculate_gain", lambda s, n=name: float(s.nn.init.calculate_gain(n)))
same("nn.init.calculate_gain", lambda s: float(s.nn.init.calculate_gain("leaky_relu", 0.2)))
SPREADS: dict[str, list[dict[str, Any]]] = {
    "kaiming_normal_": [{}, {"mode": "fan_out", "nonlinearity": "relu"}, {"a": 1}],
    "kaiming_uniform_": [{}, {"a": math.sqrt(5)}],
    "xavier_normal_": [{}, {"gain": 2.0}],
    "xavier_uniform_": [{}],
    "normal_": [{}, {"mean": 3.0, "std": 0.1}],
    "uniform_": [{}, {"a": -1.0, "b": 3.0}],
    "trunc_normal_": [{}, {"std": 0.5, "a": -0.5, "b": 0.5}],
}
for name, ways in SPREADS.items():
    for kwargs in ways:
        # 40,000 numbers: mean and spread are known to about half a per cent; a tenth is shown.
        add(
            f"nn.init.{name}",
            str(kwargs),
            lambda s, n=name, k=kwargs: (
                w := s.get(f"nn.init.{n}")(s.empty(200, 200), **k),
                [
                    round(10 * math.log(float(w.std()))),
                    round(float(w.mean()), 1) + 0.0,
                    w.requires_grad,
                ],
            )[1],
        )
    add(
        f"nn.init.{name}",
        "one dimension",
        lambda s, n=name: tuple(s.get(f"nn.init.{n}")(s.empty(5)).shape),
    )
for name in (
    "kaiming_normal",
    "kaiming_uniform",
    "xavier_normal",
    "xavier_uniform",
    "normal",
    "uniform",
    "constant",
    "orthogonal",
    "eye",
    "dirac",
):

    def old(s: Side, name: str = name) -> Any:
        import warnings

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            w = s.get(f"nn.init.{name}")(
                s.zeros(3, 3, 3) if name == "dirac" else s.zeros(3, 3),
                *([0.5] if name == "constant" else []),
            )
        return tuple(w.shape), [c.category.__name__ for c in caught]

    add(f"nn.init.{name}", "warns", old)

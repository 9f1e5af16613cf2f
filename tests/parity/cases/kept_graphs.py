"""What a graph keeps for backward, and how a NaN's origin is found."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, same
from tests.parity.library import Like, Side

D = "float64"


def packed(s: Side) -> Any:
    """What is packed and unpacked, in what order; what comes back is what counts."""
    seen: list[Any] = []

    def pack(t: Any) -> Any:
        seen.append(("pack", t.detach().clone()))
        return [t.detach() * 2]

    def unpack(held: Any) -> Any:
        seen.append(("unpack", held[0].clone()))
        return held[0]

    x = s.tensor(Like((2, 3), D, grad=False)).requires_grad_()
    with s.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp()
        z = y * y
    z.sum().backward()
    return x.grad, sorted(k for k, _ in seen), [t.sum() for _, t in seen]


def nested(s: Side) -> Any:
    """The innermost pair is used; outside of a block none."""
    seen: list[str] = []
    hooks = s.autograd.graph.saved_tensors_hooks

    def pair(name: str) -> Any:
        return hooks(lambda t: (seen.append(name), t)[1], lambda t: t)

    x = s.ones(2, requires_grad=True)
    with pair("outer"):
        x.exp()
        with pair("inner"):
            x.exp()
        x.exp()
    x.exp()
    return seen


def refused_within(s: Side) -> Any:
    """A graph kept by hooks may be walked twice, and noticed to be stale."""
    x = s.ones(3, requires_grad=True)
    with s.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = (x * 2).exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def wrong_hook(s: Side) -> Any:
    x = s.ones(3, requires_grad=True)
    with s.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: "x"):
        y = x.exp().sum()
    y.backward()


def on_the_cpu(s: Side, **kwargs: Any) -> Any:
    m = s.nn.Sequential(s.nn.Conv2d(1, 2, 3), s.nn.ReLU(), s.nn.Flatten(), s.nn.Linear(8, 2))
    for t in m.parameters():
        t.data.copy_(s.tensor(Like(tuple(t.shape), grad=False)))
    x = s.tensor(Like((2, 1, 4, 4), grad=False)).requires_grad_()
    with s.autograd.graph.save_on_cpu(**kwargs):
        y = m(x).square().sum()
    y.backward()
    return y.detach(), x.grad, [p.grad for p in m.parameters()]


G = "autograd.graph."
same(f"{G}saved_tensors_hooks", packed, nested, refused_within, wrong_hook)
same(f"{G}save_on_cpu", on_the_cpu, lambda s: on_the_cpu(s, pin_memory=False))


# Where a NaN comes from.


def anomalous(s: Side, mode: Any) -> Any:
    x = s.root.tensor([-1.0, 0.0], requires_grad=True)
    with mode(s):
        y = x.sqrt().sum()
        y.backward()
    return x.grad


def sound(s: Side, mode: Any) -> Any:
    x = s.tensor(Like((2, 3), low=0.1, grad=False)).requires_grad_()
    with mode(s):
        (x.sqrt() * x).sum().backward()
    return x.grad


def told_where(s: Side, mode: Any) -> Any:
    """The error is a RuntimeError that speaks of nan."""
    try:
        anomalous(s, mode)
    except RuntimeError as error:
        return "nan" in str(error).lower()


def restored(s: Side, mode: Any) -> Any:
    before = s.root.is_anomaly_enabled()
    with mode(s):
        inside = s.root.is_anomaly_enabled(), s.root.is_anomaly_check_nan_enabled()
    return before, inside, s.root.is_anomaly_enabled()


for name, modes in {
    "detect_anomaly": {
        "plain": lambda s: s.autograd.detect_anomaly(),
        "no check": lambda s: s.autograd.detect_anomaly(check_nan=False),
    },
    "set_detect_anomaly": {
        "on": lambda s: s.autograd.set_detect_anomaly(True),
        "off": lambda s: s.autograd.set_detect_anomaly(False),
        "no check": lambda s: s.autograd.set_detect_anomaly(True, check_nan=False),
    },
}.items():
    for label, mode in modes.items():
        for f in (anomalous, sound, told_where, restored):
            add(f"autograd.{name}", f"{label} {f.__name__}", lambda s, f=f, m=mode: f(s, m))


def switched(s: Side) -> Any:
    """As a function it stays on."""
    s.autograd.set_detect_anomaly(True)
    try:
        seen = [s.root.is_anomaly_enabled()]
        with s.autograd.detect_anomaly(check_nan=False):
            seen.append(s.root.is_anomaly_check_nan_enabled())
        return [*seen, s.root.is_anomaly_check_nan_enabled()]
    finally:
        s.autograd.set_detect_anomaly(False)


add("autograd.set_detect_anomaly", "switched", switched)


def decorated(s: Side) -> Any:
    @s.autograd.detect_anomaly()
    def f() -> Any:
        return s.root.is_anomaly_enabled()

    return f(), s.root.is_anomaly_enabled()


add("autograd.detect_anomaly", "decorated", decorated)

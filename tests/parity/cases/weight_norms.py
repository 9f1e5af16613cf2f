"""Weights given as a length and a direction, by their largest singular value, or orthogonal."""

from __future__ import annotations

import copy
from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side, second_gradients
from tests.parity.making import fill, shown, state

D = "float64"
U = "nn.utils."
P = "nn.utils.parametrizations."
Z = "nn.utils.parametrize."
LAYERS: dict[str, tuple[Any, tuple]] = {
    "Linear": (lambda s: s.nn.Linear(5, 3), (2, 5)),
    "wide Linear": (lambda s: s.nn.Linear(3, 5, bias=False), (2, 3)),
    "Conv2d": (lambda s: s.nn.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 4)),
    "ConvTranspose2d": (lambda s: s.nn.ConvTranspose2d(4, 6, 3), (1, 4, 3, 3)),
    "Conv1d": (lambda s: s.nn.Conv1d(4, 6, 3), (1, 4, 5)),
    "Embedding": (lambda s: s.nn.Embedding(5, 3), (2, 2)),
}


def made(s: Side, kind: str) -> tuple[Any, Any]:
    make, shape = LAYERS[kind]
    m = make(s).double()
    fill(s, m)
    s.leaves.clear()
    if kind == "Embedding":
        return m, s.tensor(Like(shape, "int64", low=0, high=4))
    return m, s.tensor(Like(shape, D))


def used(s: Side, m: Any, x: Any, **more: Any) -> Any:
    """The layer's answers in both modes, its gradients, state and text."""
    s.leaves += list(m.parameters())
    first = state(m)
    y = m(x)
    again = m(x)
    after = state(m)
    return first, y, again, after, shown(m), m.eval()(x)


# Weight norm: a direction and a length.

for kind in LAYERS:
    for kwargs in ({}, {"dim": 1}, {"dim": None}, {"dim": -1}):

        def weight_normed(s: Side, kind: str = kind, kwargs: dict = kwargs) -> Any:
            m, x = made(s, kind)
            answer = s.nn.utils.weight_norm(m, **kwargs)
            return answer is m, used(s, m, x), [tuple(m.weight.shape), m.weight.requires_grad]

        def parametrized(s: Side, kind: str = kind, kwargs: dict = kwargs) -> Any:
            m, x = made(s, kind)
            answer = s.nn.utils.parametrizations.weight_norm(m, **kwargs)
            return answer is m, used(s, m, x)

        def there_and_back(s: Side, kind: str = kind, kwargs: dict = kwargs) -> Any:
            m, x = made(s, kind)
            s.nn.utils.weight_norm(m, **kwargs)
            m.weight_g.data.mul_(2)
            answer = s.nn.utils.remove_weight_norm(m)
            return answer is m, used(s, m, x)

        add(f"{U}weight_norm", f"{kind} {kwargs}", weight_normed)
        add(f"{U}remove_weight_norm", f"{kind} {kwargs}", there_and_back)
        add(f"{P}weight_norm", f"{kind} {kwargs}", parametrized)


def second(s: Side, wrap: Any) -> Any:
    m, x = made(s, "Linear")
    wrap(m)
    given_vectors(s, m)
    s.leaves += list(m.parameters())
    return second_gradients(s, m.eval()(x) ** 2)


for name, path in (("weight_norm", U), ("weight_norm", P), ("spectral_norm", U),
                   ("spectral_norm", P)):  # fmt: skip
    add(f"{path}{name}", "second gradients",
        lambda s, f=path + name: second(s, s.get(f)))  # fmt: skip
    add(f"{path}{name}", "no such parameter",
        lambda s, f=path + name: s.get(f)(s.nn.Linear(2, 3), name="scale"))  # fmt: skip
    add(f"{path}{name}", "of the bias",
        lambda s, f=path + name: shown(s.get(f)(s.nn.Linear(2, 3), "bias")))  # fmt: skip
    add(f"{path}{name}", "twice",
        lambda s, f=path + name: shown(s.get(f)(s.get(f)(s.nn.Linear(2, 3)))))  # fmt: skip
add(f"{U}remove_weight_norm", "none there", lambda s: s.nn.utils.remove_weight_norm(
    s.nn.Linear(2, 3)
))  # fmt: skip
add(f"{U}weight_norm", "copied", lambda s: (
    m := s.nn.utils.weight_norm(s.nn.Linear(2, 3)),
    m(s.ones(1, 2)),
    sorted(copy.deepcopy(s.nn.utils.weight_norm(s.nn.Linear(2, 3))).state_dict()),
)[2])  # fmt: skip
add(f"{P}weight_norm", "an old state", lambda s: (
    old := s.nn.utils.weight_norm(s.nn.Linear(2, 3)),
    [p.data.copy_(s.tensor(Like(tuple(p.shape), grad=False))) for p in old.parameters()],
    new := s.nn.utils.parametrizations.weight_norm(s.nn.Linear(2, 3)),
    str(new.load_state_dict(old.state_dict())),
    state(new),
)[3:])  # fmt: skip


# Spectral norm. u and v are drawn; given ones are put in their place.


def given_vectors(s: Side, module: Any) -> None:
    for name, t in module.named_buffers():
        if name.rpartition(".")[2].lstrip("_") in ("u", "v", "weight_u", "weight_v"):
            values = s.tensor(Like(tuple(t.shape), D, low=0.1, grad=False))
            t.data.copy_(values / values.norm())


for kind in LAYERS:
    for kwargs in ({}, {"n_power_iterations": 3}, {"eps": 1e-2}, {"dim": 1}):

        def spectral(s: Side, kind: str = kind, kwargs: dict = kwargs, path: str = U) -> Any:
            m, x = made(s, kind)
            answer = s.get(f"{path}spectral_norm")(m, **kwargs)
            given_vectors(s, m)
            return answer is m, used(s, m, x)

        add(f"{U}spectral_norm", f"{kind} {kwargs}", spectral)
        add(f"{P}spectral_norm", f"{kind} {kwargs}", lambda s, f=spectral: f(s, path=P))


def reaches_one(s: Side, path: str) -> Any:
    """After many steps the largest singular value is 1, wherever u began."""
    m, x = made(s, "Linear")
    m = s.get(f"{path}spectral_norm")(m, n_power_iterations=200)
    m(x)
    return float(s.root.linalg.matrix_norm(m.weight.detach(), 2))


def keeps_its_vectors(s: Side, path: str) -> Any:
    """Evaluation makes no step; saved and loaded, it goes on as it was."""
    m, x = made(s, "Linear")
    m = s.get(f"{path}spectral_norm")(m)
    m(x)
    other = s.get(f"{path}spectral_norm")(made(s, "Linear")[0])
    other.load_state_dict(copy.deepcopy(m.state_dict()))
    m.eval(), other.eval()
    return s.equal(m(x), other(x)), s.equal(m(x), m(x)), len(list(m.buffers()))


for path in (U, P):
    for f in (reaches_one, keeps_its_vectors):
        add(f"{path}spectral_norm", f.__name__, lambda s, f=f, p=path: f(s, p))
    add(f"{path}spectral_norm", "no iterations", lambda s, p=path: s.get(f"{p}spectral_norm")(
        s.nn.Linear(2, 3), n_power_iterations=0
    ))  # fmt: skip


# Orthogonal weights.


def orthogonal(s: Side, kind: str, given: Any = None, **kwargs: Any) -> Any:
    m, x = made(s, kind)
    if given is not None:
        m.weight.data.copy_(given(s, m.weight))
    answer = s.nn.utils.parametrizations.orthogonal(m, **kwargs)
    w = m.weight.detach()
    square = w.mT @ w if w.shape[-2] >= w.shape[-1] else w @ w.mT
    near = s.allclose(square, s.eye(square.shape[-1], dtype=w.dtype).expand_as(square), atol=1e-8)
    names = [(n, tuple(t.shape)) for n, t in m.state_dict().items()]
    y = m(x)
    (y * y).sum().backward()
    grads = [bool(p.grad is not None and (p.grad == p.grad).all()) for p in m.parameters()]
    return answer is m, near, names, repr(m), grads, tuple(y.shape)


def identity(s: Side, w: Any) -> Any:
    return s.eye(*w.shape[-2:], dtype=s.float64)


for kind in ("Linear", "wide Linear", "Embedding", "Conv2d"):
    for map in (None, "householder", "cayley", "matrix_exp", "other"):
        for trivial in (True, False):
            kwargs = {"orthogonal_map": map, "use_trivialization": trivial}
            add(f"{P}orthogonal", f"{kind} {kwargs}",
                lambda s, n=kind, k=kwargs: orthogonal(s, n, **k))  # fmt: skip
add(f"{P}orthogonal", "keeps what is orthogonal", lambda s: (
    m := s.nn.Linear(4, 4).double(), m.weight.data.copy_(s.eye(4, dtype=s.float64)),
    s.nn.utils.parametrizations.orthogonal(m).weight.detach().abs(),
)[2])  # fmt: skip
add(f"{P}orthogonal", "assigned", lambda s: (
    m := s.nn.utils.parametrizations.orthogonal(s.nn.Linear(3, 3).double()),
    setattr(m, "weight", s.eye(3, dtype=s.float64)), m.weight.detach(),
)[2])  # fmt: skip
add(f"{P}orthogonal", "of a vector", lambda s: s.nn.utils.parametrizations.orthogonal(
    s.nn.Linear(3, 3), "bias"
))  # fmt: skip

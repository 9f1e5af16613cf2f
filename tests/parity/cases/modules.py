"""Modules: how they are found, moved, saved and shown."""

from __future__ import annotations

import copy
from typing import Any

from tests.parity.compare import add, case, same
from tests.parity.library import Like, Side


def net(s: Side) -> Any:
    m = s.nn.Sequential(
        s.nn.Conv2d(1, 2, 3),
        s.nn.BatchNorm2d(2),
        s.nn.ReLU(inplace=True),
        s.nn.Sequential(s.nn.Flatten(), s.nn.Linear(8, 3)),
    )
    for t in m.parameters():
        t.data.copy_(s.tensor(Like(tuple(t.shape), grad=False)))
    return m


MODULE: dict[str, Any] = {
    "parameters": lambda s, m: [tuple(p.shape) for p in m.parameters()],
    "named_parameters": lambda s, m: [n for n, _ in m.named_parameters()],
    "modules": lambda s, m: [type(x).__name__ for x in m.modules()],
    "named_modules": lambda s, m: [n for n, _ in m.named_modules()],
    "children": lambda s, m: [type(x).__name__ for x in m.children()],
    "named_children": lambda s, m: [n for n, _ in m.named_children()],
    "buffers": lambda s, m: list(m.buffers()),
    "named_buffers": lambda s, m: dict(m.named_buffers()),
    "state_dict": lambda s, m: [(k, tuple(v.shape), v.dtype) for k, v in m.state_dict().items()],
    "load_state_dict": lambda s, m: [
        str(m.load_state_dict(m.state_dict())),
        m.load_state_dict({}, strict=False).missing_keys,
    ],
    "train": lambda s, m: [m.train() is m, m.training, m.train(False)[1].training],
    "eval": lambda s, m: [m.eval() is m, m[1].training],
    "to": lambda s, m: [
        m.to(s.float64)[0].weight.dtype,
        m.to("cpu") is m,
        m[1].num_batches_tracked.dtype,
    ],
    "cpu": lambda s, m: m.cpu() is m,
    "float": lambda s, m: m.float()[0].weight.dtype,
    "double": lambda s, m: m.double()[0].weight.dtype,
    "half": lambda s, m: m.half()[0].weight.dtype,
    "type": lambda s, m: m.type(s.float64)[0].weight.dtype,
    "apply": lambda s, m: (seen := [], m.apply(lambda x: seen.append(type(x).__name__)), seen)[2],
    "add_module": lambda s, m: (
        m.add_module("last", s.nn.ReLU()),
        [n for n, _ in m.named_children()],
    )[1],
    "register_module": lambda s, m: (m.register_module("last", s.nn.ReLU()), len(m))[1],
    "register_buffer": lambda s, m: (
        m.register_buffer("b", s.ones(2)),
        m.register_buffer("c", s.ones(1), persistent=False),
        [list(m.state_dict())[0], len(m.state_dict()), m.b],
    )[2],
    "register_parameter": lambda s, m: (
        m.register_parameter("w", s.nn.Parameter(s.ones(2))),
        m.register_parameter("none", None),
        list(m.state_dict())[0],
    )[2],
    "zero_grad": lambda s, m: (
        m(s.ones(2, 1, 4, 4)).sum().backward(),
        m.zero_grad(),
        m[0].weight.grad,
    )[2],
    "requires_grad_": lambda s, m: (
        m.requires_grad_(False),
        [p.requires_grad for p in m.parameters()],
    )[1],
    "extra_repr": lambda s, m: [x.extra_repr() for x in m.modules() if x is not m],
    "get_submodule": lambda s, m: [type(m.get_submodule("3.1")).__name__, m.get_submodule("") is m],
    "forward": lambda s, m: m.forward(s.ones(2, 1, 4, 4)),
    "__call__": lambda s, m: m(s.ones(2, 1, 4, 4)),
    "register_forward_hook": lambda s, m: (
        seen := [],
        h := m[0].register_forward_hook(lambda mod, x, y: seen.append(tuple(y.shape))),
        m(s.ones(2, 1, 4, 4)),
        h.remove(),
        m(s.ones(2, 1, 4, 4)),
        seen,
    )[-1],
    "register_forward_pre_hook": lambda s, m: (
        m.register_forward_pre_hook(lambda mod, x: (x[0] * 2,)),
        m(s.ones(2, 1, 4, 4)),
    )[1],
    "cuda": lambda s, m: s.cuda.is_available() or m.cuda(),
    "get_parameter": lambda s, m: tuple(m.get_parameter("0.weight").shape),
    "get_buffer": lambda s, m: m.get_buffer("1.running_var"),
    "bfloat16": lambda s, m: m.bfloat16()[0].weight.dtype,
    "to_empty": lambda s, m: m.to_empty(device="cpu") is m,
    "share_memory": lambda s, m: (
        values := [t.clone() for t in m.state_dict().values()],
        m(s.ones(2, 1, 4, 4)).sum().backward(),
        m.share_memory() is m,
        [t.is_shared() for t in [*m.parameters(), *m.buffers(), *net(s).parameters()]],
        [p.grad.is_shared() for p in m.parameters()],
        [s.equal(a, b) for a, b in zip(values, m.state_dict().values(), strict=True)],
        list(m.state_dict()),
        m(s.ones(2, 1, 4, 4)),
        copy.deepcopy(m)[0].weight.is_shared(),
    ),
}
for name, asked in MODULE.items():
    add(f"nn.Module.{name}", "of a small network", lambda s, ask=asked: ask(s, net(s)))
add("nn.Module.load_state_dict", "a key is missing", lambda s: net(s).load_state_dict({}))
add(
    "nn.Module.load_state_dict",
    "a shape differs",
    lambda s: s.nn.Linear(2, 3).load_state_dict(s.nn.Linear(3, 3).state_dict()),
)
add("nn.Module.get_submodule", "is not there", lambda s: net(s).get_submodule("7"))


@case("nn.Module")
def repr_and_nesting(s: Side) -> Any:
    class Net(s.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = s.nn.Linear(2, 3)
            self.w = s.nn.Parameter(s.ones(1))
            self.layers = s.nn.ModuleList([s.nn.ReLU(), s.nn.Dropout(0.2)])

        def forward(self, x: Any) -> Any:
            return self.layers[0](self.a(x)) * self.w

    m = Net()
    return (
        repr(m),
        list(m.state_dict()),
        m.training,
        hasattr(m, "nothing"),
        copy.deepcopy(m).w is not m.w,
    )


same(
    "nn.Parameter",
    lambda s: [(p := s.nn.Parameter(s.ones(2))).requires_grad, isinstance(p, s.Tensor), p.is_leaf],
    lambda s: s.nn.Parameter(s.ones(2), requires_grad=False).requires_grad,
    lambda s: [repr(s.nn.Parameter(s.ones(2))).splitlines()[0]],
    lambda s: tuple(s.nn.Parameter().shape),
)
same(
    "nn.Sequential",
    lambda s: (m := net(s), [len(m), len(m[1:3]), type(m[-1]).__name__, repr(m)])[1],
    lambda s: list(
        s.nn.Sequential(
            __import__("collections").OrderedDict(a=s.nn.ReLU(), b=s.nn.Tanh())
        ).state_dict()
    ),
    lambda s: (m := net(s), m.append(s.nn.ReLU()), len(m))[2],
    lambda s: net(s)[9],
)
same(
    "nn.ModuleList",
    lambda s: (
        m := s.nn.ModuleList([s.nn.ReLU()]),
        m.append(s.nn.Linear(2, 2)),
        m.extend([s.nn.Tanh()]),
        m.insert(0, s.nn.Tanh()),
        [len(m), repr(m), [type(x).__name__ for x in m]],
    )[-1],
)
same(
    "nn.ModuleDict",
    lambda s: (
        m := s.nn.ModuleDict({"a": s.nn.ReLU()}),
        m.update({"b": s.nn.Linear(2, 2)}),
        [
            list(m.keys()),
            "a" in m,
            repr(m),
            len(m),
            type(m.pop("a")).__name__,
            list(m.state_dict()),
        ],
    )[-1],
)
same(
    "nn.ParameterList",
    lambda s: (
        m := s.nn.ParameterList([s.ones(2), s.ones(1)]),
        [len(m), list(m.state_dict()), type(m[0]).__name__],
    )[1],
)
same(
    "nn.ParameterDict",
    lambda s: (
        m := s.nn.ParameterDict({"a": s.ones(2)}),
        [list(m.keys()), list(m.state_dict()), type(m["a"]).__name__],
    )[1],
)
for path in ("nn.DataParallel", "nn.parallel.DataParallel"):
    same(
        path,
        lambda s, p=path: (
            m := s.get(p)(net(s)),
            [list(m.state_dict())[:2], type(m.module).__name__, m(s.ones(2, 1, 4, 4))],
        )[1],
    )

"""Generators' states, random numbers set apart, half precision in own functions, and CUDA's names.

Without a GPU both libraries refuse what needs one; with one in both, the same is computed.
"""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, same
from tests.parity.library import Like, Side

# Generators.


def offsets(s: Side) -> Any:
    """PyTorch's CPU generator has no offset; one that has is asked where there is one."""
    g = s.Generator(device="cuda" if s.cuda.is_available() else "cpu")
    g.manual_seed(3)
    first = g.get_offset()
    g.set_offset(8)
    return first, g.get_offset(), g.initial_seed()


def cloned(s: Side) -> Any:
    g = s.Generator()
    g.manual_seed(11)
    s.rand(5, generator=g)
    other = g.clone_state()
    a, b = s.rand(4, generator=g), s.rand(4, generator=other)
    return (
        s.equal(a, b), other is g, other.initial_seed(), type(other) is type(g),
        s.equal(g.get_state(), other.get_state()),
    )  # fmt: skip


def fresh(s: Side) -> Any:
    g = s.Generator()
    first, second = g.seed(), g.seed()
    return (
        isinstance(first, int), first != second, g.initial_seed() == second, 0 <= first < 2**64,
        s.Generator().initial_seed() == s.Generator().initial_seed(),
    )  # fmt: skip


def negative_offset(s: Side) -> Any:
    s.Generator(device="cuda" if s.cuda.is_available() else "cpu").set_offset(-4)


for name in ("get_offset", "set_offset"):
    add(f"Generator.{name}", "there and back", offsets)
add("Generator.set_offset", "negative", negative_offset)
add("Generator.clone_state", "goes on alike", cloned)
add("Generator.seed", "of the system", fresh)


def forked(s: Side, **kwargs: Any) -> Any:
    s.manual_seed(4)
    with s.random.fork_rng(**kwargs):
        s.rand(7)
        s.manual_seed(9)
        inside = s.rand(3)
    outside = s.rand(3)
    s.manual_seed(4)
    again = s.rand(3)
    s.manual_seed(9)
    return s.equal(outside, again), s.equal(inside, s.rand(3)), s.equal(inside, outside)


same(
    "random.fork_rng",
    forked,
    lambda s: forked(s, devices=[]),
    lambda s: forked(s, enabled=False),
    lambda s: forked(s, devices=[], enabled=True),
)


# Half precision in functions of one's own. On the CPU inside of regions for CUDA nothing is cast.


def half_function(s: Side, cast: str | None, bare: bool = False) -> Any:
    seen: list[Any] = []
    forward = s.cuda.amp.custom_fwd if bare else s.cuda.amp.custom_fwd(
        cast_inputs=getattr(s.root, cast) if cast else None
    )  # fmt: skip

    class Product(s.autograd.Function):
        @staticmethod
        @forward
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            seen.append((x.dtype, w.dtype, s.root.is_autocast_enabled("cuda")))
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        @s.cuda.amp.custom_bwd
        def backward(ctx: Any, dy: Any) -> Any:
            x, w = ctx.saved_tensors
            seen.append((dy.dtype, s.root.is_autocast_enabled("cuda")))
            return dy @ w.t(), x.t() @ dy

    x, w = s.tensor(Like((2, 3))), s.tensor(Like((3, 4)))
    plain = Product.apply(x, w)
    with s.autocast("cuda", dtype=s.float16, enabled=s.cuda.is_available()):
        inside = Product.apply(x, w)
    return plain, inside, seen


for name in ("custom_fwd", "custom_bwd"):
    for cast in (None, "float32", "float16"):
        add(f"cuda.amp.{name}", f"{cast}", lambda s, c=cast: half_function(s, c))
    add(f"cuda.amp.{name}", "without settings", lambda s: half_function(s, None, True))
    add(f"cuda.amp.{name}", "keeps the name", lambda s, n=name: (
        f := s.get(f"cuda.amp.{n}")(half_function), f.__name__, f.__doc__
    )[1:])  # fmt: skip


# CUDA.


def with_a_device(s: Side, f: Any) -> Any:
    return f(s)


def captured(s: Side, by: str) -> Any:
    """y = 2x + 1 recorded once, and computed for three inputs."""
    x = s.zeros(4, device="cuda")
    g = s.cuda.CUDAGraph()
    for _ in range(3):
        x * 2 + 1
    if by == "block":
        with s.cuda.graph(g):
            y = x * 2 + 1
    else:
        stream = s.cuda.Stream()
        with s.cuda.stream(stream):
            g.capture_begin()
            y = x * 2 + 1
            g.capture_end()
    seen = []
    for value in (1.0, 2.0, 3.0):
        x.fill_(value)
        g.replay()
        seen.append(y.clone())
    g.reset()
    return seen


def graphed(s: Side) -> Any:
    m = s.nn.Sequential(s.nn.Linear(3, 4), s.nn.Tanh(), s.nn.Linear(4, 2)).cuda()
    for t in m.parameters():
        t.data.copy_(s.tensor(Like(tuple(t.shape), grad=False)))
    x = s.tensor(Like((5, 3), grad=False)).cuda()
    answer = s.cuda.make_graphed_callables(m, (x.clone(),))
    y = answer(x)
    y.square().sum().backward()
    return answer is m, y.detach(), [p.grad for p in m.parameters()]


def functions(s: Side) -> Any:
    x = s.tensor(Like((5, 3), grad=False)).cuda().requires_grad_()
    f, g = s.cuda.make_graphed_callables(
        (lambda x: x.sin(), lambda x, y: (x * y, x + y)),
        ((x.detach().clone().requires_grad_(),), (s.ones_like(x), s.ones_like(x))),
    )
    a, b = g(f(x).detach(), s.ones_like(x))
    f(x).sum().backward()
    return a, b, x.grad


same("cuda.CUDAGraph", lambda s: captured(s, "block"), lambda s: captured(s, "calls"),
     lambda s: s.cuda.CUDAGraph().replay())  # fmt: skip
same("cuda.graph", lambda s: captured(s, "block"), lambda s: s.cuda.graph(3).__enter__())
same("cuda.make_graphed_callables", graphed, functions)


def hooked(s: Side) -> Any:
    m = s.nn.Linear(2, 3)
    m.register_forward_hook(lambda *given: None)
    return s.cuda.make_graphed_callables(m, (s.ones(1, 2),))


def own_buffer(s: Side) -> Any:
    m = s.nn.Linear(2, 3)
    m.register_buffer("b", s.ones(1, requires_grad=True))
    return s.cuda.make_graphed_callables(m, (s.ones(1, 2),))


def cached_casts(s: Side) -> Any:
    with s.autocast("cpu", dtype=s.bfloat16):
        return s.cuda.make_graphed_callables(s.nn.Linear(2, 3), (s.ones(1, 2),))


same(
    "cuda.make_graphed_callables",
    graphed,
    functions,
    hooked,
    own_buffer,
    cached_casts,
    lambda s: s.cuda.make_graphed_callables(s.nn.Linear(2, 3), (1.5,)),
    lambda s: s.cuda.make_graphed_callables((s.nn.Linear(2, 3),), (s.ones(1, 2),)),
    lambda s: s.cuda.make_graphed_callables((s.nn.Linear(2, 3),), ()),
    lambda s: s.cuda.make_graphed_callables(s.nn.Linear(2, 3), (s.ones(1, 2),)),
)
same("cuda.is_bf16_supported", lambda s: s.cuda.is_bf16_supported() if s.cuda.is_available()
     else isinstance(s.cuda.is_bf16_supported(), bool))  # fmt: skip
same(
    "cuda.mem_get_info",
    lambda s: [isinstance(n, int) and n > 0 for n in s.cuda.mem_get_info()],
    lambda s: s.cuda.mem_get_info("cpu"),
)

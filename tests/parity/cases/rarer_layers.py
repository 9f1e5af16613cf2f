"""Layers that are seldom used: pooling of norms, of chance and backwards, lazy ones."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, call
from tests.parity.library import Like, Side, second_gradients
from tests.parity.making import layer, shown, state

F = "nn.functional."
D = "float64"
KINDS = [
    Like((2, 3, 6, 6)),
    Like((2, 3, 6, 6), D),
    Like((2, 3, 6, 6), "float16"),
    Like((2, 3, 6, 6), "bfloat16"),
    Like((2, 3, 6, 6), layout="channels_last"),
    Like((2, 3, 6, 6), layout="transposed"),
    Like((2, 3, 6, 6), layout="expanded"),
    Like((0, 3, 6, 6)),
    Like((3, 6, 6)),
    Like((6, 6)),
    Like((2, 3, 6, 6), "int64"),
]

# Pooling of norms.

positive = [Like(x.shape, x.dtype, x.layout, 0.1, 2.0) for x in KINDS]
for like in positive:
    for args in ((2, 2), (3, 3, 2), (1, (2, 3)), (2.5, 3, (1, 2), True)):
        call(f"{F}lp_pool2d", like, *args)
for args in ((2, 2), (1, 3, 1), (2.0, (2, 3), 2, True), (float("inf"), 2), (2, 9), (2, 0), (2, -1)):
    layer("LPPool2d", [Like((2, 3, 7, 6), low=0.1)], *args)
    layer("LPPool2d", [Like((3, 7, 6), low=0.1)], *args)
for args in ((2, 2), (1, 3, 1), (2.0, 2, 2, True), (float("inf"), 2), (2, 9), (2, 0)):
    layer("LPPool1d", [Like((2, 3, 7), low=0.1)], *args)
    layer("LPPool1d", [Like((3, 7), low=0.1)], *args)
layer("LPPool2d", [Like((1, 2, 4, 4), D, low=0.1)], 3, 2, second=True)
layer("LPPool1d", [Like((1, 2, 4), D, low=0.1)], 3, 2, second=True)
layer("LPPool2d", [Like((2, 7, 6, 3, 2))], 2, 2)


# Pooling backwards. The places come from pooling itself.


def unpooled(s: Side, x: Like, args: tuple, kwargs: dict, **more: Any) -> Any:
    pool, unpool = s.nn.functional.max_pool2d, s.nn.functional.max_unpool2d
    y, places = pool(s.tensor(x), *args, return_indices=True, **kwargs)
    return unpool(y, places, *args, **kwargs, **more)


def unpooled_by_layers(s: Side, x: Like, args: tuple, kwargs: dict, **more: Any) -> Any:
    pool, unpool = (
        s.nn.MaxPool2d(*args, return_indices=True, **kwargs),
        s.nn.MaxUnpool2d(*args, **kwargs),
    )
    y, places = pool(s.tensor(x))
    return unpool(y, places, **more), shown(unpool), state(unpool)


for path, made in (
    (f"{F}max_unpool2d", unpooled),
    ("nn.MaxUnpool2d", unpooled_by_layers),
):
    for x in (*KINDS, Like((1, 2, 7, 5))):
        for args, kwargs in (((2,), {}), ((3, 2), {"padding": 1}), (((2, 3), 2), {})):
            add(path, f"{x} {args} {kwargs}",
                lambda s, f=made, x=x, a=args, k=kwargs: f(s, x, a, k))  # fmt: skip
    for size in ((7, 5), (1, 2, 7, 5), (6, 4), (2, 2), (7,)):
        add(
            path,
            f"output_size={size}",
            lambda s, f=made, n=size: f(s, Like((1, 2, 7, 5)), (2,), {}, output_size=n),
        )
add(f"{F}max_unpool2d", "second gradients", lambda s: second_gradients(
    s, unpooled(s, Like((1, 2, 4, 4), D), (2,), {}).square()
))  # fmt: skip
for places in (
    Like((1, 1, 2, 2), "int64", low=70, high=80),
    Like((1, 1, 2, 2), "int64", low=-5, high=-1),
    Like((1, 1, 2, 3), "int64", low=0, high=3),
    Like((1, 1, 2, 2), "int32", low=0, high=3),
):
    call(f"{F}max_unpool2d", Like((1, 1, 2, 2)), places, 2)
    layer("MaxUnpool2d", [Like((1, 1, 2, 2)), places], 2)

# Regions by chance. Where the steps are whole numbers there is no choice: (6 - 2) / (3 - 1) is 2.

for x in KINDS:
    for kwargs in ({"output_size": 3}, {"output_size": (3, 2), "return_indices": True},
                   {"output_size": 5}):  # fmt: skip
        call(f"{F}fractional_max_pool2d", x, 2, **kwargs)
        layer("FractionalMaxPool2d", [x], 2, **kwargs)
layer("FractionalMaxPool2d", [Like((1, 2, 6, 6), D)], 2, 3, second=True)


def regions(s: Side, *args: Any, **kwargs: Any) -> Any:
    """Shapes, and that each value is its region's largest."""
    x = s.tensor(Like((2, 3, 9, 8)))
    y, places = s.nn.functional.fractional_max_pool2d(x, *args, return_indices=True, **kwargs)
    found = x.flatten(2).gather(2, places.flatten(2)).reshape(y.shape)
    return tuple(y.shape), tuple(places.shape), places.dtype, s.equal(found, y), y.requires_grad


for args, kwargs in (
    ((2,), {"output_ratio": 0.5}),
    (((3, 2),), {"output_ratio": (0.4, 0.6)}),
    ((2, (4, 3)), {}),
    ((2,), {}),
    ((2, 3), {"output_ratio": 0.5}),
    ((2,), {"output_ratio": 1.5}),
    ((9, 3), {}),
    ((2, 0), {}),
    ((2, 9), {}),
):
    add(f"{F}fractional_max_pool2d", f"by chance {args} {kwargs}",
        lambda s, a=args, k=kwargs: regions(s, *a, **k))  # fmt: skip
    add("nn.FractionalMaxPool2d", f"made of {args} {kwargs}",
        lambda s, a=args, k=kwargs: shown(s.nn.FractionalMaxPool2d(*a, **k)))  # fmt: skip

# RReLU: the slope is the mean in evaluation, by chance in training unless the bounds are one.

for x in (*KINDS[:8], Like((10,), special=True), Like(())):
    call(f"{F}rrelu", x)
    call(f"{F}rrelu", x, 0.1, 0.5)
    call(f"{F}rrelu", x, 0.25, 0.25, True)
call(f"{F}rrelu", Like((2, 3)), 0.5, 0.1)
call(f"{F}rrelu", Like((2, 3)), 0.5, 0.1, True)
call(f"{F}rrelu", Like((2, 3), "int64"))


def slopes(s: Side, f: Any, x: Any) -> Any:
    """What must hold, whichever slopes were drawn."""
    y = f(x)
    slope = y.detach()[x.detach() < 0] / x.detach()[x.detach() < 0]
    rest = s.equal(y.detach()[x.detach() >= 0], x.detach()[x.detach() >= 0])
    within = bool((slope >= 0.1 - 1e-6).all()) and bool((slope <= 0.4 + 1e-6).all())
    return within, bool(slope.std() > 0.01), rest, y.requires_grad


add(f"{F}rrelu", "by chance", lambda s: slopes(
    s, lambda x: s.nn.functional.rrelu(x, 0.1, 0.4, training=True), s.tensor(Like((20, 20)))
))  # fmt: skip
add("nn.RReLU", "by chance", lambda s: slopes(s, s.nn.RReLU(0.1, 0.4), s.tensor(Like((20, 20)))))
for args in ((), (0.1, 0.4), (0.2, 0.2)):
    layer("RReLU", [Like((4, 5))], *args, draws=True)
layer("RReLU", [Like((4, 5), D)], 0.2, 0.2, second=True)
layer("RReLU", [Like((4, 5))], 0.3, 0.1)
layer("RReLU", [Like((4, 5))], 0.2, 0.2, True, draws=True)

# Batch normalization over processes: with one process it needs no other, but a device of its own.

layer("SyncBatchNorm", [Like((2, 4, 3))], 4, draws=True)
layer("SyncBatchNorm", [Like((2, 4, 3, 2))], 4, eps=1e-3, momentum=None, affine=False, draws=True)
layer("SyncBatchNorm", [Like((2, 4, 3, 2, 2))], 4, track_running_stats=False)
layer("SyncBatchNorm", [Like((4,))], 4, draws=True)
layer("SyncBatchNorm", [Like((2, 4))], 4)


def converted(s: Side) -> Any:
    m = s.nn.Sequential(s.nn.BatchNorm2d(3), s.nn.Sequential(s.nn.BatchNorm1d(2, affine=False)))
    m[0].eval()
    m[0].weight.requires_grad_(False)
    new = s.nn.SyncBatchNorm.convert_sync_batchnorm(m)
    single = s.nn.SyncBatchNorm.convert_sync_batchnorm(s.nn.BatchNorm3d(4, eps=0.1))
    return shown(new), new is m, repr(single), state(new), s.nn.SyncBatchNorm(3).process_group


add("nn.SyncBatchNorm", "converted", converted)

# Lazy layers become others at the first call.


def lazy(s: Side, name: str, x: Like, *args: Any, **kwargs: Any) -> Any:
    m = s.get(f"nn.{name}")(*args, **kwargs)
    waiting = [
        repr(m), type(m).__name__, m.has_uninitialized_params(), sorted(m.state_dict()),
        [type(p).__name__ for p in m.parameters()], m.training,
    ]  # fmt: skip
    y = m(s.tensor(x))
    return waiting, shown(m), tuple(y.shape), sorted(m.state_dict()), m.has_uninitialized_params()


def loaded(s: Side, name: str, full: str, args: tuple, *sizes: Any, **kwargs: Any) -> Any:
    """A lazy layer takes its sizes from what is loaded."""
    m, whole = s.get(f"nn.{name}")(*args, **kwargs), s.get(f"nn.{full}")(*sizes, **kwargs)
    for t in whole.state_dict().values():
        if t.is_floating_point():
            t.copy_(s.tensor(Like(tuple(t.shape), grad=False)))
    answer = m.load_state_dict(whole.state_dict())
    return str(answer), repr(m), state(m), m.has_uninitialized_params()


for name, x, args, kwargs in (
    ("LazyLinear", Like((2, 5)), (3,), {}),
    ("LazyLinear", Like((2, 4, 5)), (3,), {"bias": False}),
    ("LazyLinear", Like((5,)), (3,), {}),
    ("LazyConv2d", Like((2, 4, 6, 6)), (6, 3), {}),
    ("LazyConv2d", Like((2, 4, 6, 6)), (6, 3, 2, 1), {"bias": False, "groups": 2}),
    ("LazyConv2d", Like((4, 6, 6)), (6, 3), {"padding": "same", "padding_mode": "reflect"}),
    ("LazyConv2d", Like((2, 4, 6)), (6, 3), {}),
    ("LazyConv2d", Like((2, 4, 6, 6)), (6, 3), {"groups": 3}),
    ("LazyBatchNorm2d", Like((2, 4, 3, 3)), (), {}),
    ("LazyBatchNorm2d", Like((2, 4, 3, 3)), (1e-3, None), {"affine": False}),
    ("LazyBatchNorm2d", Like((2, 4, 3, 3)), (), {"track_running_stats": False}),
    ("LazyBatchNorm2d", Like((2, 4, 3)), (), {}),
):
    add(f"nn.{name}", f"{x} {args} {kwargs}",
        lambda s, n=name, x=x, a=args, k=kwargs: lazy(s, n, x, *a, **k))  # fmt: skip
for name, full, args, sizes in (
    ("LazyLinear", "Linear", (3,), (5, 3)),
    ("LazyConv2d", "Conv2d", (6, 3), (4, 6, 3)),
    ("LazyBatchNorm2d", "BatchNorm2d", (), (4,)),
):
    add(f"nn.{name}", "loaded",
        lambda s, n=name, f=full, a=args, z=sizes: loaded(s, n, f, a, *z))  # fmt: skip
    add(f"nn.{name}", "moved before it has a shape", lambda s, n=name, a=args: (
        m := s.get(f"nn.{n}")(*a).double(), m.has_uninitialized_params()
    )[1])  # fmt: skip
    add(f"nn.{name}", "counted before it has a shape", lambda s, n=name, a=args: [
        p.numel() for p in s.get(f"nn.{n}")(*a).parameters()
    ] and s.get(f"nn.{n}")(*a).weight.sum())  # fmt: skip
    add(f"nn.{name}", "in a network", lambda s, n=name, a=args: (
        m := s.nn.Sequential(s.get(f"nn.{n}")(*a), s.nn.ReLU()),
        m.load_state_dict(m.state_dict()),
        repr(m),
    )[2])  # fmt: skip

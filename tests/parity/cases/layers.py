"""Layers: made, filled with given numbers, called, and shown."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, case
from tests.parity.library import Like, Side
from tests.parity.making import layer, showing

F = "nn.functional."


def image(*shape: int, **more: Any) -> Like:
    return Like(shape, **more)


REDUCTIONS = ("mean", "sum", "none")


x1, x2, x3 = image(2, 4, 9), image(2, 4, 7, 6), image(1, 4, 4, 5, 4)
for d, x in ((1, x1), (2, x2), (3, x3)):
    for args, kwargs in (
        ((4, 6, 3), {}),
        ((4, 6, 3, 2, 1), {}),
        ((4, 6), {"kernel_size": 3, "groups": 2, "bias": False}),
        ((4, 6, 3), {"padding": 1, "padding_mode": "reflect"}),
        ((4, 6, 3), {"padding": "same", "dilation": 2}),
    ):
        layer(f"Conv{d}d", [x], *args, **kwargs)
    layer(f"ConvTranspose{d}d", [x], 4, 6, 3, stride=2, padding=1, output_padding=1)
    layer(f"BatchNorm{d}d", [x], 4)
    layer(f"BatchNorm{d}d", [x], 4, eps=1e-3, momentum=None, affine=False)
    layer(f"BatchNorm{d}d", [x], 4, track_running_stats=False)
    layer(f"InstanceNorm{d}d", [x], 4, affine=True)
    for name in ("MaxPool", "AvgPool"):
        layer(f"{name}{d}d", [x], 2)
        layer(f"{name}{d}d", [x], 3, stride=2, padding=1, ceil_mode=True)
    layer(f"AdaptiveAvgPool{d}d", [x], 2)
    layer(f"AdaptiveMaxPool{d}d", [x], 2)
    layer(f"ConstantPad{d}d", [x], 1, 3.5)
    for name in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
        layer(f"{name}{d}d", [x], 1)
for name in (
    "ReLU",
    "ReLU6",
    "SELU",
    "GELU",
    "SiLU",
    "Mish",
    "Sigmoid",
    "Tanh",
    "Hardswish",
    "Hardsigmoid",
    "Hardtanh",
    "Softplus",
    "LeakyReLU",
    "ELU",
    "CELU",
    "PReLU",
    "LogSigmoid",
    "Softsign",
    "Tanhshrink",
    "Hardshrink",
    "Softshrink",
    "Identity",
):
    layer(name, [image(2, 3)])
    layer(name, [Like((2, 3, 4), "float64")])
for name, args, kwargs in (
    ("LeakyReLU", (0.3,), {}),
    ("ELU", (0.5,), {}),
    ("CELU", (0.5,), {}),
    ("GELU", (), {"approximate": "tanh"}),
    ("Hardtanh", (-2, 0.5), {}),
    ("Softplus", (2, 1), {}),
    ("PReLU", (3,), {"init": 0.1}),
    ("Threshold", (0.1, 20), {}),
    ("Softmax", (1,), {}),
    ("LogSoftmax", (), {"dim": -1}),
    ("Softmin", (1,), {}),
    ("GLU", (-1,), {}),
    ("Flatten", (), {}),
    ("Flatten", (0, 1), {}),
    ("Identity", (54,), {"unused": 1}),
):
    layer(name, [image(2, 3, 4)], *args, **kwargs)
layer("Unflatten", [image(2, 12)], 1, (3, 4))
layer("Softmax2d", [image(2, 3, 4, 5)])
for kwargs in ({}, {"bias": False}):
    layer("Linear", [image(4, 5)], 5, 3, **kwargs)
layer("Bilinear", [image(4, 5), image(4, 3)], 5, 3, 2)
layer("LayerNorm", [image(2, 3, 4)], 4)
layer("LayerNorm", [image(2, 3, 4)], (3, 4), eps=1e-3, elementwise_affine=False)
layer("LayerNorm", [image(2, 3, 4)], 4, bias=False)
layer("GroupNorm", [image(2, 6, 4)], 3, 6)
layer("GroupNorm", [image(2, 6, 4)], 3, 6, affine=False)
layer("RMSNorm", [image(2, 3, 4)], 4)
layer("LocalResponseNorm", [image(2, 6, 4)], 3, alpha=1e-2)
layer("Embedding", [Like((2, 3), "int64", low=0, high=4)], 5, 3, padding_idx=1)
layer("PixelShuffle", [image(2, 8, 3, 2)], 2)
layer("PixelUnshuffle", [image(2, 2, 4, 6)], 2)
layer("ChannelShuffle", [image(2, 6, 3, 2)], 3)
for kwargs in (
    {"scale_factor": 2},
    {"size": (3, 9)},
    {"scale_factor": (2.5, 1.5), "mode": "bilinear"},
    {"scale_factor": 2, "mode": "bicubic", "align_corners": True},
):
    layer("Upsample", [image(2, 3, 4, 5)], **kwargs)
layer("UpsamplingNearest2d", [image(2, 3, 4, 5)], scale_factor=2)
layer("UpsamplingBilinear2d", [image(2, 3, 4, 5)], scale_factor=2)
layer("Unfold", [image(2, 3, 4, 5)], 2, padding=1)
layer("Fold", [image(2, 12, 12)], (4, 5), 2)
layer("CosineSimilarity", [image(4, 5), image(4, 5)])
layer("PairwiseDistance", [image(4, 5), image(4, 5)], p=1)
for name in (
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
):
    x = {"Dropout1d": image(2, 3, 4), "Dropout2d": image(2, 3, 4, 5)}.get(
        name, image(2, 3, 4, 2, 2)
    )
    add(
        f"nn.{name}",
        "eval",
        lambda s, n=name, x=x: (m := s.get(f"nn.{n}")(0.3).eval(), m(s.tensor(x)), repr(m))[1:],
    )
    layer(name, [x], draws=True)
    layer(name, [x], 0.3, draws=True)
    layer(name, [x], 0.2, True, draws=True)
    layer(name, [x], p=0.0)
    add(f"nn.{name}", "p of 0", lambda s, n=name, x=x: s.get(f"nn.{n}")(p=0.0)(s.tensor(x)))
    add(f"nn.{name}", "positional inplace", lambda s, n=name: repr(s.get(f"nn.{n}")(0.2, True)))
    add(f"nn.{name}", "p above 1", lambda s, n=name: s.get(f"nn.{n}")(1.2))
labels = Like((4,), "int64", low=0, high=4)
for reduction in REDUCTIONS:
    kwargs = {"reduction": reduction}
    for name in (
        "MSELoss",
        "L1Loss",
        "SmoothL1Loss",
        "HuberLoss",
        "KLDivLoss",
        "BCEWithLogitsLoss",
    ):
        layer(name, [image(3, 4), Like((3, 4), low=0.1, high=0.9)], **kwargs)
    layer("BCELoss", [Like((3, 4), low=0.1, high=0.9), Like((3, 4), low=0.1, high=0.9)], **kwargs)
    layer("NLLLoss", [image(4, 5), labels], ignore_index=2, **kwargs)
    layer("CrossEntropyLoss", [image(4, 5), labels], ignore_index=2, label_smoothing=0.1, **kwargs)
    layer("PoissonNLLLoss", [image(3, 4), Like((3, 4), low=0.1)], **kwargs)
    layer("GaussianNLLLoss", [image(3, 4), image(3, 4), Like((3, 4), low=0.1)], **kwargs)


@case("nn.CrossEntropyLoss", "nn.NLLLoss")
def class_weights(s: Side) -> Any:
    losses = (
        s.nn.CrossEntropyLoss(weight=s.root.tensor([0.1, 1.0, 2.0])),
        s.nn.NLLLoss(s.root.tensor([0.1, 1.0, 2.0])),
    )
    return [f(s.tensor(Like((4, 3))), s.root.tensor([0, 1, 2, 2])) for f in losses]


@case("nn.BCEWithLogitsLoss", "nn.BCELoss")
def weights_of_elements(s: Side) -> Any:
    w = s.root.tensor([0.1, 1.0, 2.0])
    x, y = s.tensor(Like((4, 3))), s.tensor(Like((4, 3), low=0, high=1, grad=False))
    return s.nn.BCEWithLogitsLoss(weight=w, pos_weight=w)(x, y), s.nn.BCELoss(weight=w)(
        x.sigmoid(), y
    )


# Containers, and layers of which others are made.


def two(s: Side) -> list[Any]:
    return [s.nn.Linear(2, 3), s.nn.Sequential(s.nn.BatchNorm1d(3), s.nn.Dropout(0.2))]


def three_alike(s: Side) -> list[Any]:
    return [s.nn.Conv2d(2, 2, 1) for _ in range(3)]


layer("Sequential", [image(4, 2)], lambda s: s.nn.Linear(2, 3), lambda s: s.nn.BatchNorm1d(3))
layer("DataParallel", [image(4, 2)], lambda s: s.nn.Linear(2, 3))
for made in (two, three_alike):
    for name in ("Module", "Sequential", "ModuleList", "ModuleDict", "DataParallel"):

        def contained(s: Side, name: str = name, made: Any = made) -> Any:
            parts = made(s)
            if name == "Module":
                m = s.nn.Module()
                for i, part in enumerate(parts):
                    m.add_module(f"part{i}", part)
                return m
            if name == "ModuleDict":
                return s.nn.ModuleDict({f"part{i}": part for i, part in enumerate(parts)})
            if name == "Sequential":
                return s.nn.Sequential(*parts)
            return s.get(f"nn.{name}")(parts if name == "ModuleList" else s.nn.Sequential(*parts))

        contained.__name__ = made.__name__
        showing(name, contained)


def parameters(s: Side) -> Any:
    return s.nn.ParameterList([s.ones(2, 3), s.zeros((), dtype=s.float64)])


def named_parameters(s: Side) -> Any:
    return s.nn.ParameterDict({"a": s.ones(2, 3), "b": s.nn.Parameter(s.zeros(1))})


def nothing(s: Side) -> Any:
    return s.nn.ParameterList()


showing("ParameterList", parameters)
showing("ParameterList", nothing)
showing("ParameterDict", named_parameters)
for mode in ("LSTM", "GRU", "RNN_TANH"):

    def base(s: Side, mode: str = mode) -> Any:
        return s.nn.RNNBase(mode, 3, 4, 2, bidirectional=True)

    base.__name__ = mode
    showing("RNNBase", base)
for name, x, args in (
    ("LazyLinear", image(2, 5), (3,)),
    ("LazyConv2d", image(2, 3, 5, 5), (4, 3)),
    ("LazyBatchNorm2d", image(2, 3, 5, 5), ()),
):

    def called(s: Side, name: str = name, x: Like = x, args: tuple = args) -> Any:
        m = s.get(f"nn.{name}")(*args)
        m(s.tensor(x))
        return m

    showing(name, called)

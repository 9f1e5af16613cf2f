"""Layers: made, filled with given numbers, called, and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.parity.compare import add, case
from tests.parity.library import Like, Side

F = "nn.functional."


def image(*shape: int, **more: Any) -> Like:
    return Like(shape, **more)


REDUCTIONS = ("mean", "sum", "none")


Make = Callable[[Side], Any]


def layer(name: str, inputs: list[Like], *args: Any, eval_too: bool = False, **kwargs: Any) -> None:
    """A layer's output, gradients, parameters, buffers and repr."""

    def run(s: Side, training: bool = True) -> Any:
        m = s.get(f"nn.{name}")(*args, **kwargs)
        fill(s, m)
        m.train(training)
        y = m(*[s.tensor(x) for x in inputs])
        return y, {k: v.detach() for k, v in m.state_dict().items()}, repr(m)

    shown = f"{', '.join(map(str, inputs))} {args} {kwargs or ''}"
    add(f"nn.{name}", shown, run)
    if eval_too:
        add(f"nn.{name}", f"{shown} eval", lambda s: run(s, False))


def fill(s: Side, module: Any) -> None:
    """Parameters and buffers from the side's own numbers; parameters' gradients are compared."""
    for name, t in module.state_dict().items():
        if s.is_tensor(t) and t.is_floating_point():
            low = 0.5 if "var" in name else -1.0
            t.copy_(s.root.tensor(s.array(tuple(t.shape), "float32", low, 1.0)))
    s.leaves += list(module.parameters())


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
    layer(f"BatchNorm{d}d", [x], 4, eval_too=True)
    layer(f"BatchNorm{d}d", [x], 4, eps=1e-3, momentum=None, affine=False, eval_too=True)
    layer(f"BatchNorm{d}d", [x], 4, track_running_stats=False, eval_too=True)
    layer(f"InstanceNorm{d}d", [x], 4, affine=True, eval_too=True)
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

"""Right layers, to be made and called wrongly."""

from __future__ import annotations

from tests.parity.refusals import made, right
from tests.parity.wrong.functional import DROPOUTS, SIZES, p
from tests.parity.wrong.tensors import f, i

for d, size in SIZES.items():
    x = (f(2, 4, *size),)
    made(f"nn.Conv{d}d", x, 4, 6, 3, needed=3)
    made(f"nn.Conv{d}d", x, 4, 6, 3, 1, 1, 1, 2, True, "reflect", needed=3)
    made(f"nn.Conv{d}d", x, 4, 6, (3,) * d, stride=(2,) * d, padding=(1,) * d, needed=3)
    made(f"nn.Conv{d}d", x, 4, 6, 3, padding="same", needed=3)
    made(f"nn.BatchNorm{d}d", x, 4, 1e-5, 0.1, needed=1)
made("nn.ConvTranspose2d", (f(2, 4, 5, 5),), 4, 6, 3, 2, 1, 1, 2, needed=3)
made("nn.Linear", (f(2, 3),), 3, 4, needed=2)
right("nn.Identity", values=False)
made("nn.Flatten", (f(2, 3, 4),), 1, 2)
made("nn.Unflatten", (f(2, 6),), 1, (2, 3), needed=2)
made("nn.LayerNorm", (f(2, 3, 4),), 4, 1e-5, needed=1)
made("nn.LayerNorm", (f(2, 3, 4),), (3, 4), needed=1)
made("nn.GroupNorm", (f(2, 4, 3),), 2, 4, 1e-5, needed=2)
made("nn.InstanceNorm2d", (f(2, 4, 3, 3),), 4, 1e-5, 0.1, True, needed=1)
made("nn.LocalResponseNorm", (f(2, 4, 3),), 3, 1e-4, 0.75, 1.0, needed=1)
for name in ("MaxPool", "AvgPool"):
    for d in (1, 2):
        x = (f(2, 4, *SIZES[d]),)
        made(f"nn.{name}{d}d", x, 3, 2, 1, needed=1)
        made(f"nn.{name}{d}d", x, (2,) * d, needed=1)
made("nn.AdaptiveAvgPool1d", (f(2, 4, 7),), 2, needed=1)
made("nn.AdaptiveAvgPool2d", (f(2, 4, 7, 6),), (2, 3), needed=1)
made("nn.AdaptiveMaxPool2d", (f(2, 4, 7, 6),), 2, needed=1)
ONE = "ReLU ReLU6 SELU GELU SiLU Mish Sigmoid Tanh Hardswish Hardsigmoid"
for name in ONE.split():
    made(f"nn.{name}", (f(2, 3),))
made("nn.LeakyReLU", (f(2, 3),), 0.1)
made("nn.ELU", (f(2, 3),), 1.0)
made("nn.CELU", (f(2, 3),), 1.0)
made("nn.PReLU", (f(2, 3),), 3, 0.25)
made("nn.Hardtanh", (f(2, 3),), -1.0, 1.0)
made("nn.Softplus", (f(2, 3),), 1.0, 20.0)
made("nn.Softmax", (f(2, 3),), 1)
made("nn.LogSoftmax", (f(2, 3),), 1)
made("nn.Threshold", (f(2, 3),), 0.1, 20.0, needed=2)
for name, shape in DROPOUTS.items():
    kind = {"alpha_dropout": "AlphaDropout", "feature_alpha_dropout": "FeatureAlphaDropout"}
    made(f"nn.{kind.get(name, name.capitalize())}", (f(*shape),), 0.5)
pair = (f(3, 4), f(3, 4))
made("nn.CrossEntropyLoss", (f(4, 5), i(4)), ignore_index=2, reduction="mean", label_smoothing=0.1)
made("nn.NLLLoss", (f(4, 5), i(4)), ignore_index=2, reduction="mean")
for name in ("MSELoss", "L1Loss"):
    made(f"nn.{name}", pair, reduction="mean")
made("nn.SmoothL1Loss", pair, reduction="mean", beta=1.0)
made("nn.HuberLoss", pair, reduction="mean", delta=1.0)
made("nn.BCELoss", (p(3, 4), p(3, 4)), reduction="mean")
made("nn.BCEWithLogitsLoss", (f(3, 4), p(3, 4)), reduction="mean")
made("nn.KLDivLoss", (f(3, 4), p(3, 4)), reduction="batchmean")
made("nn.Upsample", (f(2, 3, 4, 5),), (6, 7), mode="nearest")
made("nn.Upsample", (f(2, 3, 4, 5),), scale_factor=2.0, mode="bilinear")
made("nn.ZeroPad2d", (f(2, 3, 4, 5),), 1, needed=1)
made("nn.ReflectionPad2d", (f(2, 3, 4, 5),), (1, 2, 1, 1), needed=1)
made("nn.ConstantPad2d", (f(2, 3, 4, 5),), 1, 0.5, needed=2)
made("nn.Embedding", (i(2, 4),), 5, 3, 1, needed=2)
made("nn.PixelShuffle", (f(2, 8, 3, 3),), 2, needed=1)

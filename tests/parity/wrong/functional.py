"""Right calls of nn.functional, to be spoilt."""

from __future__ import annotations

from typing import Any

from tests.parity.library import Like
from tests.parity.refusals import right
from tests.parity.wrong.tensors import f, i


def call(name: str, *args: Any, **kwargs: Any) -> None:
    right(f"nn.functional.{name}", *args, **kwargs)


def p(*shape: int) -> Like:
    return Like(shape, low=0.1, high=0.9)


call("linear", f(2, 3), f(4, 3), f(4), needed=2)
SIZES = {1: (7,), 2: (7, 6), 3: (5, 4, 4)}
for d, size in SIZES.items():
    x, k = f(2, 4, *size), (3,) * d
    call(f"conv{d}d", x, f(6, 4, *k), f(6), needed=2)
    call(f"conv{d}d", x, f(6, 4, *k), f(6), 2, 1, 1, 1, needed=2)
    call(f"conv{d}d", x, f(6, 2, *k), stride=(1,) * d, padding=(1,) * d, groups=2)
    call(f"conv{d}d", x, f(6, 4, *k), padding="same", dilation=1)
call("conv_transpose2d", f(2, 4, 5, 5), f(4, 6, 3, 3), f(6), 2, 1, 1, 1, 1, needed=2)
call("conv_transpose2d", f(2, 4, 5, 5), f(4, 3, 3, 3), groups=2)
s = f(4, grad=False, low=0.5)
call("batch_norm", f(3, 4, 5), s, s, f(4), f(4), True, 0.1, 1e-5, needed=3)
call("batch_norm", f(3, 4, 5), s, s)
call("layer_norm", f(2, 3, 4), (4,), f(4), f(4), 1e-5, needed=2)
call("layer_norm", f(2, 3, 4), (3, 4))
call("group_norm", f(2, 4, 3), 2, f(4), f(4), 1e-5, needed=2)
call("instance_norm", f(2, 4, 3, 3), weight=f(4), bias=f(4))
call("local_response_norm", f(2, 4, 3), 3, 1e-4, 0.75, 1.0, needed=2)
for d, size in SIZES.items():
    if d < 3:
        call(f"max_pool{d}d", f(2, 4, *size), 3, 2, 1, 1, needed=2)
        call(f"max_pool{d}d", f(2, 4, *size), (2,) * d)
        call(f"avg_pool{d}d", f(2, 4, *size), 3, 2, 1, needed=2)
        call(f"avg_pool{d}d", f(2, 4, *size), (2,) * d)
        call(f"adaptive_avg_pool{d}d", f(2, 4, *size), 2)
call("adaptive_avg_pool2d", f(2, 4, 5, 5), (2, 3))
call("adaptive_max_pool2d", f(2, 4, 5, 5), 2)
call("adaptive_max_pool2d", f(2, 4, 5, 5), (2, 3))
ONE = "relu relu6 selu gelu silu mish sigmoid tanh hardswish hardsigmoid"
for name in ONE.split():
    call(name, f(2, 3))
call("relu_", f(2, 3, grad=False))
for name in ("leaky_relu", "elu", "celu"):
    call(name, f(2, 3), 0.5, needed=1)
call("gelu", f(2, 3), approximate="tanh")
call("prelu", f(2, 3), f(3))
call("hardtanh", f(2, 3), -1.0, 1.0, needed=1)
call("softplus", f(2, 3), 1.0, 20.0, needed=1)
call("threshold", f(2, 3), 0.5, 1.0)
for name in ("softmax", "log_softmax"):
    call(name, f(2, 3), 1)
    call(name, f(2, 3), dim=-1)
DROPOUTS = {
    "dropout": (2, 4, 3),
    "dropout1d": (2, 4, 3),
    "dropout2d": (2, 4, 3, 3),
    "dropout3d": (2, 4, 3, 3, 2),
    "alpha_dropout": (2, 4, 3),
    "feature_alpha_dropout": (2, 4, 3),
}
for name, shape in DROPOUTS.items():
    call(name, f(*shape), 0.5, True, needed=1, values=False)
    call(name, f(*shape, grad=False), 0.5, True, True, needed=1, values=False)
for name in ("cross_entropy", "nll_loss"):
    call(name, f(4, 5), i(4))
    call(name, f(4, 5), i(4), weight=Like((5,), low=0.1, grad=False), reduction="sum")
    call(name, f(2, 5, 3), i(2, 3), ignore_index=1, reduction="none")
call("cross_entropy", f(4, 5), p(4, 5), label_smoothing=0.1)
call("cross_entropy", f(4, 5), i(4), label_smoothing=0.1)
for name in ("mse_loss", "l1_loss"):
    call(name, f(3, 4), f(3, 4), reduction="mean")
call("smooth_l1_loss", f(3, 4), f(3, 4), reduction="sum", beta=1.0)
call("huber_loss", f(3, 4), f(3, 4), reduction="none", delta=1.0)
w = Like((4,), low=0.1, grad=False)
call("binary_cross_entropy", p(3, 4), p(3, 4), w, reduction="mean", needed=2)
call("binary_cross_entropy_with_logits", f(3, 4), p(3, 4), w, pos_weight=w, needed=2)
call("kl_div", f(3, 4), p(3, 4), reduction="batchmean")
call("pad", f(2, 3, 4), (1, 2), "constant", 0.5, needed=2)
for mode in ("reflect", "replicate", "circular"):
    call("pad", f(2, 3, 4), (1, 2), mode)
    call("pad", f(2, 3, 4, 5), (1, 2, 1, 0), mode)
for mode in ("nearest", "bilinear", "bicubic", "area", "nearest-exact"):
    call("interpolate", f(2, 3, 4, 5), scale_factor=2.0, mode=mode)
    call("interpolate", f(2, 3, 4, 5), (6, 7), mode=mode, needed=1)
call("interpolate", f(2, 3, 4), 6, mode="linear")
call("upsample", f(2, 3, 4, 5), (6, 7), mode="nearest")
call("normalize", f(2, 3), 2.0, 1, 1e-12, needed=1)
call("one_hot", i(4), 3, needed=1)
call("unfold", f(2, 3, 5, 5), 3, 1, 1, 1, needed=2)
call("unfold", f(2, 3, 5, 5), (2, 3))
call("embedding", i(4), f(5, 3))
call("embedding", i(2, 4), f(5, 3, low=1), 1, 2.0, needed=2, values=False)
call("pixel_shuffle", f(2, 8, 3, 3), 2)

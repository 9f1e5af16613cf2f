"""Normalization, padding and resampling: what layers do to planes and channels."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .calls import Call
from .layers import KINDS, WIDE
from .tensors import Draw, maybe, pick, shapes, tensor


def normalization(draw: Draw) -> Call:
    name = pick(
        draw,
        "batch_norm",
        "instance_norm",
        "group_norm",
        "layer_norm",
        "rms_norm",
        "local_response_norm",
    )
    dtypes = (pick(draw, *WIDE),)
    size = draw(shapes(0 if name == "batch_norm" else 1, 2, 1))
    count, channels = draw(st.integers(0, 3)), 2 * draw(st.integers(1, 2))

    def per_channel(kind: str = "plain") -> Any:
        # Dense: of expanded ones PyTorch reads memory that is not theirs.
        return tensor(draw, (channels,), dtypes, (kind,), grad=kind == "plain", plain=True)

    eps = {"eps": lambda: pick(draw, 1e-5, 0.1)}
    kinds = ("plain", "ties", "special") if draw(st.integers(0, 5)) == 5 else KINDS
    x = tensor(draw, (count, channels, *size), dtypes, kinds)
    given: dict[str, Any] = {}
    affine = {"weight": per_channel, "bias": per_channel, **eps}
    if name in ("batch_norm", "instance_norm"):
        key = "training" if name == "batch_norm" else "use_input_stats"
        keep = draw(st.booleans())
        stats = [per_channel("positive") for _ in "mv"] if keep else [None, None]
        given = {key: not keep or draw(st.booleans()), **maybe(draw, affine)}
        return Call(
            f"nn.functional.{name}", (x, *stats), given | maybe(draw, {"momentum": lambda: 0.3})
        )
    if name == "group_norm":
        return Call(
            f"nn.functional.{name}", (x, pick(draw, 1, 2, channels, 3)), maybe(draw, affine)
        )
    if name == "local_response_norm":
        made = {"alpha": lambda: 0.5, "beta": lambda: 0.5, "k": lambda: 2.0}
        return Call(f"nn.functional.{name}", (x, draw(st.integers(1, 3))), maybe(draw, made))
    last = x.shape[draw(st.integers(0, len(x.shape) - 1)) :]
    if draw(st.integers(0, 19)) == 19:
        last = (*last, 2)
    made = {"weight": lambda: tensor(draw, last, dtypes, ("plain",)), **eps}
    if name == "layer_norm":
        made["bias"] = lambda: tensor(draw, last, dtypes, ("plain",))
    return Call(f"nn.functional.{name}", (x, last), maybe(draw, made))


def resampled(draw: Draw) -> Call:
    name = pick(
        draw,
        "pad",
        "interpolate",
        "unfold",
        "fold",
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "grid_sample",
    )
    full = f"nn.functional.{name}"
    if name == "pad":
        x = tensor(draw, draw(shapes(1, 4)))
        mode = pick(draw, "constant", "constant", "reflect", "replicate", "circular")
        count = draw(st.integers(0, len(x.shape)))
        if mode != "constant":
            x = tensor(draw, (1, *draw(shapes(2, 3, 1))), WIDE)
            count = len(x.shape) - 2 if len(x.shape) > 2 else 1
        sides = tuple(draw(st.integers(-1, 2)) for _ in range(2 * count))
        given = maybe(draw, {"value": lambda: pick(draw, 1, 0.5)}) if mode == "constant" else {}
        return Call(full, (x, sides), {"mode": mode, **given})
    if name == "interpolate":
        n = draw(st.integers(1, 3))
        modes = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[n]
        mode = pick(draw, "nearest", "nearest-exact", "area", *modes)
        x = tensor(draw, (1, 2, *[draw(st.integers(1, 4)) for _ in range(n)]), WIDE, KINDS)
        given = {"mode": mode}
        if draw(st.booleans()):
            given["size"] = tuple(draw(st.integers(1, 6)) for _ in range(n))
        else:
            given["scale_factor"] = pick(draw, 2, 0.5, 1.5, 1.0, 2.3)
            given |= maybe(draw, {"recompute_scale_factor": lambda: True})
        if mode in modes:
            given |= maybe(draw, {"align_corners": lambda: draw(st.booleans())})
            if n == 2:
                given |= maybe(draw, {"antialias": lambda: True})
        return Call(full, (x,), given)
    h, w = (draw(st.integers(1, 6)) for _ in "hw")
    lead = pick(draw, (), (1,), (2,))
    if name == "grid_sample":
        x = tensor(draw, (1, 2, h, w), WIDE, KINDS)
        grid = tensor(draw, (1, 2, 3, 2), (x.dtype,), ("plain",))
        given = {
            "mode": pick(draw, "bilinear", "nearest", "bicubic"),
            "align_corners": draw(st.booleans()),
        }
        return Call(
            full, (x, grid), given | {"padding_mode": pick(draw, "zeros", "border", "reflection")}
        )
    if name in ("unfold", "fold"):
        kernel = tuple(draw(st.integers(1, 3)) for _ in range(2))
        given = {"kernel_size": kernel}
        made = {k: (lambda: draw(st.integers(1, 2))) for k in ("padding", "stride", "dilation")}
        given |= maybe(draw, made)
        if name == "unfold":
            return Call(full, (tensor(draw, (*lead, 2, h, w), WIDE, KINDS),), given)
        s, p, d = (given.get(k, e) for k, e in (("stride", 1), ("padding", 0), ("dilation", 1)))
        rows = [(z + 2 * p - d * (k - 1) - 1) // s + 1 for z, k in zip((h, w), kernel, strict=True)]
        x = tensor(draw, (*lead, 2 * kernel[0] * kernel[1], max(rows[0] * rows[1], 1)), WIDE, KINDS)
        return Call(full, (x, (h, w)), given)
    r = draw(st.integers(1, 3))
    shape = {"pixel_shuffle": (2 * r * r, h, w), "pixel_unshuffle": (2, h * r, w * r)}
    return Call(full, (tensor(draw, (*lead, *shape.get(name, (2 * r, h, w)))), r))


FAMILIES = {"normalization": normalization, "resampled": resampled}

"""How tensors are shown: ``Tensor([[1., 2.], [3., 4.]], grad=None)``."""

from __future__ import annotations

from typing import Any

import numpy

from lucid import dtypes

_options: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "max_line_width": 80}
_profiles = {"default": (4, 1000, 3), "short": (2, 1000, 2), "full": (4, 2**62, 3)}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Digits, element count above which only the edges show, how many edges, and line width."""
    if profile is not None:
        if profile not in _profiles:
            raise ValueError(
                f"set_printoptions: profile must be one of {', '.join(_profiles)}; got {profile!r}"
            )
        values = _profiles[profile]
        _options.update(zip(("precision", "threshold", "edgeitems"), values, strict=True))
    given = {
        "precision": precision,
        "threshold": None if threshold is None else int(min(threshold, 2**62)),
        "edgeitems": edgeitems,
        "max_line_width": linewidth,
    }
    _options.update({name: value for name, value in given.items() if value is not None})
    if sci_mode is not None:
        _options["sci_mode"] = sci_mode


def format_tensor(t: Any) -> str:
    """The text of a tensor: values, then what is not as usual.

    A tensor in a graph shows its gradient, ``grad=None`` before backward.
    """
    host = t._device.to_numpy(t._array)
    kind = dtypes.of(host.dtype)
    if kind.name in ("float16", "bfloat16"):
        host = host.astype("float32")
    options = {k: v for k, v in _options.items() if k != "sci_mode"}
    formatter: Any = {}
    if _options.get("sci_mode"):
        digits = _options["precision"]
        formatter = {"float_kind": lambda x: f"{x:.{digits}e}"}
    values = numpy.array2string(
        host, separator=", ", prefix="Tensor(", formatter=formatter, **options
    )
    parts = [values]
    if host.size == 0:
        parts[0] = "[]"
        if host.shape != (0,):
            parts.append(f"size={host.shape}")
    if t._device.type != "cpu":
        parts.append(f"device='{t._device}'")
    usual = (dtypes.get_default_dtype(), dtypes.int64, dtypes._bool)
    if kind not in usual or (host.size == 0 and kind is not usual[0]):
        parts.append(f"dtype={kind}")
    if t.requires_grad:
        grad = "None" if t._grad is None else f"{format_tensor(t._grad)}"
        parts.append(f"grad={grad}")
    return f"Tensor({', '.join(parts)})"

"""docs/differences.md: where lucid differs from PyTorch on purpose, for a reader who knows PyTorch.

``python -m tests.parity --page > docs/differences.md``. The families are written here; below each
stand the reasons that the comparison knows for it, with examples of the names it met them at.
"""

# ruff: noqa: E501 (the lines of the page are longer than those of code)

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import NamedTuple

from .intended import SIGNATURES, VALUES
from .intended_refusals import REFUSALS
from .signatures import LEFT_OUT

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"
_EXAMPLES = 5


class Family(NamedTuple):
    """Reasons that belong together, told by words that occur in them."""

    title: str
    text: str
    words: tuple[str, ...]


HEAD = """# Where lucid differs from PyTorch, on purpose

<!-- Written by `python -m tests.parity --page > docs/differences.md`; a test holds it current. -->

Code for PyTorch runs unchanged; `python -m tests.parity` makes the same calls, right ones and wrong ones,
to both and compares. What it finds different is either a bug or stands here: what differs, why, and
what you may have to do. In most families that is nothing.

## What lucid adds

* **`generator=` on every dropout.** All six layers and functions take a `lucid.Generator`, so that one layer's
  decisions can be drawn, saved and repeated apart from all others.
* **`layer.mask`.** A dropout layer shows the decisions of its last training call; nothing is stored for it,
  they are drawn again when read. `None` before the first call and after one in eval mode.
* **Dropout selects, it does not multiply.** A dropped NaN or infinity is exactly 0 (alpha dropout: exactly the
  fill), and so is its gradient. In PyTorch 0 · NaN stays NaN: a NaN that only shows now and then in PyTorch may
  be hidden by lucid's dropout. Look for it with `lucid.autograd.detect_anomaly()`.
* **The same bits on the CPU and on a GPU.** A seed means the same mask, permutation and uniform numbers on
  every device, in every memory layout and with any number of threads. They are not PyTorch's: a seed does not
  give the numbers that `torch.manual_seed` gives.
* **`y.backward()` of a tensor that is no number** starts from ones, as `y.sum().backward()` does. PyTorch refuses it.
* **Errors are one sentence:** the function, the rule, what it got and a way out; inside a model a note names the
  layer's path. Each is also the exception class of Python's that PyTorch raises, so `except RuntimeError` around
  shapes, dtypes and devices goes on working; of settings see below.
"""

FAMILIES = [
    Family(
        "Which dtypes are taken",
        "Where PyTorch has no kernel for a dtype (`Boolean inputs not supported`, `not implemented for"
        " 'Half'`) or wants all tensors in one, lucid promotes and computes. Nothing to do; code that relied"
        " on the error must check dtypes itself. Matrix products and convolutions do not promote. Where PyTorch computes with"
        " integers on the CPU only, lucid refuses them on every device.",
        (
            "dtype",
            "promote",
            "bools count",
            "cast",
            "uint8 mask",
            "bool",
            "integers are norm",
            "half types",
        ),
    ),
    Family(
        "One function for several forms",
        "PyTorch's overloads are one signature here, so some calls that PyTorch's parser rejects mean"
        " something: None stands for a default, a number for a tensor that broadcasts, one entry of a tuple"
        " for all dimensions.",
        (
            "one function",
            "numbers are taken",
            "no sizes",
            "one number in a tuple",
            "None means",
            "None keeps",
            "None is the",
            "may be kept alone",
            "tuple of dims",
            "any of the last",
        ),
    ),  # fmt: skip
    Family(
        "Which exception, and when",
        "A setting out of its range is a `ValueError` everywhere, an argument of the wrong type a `TypeError`,"
        " a shape that does not fit a `ShapeError` (a `ValueError` and a `RuntimeError`), a dim or an index"
        " that is not there a `DimensionError` (an `IndexError`, too). PyTorch's class depends on the layer"
        " that notices. If you catch `RuntimeError` of settings, catch `(RuntimeError, ValueError)`.",
        (
            "ValueError",
            "TypeError",
            "ShapeError",
            "refused of no",
            "several things",
            "layer is made",
            "2d layer",
            "each dimension",
            "bias is one",
            "int() would",
            "device may be named",
            "a note",
            "momentum",
            "eps",
            "averaged",
            "largest of no",
        ),
    ),  # fmt: skip
    Family(
        "Gradients where PyTorch has none, and none where there is nothing",
        "Weights of losses have gradients; what only counts elements, or has none, has no graph instead of a"
        " gradient of zeros. If you call `.grad` unconditionally, allow for `None`.",
        ("no gradient", "have gradients", "its gradient is 0", "starts from ones", "weights have"),
    ),
    Family(
        "NaN and infinity",
        "lucid passes a NaN on instead of taking it for one side of a comparison, and knows limits at"
        " infinity. Only values that are NaN or infinite already are concerned.",
        ("NaN", "infinit", "inf:", "equal elements", "not defined", "no number", "below every"),
    ),
    Family(
        "The order in memory",
        "Values and shapes agree; strides of a copy may not, where the arguments lie in different orders, or"
        " LAPACK's order shows through. Ask `.is_contiguous()`, or call `.contiguous()`, before you count on"
        " strides.",
        ("C order", "order in memory", "memory orders"),
    ),
    Family(
        "PyTorch fails",
        "Calls at which PyTorch stops by an assertion, a division by zero or a missing kernel.",
        ("PyTorch fails", "by accident"),
    ),
    Family(
        "Rounding",
        "Differences of one unit in the last place, where a constant or the order of roundings is another.",
        ("digits", "rounded once"),
    ),
    Family(
        "Arguments that are left out, or named otherwise",
        "Compared by name, order and default. What has no meaning here is not accepted silently.",
        (),
    ),
]


def families() -> list[tuple[Family, dict[str, list[str]]]]:
    """Each family with its reasons, and for each reason the names that it was given for."""
    left: dict[str, list[str]] = {}
    for name, _, _, reason in [*VALUES, *REFUSALS]:
        left.setdefault(reason, []).append(name)
    found = []
    for family in FAMILIES[:-1]:
        own = {r: names for r, names in left.items() if any(w in r for w in family.words)}
        left = {r: names for r, names in left.items() if r not in own}
        found.append((family, own))
    if left:
        raise ValueError(f"page: every reason must belong to a family; got {list(left)}")
    arguments: dict[str, list[str]] = {}
    for name, reason in {**SIGNATURES, **{f"{k}=": v for k, v in LEFT_OUT.items()}}.items():
        if reason != "private":
            arguments.setdefault(reason, []).append(name)
    return [*found, (FAMILIES[-1], arguments)]


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for family, reasons in families():
        parts.append(f"## {family.title}\n\n{textwrap.fill(family.text, 112)}\n")
        lines = [_item(f"{reason}{_examples(names)}") for reason, names in reasons.items()]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _item(text: str) -> str:
    return textwrap.fill(
        text, 112, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False
    )


def _examples(names: list[str]) -> str:
    """Names as examples: whole ones first, patterns without their stars, none of "everything"."""
    plain = sorted({n.strip("*.").removeprefix("nn.functional.") for n in names} - {"", "nn"})
    plain = [n for n in plain if "*" not in n and "[" not in n]
    if not plain:
        return ""
    more = ", …" if len(plain) > _EXAMPLES else ""
    return f" (`{'`, `'.join(plain[:_EXAMPLES])}`{more})"

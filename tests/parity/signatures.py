"""Does lucid take a function's arguments as PyTorch does: names, order and defaults?

PyTorch's signatures come from Python where it has them, else from the first lines of its
docstrings at hand, which list one form of the call each.
"""

from __future__ import annotations

import inspect
import re
from inspect import Parameter, Signature
from typing import Any

# Parameters that lucid leaves out everywhere, and why.
LEFT_OUT = {
    "out": "results are new tensors; in-place methods write into an existing one",
    "layout": "there are only dense tensors",
    "pin_memory": "new tensors are not pinned; Tensor.pin_memory and the DataLoader do it",
    "size_average": "deprecated by PyTorch in favour of reduction",
    "reduce": "deprecated by PyTorch in favour of reduction",
    "_stacklevel": "private",
    "_freeze": "private",
    "_weight": "private",
    "_random_samples": "private",
}
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_UNKNOWN = object()


def forms(path: str, function: Any) -> list[Signature]:
    """The ways in which PyTorch's function may be called, as far as they can be read."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return _documented(path.rpartition(".")[2], function.__doc__ or "")
    parameters = list(found.parameters.values())
    if [p.kind for p in parameters] == [Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD]:
        return _documented(path.rpartition(".")[2], function.__doc__ or "")
    return [found]


def _documented(name: str, text: str) -> list[Signature]:
    calls = re.findall(
        rf"^(?:\.\. (?:function|method):: )?(?:\w+\.)*{name}(\(.*?\))(?: ->.*|\s*)$",
        inspect.cleandoc(text),
        re.MULTILINE,
    )
    return [s for s in map(_parsed, calls) if s is not None]


def _parsed(text: str) -> Signature | None:
    """A signature as documentation writes it: types in any notation, defaults as Python."""
    text = text.replace("\\*", "*")
    text = re.sub(r"(\*\w+(?:\.\.\.)?), \*,", r"\1,", text)  # def f(*size, *, dtype) is no Python
    text = re.sub(r":\s*[^,=)\[]+(\[[^\]]*\])?", "", text)
    text = re.sub(r"(?<=[(,] )\w+ (?=\w+[,)=])", "", text)
    text = re.sub(r"=\s*([\w.\-]+)", lambda m: f"={_literal(m[1])}", text)
    space: dict[str, Any] = {"UNKNOWN": _UNKNOWN}
    try:
        exec(f"def f{text}: pass", space)
    except SyntaxError:
        return None
    return inspect.signature(space["f"])


def _literal(word: str) -> str:
    plain = word in ("None", "True", "False") or re.fullmatch(r"-?\d[\d.]*(e-?\d+)?", word)
    return word if plain else "UNKNOWN"


def differences(path: str, theirs: Any, ours: Any, method: bool) -> list[str]:
    """What a caller of PyTorch's function would notice in ours.

    method: it stands in a class, so that documentation leaves its first argument out.
    """
    try:
        mine = list(inspect.signature(ours).parameters.values())
    except (TypeError, ValueError):
        return []
    found: list[str] = []
    for form in forms(path, theirs):
        wanted = list(form.parameters.values())
        if wanted and wanted[0].name == "self":
            wanted = wanted[1:]
        elif not method:
            found += [d for d in _compare(wanted, mine) if d not in found]
            continue
        found += [d for d in _compare(wanted, mine[1:]) if d not in found]
    return found


def _compare(wanted: list[Parameter], have: list[Parameter]) -> list[str]:
    kinds = {p.kind for p in have}
    by_name = {p.name: p for p in have if p.kind is not Parameter.VAR_POSITIONAL}
    places = iter([p.name for p in have if p.kind in _POSITIONAL])
    found = []
    shifted = Parameter.VAR_POSITIONAL in kinds
    for p in wanted:
        if p.kind is Parameter.VAR_POSITIONAL:
            if Parameter.VAR_POSITIONAL not in kinds:
                found.append(f"takes *{p.name}")
            continue
        if p.kind is Parameter.VAR_KEYWORD:
            continue
        if p.name in LEFT_OUT and p.name not in by_name:
            shifted = True  # what follows is to be given by name
            continue
        if p.kind in _POSITIONAL and not shifted:
            here = next(places, "nothing")
            if here != p.name:
                found.append(f"{p.name} stands where {here} does here")
                shifted = True
        if p.name in by_name:
            if not _same(p.default, by_name[p.name].default):
                found.append(f"{p.name}={p.default!r} is {by_name[p.name].default!r} here")
        elif Parameter.VAR_KEYWORD not in kinds and not (
            Parameter.VAR_POSITIONAL in kinds and p.kind in _POSITIONAL
        ):
            found.append(f"no {p.name}")
    return found


def _same(theirs: Any, ours: Any) -> bool:
    if theirs is _UNKNOWN or theirs is Parameter.empty or theirs is ours:
        return True  # what must be given there may be left out here
    if isinstance(theirs, (tuple, list)) and isinstance(ours, (tuple, list)):
        return tuple(theirs) == tuple(ours)
    if isinstance(theirs, (bool, int, float, str, type(None))):
        return theirs == ours
    if inspect.isfunction(theirs) and inspect.isfunction(ours):
        return theirs.__name__ == ours.__name__  # a default activation
    return str(theirs).replace("torch", "lucid") == str(ours)

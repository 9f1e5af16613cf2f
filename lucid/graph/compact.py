"""Small instances: a word about how CPython lays out attributes.

A class remembers the attribute names that its first thirty or so instances set; later ones keep
those names' values in a bare array, and need a whole dict of 350 bytes as soon as they set another
name. The nodes of a graph come in thousands, and their first calls may have recorded nothing, so
the names are taught to the class when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_FIRST_INSTANCES = 32  # CPython 3.11 to 3.13 learn from at most 30


def teach(cls: type, names: Iterable[str]) -> None:
    """Let instances of ``cls`` hold these attributes without a dict."""
    sample: Any = object.__new__(cls)
    for name in names:
        object.__setattr__(sample, name, None)
    for _ in range(_FIRST_INSTANCES):  # each one takes a place that no name has taken
        object.__new__(cls)

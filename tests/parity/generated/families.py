"""The families of functions whose calls are generated."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from . import elementwise, indexing, layers, losses, planes, reductions, views
from .calls import Call
from .tensors import Draw

FAMILIES: dict[str, Callable[[Draw], Call]] = {
    **elementwise.FAMILIES,
    **reductions.FAMILIES,
    **views.FAMILIES,
    **indexing.FAMILIES,
    **layers.FAMILIES,
    **planes.FAMILIES,
    **losses.FAMILIES,
}


def calls(family: str) -> st.SearchStrategy[Call]:
    """Calls of the family's functions."""
    return st.composite(FAMILIES[family])()

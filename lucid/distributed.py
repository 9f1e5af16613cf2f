"""PyTorch's ``distributed`` namespace as it is in a build without it: it says so.

lucid trains in one process. Scripts that ask ``is_available()`` or ``is_initialized()`` first take
their path for one process; whatever else they would need is refused by name.
"""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False: there are no process groups."""
    return False


def is_initialized() -> bool:
    """False: no process group can have been made."""
    return False


def is_torchelastic_launched() -> bool:
    """False: nobody launches several processes of lucid."""
    return False


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(
        f"lucid.distributed: lucid trains in one process; got a use of {name!r}. Hint: take this"
        " path only if torch.distributed.is_initialized(), as for one GPU"
    )

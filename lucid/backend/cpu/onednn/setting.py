"""What a user may choose about oneDNN; lucid.backends.onednn shows it."""

from dataclasses import dataclass

__all__ = ["OnednnOptions", "onednn"]


@dataclass
class OnednnOptions:
    """See lucid.backends.onednn."""

    enabled: bool = True


onednn = OnednnOptions()

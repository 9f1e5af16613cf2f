"""Functions that users hang on tensors, gradients and modules, and the handle to take them off."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

_ids = itertools.count()
_LAST = 1 << 62  # more than any count


class RemovableHandle:
    """What registering a hook returns: ``handle.remove()`` takes the hook away again."""

    def __init__(
        self,
        hooks: dict[int, Any],
        hook: Callable[..., Any],
        *,
        first: bool = False,
        last: bool = False,
    ):
        self.id = next(_ids) + (_LAST if last else 0)
        self._hooks = hooks
        others = dict(hooks) if first else {}
        if first:
            hooks.clear()
        hooks[self.id] = hook
        hooks.update(others)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()

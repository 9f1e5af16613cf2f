"""The command line: `lucid train`, `lucid bench dropout`, `lucid gpu-report`, `lucid info`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lucid.errors import LucidError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 all well, 1 an error, 2 a bad option, 130 and 143 stopped.

    An error that lucid raises on purpose is one sentence; with --debug it is a traceback.
    """
    from lucid.cli.app import app

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, prog_name="lucid")
    except LucidError as error:
        if "--debug" in words:
            raise
        print(f"lucid: {error}", file=sys.stderr)
        sys.exit(1)

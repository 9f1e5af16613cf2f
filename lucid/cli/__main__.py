"""`python -m lucid.cli` is `lucid`."""

from lucid.cli import main

main()

"""`lucid train` as it is, but a tiny network on tiny images, without a picture.

`python -m tests.cli.tiny_lucid train ...`
"""

import sys

from lucid.cli import main
from lucid.train import recipe
from tests.train.tiny import make


def build(settings, device, workers):
    """In place of recipe.build: the settings and what they do stay."""
    return make(device, settings.seed, settings.lr, workers, settings.epochs)


if __name__ == "__main__":
    recipe.build = build
    sys.modules["matplotlib.figure"] = None
    main()

"""The mathematics: one family per file. Importing it gives Tensor its methods.

What works on tensors as such stands here under its own name, and again in ``lucid``; what belongs
to layers is reached through ``lucid.nn.functional``.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from lucid.ops import (
    activation,
    avg_pooling,
    batch_norm,
    convolution,
    embedding,
    gated,
    likelihood,
    loss,
    max_pooling,
    nll,
    normalization,
    padding,
    piecewise,
    python,
    regression,
    similarity,
)
from lucid.ops.arithmetic import *  # noqa: F403
from lucid.ops.comparison import *  # noqa: F403
from lucid.ops.conversion import *  # noqa: F403
from lucid.ops.creation import *  # noqa: F403
from lucid.ops.dropout import alpha_dropout, dropout, feature_alpha_dropout
from lucid.ops.elementwise import *  # noqa: F403
from lucid.ops.extrema import *  # noqa: F403
from lucid.ops.filling import *  # noqa: F403
from lucid.ops.gather import *  # noqa: F403
from lucid.ops.indexing import *  # noqa: F403
from lucid.ops.joining import *  # noqa: F403
from lucid.ops.linalg import *  # noqa: F403
from lucid.ops.masking import *  # noqa: F403
from lucid.ops.ordering import *  # noqa: F403
from lucid.ops.patterns import *  # noqa: F403
from lucid.ops.powers import *  # noqa: F403
from lucid.ops.reduction import *  # noqa: F403
from lucid.ops.rounding import *  # noqa: F403
from lucid.ops.sampling import *  # noqa: F403
from lucid.ops.shape import *  # noqa: F403
from lucid.ops.softmax import *  # noqa: F403
from lucid.ops.statistics import *  # noqa: F403
from lucid.ops.trigonometry import *  # noqa: F403

if not TYPE_CHECKING:
    __all__ = [  # what `lucid` shows: functions, not the files they stand in
        name
        for name, value in globals().items()
        if getattr(value, "__module__", "").startswith("lucid.") and not name.startswith("_")
    ]

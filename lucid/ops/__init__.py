"""The mathematics: one family per file. Importing it gives Tensor its methods.

What works on tensors as such stands here under its own name, and again in ``lucid``; what belongs
to layers is reached through ``lucid.nn.functional``.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from lucid.op import arguments
from lucid.ops import (
    activation,
    affine_grid,
    attention,
    avg_pooling,
    batch_norm,
    bilinear,
    class_margin,
    convolution,
    ctc,
    drop_block,
    embedding,
    embedding_bag,
    fractional_pooling,
    gated,
    grid_sample,
    gumbel,
    inverses,
    likelihood,
    loss,
    margin_loss,
    max_pooling,
    metric_loss,
    nll,
    noise,
    norm_relu_dropout,
    normalization,
    padding,
    patches,
    piecewise,
    pinning,
    pseudo_inverse,
    python,
    recurrent,
    regression,
    reshaping,
    resize,
    rrelu,
    selu_dropout,
    sharing,
    similarity,
    spectral,
    unpooling,
    written_over,
)
from lucid.ops.arithmetic import *  # noqa: F403
from lucid.ops.comparison import *  # noqa: F403
from lucid.ops.conversion import *  # noqa: F403
from lucid.ops.counting import *  # noqa: F403
from lucid.ops.creation import *  # noqa: F403
from lucid.ops.describing import *  # noqa: F403
from lucid.ops.determinants import *  # noqa: F403
from lucid.ops.diagonals import *  # noqa: F403
from lucid.ops.dividing import *  # noqa: F403
from lucid.ops.dropout import alpha_dropout, dropout, feature_alpha_dropout
from lucid.ops.elementwise import *  # noqa: F403
from lucid.ops.extrema import *  # noqa: F403
from lucid.ops.filling import *  # noqa: F403
from lucid.ops.gather import *  # noqa: F403
from lucid.ops.indexing import *  # noqa: F403
from lucid.ops.inverse_erf import *  # noqa: F403
from lucid.ops.joining import *  # noqa: F403
from lucid.ops.linalg import *  # noqa: F403
from lucid.ops.masking import *  # noqa: F403
from lucid.ops.nans import *  # noqa: F403
from lucid.ops.ordering import *  # noqa: F403
from lucid.ops.pairs import *  # noqa: F403
from lucid.ops.patterns import *  # noqa: F403
from lucid.ops.powers import *  # noqa: F403
from lucid.ops.products import *  # noqa: F403
from lucid.ops.ranks import *  # noqa: F403
from lucid.ops.reduction import *  # noqa: F403
from lucid.ops.rounding import *  # noqa: F403
from lucid.ops.sampling import *  # noqa: F403
from lucid.ops.shape import *  # noqa: F403
from lucid.ops.shuffling import *  # noqa: F403
from lucid.ops.softmax import *  # noqa: F403
from lucid.ops.special import *  # noqa: F403
from lucid.ops.statistics import *  # noqa: F403
from lucid.ops.striding import *  # noqa: F403
from lucid.ops.trigonometry import *  # noqa: F403
from lucid.ops.typed import *  # noqa: F403

written_over.attach()

if not TYPE_CHECKING:
    arguments.explain_all(globals())
    __all__ = [  # what `lucid` shows: functions, not the files they stand in
        name
        for name, value in globals().items()
        if getattr(value, "__module__", "").startswith("lucid.") and not name.startswith("_")
    ]

"""What layers compute, as functions, under PyTorch's names."""

# ruff: noqa: F401

from lucid.ops.activation import (
    celu,
    celu_,
    elu,
    elu_,
    logsigmoid,
    selu,
    selu_,
    sigmoid,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)
from lucid.ops.avg_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
)
from lucid.ops.batch_norm import (
    batch_norm,
    instance_norm,
)
from lucid.ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from lucid.ops.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from lucid.ops.embedding import (
    embedding,
    one_hot,
)
from lucid.ops.gated import (
    gelu,
    glu,
    mish,
    silu,
)
from lucid.ops.likelihood import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    gaussian_nll_loss,
    kl_div,
    poisson_nll_loss,
)
from lucid.ops.linalg import (
    linear,
)
from lucid.ops.loss import (
    cross_entropy,
)
from lucid.ops.max_pooling import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from lucid.ops.nll import (
    nll_loss,
)
from lucid.ops.normalization import (
    group_norm,
    layer_norm,
    local_response_norm,
    normalize,
    rms_norm,
)
from lucid.ops.padding import (
    pad,
)
from lucid.ops.piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    prelu,
    relu,
    relu6,
    relu_,
    softshrink,
    threshold,
    threshold_,
)
from lucid.ops.regression import (
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from lucid.ops.similarity import (
    cosine_similarity,
    pairwise_distance,
)
from lucid.ops.softmax import (
    log_softmax,
    softmax,
    softmin,
)

"""What layers compute, as functions, under PyTorch's names."""

# ruff: noqa: F401

from lucid.nn.heads import (
    multi_head_attention_forward,
)
from lucid.nn.lp_pool import (
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
)
from lucid.op import arguments
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
from lucid.ops.affine_grid import (
    affine_grid,
)
from lucid.ops.attention import (
    scaled_dot_product_attention,
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
from lucid.ops.bilinear import (
    bilinear,
)
from lucid.ops.class_margin import (
    multi_margin_loss,
    multilabel_margin_loss,
)
from lucid.ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from lucid.ops.ctc import (
    ctc_loss,
)
from lucid.ops.drop_block import (
    drop_block2d,
    drop_block3d,
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
from lucid.ops.embedding_bag import (
    embedding_bag,
)
from lucid.ops.fractional_pooling import (
    fractional_max_pool2d,
    fractional_max_pool3d,
)
from lucid.ops.gated import (
    gelu,
    glu,
    mish,
    silu,
)
from lucid.ops.grid_sample import (
    grid_sample,
)
from lucid.ops.gumbel import (
    gumbel_softmax,
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
from lucid.ops.margin_loss import (
    hinge_embedding_loss,
    margin_ranking_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from lucid.ops.max_pooling import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from lucid.ops.metric_loss import (
    cosine_embedding_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from lucid.ops.nll import (
    nll_loss,
)
from lucid.ops.noise import (
    gaussian_dropout,
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
from lucid.ops.patches import (
    fold,
    unfold,
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
from lucid.ops.products import (
    pdist,
)
from lucid.ops.regression import (
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from lucid.ops.resize import (
    interpolate,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from lucid.ops.rrelu import (
    rrelu,
    rrelu_,
)
from lucid.ops.shuffling import (
    channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
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
from lucid.ops.unpooling import (
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)

arguments.explain_all(globals())

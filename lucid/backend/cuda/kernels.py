"""All family functions, one attribute each: an op calls ``self.device.kernels.<function>``.

Importing this declares every kernel and compiles none.
"""

from lucid.backend.cuda.activation import activation as activation
from lucid.backend.cuda.activation import activation_gradient as activation_gradient
from lucid.backend.cuda.arrays import is_channels_last as is_channels_last
from lucid.backend.cuda.batch_norm import batch_norm as batch_norm
from lucid.backend.cuda.batch_norm import batch_norm_gradient as batch_norm_gradient
from lucid.backend.cuda.batch_norm import chain_of as chain_of
from lucid.backend.cuda.batch_statistics import batch_statistics as batch_statistics
from lucid.backend.cuda.batch_statistics import training_statistics as training_statistics
from lucid.backend.cuda.batch_statistics import (
    update_running_statistics as update_running_statistics,
)
from lucid.backend.cuda.convolution import convolve as convolve
from lucid.backend.cuda.convolution import convolve_input_gradient as convolve_input_gradient
from lucid.backend.cuda.convolution import convolve_weight_gradient as convolve_weight_gradient
from lucid.backend.cuda.cublas import matmul as matmul
from lucid.backend.cuda.cudnn_batch_norm import cudnn_batch_norm as cudnn_batch_norm
from lucid.backend.cuda.cudnn_batch_norm import (
    cudnn_batch_norm_gradient as cudnn_batch_norm_gradient,
)
from lucid.backend.cuda.dropout import bernoulli_affine as bernoulli_affine
from lucid.backend.cuda.embedding import embedding_gradient as embedding_gradient
from lucid.backend.cuda.group_norm import group_norm_last as group_norm_last
from lucid.backend.cuda.group_norm import group_norm_last_gradient as group_norm_last_gradient
from lucid.backend.cuda.group_norm import grouped_last as grouped_last
from lucid.backend.cuda.loss import cross_entropy as cross_entropy
from lucid.backend.cuda.loss import cross_entropy_gradient as cross_entropy_gradient
from lucid.backend.cuda.loss_scale import adjust_loss_scale as adjust_loss_scale
from lucid.backend.cuda.normalization import row_norm as row_norm
from lucid.backend.cuda.normalization import row_norm_gradient as row_norm_gradient
from lucid.backend.cuda.optimizer import clip_gradients as clip_gradients
from lucid.backend.cuda.optimizer import gradient_norm as gradient_norm
from lucid.backend.cuda.optimizer import optimizer_step as optimizer_step
from lucid.backend.cuda.optimizer import unscale_gradients as unscale_gradients
from lucid.backend.cuda.order import in_order_of as in_order_of
from lucid.backend.cuda.order import laid_out as laid_out
from lucid.backend.cuda.pooling import avg_pool as avg_pool
from lucid.backend.cuda.pooling import avg_pool_gather as avg_pool_gather
from lucid.backend.cuda.pooling import max_pool as max_pool
from lucid.backend.cuda.pooling import max_pool_gather as max_pool_gather
from lucid.backend.cuda.random import draw as draw
from lucid.backend.cuda.scatter import scatter_add as scatter_add
from lucid.backend.cuda.selu_dropout import selu_dropout as selu_dropout
from lucid.backend.cuda.selu_dropout import selu_dropout_gradient as selu_dropout_gradient
from lucid.backend.cuda.softmax import softmax as softmax
from lucid.backend.cuda.softmax import softmax_gradient as softmax_gradient

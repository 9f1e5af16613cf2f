"""lucid: tensors, gradients and neural networks on NumPy and CuPy, with PyTorch's names.

lucid            tensors, their functions, dtypes, devices, random numbers, save and load
lucid.nn         layers; lucid.nn.functional, lucid.nn.init
lucid.optim      optimizers and learning rate schedulers
lucid.autograd   gradients, custom functions, gradient checks
lucid.amp        mixed precision
lucid.utils      data loading, checkpointing
lucid.hub        weights from the web
lucid.onnx       models for other programs
lucid.linalg     decompositions, equations and norms of matrices
lucid.cuda       NVIDIA GPUs; lucid.backends: which library computes what, how precisely
"""

from importlib import import_module
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from types import ModuleType

from lucid import accelerator as accelerator
from lucid import amp as amp
from lucid import autograd as autograd
from lucid import backends as backends
from lucid import compiler as compiler
from lucid import cuda as cuda
from lucid import linalg as linalg
from lucid import nn as nn
from lucid import optim as optim
from lucid import random as random
from lucid import utils as utils
from lucid import version as version
from lucid.amp.autocast_mode import autocast as autocast
from lucid.amp.autocast_mode import clear_autocast_cache as clear_autocast_cache
from lucid.amp.autocast_mode import get_autocast_dtype as get_autocast_dtype
from lucid.amp.autocast_mode import is_autocast_cache_enabled as is_autocast_cache_enabled
from lucid.amp.autocast_mode import is_autocast_enabled as is_autocast_enabled
from lucid.amp.autocast_mode import set_autocast_cache_enabled as set_autocast_cache_enabled
from lucid.amp.autocast_mode import set_autocast_dtype as set_autocast_dtype
from lucid.amp.autocast_mode import set_autocast_enabled as set_autocast_enabled
from lucid.autograd import enable_grad as enable_grad
from lucid.autograd import inference_mode as inference_mode
from lucid.autograd import no_grad as no_grad
from lucid.autograd import set_grad_enabled as set_grad_enabled
from lucid.backend import Device as device
from lucid.backend import get_default_device as get_default_device
from lucid.backend import set_default_device as set_default_device
from lucid.backend.cpu.threads import get_num_threads as get_num_threads
from lucid.backend.cpu.threads import set_num_threads as set_num_threads
from lucid.backends import (
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
)
from lucid.backends import get_float32_matmul_precision as get_float32_matmul_precision
from lucid.backends import (
    is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
)
from lucid.backends import set_float32_matmul_precision as set_float32_matmul_precision
from lucid.backends import set_flush_denormal as set_flush_denormal
from lucid.backends import use_deterministic_algorithms as use_deterministic_algorithms
from lucid.compiler import compile as compile
from lucid.dtypes import *  # noqa: F403
from lucid.dtypes import _bool as bool
from lucid.dtypes import float32 as float
from lucid.dtypes import int32 as int
from lucid.fx import _assert as _assert
from lucid.graph.anomaly import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from lucid.graph.anomaly import is_anomaly_enabled as is_anomaly_enabled
from lucid.graph.grad_mode import is_grad_enabled as is_grad_enabled
from lucid.graph.grad_mode import is_inference_mode_enabled as is_inference_mode_enabled
from lucid.nn.functional import avg_pool1d as avg_pool1d
from lucid.nn.functional import bilinear as bilinear
from lucid.nn.functional import conv_transpose1d as conv_transpose1d
from lucid.nn.functional import conv_transpose2d as conv_transpose2d
from lucid.nn.functional import conv_transpose3d as conv_transpose3d
from lucid.nn.functional import group_norm as group_norm
from lucid.nn.functional import hardshrink as hardshrink
from lucid.nn.functional import layer_norm as layer_norm
from lucid.nn.functional import max_pool1d as max_pool1d
from lucid.nn.functional import max_pool2d as max_pool2d
from lucid.nn.functional import max_pool3d as max_pool3d
from lucid.nn.functional import pairwise_distance as pairwise_distance
from lucid.nn.functional import prelu as prelu
from lucid.nn.functional import rrelu as rrelu
from lucid.nn.functional import threshold as threshold
from lucid.op import result_type as result_type
from lucid.ops import *  # type: ignore[assignment]  # noqa: F403
from lucid.ops.activation import celu as celu
from lucid.ops.activation import celu_ as celu_
from lucid.ops.activation import selu as selu
from lucid.ops.activation import selu_ as selu_
from lucid.ops.activation import sigmoid as sigmoid
from lucid.ops.activation import sigmoid_ as sigmoid_
from lucid.ops.activation import tanh as tanh
from lucid.ops.activation import tanh_ as tanh_
from lucid.ops.convolution import conv1d as conv1d
from lucid.ops.convolution import conv2d as conv2d
from lucid.ops.convolution import conv3d as conv3d
from lucid.ops.piecewise import relu as relu
from lucid.ops.piecewise import relu_ as relu_
from lucid.ops.pseudo_inverse import matrix_power as matrix_power
from lucid.ops.pseudo_inverse import pinverse as pinverse
from lucid.ops.similarity import cosine_similarity as cosine_similarity
from lucid.printing import set_printoptions as set_printoptions
from lucid.random import Generator as Generator
from lucid.random import default_generator as default_generator
from lucid.random import initial_seed as initial_seed
from lucid.random import manual_seed as manual_seed
from lucid.random import seed as seed
from lucid.serialization import load as load
from lucid.serialization import save as save
from lucid.tensor import Tensor as Tensor
from lucid.version import __version__ as __version__

Size = tuple  # shapes are plain tuples
newaxis = None  # x[newaxis]: one more dimension


_LATER = ("distributed", "distributions", "fx", "hub", "jit", "multiprocessing", "onnx")


def __getattr__(name: str) -> ModuleType:
    if name in _LATER:
        return import_module(f"lucid.{name}")
    raise AttributeError(f"module 'lucid' has no attribute {name!r}")

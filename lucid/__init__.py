"""lucid: tensors, gradients and neural networks on NumPy and CuPy, with PyTorch's names.

lucid            tensors, their functions, dtypes, devices, random numbers, save and load
lucid.nn         layers; lucid.nn.functional, lucid.nn.init
lucid.optim      optimizers and learning rate schedulers
lucid.autograd   gradients, custom functions, gradient checks
lucid.utils      data loading, checkpointing
lucid.cuda       NVIDIA GPUs; lucid.backends: which library computes what, how precisely
"""

from lucid import autograd as autograd
from lucid import backends as backends
from lucid import cuda as cuda
from lucid import nn as nn
from lucid import optim as optim
from lucid import random as random
from lucid import utils as utils
from lucid.autograd import enable_grad as enable_grad
from lucid.autograd import inference_mode as inference_mode
from lucid.autograd import no_grad as no_grad
from lucid.autograd import set_grad_enabled as set_grad_enabled
from lucid.backend import Device as device
from lucid.backend import get_default_device as get_default_device
from lucid.backend import set_default_device as set_default_device
from lucid.backend.cpu.threads import get_num_threads as get_num_threads
from lucid.backend.cpu.threads import set_num_threads as set_num_threads
from lucid.dtypes import *  # noqa: F403
from lucid.dtypes import _bool as bool
from lucid.dtypes import float32 as float
from lucid.dtypes import int32 as int
from lucid.graph.grad_mode import is_grad_enabled as is_grad_enabled
from lucid.graph.grad_mode import is_inference_mode_enabled as is_inference_mode_enabled
from lucid.op import result_type as result_type
from lucid.ops import *  # noqa: F403
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

Size = tuple  # shapes are plain tuples
__version__ = "0.1.0"

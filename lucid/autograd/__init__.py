"""Gradients: PyTorch's ``autograd`` namespace."""

from lucid.autograd import functional as functional
from lucid.autograd import graph as graph
from lucid.autograd import variable as variable
from lucid.autograd.function import Function as Function
from lucid.autograd.function import once_differentiable as once_differentiable
from lucid.autograd.gradcheck import gradcheck as gradcheck
from lucid.autograd.gradcheck import gradgradcheck as gradgradcheck
from lucid.autograd.walk import backward as backward
from lucid.autograd.walk import grad as grad
from lucid.graph.anomaly import detect_anomaly as detect_anomaly
from lucid.graph.anomaly import set_detect_anomaly as set_detect_anomaly
from lucid.graph.grad_mode import enable_grad as enable_grad
from lucid.graph.grad_mode import inference_mode as inference_mode
from lucid.graph.grad_mode import no_grad as no_grad
from lucid.graph.grad_mode import set_grad_enabled as set_grad_enabled
from lucid.tensor import Tensor as Variable

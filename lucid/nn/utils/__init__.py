"""Gradients and parameters of a whole model at once."""

from lucid.nn.utils.clip_grad import clip_grad_norm_ as clip_grad_norm_
from lucid.nn.utils.clip_grad import clip_grad_value_ as clip_grad_value_
from lucid.nn.utils.clip_grad import clip_grads_with_norm_ as clip_grads_with_norm_
from lucid.nn.utils.clip_grad import get_total_norm as get_total_norm
from lucid.nn.utils.convert_parameters import parameters_to_vector as parameters_to_vector
from lucid.nn.utils.convert_parameters import vector_to_parameters as vector_to_parameters

"""Models for other programs: ``lucid.onnx.export`` writes ONNX files."""

from lucid.onnx import activations, elementwise, layers, shapes  # declare the forms of the ops
from lucid.onnx.exporting import export as export

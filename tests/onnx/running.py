"""An exported model, run by ONNX Runtime beside the original."""

import io

import numpy
import pytest

import lucid
import lucid.onnx

# Two programs sum in different orders; outputs are compared relative to the largest.
TOLERANCE = 1e-4


def exported(model, *args, **settings):
    """The bytes of the file."""
    file = io.BytesIO()
    lucid.onnx.export(model, args, file, **settings)
    return file.getvalue()


def session(content):
    """ONNX Runtime's, with a checked model."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return runtime.InferenceSession(content, providers=["CPUExecutionProvider"])


def agrees(model, *args, dynamic_axes=None, others=(), **settings):
    """ONNX Runtime answers what the model does: for the example, and for ``others``."""
    running = session(exported(model, *args, dynamic_axes=dynamic_axes, **settings))
    modes = [m.training for m in model.modules()]
    model.eval()
    names = [i.name for i in running.get_inputs()]
    for inputs in (args, *others):
        with lucid.no_grad():
            wanted = model(*inputs)
        wanted = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
        given = {n: x.cpu().numpy() for n, x in zip(names, inputs, strict=True)}
        for ours, theirs in zip(wanted, running.run(None, given), strict=True):
            ours = ours.cpu().numpy()
            assert ours.dtype == theirs.dtype
            scale = numpy.abs(ours, dtype="float64").max(initial=1e-30) if ours.size else 1
            numpy.testing.assert_allclose(
                theirs.astype("float64") / scale, ours.astype("float64") / scale, atol=TOLERANCE
            )
    for module, training in zip(model.modules(), modes, strict=True):
        module.training = training


def lively(model):
    """Running statistics as if from training: others than 0 and 1."""
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(lucid.randn(*buffer.shape) * 0.1)
        if name.endswith("running_var"):
            buffer.copy_(lucid.rand(*buffer.shape) + 0.5)
    return model

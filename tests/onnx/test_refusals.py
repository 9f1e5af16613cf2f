"""What an ONNX file can't say is refused, with the layer's name, and nothing is written."""

import threading

import numpy
import pytest

import lucid
import lucid.onnx
from lucid import nn
from lucid.errors import ExportError
from lucid.op import Op
from tests.onnx.running import exported


class Layer(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def inside(function):
    """A model whose layer "body.1" computes the function."""
    model = nn.Sequential()
    model.body = nn.Sequential(nn.ReLU(), Layer(function))
    return model


class Cube(Op):
    def forward(self, x):
        return x * x * x


def branch(x):
    return x * 2 if x.sum() > 0 else x * 3


REFUSED = {
    "an op without a form": (lambda x: Cube()(x), "Cube in layer body.1 has no ONNX form"),
    "a branch on a value": (branch, "body.1 has settings|body.1 holds"),
    "a branch to another op": (lambda x: x.exp() if x.sum() > 0 else x.sin(), "goes to Exp.*Trig"),
    "a setting that depends on a value": (
        lambda x: x.softmax(0 if x.sum() > 0 else 1),
        "body.1 has settings of Softmax that depend on the input: {'axis': 0}",
    ),
    "a number that was read": (lambda x: x * x.mean().item(), "body.1 holds a value"),
    "NumPy's work": (lambda x: x + lucid.from_numpy(x.numpy() * 2), "body.1 holds a value"),
    "random numbers": (lambda x: x + lucid.randn(2), "Normal|body.1 holds a value"),
    "a write through a view": (lambda x: [x := x * 1, x[:, 0].zero_(), x + 1][2], "view.*body.1"),
    "dropout that drops": (lambda x: nn.functional.dropout(x), "dropout in layer body.1"),
    "several arrays in an index": (lambda x: x[[0, 1], [1, 0]], "Pick in layer body.1"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(REFUSED))
def test_refused(what, tmp_path):
    function, message = REFUSED[what]
    with pytest.raises(ExportError, match=message):
        lucid.onnx.export(inside(function), lucid.ones(2, 2), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_circular_padding_is_refused_before_opset_19():
    model = inside(lambda x: nn.functional.pad(x, (1, 1), mode="circular"))
    with pytest.raises(ExportError, match="Extend in layer body.1 needs opset_version=19"):
        exported(model, lucid.ones(1, 2, 3))


def test_a_recurrent_layer_is_refused_by_name():
    with pytest.raises(ExportError, match="LSTM in layer 0"):
        exported(nn.Sequential(nn.LSTM(3, 2)), lucid.ones(4, 1, 3))


def test_a_size_that_python_computed_is_refused_where_the_axis_is_dynamic():
    model = inside(lambda x: x * (1 / x.shape[0]))
    assert exported(model, lucid.ones(2, 2))
    with pytest.raises(ExportError, match=r"body\.1 holds a value of shape \(\)"):
        exported(model, lucid.ones(2, 2), dynamic_axes={"input": {0: "n"}})


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ExportError):
        lucid.onnx.export(inside(lambda x: Cube()(x)), lucid.ones(2), path)
    assert path.read_bytes() == b"old"
    lucid.onnx.export(nn.Sequential(nn.ReLU()), lucid.ones(2), str(path))
    assert b"Relu" in path.read_bytes() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"opset_version": 11}, ValueError, "17 ... 22; got 11"),
        ({"input_names": ["a", "b"]}, ValueError, r"input_names must be 1.*\['a', 'b'\]"),
        ({"output_names": []}, ValueError, "output_names must be 1"),
        ({"output_names": ["input"]}, ValueError, "names must be different"),
        ({"output_names": ["ReLU"], "input_names": ["ReLU"]}, ValueError, "must be different"),
        ({"dynamic_axes": {"image": {0: "n"}}}, ValueError, r"known; got inputs \['input'\]"),
        ({"dynamic_axes": {"input": {2: "n"}}}, lucid.errors.ShapeError, "2 dimensions; got 2"),
        ({"kwargs": {"mask": None}}, lucid.errors.DTypeError, "args don't fit Sequential"),
    ],
)
def test_wrong_settings(settings, error, message):
    with pytest.raises(error, match=message):
        exported(nn.Sequential(nn.ReLU()), lucid.ones(2, 2), **settings)


def test_an_input_must_not_be_called_like_a_parameter():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(lucid.ones(2))

        def forward(self, scale):
            return scale * self.scale

    with pytest.raises(ValueError, match="Hint: input_names="):
        exported(Scale(), lucid.ones(2))
    assert exported(Scale(), lucid.ones(2), input_names=["x"])


def test_a_model_is_a_module_and_takes_a_tensor():
    with pytest.raises(lucid.errors.DTypeError, match="must be a Module; got function"):
        lucid.onnx.export(lambda x: x, lucid.ones(2), "model.onnx")
    with pytest.raises(lucid.errors.DTypeError, match="a Tensor at least"):
        lucid.onnx.export(nn.Sequential(), numpy.ones(2), "model.onnx")
    x = lucid.ones(2)
    with pytest.raises(ValueError, match="stands twice"):
        exported(nn.Bilinear(2, 2, 1), x, x)


# What an export leaves behind: nothing.


def test_modes_hooks_gradients_and_random_numbers_stay_as_they_were():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    model[1].eval()
    lucid.manual_seed(5)
    expected = lucid.rand(3).tolist()
    lucid.manual_seed(5)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    exported(model, lucid.ones(3, 2))
    assert [m.training for m in model] == [True, False, True] and model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert lucid.rand(3).tolist() == expected
    assert all(lucid.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model[0].weight.requires_grad and model[0].weight.grad is None


def test_calling_an_op_costs_what_it_did_after_an_export_that_failed():
    call = Op.__call__
    with pytest.raises(ExportError):
        exported(inside(lambda x: Cube()(x)), lucid.ones(2))
    with pytest.raises(ZeroDivisionError):
        exported(inside(lambda x: 1 // 0), lucid.ones(2))
    assert Op.__call__ is call


def test_other_threads_compute_on_and_are_not_written_down():
    running, done = threading.Event(), threading.Event()

    def work():
        running.wait(10)
        lucid.ones(2).cosh()
        done.set()

    def function(x):
        running.set()
        assert done.wait(10)
        return x + 1

    thread = threading.Thread(target=work)
    thread.start()
    content = exported(inside(function), lucid.ones(2))
    thread.join()
    assert b"Add" in content and b"Cosh" not in content


def test_tensors_inside_a_list_are_refused_not_frozen():
    model = Layer(lambda parts: lucid.cat(parts))
    with pytest.raises(lucid.errors.DTypeError, match="'x', a list of tensors"):
        lucid.onnx.export(model, ([lucid.ones(2), lucid.ones(2)],), "model.onnx")


def test_a_model_that_writes_to_its_input_does_not_write_to_the_example():
    x = lucid.tensor([-1.0, 1.0])
    exported(inside(lambda x: x.relu_()), x)
    assert x.tolist() == [-1, 1]

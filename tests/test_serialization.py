"""save and load: what comes back, and what is refused when saving."""

import io
import json
import math
import os
import random
from collections import OrderedDict, namedtuple
from enum import Enum

import numpy as np
import pytest

import lucid
from lucid import Tensor, nn, optim
from lucid.errors import CheckpointError
from lucid.serialization import load, save
from tests.saved_files import resealed, roundtrip, saved

DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
]  # fmt: skip


# What comes back.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (7,), (2, 3)])
def test_every_dtype_and_shape_comes_back(dtype, shape, device):
    x = lucid.ones(shape).to(getattr(lucid, dtype))
    y = roundtrip(x)
    assert (y.dtype, y.shape, y.device) == (x.dtype, x.shape, x.device)
    assert y.tolist() == x.tolist()


VALUES = [
    None, True, False, 0, -1, 2**53, -(2**64), 2**10_000, 0.1, -0.0, 1e308, 5e-324,
    math.inf, -math.inf,
    "", "ä \N{GRINNING FACE} \0 \"", b"", b"\x00\xff", bytearray(b"ab"),
    [], (), {}, set(), frozenset({1}), {3, 1, 2}, [1, (2, [3.5, {"a": None}])], [["tuple"]],
    {1: "int", "1": "str", (2, 3): "tuple", None: 0, 1.5: 0}, {"tensor": 0}, {"dict": []},
    OrderedDict([("b", 1), ("a", 2)]),
    lucid.float32, lucid.bfloat16, lucid.device("cpu"), lucid.device("cuda:1"),
    np.float32(1.1), np.int64(-5), np.bool_(True), np.uint16(3),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_plain_values_come_back_with_their_type(value):
    back = roundtrip({"x": value})["x"]
    assert back == value and type(back) is type(value)
    assert math.copysign(1, back) == math.copysign(1, value) if isinstance(value, float) else True


def test_nan_and_the_order_of_keys_come_back():
    back = roundtrip({"z": math.nan, "a": 1, 5: 2})
    assert math.isnan(back["z"]) and list(back) == ["z", "a", 5]


def test_numpy_arrays_stay_numpy_arrays():
    for x in (np.arange(6, dtype="uint16").reshape(2, 3).T, np.complex64([1j]), np.zeros((0, 2))):
        y = roundtrip([x])[0]
        assert type(y) is np.ndarray and y.dtype == x.dtype and np.array_equal(x, y)


def test_loaded_memory_is_writable_and_its_own():
    x = lucid.ones(3)
    y = roundtrip([x, x.numpy()])
    y[0].add_(1)
    assert x.tolist() == [1, 1, 1] and y[0].tolist() == [2, 2, 2] and y[1].flags.writeable


def test_memory_order_comes_back(device):
    x = lucid.arange(120).reshape(2, 3, 4, 5).contiguous(memory_format=lucid.channels_last)
    for t in (x, x.permute(3, 0, 2, 1), x.flip(0), lucid.arange(3).expand(4, 3)):
        y = roundtrip(t)
        assert y.stride() == t.stride() and y.tolist() == t.tolist()


def test_a_tensor_with_gaps_is_saved_without_them(device):
    x = lucid.arange(100_000).reshape(1000, 100)
    assert len(saved(x[:, ::50])) < 3 * 1000 * 2 * 8
    assert roundtrip(x[:, ::50]).tolist() == x[:, ::50].tolist()


def test_an_expanded_tensor_costs_one_element(device):
    x = lucid.ones(1).expand(1000, 1000)
    assert len(saved(x)) < 1000
    assert roundtrip(x).shape == (1000, 1000)


def test_shared_tensors_are_saved_once_and_shared_again(device):
    w = lucid.arange(10_000.0).reshape(100, 100)
    state = {"row": w[3], "t": w.t(), "w": w, "same": w, "data": w.detach()}
    assert len(saved(state)) < w.nbytes + 3000
    back = roundtrip(state)
    assert back["same"] is back["w"]
    back["w"].zero_()
    assert all(float(t.abs().sum()) == 0 for t in back.values())


def test_neighbours_in_one_buffer_are_not_confused(device):
    w = lucid.arange(10.0)
    back = roundtrip([w[:5], w[5:], w[3:8]])
    assert [t.tolist() for t in back] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [3, 4, 5, 6, 7]]


def test_random_views_come_back():
    draw = random.Random(0)
    for _ in range(100):
        base = np.arange(60, dtype="int32").reshape(3, 4, 5)
        views = []
        for _ in range(draw.randrange(1, 6)):
            cut = tuple(
                slice(draw.randrange(n), None, draw.choice([1, 1, 2, -1])) for n in base.shape
            )
            views.append(base[cut].transpose(draw.sample(range(3), 3)))
        for view, back in zip(views, roundtrip(views), strict=True):
            assert np.array_equal(view, back)


def test_a_view_of_another_dtype_shares_again():
    x = np.arange(4, dtype="float32")
    back = roundtrip({"x": x, "bits": x[1:].view("uint32")})
    back["x"][1] = 0
    assert back["bits"][0] == 0


def test_parameters_and_requires_grad_come_back(device):
    p = nn.Parameter(lucid.ones(2))
    frozen = nn.Parameter(lucid.ones(2), requires_grad=False)
    leaf = Tensor([1.0], requires_grad=True)
    back = roundtrip([p, frozen, leaf, leaf * 2])
    assert [type(t) for t in back] == [nn.Parameter, nn.Parameter, Tensor, Tensor]
    assert [t.requires_grad for t in back] == [True, False, True, True]
    assert all(t.is_leaf for t in back)


def test_the_versions_on_a_state_dict_come_back():
    state = OrderedDict(w=lucid.ones(1))
    state._metadata = OrderedDict([("", {"version": 2})])
    back = roundtrip(state)
    assert back._metadata == state._metadata and type(back) is OrderedDict


def test_training_continues_exactly_from_a_checkpoint(device):
    def make():
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        return model, optimizer, optim.lr_scheduler.StepLR(optimizer, 2)

    def train(model, optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            (model(lucid.ones(5, 3)) ** 2).sum().backward()
            optimizer.step()
            scheduler.step()

    model, *rest = parts = make()
    train(*parts, 3)
    states = [part.state_dict() for part in parts]
    back = roundtrip({"parts": states, "rng": lucid.get_rng_state()})
    train(*parts, 3)
    expected = [p.tolist() for p in model.parameters()]
    lucid.manual_seed(1)
    model, *rest = parts = make()
    for part, state in zip(parts, back["parts"], strict=True):
        part.load_state_dict(state)
    lucid.set_rng_state(back["rng"])
    train(*parts, 3)
    assert [p.tolist() for p in model.parameters()] == expected


def test_a_generator_continues_from_its_saved_state():
    g = lucid.Generator().manual_seed(2**64 - 1)
    g.reserve(5)
    state = roundtrip({"rng": g.state_tuple()})["rng"]
    assert lucid.Generator().manual_seed(0).set_state_tuple(state) is None
    assert state == g.state_tuple()


def test_several_objects_follow_each_other_in_a_stream():
    file = io.BytesIO(b"head")
    file.seek(4)
    save([1], file)
    save([lucid.ones(2)], file)
    file.seek(4)
    assert load(file) == [1] and load(file)[0].tolist() == [1, 1]


def test_a_stream_that_only_writes_and_reads():
    class Pipe:
        def __init__(self, data=b""):
            self.file = io.BytesIO(data)

        def write(self, data):
            return self.file.write(data[:1000])  # takes what it likes

        def read(self, n=-1):
            return self.file.read(n)

    pipe = Pipe()
    save(lucid.arange(5000), pipe)
    assert load(Pipe(pipe.file.getvalue())).tolist() == list(range(5000))


def test_appending_to_a_file(tmp_path):
    for value in (1, 2):
        with open(tmp_path / "log", "ab") as file:
            save(value, file)
    with open(tmp_path / "log", "rb") as file:
        assert [load(file), load(file)] == [1, 2]


# map_location.


@pytest.mark.parametrize(
    "where", ["cpu", lucid.device("cpu"), {"cuda:0": "cpu"}, lambda t, saved: t, lambda t, s: None]
)
def test_map_location(where):
    state = {"a": lucid.ones(2), "b": np.ones(2)}
    back = roundtrip(state, map_location=where)
    assert back["a"].device == lucid.device("cpu") and isinstance(back["b"], np.ndarray)


def on_cuda(data):
    def change(header):
        document = json.loads(header["__metadata__"]["lucid.object"])
        for described in document["arrays"]:
            described["device"] = "cuda:0"
        header["__metadata__"]["lucid.object"] = json.dumps(document)

    return io.BytesIO(resealed(data, change))


def test_a_device_that_is_not_there_is_explained():
    if lucid.cuda.is_available():
        pytest.skip("there is a GPU")
    data = saved([lucid.ones(2)])
    with pytest.raises(CheckpointError, match=r'can.t be put on cuda:0.*map_location="cpu"'):
        load(on_cuda(data))
    assert load(on_cuda(data), map_location="cpu")[0].tolist() == [1, 1]
    assert load(on_cuda(data), map_location={"cuda:0": "cpu"})[0].tolist() == [1, 1]
    seen = []
    load(on_cuda(data), map_location=lambda tensor, saved: seen.append(saved) or tensor)
    assert seen == ["cuda:0"]


# What can't be saved.

Point = namedtuple("Point", "x y")


class Colour(Enum):
    RED = 1


class Custom:
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda x: x, r'state\["model"\]\[1\] is a function.*Hint: code is never saved'),
        (Custom(), r'state\["model"\]\[1\] is a Custom.*Hint: save its contents'),
        (Point(1, 2), r"is a Point.*_asdict"),
        (Colour.RED, r"is a Colour.*\.value"),
        (np.array(["a"]), r"is an array of <U1"),
        (np.array([{}]), r"is an array of object"),
        (np.complex128(1j), r"is an array of complex128"),
        (type("MyDict", (dict,), {})(), r"is a MyDict.*save dict\(\) of it"),
        (type("MyInt", (int,), {})(), r"is a MyInt.*save int\(\) of it"),
    ],
)
def test_what_cant_be_saved_is_named_with_its_path(value, message, tmp_path):
    target = tmp_path / "x"
    message = message.replace('"', "'")
    with pytest.raises(CheckpointError, match=message):
        save({"model": [0, value]}, target)
    assert os.listdir(tmp_path) == []


def test_a_module_is_refused_with_the_way_out():
    with pytest.raises(CheckpointError, match=r"state is a Linear.*Hint: save its state_dict\(\)"):
        saved(nn.Linear(1, 1))


def test_an_object_that_contains_itself_is_refused():
    loop = {"a": []}
    loop["a"].append(loop)
    with pytest.raises(CheckpointError, match=r"state\['a'\]\[0\] contains itself"):
        saved(loop)


def test_deep_nesting_is_refused_not_a_crash():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CheckpointError, match="nested too deep"):
        saved(deep)
    while deep:  # taking it apart recursively would be the crash
        deep = deep[0]


def test_a_lone_surrogate_is_refused():
    with pytest.raises(CheckpointError, match="not Unicode"):
        saved("\ud800")

"""default_collate: structure kept, leaves stacked, misfits named."""

from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.utils.data import default_collate, default_convert

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("samples", "dtype", "values"),
    [
        ([1, 2], "int64", [1, 2]),
        ([1.5, 2], "float64", [1.5, 2]),
        ([1, 2.5], "float64", [1, 2.5]),
        ([True, False], "bool", [True, False]),
        ([np.float32(1), np.float32(2)], "float32", [1, 2]),
        ([np.uint8(1)], "uint8", [1]),
        ([np.ones(2, "int16")] * 2, "int16", [[1, 1], [1, 1]]),
    ],
)
def test_numbers_and_arrays_become_tensors(samples, dtype, values):
    batch = default_collate(samples)
    assert batch.dtype == getattr(lucid, dtype) and batch.tolist() == values


def test_tensors_are_stacked_where_they_are(device):
    batch = default_collate([lucid.ones(2, 3), lucid.zeros(2, 3)])
    assert batch.shape == (2, 2, 3) and batch.device == device


def test_a_batch_can_carry_gradients():
    x = Tensor([1.0], requires_grad=True)
    default_collate([x, x]).sum().backward()
    assert x.grad.tolist() == [2]


def test_numbers_go_to_the_cpu_whatever_the_default_device(device):
    assert default_collate([1, 2]).device == lucid.device("cpu")


@pytest.mark.parametrize("text", ["ab", b"ab"])
def test_strings_stay_a_list(text):
    assert default_collate([text, text]) == [text, text]


def test_structures_are_kept():
    sample = {"a": (1, "x"), "p": Point(2, [3.0]), "l": []}
    batch = default_collate([sample, sample])
    assert type(batch) is dict and list(batch) == ["a", "p", "l"]
    assert batch["a"][0].tolist() == [1, 1] and batch["a"][1] == ["x", "x"]
    assert type(batch["p"]) is Point and batch["p"].y[0].tolist() == [3, 3]
    assert batch["l"] == []
    assert type(default_collate([OrderedDict(a=1)])) is OrderedDict
    assert default_collate([defaultdict(int, a=1)])["a"].tolist() == [1]


def test_shapes_that_differ_are_named_with_sample_and_place():
    with pytest.raises(
        ValueError, match=r"at sample\['x'\]\[0\]; got \(2,\) in sample 0 and \(3,\) in sample 1"
    ):
        default_collate([{"x": (np.ones(2),)}, {"x": (np.ones(3),)}])
    with pytest.raises(RuntimeError, match=r"got \(\) in sample 0 and \(1,\) in sample 2"):
        default_collate([lucid.ones(()), lucid.ones(()), lucid.ones(1)])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([(1, 2), (1,)], "tuple of length 2 in sample 0 and tuple of length 1 in sample 1"),
        ([{"a": 1}, {"b": 1}], r"keys \['a'\] in sample 0 and dict with keys \['b'\] in sample 1"),
        ([[1], 1], "list of length 1 in sample 0 and int in sample 1"),
    ],
)
def test_structures_that_differ_are_named(samples, message):
    with pytest.raises(ValueError, match=message):
        default_collate(samples)


def test_types_that_differ_are_named():
    with pytest.raises(TypeError, match="got int in sample 0 and str in sample 1"):
        default_collate([1, "a"])


@pytest.mark.parametrize("sample", [None, object(), {1, 2}])
def test_other_types_are_refused_with_the_way_out(sample):
    with pytest.raises(TypeError, match="got .* at sample\\[1\\]. Hint: pass a collate_fn"):
        default_collate([(1, sample)])


def test_arrays_of_objects_are_refused():
    with pytest.raises(TypeError, match="array of objects"):
        default_collate([np.array([None])])


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        default_collate([])


def test_convert_keeps_everything_else():
    converted = default_convert({"a": np.ones(2), "b": ("x", 3, np.float32(1)), "c": np.array("s")})
    assert converted["a"].tolist() == [1, 1]
    assert converted["b"][:2] == ["x", 3] and isinstance(converted["b"][2], Tensor)
    assert converted["c"] == "s"

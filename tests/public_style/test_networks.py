"""Networks in the styles of public code: the same weights give the same step in both libraries."""

import numpy
import pytest

import lucid
from tests.public_style import both
from tests.public_style.both import torch

MODELS = both.models()
NAMES = [name for _, name in MODELS]


@pytest.fixture(autouse=True)
def whole_float32(device):
    """Convolutions on CUDA without TF32, whose 10 bits are no rtol of 1e-3."""
    before, lucid.backends.cudnn.allow_tf32 = lucid.backends.cudnn.allow_tf32, False
    yield
    lucid.backends.cudnn.allow_tf32 = before


def built(path, name):
    """Ours, theirs, numbers for their state, and an input."""
    here, there = both.load(lucid, path), both.load(torch, path)
    ours, theirs = here.MODELS[name](), there.MODELS[name]()
    shape = getattr(here, "SHAPES", {}).get(name, here.SHAPE)
    x = numpy.random.default_rng(1).normal(size=shape)
    return ours, theirs, both.random_state(theirs), x


def worst(answers, expected):
    """The largest distance, in parts of the largest number of each array."""
    assert answers.keys() == expected.keys()
    scale = numpy.median([abs(v).max() for k, v in expected.items() if k.startswith("gradient")])
    distances = {}
    for k, v in expected.items():
        assert answers[k].shape == v.shape, k
        size = abs(v).max()
        if k.startswith("gradient") and size < 1e-9 * scale:
            size = scale  # zero but for rounding, as of a bias before batch norm
        distances[k] = abs(answers[k].astype("float64") - v).max() / max(size, 1e-30)
    name = max(distances, key=distances.get)
    return distances[name], name


@pytest.mark.parametrize(("path", "name"), MODELS, ids=NAMES)
def test_names_and_shapes_of_the_state_are_the_same(path, name, device):
    ours, theirs, _, _ = built(path, name)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    assert [k for k, _ in ours.named_modules()] == [k for k, _ in theirs.named_modules()]
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize(("path", "name"), MODELS, ids=NAMES)
def test_a_step_in_float64_is_the_same(path, name, device):
    ours, theirs, state, x = built(path, name)
    distance, what = worst(
        both.step(lucid, ours, state, x, "float64"), both.step(torch, theirs, state, x, "float64")
    )
    assert distance < 1e-9, what  # thousands of roundings of 1e-16


@pytest.mark.parametrize(("path", "name"), MODELS, ids=NAMES)
def test_a_step_in_float32_is_the_same_to_one_thousandth(path, name, device):
    ours, theirs, state, x = built(path, name)
    exact = both.step(torch, theirs, state, x, "float64")
    distance, what = worst(both.step(lucid, ours, state, x, "float32"), exact)
    assert distance < 1e-3, what  # of the largest; torch's own rounding is about 2e-5 here

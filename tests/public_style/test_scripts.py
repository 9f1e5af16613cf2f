"""Training scripts in the styles of public code: the same numbers come out of both libraries."""

import numpy
import pytest

import lucid
from tests.public_style import both
from tests.public_style.both import torch

SCRIPTS = sorted((both.FOLDER / "scripts").glob("*.py"))
RANDOM = numpy.random.default_rng(0)
LABELS = numpy.arange(24) % 5
IMAGES = RANDOM.normal(size=(24, 3, 8, 8)) + LABELS[:, None, None, None] * 0.3
STATES = {  # what the scripts start from; the order of names is that of their networks
    "classic": {
        "conv.weight": (6, 3, 3, 3), "conv.bias": (6,), "norm.weight": (6,), "norm.bias": (6,),
        "norm.running_mean": (6,), "norm.running_var": (6,), "norm.num_batches_tracked": (),
        "fc.weight": (5, 54), "fc.bias": (5,),
    },
    "modern": {
        "conv.weight": (6, 3, 3, 3), "conv.bias": (6,), "norm.weight": (6,), "norm.bias": (6,),
        "fc.weight": (5, 6), "fc.bias": (5,),
    },
    "transfer": {
        "conv.weight": (6, 3, 3, 3), "conv.bias": (6,), "norm.weight": (6,), "norm.bias": (6,),
        "norm.running_mean": (6,), "norm.running_var": (6,), "fc.weight": (5, 6), "fc.bias": (5,),
    },
}  # fmt: skip


def start(shapes):
    random = numpy.random.default_rng(3)
    return {
        name: numpy.zeros(shape, "int64")
        if name.endswith("tracked")
        else numpy.ones(shape)
        if name.endswith("var")
        else 0.3 * random.normal(size=shape)
        for name, shape in shapes.items()
    }


@pytest.fixture(autouse=True)
def benchmark_as_before():
    """A script that switches the engines' benchmark on leaves it on."""
    settings = [library.backends.cudnn for library in (lucid, torch)]
    before = [cudnn.benchmark for cudnn in settings]
    yield
    for cudnn, value in zip(settings, before, strict=True):
        cudnn.benchmark = value


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_reports_the_same_history(path, tmp_path):
    histories = []
    for library in (lucid, torch):
        folder = tmp_path / library.__name__
        folder.mkdir()
        script = both.load(library, path)
        state = start(STATES[path.stem])
        histories.append(script.main(IMAGES.copy(), LABELS.copy(), state, str(folder)))
    ours, theirs = ([float(x) for x in history] for history in histories)
    assert len(ours) == len(theirs)
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)

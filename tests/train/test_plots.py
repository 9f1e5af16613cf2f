"""The learning curve is a picture with both lines, whatever the history."""

import sys

import pytest

from lucid.errors import LucidError
from lucid.train.metrics import EpochMetrics
from lucid.train.plots import draw_curve, figure


def history(epochs):
    numbers = range(1, epochs + 1)
    return [EpochMetrics(i, 0.1, 1 / i, 0.9, 0.8 / i, 0.95, 1.0) for i in numbers]


@pytest.mark.parametrize("epochs", [1, 2, 20])
def test_draws_a_png(epochs, tmp_path):
    pytest.importorskip("matplotlib")
    draw_curve(tmp_path / "curve.png", history(epochs), "a title")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_names_axes_lines_and_settings(tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw_curve(tmp_path / "curve.svg", history(4), "batch 64, seed 0")
    text = (tmp_path / "curve.svg").read_text()
    for word in ("batch 64, seed 0", "epoch", "cross entropy", "accuracy", "train ", "test "):
        assert word in text


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(LucidError, match=r"pip install 'lucid-cupy\[train\]'"):
        figure(1, 1, (1, 1))

"""What SummaryWriter writes can be read by TensorBoard's own reader."""

import builtins
import importlib
import io
import sys

import numpy as np
import pytest

import lucid


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    load = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.partition(".")[0] == "tensorboard":
            raise ModuleNotFoundError("No module named 'tensorboard'")
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.delitem(sys.modules, "lucid.utils.tensorboard", raising=False)
    with pytest.raises(ImportError, match="needs the package tensorboard.*pip install tensorboard"):
        importlib.import_module("lucid.utils.tensorboard")


@pytest.fixture
def written(tmp_path):
    """(a writer, a function that answers the summaries written to a folder of it)."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    writer = lucid.utils.tensorboard.SummaryWriter(tmp_path)

    def read(folder="."):
        writer.flush()
        values = []
        for path in sorted((tmp_path / folder).glob("events*")):
            for event in reading.LegacyEventFileLoader(str(path)).Load():
                values += [(event.step, value) for value in event.summary.value]
        return values

    yield writer, read
    writer.close()


def test_scalars_are_numbers_arrays_or_tensors(written):
    writer, read = written
    writer.add_scalar("loss", 0.5, 1)
    writer.add_scalar("loss", lucid.tensor(0.25, requires_grad=True), lucid.tensor(2))
    writer.add_scalar("loss", np.float32(0.125), global_step=3)
    found = [(step, v.tag, v.simple_value) for step, v in read()]
    assert found == [(1, "loss", 0.5), (2, "loss", 0.25), (3, "loss", 0.125)]
    with pytest.raises(ValueError, match=r"add_scalar: the value must be one number; got shape"):
        writer.add_scalar("loss", lucid.ones(2))


def test_curves_of_one_plot_have_folders_of_their_own(written):
    writer, read = written
    writer.add_scalars("loss/all", {"train": 1.0, "test": 2.0}, 5)
    assert [v.simple_value for _, v in read("loss_all_train")] == [1.0]
    assert [(step, v.tag) for step, v in read("loss_all_test")] == [(5, "loss/all")]


@pytest.mark.parametrize("bins", ["tensorflow", "auto", 7])
def test_a_histogram_counts_every_element(written, bins):
    writer, read = written
    values = lucid.tensor([-1.0, 0.0, 0.5, 0.5, 3.0])
    writer.add_histogram("weights", values, 1, bins=bins)
    ((_, value),) = read()
    histogram = value.histo
    assert sum(histogram.bucket) == histogram.num == 5
    assert (histogram.min, histogram.max, histogram.sum) == (-1, 3, 3)
    assert len(histogram.bucket) == len(histogram.bucket_limit)


def test_few_bins_still_count_every_element(written):
    writer, read = written
    writer.add_histogram("w", np.linspace(0, 1, 100), 0, bins=50, max_bins=8)
    ((_, value),) = read()
    assert sum(value.histo.bucket) == 100
    assert len(value.histo.bucket) <= 9


def test_images_are_pngs(written):
    image_module = pytest.importorskip("PIL.Image")
    writer, read = written
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    writer.add_image("one", lucid.tensor(pixels))
    writer.add_image("grey", pixels[0] / 255.0 + 1e-3, dataformats="HW")
    writer.add_images("three", np.stack([pixels] * 3))
    shown = [image_module.open(io.BytesIO(v.image.encoded_image_string)) for _, v in read()]
    one, grey, three = (np.asarray(image) for image in shown)
    assert (one == pixels.transpose(1, 2, 0)).all()
    assert (grey == pixels[0]).all()
    assert three.shape == (8, 10, 3)
    assert (three[:4, :5] == one).all() and (three[4:, 5:] == 0).all()


def test_a_text_is_kept(written):
    writer, read = written
    writer.add_text("note", "one **two**", 3)
    ((step, value),) = read()
    assert (step, value.tag) == (3, "note/text_summary")
    assert value.tensor.string_val[0] == b"one **two**"
    assert value.metadata.plugin_data.plugin_name == "text"


def test_settings_of_a_run_stand_beside_what_came_of_them(written):
    writer, read = written
    writer.add_hparams({"lr": 0.1, "bn": True, "net": "vgg"}, {"accuracy": 0.5}, run_name="a")
    tags = [v.tag for _, v in read("a")]
    assert tags[-1] == "accuracy"
    assert len(tags) == 4


def test_a_graph_is_refused_with_a_way_out(written):
    with pytest.raises(lucid.errors.LucidError, match="Hint: lucid.onnx.export"):
        written[0].add_graph(lucid.nn.Linear(1, 1))

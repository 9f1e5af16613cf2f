"""CIFAR, from small archives of the same format."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest

from lucid.vision import datasets, transforms
from lucid.vision.datasets import CIFAR10, CIFAR100, DatasetError
from lucid.vision.datasets.files import Resource
from tests.vision.server import serving

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 3072), dtype=np.uint8)
LABELS = [0, 1, 1, 0, 2, 1]


def batch(part, key="labels"):
    return pickle.dumps({"data": PIXELS[part], key: LABELS[part], "batch_label": "x"}, 2)


FILES = {
    "data_batch_1": batch(slice(0, 2)),
    "data_batch_2": batch(slice(2, 4)),
    "test_batch": batch(slice(4, 6)),
    "batches.meta": pickle.dumps({"label_names": ["cat", "dog", "ship"]}, 2),
}


def resource(name):
    return Resource(name, hashlib.md5(FILES[name]).hexdigest())


def packed():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(f"small-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class Small(CIFAR10):
    base_folder = "small-py"
    archive = Resource("small.tar.gz", None)
    train_list = [resource("data_batch_1"), resource("data_batch_2")]
    test_list = [resource("test_batch")]
    meta = resource("batches.meta")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "small-py").mkdir()
    for name, content in FILES.items():
        (tmp_path / "small-py" / name).write_bytes(content)
    return tmp_path


def test_images_have_their_channels_last(root):
    data = Small(root)
    assert data.data.shape == (4, 32, 32, 3)
    red = PIXELS[1, :1024].reshape(32, 32)  # a row of the file: all red, then green, then blue
    image, target = data[1]
    assert (image[..., 0] == red).all()
    assert (image.dtype, target) == (np.uint8, 1)


def test_labels_and_classes(root):
    assert Small(root).targets == [0, 1, 1, 0]
    assert Small(root, train=False).targets == [2, 1]
    assert Small(root).classes == ["cat", "dog", "ship"]
    assert Small(root).class_to_idx == {"cat": 0, "dog": 1, "ship": 2}


def test_transforms_are_applied(root):
    data = Small(root, transform=transforms.ToTensor(), target_transform=str)
    image, target = data[3]
    assert image.numpy().reshape(-1) == pytest.approx(PIXELS[3] / 255)
    assert target == "0"


def test_cifar100_has_fine_labels(tmp_path):
    content = {
        "train": batch(slice(0, 3), "fine_labels"),
        "test": batch(slice(3, 6), "fine_labels"),
    }
    content["meta"] = pickle.dumps({"fine_label_names": ["a", "b", "c"]}, 2)

    class Fine(CIFAR100):
        train_list = [Resource("train", None)]
        test_list = [Resource("test", None)]
        meta = Resource("meta", None)

    (tmp_path / "cifar-100-python").mkdir()
    for name, data in content.items():
        (tmp_path / "cifar-100-python" / name).write_bytes(data)
    assert Fine(tmp_path).targets == [0, 1, 1]
    assert Fine(tmp_path).classes == ["a", "b", "c"]


def test_download_unpacks_and_is_then_content(tmp_path, monkeypatch):
    with serving({"/small.tar.gz": packed()}) as (url, requests):
        monkeypatch.setattr(Small, "mirrors", [url])
        assert Small(tmp_path, download=True).targets == [0, 1, 1, 0]
        Small(tmp_path, train=False, download=True)
    assert len(requests) == 1


def test_a_damaged_file_is_named(root):
    path = root / "small-py" / "data_batch_2"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DatasetError, match=r"Small: the MD5 of '.*data_batch_2' must be"):
        Small(root)


def test_a_missing_file_is_named_with_the_archive(tmp_path):
    with pytest.raises(DatasetError, match=r"no '.*small-py/data_batch_1'.* unpack small\.tar\.gz"):
        Small(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": PIXELS}, "must hold a dict with data, labels"),
        ([1], "must hold a dict with data, labels"),
        ({"data": PIXELS[:, :-1], "labels": LABELS}, r"must be uint8 of shape \(6, 3072\)"),
        ({"data": PIXELS, "labels": LABELS[:5]}, r"must be uint8 of shape \(5, 3072\)"),
    ],
)
def test_a_pickle_of_something_else_is_named(content, message, root, monkeypatch):
    monkeypatch.setattr(Small, "train_list", [Resource("data_batch_1", None)])
    (root / "small-py" / "data_batch_1").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(DatasetError, match=rf"Small: .*data_batch_1' {message}|{message}"):
        Small(root)


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_every_file_has_a_checksum(kind):
    files = [kind.archive, *kind.train_list, *kind.test_list, kind.meta]
    assert all(len(file.md5) == 32 for file in files)
    assert len({file.md5 for file in files}) == len(files)


def test_repr_is_torchvisions(root):
    assert repr(Small(root, train=False)) == (
        f"Dataset Small\n    Number of datapoints: 2\n    Root location: {root}\n    Split: Test"
    )


def test_transforms_of_both_stand_in_place_of_the_others():
    with pytest.raises(ValueError, match="VisionDataset: transforms stands in place of transform"):
        datasets.VisionDataset(".", transforms=lambda x, y: (x, y), transform=str)

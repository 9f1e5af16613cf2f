"""MNIST and its kin, from small files of the same format."""

import gzip
import hashlib

import numpy as np
import pytest

import lucid
from lucid.utils.data import DataLoader
from lucid.vision import datasets, transforms
from lucid.vision.datasets import MNIST, DatasetError
from lucid.vision.datasets.files import Resource
from tests.vision.server import serving
from tests.vision.test_idx import idx

NAMES = [
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
]  # fmt: skip
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)


def packed():
    parts = [IMAGES[:5], LABELS[:5], IMAGES[5:], LABELS[5:]]
    return dict(zip(NAMES, [gzip.compress(idx(part), mtime=0) for part in parts], strict=True))


class Small(MNIST):
    resources = [Resource(n, hashlib.md5(data).hexdigest()) for n, data in packed().items()]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "Small" / "raw"
    folder.mkdir(parents=True)
    for name, data in packed().items():
        (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(data))
    return tmp_path


@pytest.mark.parametrize(("train", "part"), [(True, slice(0, 5)), (False, slice(5, 7))])
def test_reads_the_files_of_its_split(train, part, root):
    data = Small(root, train=train)
    assert len(data) == len(LABELS[part])
    assert (data.data.numpy() == IMAGES[part]).all()
    assert data.targets.tolist() == LABELS[part].tolist()
    assert (data.data.dtype, data.targets.dtype) == (lucid.uint8, lucid.int64)


def test_reads_gz_files_as_they_were_downloaded(tmp_path):
    (tmp_path / "Small" / "raw").mkdir(parents=True)
    for name, data in packed().items():
        (tmp_path / "Small" / "raw" / name).write_bytes(data)
    assert (Small(tmp_path).data.numpy() == IMAGES[:5]).all()


def test_a_sample_is_an_image_with_its_own_memory_and_an_int(root):
    data = Small(root)
    image, target = data[2]
    assert (image.shape, image.dtype, target, type(target)) == ((28, 28, 1), np.uint8, 4, int)
    image[:] = 0
    assert (data.data.numpy()[2] == IMAGES[2]).all()


def test_transforms_are_applied(root):
    data = Small(root, transform=transforms.ToTensor(), target_transform=lambda t: -t)
    image, target = data[0]
    assert image.shape == (1, 28, 28)
    assert image.numpy() == pytest.approx(IMAGES[:1] / 255)
    assert target == -3
    x, y = next(iter(DataLoader(data, batch_size=5)))
    assert (x.shape, y.tolist()) == ((5, 1, 28, 28), [-3, -1, -4, -1, -5])


def test_download_fetches_unpacks_and_is_then_content(tmp_path, monkeypatch):
    with serving({f"/{name}": data for name, data in packed().items()}) as (url, requests):
        monkeypatch.setattr(Small, "mirrors", [url])
        assert (Small(tmp_path, download=True).data.numpy() == IMAGES[:5]).all()
        assert len(requests) == 4
        Small(tmp_path, train=False, download=True)
        assert len(requests) == 4


def test_missing_files_are_named_with_where_they_belong(tmp_path):
    with pytest.raises(DatasetError, match=r"Small: there is no '.*Small/raw/train-images-idx3-ub"):
        Small(tmp_path)
    with pytest.raises(DatasetError, match=r"download=True fetches it; without a network, put the"):
        Small(tmp_path)


def test_images_and_labels_must_fit(root):
    (root / "Small" / "raw" / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:4]))
    with pytest.raises(DatasetError, match=r"N labels; got uint8 \(5, 28, 28\) and \(4,\)"):
        Small(root)


def test_repr_is_torchvisions(root):
    data = Small(root, transform=transforms.Compose([transforms.ToTensor()]))
    assert repr(data) == (
        "Dataset Small\n    Number of datapoints: 5\n"
        f"    Root location: {root}\n    Split: Train\n"
        "    StandardTransform\nTransform: Compose(\n               ToTensor()\n           )"
    )


@pytest.mark.parametrize("kind", [MNIST, datasets.FashionMNIST, datasets.KMNIST])
def test_ten_classes_and_four_files_with_checksums(kind):
    assert len(kind.classes) == 10
    assert [r.filename for r in kind.resources] == NAMES
    assert len({r.md5 for r in kind.resources}) == 4
    assert all(len(r.md5) == 32 for r in kind.resources)
    assert all(url.startswith("http") and url.endswith("/") for url in kind.mirrors)

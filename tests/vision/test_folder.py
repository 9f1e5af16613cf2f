"""Folders of files, one for each class."""

import builtins

import numpy as np
import pytest

from lucid.errors import LucidError
from lucid.utils.data import DataLoader
from lucid.vision import transforms
from lucid.vision.datasets import DatasetFolder, FakeData, ImageFolder, find_classes, make_dataset


@pytest.fixture
def root(tmp_path):
    for path in ("dog/b.txt", "dog/a.TXT", "dog/deep/c.txt", "cat/z.txt", "cat/picture.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "readme.txt").write_text("not in a class")
    return tmp_path


def read(path):
    with open(path) as file:
        return file.read()


def test_classes_are_the_folders_in_order(root):
    assert find_classes(root) == (["cat", "dog"], {"cat": 0, "dog": 1})


def test_samples_are_the_files_below_in_order(root):
    data = DatasetFolder(root, read, extensions=(".txt",))
    assert [data[i] for i in range(len(data))] == [
        ("cat/z.txt", 0), ("dog/a.TXT", 1), ("dog/b.txt", 1), ("dog/deep/c.txt", 1),
    ]  # fmt: skip
    assert data.targets == [0, 1, 1, 1]
    assert data.classes == ["cat", "dog"]


def test_is_valid_file_chooses(root):
    data = DatasetFolder(root, read, is_valid_file=lambda path: "z" in path or "deep" in path)
    assert [data[i] for i in range(2)] == [("cat/z.txt", 0), ("dog/deep/c.txt", 1)]
    assert len(data) == 2


def test_either_extensions_or_is_valid_file(root):
    with pytest.raises(ValueError, match="extensions or is_valid_file must be given; got neither"):
        make_dataset(root)
    with pytest.raises(ValueError, match="extensions or is_valid_file must be given; got both"):
        make_dataset(root, extensions=".txt", is_valid_file=bool)


def test_a_class_without_files_is_an_error_unless_allowed(root):
    (root / "bird").mkdir()
    with pytest.raises(FileNotFoundError, match=r"extension of \.txt; got none for bird in"):
        DatasetFolder(root, read, extensions=(".txt",))
    data = DatasetFolder(root, read, extensions=(".txt",), allow_empty=True)
    assert data.class_to_idx == {"bird": 0, "cat": 1, "dog": 2}
    assert data.targets == [1, 2, 2, 2]


def test_a_folder_without_folders_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold a folder for each class; got none"):
        find_classes(tmp_path)


def test_find_classes_may_be_overridden(root):
    class OnlyDogs(DatasetFolder):
        def find_classes(self, directory):
            return ["dog"], {"dog": 7}

    assert OnlyDogs(root, read, extensions=(".txt",)).targets == [7, 7, 7]


def test_image_folder_reads_images_as_rgb(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        image_module.fromarray(pixels).save(tmp_path / name / "a.PNG", format="png")
    image_module.fromarray(pixels[..., 0]).save(tmp_path / "b" / "grey.png")
    data = ImageFolder(tmp_path, transform=transforms.ToTensor())
    x, y = next(iter(DataLoader(data, batch_size=3)))
    assert y.tolist() == [0, 1, 1]
    assert (x[0].numpy() * 255).round().transpose(1, 2, 0).tolist() == pixels.tolist()
    assert (x[2] == x[2][:1]).all()  # the grey one, in three channels; grey.png comes after a.PNG
    assert data.imgs == data.samples


def test_an_unreadable_image_is_named(tmp_path):
    pytest.importorskip("PIL")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.png").write_bytes(b"no image")
    with pytest.raises(OSError) as caught:
        ImageFolder(tmp_path)[0]
    assert any("broken.png" in note for note in caught.value.__notes__)


@pytest.fixture
def without_pillow(monkeypatch):
    real = builtins.__import__

    def importing(name, *rest):
        if name.split(".")[0] == "PIL":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_image_folder_without_pillow_says_what_to_install(root, without_pillow):
    with pytest.raises(LucidError, match=r"ImageFolder: .* pip install 'lucid-cupy\[vision\]'"):
        ImageFolder(root)
    data = ImageFolder(root, loader=read, allow_empty=True)
    assert data[0] == ("cat/picture.png", 0)


def test_fake_images_are_the_same_every_time():
    one, two = FakeData(20, (3, 8, 6)), FakeData(20, (3, 8, 6))
    images = [image for image, _ in (one[i] for i in range(20))]
    assert all((image == two[i][0]).all() for i, image in enumerate(images))
    assert images[0].shape == (8, 6, 3)
    assert len({image.tobytes() for image in images}) == 20
    assert (FakeData(20, (3, 8, 6), random_offset=1)[0][0] != images[0]).any()


def test_fake_pixels_and_classes_are_uniform():
    data = FakeData(400, (1, 8, 8), num_classes=4)
    samples = [data[i] for i in range(400)]
    mean = np.mean([image for image, _ in samples])
    assert abs(mean - 127.5) < 5 * 73.9 / (400 * 64) ** 0.5  # five sigma
    counts = np.bincount([target for _, target in samples])
    assert len(counts) == 4
    assert abs(counts - 100).max() < 5 * (400 * 0.25 * 0.75) ** 0.5


def test_fake_data_ends():
    with pytest.raises(IndexError, match=r"FakeData: index must be in \[0, 3\); got 3"):
        FakeData(3)[3]

"""MNIST and the data sets in its format: 28 x 28 grey images in ten classes, in IDX files."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lucid import ops
from lucid.vision.datasets.files import DatasetError, Resource, download, write_whole
from lucid.vision.datasets.idx import read_idx
from lucid.vision.datasets.vision import VisionDataset

__all__ = ["FashionMNIST", "KMNIST", "MNIST"]


class MNIST(VisionDataset):
    """Handwritten digits: 60,000 to train, 10,000 to test (LeCun, Cortes and Burges 1998).

    A sample is (image, target): a uint8 array (28, 28, 1), which ``transforms.ToTensor`` makes a
    float32 tensor (1, 28, 28) in [0, 1], and an int. ``data`` (N, 28, 28) and ``targets`` (N,) are
    all of them as tensors.

    The files are ``<root>/MNIST/raw/train-images-idx3-ubyte`` and so on, where torchvision puts
    them; each may be a ``.gz`` as well. ``download`` fetches what is missing.
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[Resource]] = [
        Resource("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        Resource("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        Resource("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        Resource("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six",
        "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        first = 0 if train else 2
        images, labels = (read_idx(self._file(r)) for r in self.resources[first : first + 2])
        if images.ndim != 3 or labels.shape != images.shape[:1] or images.dtype != np.uint8:
            raise DatasetError(
                f"{type(self).__name__}: images must be uint8 (N, H, W) with N labels; got"
                f" {images.dtype} {images.shape} and {labels.shape} in {self.raw_folder!r}"
            )
        self.data = ops.as_tensor(images, device="cpu")
        self.targets = ops.as_tensor(labels.astype(np.int64), device="cpu")

    @property
    def raw_folder(self) -> str:
        """Where the files are."""
        return os.path.join(self.root or "", type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class by its name."""
        return {name: i for i, name in enumerate(self.classes)}

    def _file(self, resource: Resource) -> str:
        packed = os.path.join(self.raw_folder, resource.filename)
        for path in (packed.removesuffix(".gz"), packed):
            if os.path.isfile(path):
                return path
        raise DatasetError(
            f"{type(self).__name__}: there is no {packed.removesuffix('.gz')!r}, nor with .gz."
            " Hint: download=True fetches it; without a network, put the files"
            f" {', '.join(r.filename for r in self.resources)} into"
            f" {os.path.abspath(self.raw_folder)!r}"
        )

    def download(self) -> None:
        """Fetch and unpack the files that are missing."""
        name = type(self).__name__
        for resource in self.resources:
            unpacked = os.path.join(self.raw_folder, resource.filename.removesuffix(".gz"))
            if os.path.isfile(unpacked):
                continue
            packed = download(name, resource, self.raw_folder, self.mirrors)
            try:
                with gzip.open(packed) as source:
                    write_whole(unpacked, source)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DatasetError(f"{name}: {packed!r} is damaged; {error}") from error

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.data.numpy()[index][..., None].copy()
        return self._transformed(image, int(self.targets.numpy()[index]))

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Clothes, in MNIST's format and number (Xiao, Rasul and Vollgraf 2017)."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [
        Resource("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        Resource("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        Resource("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        Resource("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Cursive Japanese characters, in MNIST's format and number (Clanuwat et al. 2018)."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        Resource("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        Resource("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        Resource("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        Resource("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]

"""CIFAR-10 and CIFAR-100: 32 x 32 colour images (Krizhevsky 2009)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lucid.vision.datasets.files import (
    DatasetError,
    Resource,
    check_md5,
    download,
    extract_members,
    md5_of,
)
from lucid.vision.datasets.unpickling import read_pickle
from lucid.vision.datasets.vision import VisionDataset

__all__ = ["CIFAR10", "CIFAR100"]


class CIFAR10(VisionDataset):
    """50,000 images to train and 10,000 to test, in 10 classes.

    A sample is (image, target): a uint8 array (32, 32, 3) and an int. ``data`` (N, 32, 32, 3) and
    the list ``targets`` are all of them; ``classes`` and ``class_to_idx`` the names.

    The files are in ``<root>/cifar-10-batches-py``, as in the archive; ``download`` fetches it.
    They are pickles, read without running what is in them, and their checksums are verified.
    """

    mirrors: ClassVar[list[str]] = ["https://www.cs.toronto.edu/~kriz/"]
    base_folder: ClassVar[str] = "cifar-10-batches-py"
    archive: ClassVar[Resource] = Resource(
        "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"
    )
    train_list: ClassVar[list[Resource]] = [
        Resource("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        Resource("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        Resource("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        Resource("data_batch_4", "634d18415352ddfa80567beed471001a"),
        Resource("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ]
    test_list: ClassVar[list[Resource]] = [
        Resource("test_batch", "40351d587109b95175f43aff81a1287e")
    ]
    meta: ClassVar[Resource] = Resource("batches.meta", "5ff9c542aee3614f3951f8cda6e48888")
    labels_key: ClassVar[str] = "labels"
    names_key: ClassVar[str] = "label_names"

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
        batches = [self._read(r) for r in (self.train_list if train else self.test_list)]
        pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        self.data = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
        self.targets: list[int] = [t for batch in batches for t in batch[self.labels_key]]
        self.classes: list[str] = self._read(self.meta)[self.names_key]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _path(self, resource: Resource) -> str:
        return os.path.join(self.root or "", self.base_folder, resource.filename)

    def _read(self, resource: Resource) -> Any:
        name, path = type(self).__name__, self._path(resource)
        if not os.path.isfile(path):
            raise DatasetError(
                f"{name}: there is no {path!r}. Hint: download=True fetches it; without a network,"
                f" unpack {self.archive.filename} in {os.path.abspath(self.root or '')!r}"
            )
        check_md5(name, path, resource.md5)
        content = read_pickle(path)
        wanted = (self.names_key,) if resource == self.meta else ("data", self.labels_key)
        if not isinstance(content, dict) or any(key not in content for key in wanted):
            raise DatasetError(f"{name}: {path!r} must hold a dict with {', '.join(wanted)}")
        if resource != self.meta:
            shape = (len(content[self.labels_key]), 3 * 32 * 32)
            data = content["data"]
            if not isinstance(data, np.ndarray) or data.shape != shape or data.dtype != np.uint8:
                raise DatasetError(f"{name}: the data in {path!r} must be uint8 of shape {shape}")
        return content

    def download(self) -> None:
        """Fetch and unpack the archive, unless its files are there."""
        files = [*self.train_list, *self.test_list, self.meta]
        if all(self._whole(file) for file in files):
            return
        name, root = type(self).__name__, self.root or ""
        archive = download(name, self.archive, root, self.mirrors)
        members = [f"{self.base_folder}/{file.filename}" for file in files]
        extract_members(name, archive, root, members)

    def _whole(self, resource: Resource) -> bool:
        path = self._path(resource)
        return os.path.isfile(path) and resource.md5 in (None, md5_of(path))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(self.data[index].copy(), self.targets[index])

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """50,000 images to train and 10,000 to test, in 100 classes. Otherwise as ``CIFAR10``."""

    base_folder = "cifar-100-python"
    archive = Resource("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85")
    train_list = [Resource("train", "16019d7e3df5f24257cddd939b257f8d")]
    test_list = [Resource("test", "f0ef6b0ae62326f3e7ffdfab6717acfc")]
    meta = Resource("meta", "7973b15100ade9c7d40fb424638fde48")
    labels_key = "fine_labels"
    names_key = "fine_label_names"

"""A folder of files, with a folder for each class: ``root/cat/1.png``, ``root/dog/x/2.png``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from lucid.errors import LucidError
from lucid.vision.datasets.vision import VisionDataset

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "ImageFolder", "find_classes", "make_dataset"]

IMG_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
)  # fmt: skip

Check = Callable[[str], bool]


def find_classes(directory: str | os.PathLike) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in ``directory`` in alphabetical order, and the number of each."""
    classes = sorted(entry.name for entry in os.scandir(os.fspath(directory)) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(
            f"find_classes: {os.fspath(directory)!r} must hold a folder for each class; got none"
        )
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | Sequence[str] | None = None,
    is_valid_file: Check | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """(path, class) of every file below the folders of the classes, in a fixed order.

    Which files count is decided either by ``extensions`` (in any case) or by ``is_valid_file``.
    Links to folders are followed. A class without files is an error unless ``allow_empty``.
    """
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "make_dataset: either extensions or is_valid_file must be given; got"
            f" {'neither' if extensions is None else 'both'}"
        )
    directory = os.path.expanduser(os.fspath(directory))
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    if not class_to_idx:
        raise ValueError("make_dataset: class_to_idx must have at least one class; got none")
    if extensions is None:
        valid: Any = is_valid_file
    else:
        ends = (extensions,) if isinstance(extensions, str) else tuple(extensions)

        def valid(path: str) -> bool:
            return path.lower().endswith(ends)

    samples, empty = [], []
    for name in sorted(class_to_idx):
        paths = [
            os.path.join(folder, file)
            for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True))
            for file in sorted(files)
        ]
        chosen = [(path, class_to_idx[name]) for path in paths if valid(path)]
        samples += chosen
        if not chosen:
            empty.append(name)
    if empty and not allow_empty:
        kinds = f" with an extension of {', '.join(ends)}" if extensions is not None else ""
        raise FileNotFoundError(
            f"make_dataset: every class needs a file{kinds}; got none for {', '.join(empty)} in"
            f" {directory!r}. Hint: allow_empty=True"
        )
    return samples


class DatasetFolder(VisionDataset):
    """Files in a folder for each class; ``loader(path)`` reads one. Samples are (loaded, class).

    ``samples`` is the list of (path, class), ``targets`` that of the classes, ``classes`` their
    names and ``class_to_idx`` their numbers. Override ``find_classes`` for other names or numbers.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        loader: Callable[[str], Any],
        extensions: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Check | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root or "")
        self.samples = self.make_dataset(
            self.root or "", self.class_to_idx, extensions, is_valid_file, allow_empty
        )
        self.loader, self.extensions = loader, extensions
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory: str | os.PathLike) -> tuple[list[str], dict[str, int]]:
        """The classes and their numbers; by default the folders in alphabetical order."""
        return find_classes(directory)

    make_dataset = staticmethod(make_dataset)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)


class ImageFolder(DatasetFolder):
    """Images in a folder for each class, read by Pillow as RGB. Samples are (PIL image, class).

    ``loader`` reads in another way. Needs Pillow: ``pip install 'lucid-cupy[vision]'``. Otherwise
    as ``DatasetFolder``; ``imgs`` is ``samples``.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] | None = None,
        is_valid_file: Check | None = None,
        allow_empty: bool = False,
    ):
        if loader is None:
            _pillow()
            loader = load_image
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(
            root, loader, extensions, transform, target_transform, is_valid_file, allow_empty
        )
        self.imgs = self.samples


def load_image(path: str) -> Any:
    """The image in a file, as RGB; an unreadable file is named in the error."""
    with open(path, "rb") as file:
        try:
            return _pillow().open(file).convert("RGB")
        except Exception as error:
            error.add_note(f"ImageFolder: reading {path!r}")
            raise


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise LucidError(
            "ImageFolder: image files are read by Pillow, which is not installed. Hint: pip install"
            " 'lucid-cupy[vision]', or pass a loader of your own"
        ) from None
    return Image

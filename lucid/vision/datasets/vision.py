"""What the data sets of images have in common: a root, and transforms of image and target."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lucid.utils.data.dataset import Dataset

__all__ = ["StandardTransform", "VisionDataset"]


class StandardTransform:
    """(image, target) -> (transform(image), target_transform(target)); None changes nothing."""

    def __init__(
        self,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        self.transform, self.target_transform = transform, target_transform

    def __call__(self, image: Any, target: Any) -> tuple[Any, Any]:
        image = image if self.transform is None else self.transform(image)
        target = target if self.target_transform is None else self.target_transform(target)
        return image, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, part in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if part is not None:
                lines.append(head + repr(part).replace("\n", "\n" + " " * len(head)))
        return "\n".join(lines)


class VisionDataset(Dataset[Any]):
    """Samples (image, target) below a folder ``root``.

    ``transforms`` takes image and target and answers both; ``transform`` takes the image,
    ``target_transform`` the target. Either the first or the other two may be given.
    """

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        transforms: Callable[[Any, Any], Any] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError(
                f"{type(self).__name__}: transforms stands in place of transform and"
                " target_transform; got both"
            )
        self.root = None if root is None else os.path.expanduser(os.fspath(root))
        self.transform, self.target_transform = transform, target_transform
        self.transforms: Callable[[Any, Any], Any] | None = transforms
        if transform is not None or target_transform is not None:
            self.transforms = StandardTransform(transform, target_transform)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: define __len__(self)")

    def _transformed(self, image: Any, target: Any) -> Any:
        """The sample after the transforms, as the attributes stand now."""
        if isinstance(self.transforms, StandardTransform) or self.transforms is None:
            return StandardTransform(self.transform, self.target_transform)(image, target)
        return self.transforms(image, target)

    def extra_repr(self) -> str:
        """Further lines of the repr."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *("    " + line for line in body)])

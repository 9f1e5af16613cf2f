"""Transforms made of transforms. Each part has a place, and its random numbers belong to that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from lucid.vision.transforms.randomness import begin_call, inside

__all__ = ["Compose", "Lambda", "RandomApply", "RandomChoice", "RandomOrder"]

Transform = Callable[[Any], Any]


class _Several:
    def __init__(self, transforms: Sequence[Transform]):
        self.transforms = transforms

    def __repr__(self) -> str:
        parts = "".join("\n    " + repr(t).replace("\n", "\n    ") for t in self.transforms)
        return f"{type(self).__name__}({self._settings()}{parts}\n)"

    def _settings(self) -> str:
        return ""


class Compose(_Several):
    """One transform after the other.

    >>> from lucid.vision import transforms
    >>> transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.25])])
    Compose(
        ToTensor()
        Normalize(mean=[0.5], std=[0.25])
    )
    """

    def __call__(self, img: Any) -> Any:
        frame = begin_call()
        for i, transform in enumerate(self.transforms):
            with inside(frame.at(i)):
                img = transform(img)
        return img


class RandomApply(_Several):
    """All the transforms with probability p, else none."""

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5):
        super().__init__(transforms)
        self.p = p

    def __call__(self, img: Any) -> Any:
        frame = begin_call()
        if frame.source().uniform() >= self.p:
            return img
        for i, transform in enumerate(self.transforms):
            with inside(frame.at(i)):
                img = transform(img)
        return img

    def _settings(self) -> str:
        return f"\n    p={self.p}"


class RandomOrder(_Several):
    """All the transforms, in random order."""

    def __call__(self, img: Any) -> Any:
        frame = begin_call()
        for i in frame.source().permutation(len(self.transforms)):
            with inside(frame.at(i)):
                img = self.transforms[i](img)
        return img


class RandomChoice(_Several):
    """One of the transforms; ``p`` are their weights, equal if None."""

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None):
        super().__init__(transforms)
        if p is not None and (len(p) != len(transforms) or min(p) < 0 or not sum(p) > 0):
            raise ValueError(
                f"RandomChoice: p must be a weight for each of {len(transforms)} transforms, none"
                f" negative and not all 0; got {p}"
            )
        self.p = p

    def __call__(self, img: Any) -> Any:
        frame = begin_call()
        ends = list(accumulate(self.p or [1.0] * len(self.transforms)))
        mark = frame.source().uniform() * ends[-1]
        chosen = next(i for i, end in enumerate(ends) if mark < end)
        with inside(frame.at(chosen)):
            return self.transforms[chosen](img)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class Lambda:
    """Any function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]):
        if not callable(lambd):
            raise TypeError(f"Lambda: lambd must be a function; got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"

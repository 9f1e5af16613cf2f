"""Digits: the same 1,442 and 355 real scans, always."""

import builtins
import hashlib

import numpy as np
import pytest

from lucid.errors import LucidError
from lucid.utils.data import DataLoader
from lucid.vision.datasets import Digits
from lucid.vision.datasets import digits as datasets
from lucid.vision.transforms import RandomShift

pytest.importorskip("sklearn")

GOLDEN = "ee6ec0ae7823271a"  # of the test labels, in order


def test_has_1442_images_to_train_and_355_to_test():
    assert (len(Digits(train=True)), len(Digits(train=False))) == (1442, 355)


def test_images_are_float32_between_0_and_1():
    images = Digits().images
    assert images.shape == (1442, 1, 8, 8)
    assert str(images.dtype) == "lucid.float32"
    assert (images.min().item(), images.max().item()) == (0.0, 1.0)


def test_every_digit_has_a_fifth_of_its_scans_in_the_test():
    train, test = (np.bincount(Digits(train=t).labels.numpy()) for t in (True, False))
    assert (test == (train + test) // 5).all()


def test_the_split_is_always_the_same():
    labels = Digits(train=False).labels.numpy().astype("<i8").tobytes()
    assert hashlib.sha256(labels).hexdigest().startswith(GOLDEN)


def test_no_image_is_in_both_parts():
    train, test = ({row.tobytes() for row in Digits(train=t).images.numpy()} for t in (True, False))
    assert not train & test


def test_item_is_image_and_label():
    image, label = Digits()[0]
    assert (image.shape, label.item()) == ((1, 8, 8), 0)


def test_transform_is_applied_to_an_item_and_to_a_batch():
    flipped = Digits(transform=lambda x: 1 - x)
    assert flipped[0][0].max().item() == 1
    assert flipped[[0, 1]][0].shape == (2, 1, 8, 8)
    assert (flipped[0][0] + Digits()[0][0]).min().item() == 1


def test_loader_batch_is_the_items_stacked():
    digits = Digits()
    images, labels = next(iter(DataLoader(digits, 5)))
    assert (images == digits.images[:5]).all()
    assert (labels == digits.labels[:5]).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_random_transform_does_not_depend_on_the_number_of_workers(workers):
    def epoch(number):
        digits = Digits(train=False, transform=RandomShift(1))
        return next(iter(DataLoader(digits, 16, num_workers=number)))[0]

    import lucid

    lucid.manual_seed(3)
    here = epoch(0)
    lucid.manual_seed(3)
    assert (epoch(workers) == here).all()


def test_missing_sklearn_is_one_sentence_with_the_command(monkeypatch):
    real = builtins.__import__

    def without_sklearn(name, *rest):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *rest)

    datasets._load.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without_sklearn)
    with pytest.raises(LucidError, match=r"pip install 'lucid-cupy\[train\]'"):
        Digits()

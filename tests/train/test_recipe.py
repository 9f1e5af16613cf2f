"""Settings: what a training is made of, and what may not change when it goes on."""

import pytest

from lucid.errors import CheckpointError, LucidError
from lucid.train.recipe import Settings


def test_settings_survive_a_checkpoint():
    settings = Settings("selu", 3, 32, 0.1, 5)
    assert Settings.from_checkpoint(settings.as_dict(), {}) == settings


def test_settings_that_agree_may_be_given_again():
    assert Settings.from_checkpoint(Settings().as_dict(), {"lr": Settings().lr}) == Settings()


def test_a_setting_that_differs_is_refused_by_its_option():
    with pytest.raises(LucidError, match=r"begun with --batch-size 64; got --batch-size 32"):
        Settings.from_checkpoint(Settings().as_dict(), {"batch_size": 32})


def test_settings_of_another_version_are_refused():
    with pytest.raises(CheckpointError, match="settings of this version"):
        Settings.from_checkpoint({"net": "relu"}, {})


@pytest.mark.parametrize("lr", [0, -1, float("nan"), float("inf")])
def test_lr_must_be_positive_and_finite(lr):
    with pytest.raises(LucidError, match="--lr must be positive"):
        Settings(lr=lr)

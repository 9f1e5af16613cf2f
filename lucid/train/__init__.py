"""The training loop behind `lucid train`, and what it leaves on the disk."""

from lucid.train.folder import RunFolder as RunFolder
from lucid.train.metrics import EpochMetrics as EpochMetrics
from lucid.train.recipe import Settings as Settings
from lucid.train.recipe import build as build
from lucid.train.trainer import Trainer as Trainer

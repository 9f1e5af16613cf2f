"""What `lucid train` trains: settings, and the model, optimizer, schedule and data they mean."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import lucid
from lucid.errors import CheckpointError, LucidError
from lucid.optim import AdamW
from lucid.optim.lr_scheduler import OneCycleLR
from lucid.train.trainer import Trainer
from lucid.utils.data import DataLoader, TensorDataset
from lucid.vision.datasets import Digits
from lucid.vision.models import digits_cnn
from lucid.vision.transforms import RandomShift

__all__ = ["Settings", "build"]

TEST_BATCH = 512  # testing keeps no graph; larger batches only cost memory


@dataclass(frozen=True)
class Settings:
    """All that the trained weights depend on. Where and how fast it runs is not part of it."""

    net: str = "relu"
    epochs: int = 20
    batch_size: int = 64
    lr: float = 5e-3  # the highest: the rate rises to it, then falls to almost nothing
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise LucidError(f"train: --lr must be positive; got {self.lr}. Hint: --lr 0.005")

    @property
    def title(self) -> str:
        """The settings in one line, for people."""
        return (
            f"{self.net} net, {self.epochs} epochs, batch {self.batch_size}, lr {self.lr:g},"
            f" seed {self.seed}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_checkpoint(cls, saved: dict[str, Any], wanted: dict[str, Any]) -> Settings:
        """The settings that a run was begun with; refuses those of ``wanted`` that differ."""
        if saved.keys() != {field.name for field in fields(cls)}:
            raise CheckpointError(
                f"train: the checkpoint must hold the settings of this version; got {list(saved)}."
                " Hint: go on with the version of lucid that wrote it"
            )
        found = cls(**saved)
        for name, value in wanted.items():
            if getattr(found, name) != value:
                option = "--" + name.replace("_", "-")
                raise LucidError(
                    f"train: this run was begun with {option} {getattr(found, name)}; got {option}"
                    f" {value}. Hint: leave {option} out to go on with it, or begin another run in"
                    " another --out"
                )
        return found


def build(settings: Settings, device: Any = "cpu", workers: int = 0) -> Trainer:
    """A trainer at its very beginning. Seeds the default generator."""
    lucid.manual_seed(settings.seed)
    order = lucid.Generator().manual_seed(settings.seed)
    order.stream = 1  # apart from dropout's numbers, which have the same seed
    scans, test_scans = Digits(train=True), Digits(train=False)
    train = DataLoader(
        TensorDataset(scans.images, scans.labels),  # a batch is one indexing
        settings.batch_size,
        shuffle=True,
        generator=order,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    test = DataLoader(
        TensorDataset(test_scans.images, test_scans.labels),
        TEST_BATCH,
        generator=lucid.Generator(),
    )
    model = digits_cnn(settings.net).to(device)
    optimizer = AdamW(model.parameters(), lr=settings.lr, weight_decay=0.01)
    schedule = OneCycleLR(optimizer, settings.lr, total_steps=settings.epochs * len(train))
    return Trainer(
        model,
        optimizer,
        schedule,
        train,
        test,
        epochs=settings.epochs,
        augment=RandomShift(1),
        device=device,
    )

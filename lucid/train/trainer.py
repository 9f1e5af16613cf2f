"""The training loop: a classifier, epoch by epoch, that can stop at any step and go on exactly."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from time import perf_counter
from typing import Any

import lucid
from lucid.errors import LucidError
from lucid.nn import Module
from lucid.nn.functional import cross_entropy
from lucid.tensor import Tensor
from lucid.train.metrics import EpochMetrics
from lucid.utils.data import DataLoader

__all__ = ["Trainer"]


class Trainer:
    """Trains ``model`` to name the class of each image of ``train``, and tests it on ``test``.

    ``state_dict`` knows where every random number comes from: the order of the images from the
    loader, dropout and ``augment`` from the default generator. So a trainer that loads a state
    saved after any step computes, bit for bit, what the first one would have computed. ``test``
    should have a generator of its own.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Any,
        scheduler: Any,
        train: DataLoader,
        test: DataLoader,
        *,
        epochs: int,
        augment: Callable[[Tensor], Tensor] | None = None,
        device: Any = "cpu",
    ):
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        self.train, self.test, self.epochs, self.augment = train, test, epochs, augment
        self.device = lucid.device(device)
        self.history: list[EpochMetrics] = []  # one entry per finished epoch
        self.seconds = 0.0  # of the running epoch
        self._begin_epoch()

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether all epochs are."""
        return self.epoch >= self.epochs

    def fit(
        self,
        *,
        on_step: Callable[[], Any] = lambda: None,
        on_epoch: Callable[[EpochMetrics], Any] = lambda metrics: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train on from where this trainer stands; False if ``stop()`` said to, after a step.

        ``on_step`` and ``on_epoch`` are called when the state is consistent: they may save it.
        """
        while not self.finished:
            self.model.train()
            start = perf_counter() - self.seconds
            for images, labels in self.train:
                self._step(images.to(self.device), labels.to(self.device))
                self.seconds = perf_counter() - start
                on_step()
                if stop():
                    return False
            test_loss, test_accuracy = self.evaluate()
            metrics = EpochMetrics(
                epoch=self.epoch + 1,
                learning_rate=self.optimizer.param_groups[0]["lr"],
                train_loss=self.loss_sum / self.seen,
                train_accuracy=self.correct / self.seen,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
                seconds=perf_counter() - start,
            )
            self.history.append(metrics)
            self._begin_epoch()
            on_epoch(metrics)
            if stop():
                return False
        return True

    @lucid.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """Mean loss and accuracy on the test images, in eval mode."""
        self.model.eval()
        loss, correct, seen = 0.0, 0, 0
        for images, labels in self.test:
            logits = self.model(images.to(self.device))
            labels = labels.to(self.device)
            loss += cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(1) == labels).sum().item()
            seen += len(labels)
        return loss / seen, correct / seen

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": list(lucid.default_generator.state_tuple()),
            "order": self.train.state_dict(),
            "step": self.step,
            "sums": [self.loss_sum, self.correct, self.seen, self.seconds],
            "history": [list(row) for row in self.history],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where the trainer stood that gave the state."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        lucid.default_generator.set_state_tuple(tuple(state["random"]))
        self.train.load_state_dict(state["order"])
        self.history = [EpochMetrics(*row) for row in state["history"]]
        self.step = state["step"]
        self.loss_sum, self.correct, self.seen, self.seconds = state["sums"]

    def fingerprint(self) -> str:
        """SHA-256 of the model's state: names, shapes, types and every bit of the values."""
        digest = hashlib.sha256()
        for name, value in self.model.state_dict().items():
            array = value.cpu().numpy()
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _begin_epoch(self) -> None:
        self.step = 0  # steps of the running epoch that are done
        self.loss_sum, self.seconds = 0.0, 0.0
        self.correct, self.seen = 0, 0  # images

    def _step(self, images: Tensor, labels: Tensor) -> None:
        logits = self.model(self.augment(images) if self.augment else images)
        loss = cross_entropy(logits, labels)
        value = loss.item()
        if not math.isfinite(value):
            raise LucidError(
                f"train: the loss must stay finite; got {value} in epoch {self.epoch + 1}, step"
                f" {self.step + 1}. Hint: a smaller --lr"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        self.step += 1
        self.loss_sum += value * len(labels)
        self.correct += (logits.argmax(1) == labels).sum().item()
        self.seen += len(labels)

"""`lucid train`: the main job, from nothing to a trained network and its traces in one folder."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lucid.cli.options import Debug, TrainDevice, program, resolve_device

if TYPE_CHECKING:
    from lucid.train.folder import RunFolder
    from lucid.train.recipe import Settings
    from lucid.train.trainer import Trainer


class Net(StrEnum):
    """digits_cnn's two kinds."""

    relu = "relu"
    selu = "selu"


def train(
    context: typer.Context,
    net: Annotated[
        Net, typer.Option(help="relu: batch norm and Dropout2d; selu: FeatureAlphaDropout.")
    ] = Net.relu,
    device: Annotated[
        TrainDevice, typer.Option(help="auto: CUDA if there is one.")
    ] = TrainDevice.auto,
    epochs: Annotated[int, typer.Option(min=1, help="Times through all images.")] = 20,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per step.")] = 64,
    lr: Annotated[float, typer.Option(help="The highest learning rate of the schedule.")] = 5e-3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for checkpoint, metrics.csv and curve.png.")
    ] = Path("runs/digits"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on where --out stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the training in --out.")] = False,
    checkpoint_every: Annotated[
        int, typer.Option(min=0, help="Steps between checkpoints; 0: only after each epoch.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that load images.")] = 0,
    debug: Debug = False,
) -> None:
    """Train a CNN on 1,442 real scans of handwritten digits; test it on 355 others.

    Stopped by Ctrl-C, by SIGTERM or by a power cut, it goes on with --resume to the same weights,
    bit for bit, as if it had never stopped.
    """
    from lucid.errors import LucidError
    from lucid.train.folder import RunFolder
    from lucid.train.recipe import Settings, build

    if resume and force:
        raise LucidError("train: --resume goes on with a training, --force replaces it; choose one")
    folder = RunFolder(out)
    where = resolve_device(device)
    values: dict[str, Any] = {
        "net": str(net),
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "seed": seed,
    }
    if resume:
        state = folder.load()
        settings = Settings.from_checkpoint(state["settings"], _given(context, values))
        trainer = build(settings, where, workers)
        trainer.load_state_dict(state["trainer"])
    else:
        settings = Settings(**values)
        trainer = build(settings, where, workers)
        folder.begin(force)
        folder.save(settings, trainer)  # what can't be written should fail now, not in an hour
    _announce(settings, trainer, where)
    exit_code = _fit(folder, settings, trainer, checkpoint_every)
    _summarize(folder, settings, trainer)
    raise typer.Exit(exit_code)


def _given(context: typer.Context, values: dict[str, Any]) -> dict[str, Any]:
    """The values that were typed, without the defaults."""
    sources = {name: context.get_parameter_source(name) for name in values}
    return {
        name: value
        for name, value in values.items()
        if (source := sources[name]) is not None and source.name != "DEFAULT"
    }


def _announce(settings: Settings, trainer: Trainer, where: str) -> None:
    import lucid

    threads = f"CPU, {lucid.get_num_threads()} threads"
    device = lucid.cuda.get_device_name() if where == "cuda" else threads
    weights = sum(p.numel() for p in trainer.model.parameters())
    print(f"Digits: {settings.title}; {weights:,} weights on {device}")
    if trainer.epoch or trainer.step:
        print(f"Going on after {_place(trainer)}.")


def _place(trainer: Trainer) -> str:
    return f"epoch {trainer.epoch}" + (f", step {trainer.step}" if trainer.step else "")


def _resume_command(folder: RunFolder) -> str:
    return f"{program()} train --resume --out {shlex.quote(str(folder.path))}"


def _fit(folder: RunFolder, settings: Settings, trainer: Trainer, checkpoint_every: int) -> int:
    """Train to the end or to a signal; the exit code."""
    from lucid.cli.display import Display
    from lucid.train.interruption import Interruption

    with Interruption() as interruption, Display(trainer) as display:

        def after_step() -> None:
            display.show_step()
            if checkpoint_every and trainer.step % checkpoint_every == 0:
                folder.save(settings, trainer)

        def after_epoch(metrics: Any) -> None:
            folder.save(settings, trainer)
            display.show_epoch(metrics)

        try:
            if not trainer.fit(on_step=after_step, on_epoch=after_epoch, stop=interruption):
                folder.save(settings, trainer)
        except KeyboardInterrupt:  # the second Ctrl-C
            print(f"\nStopped at once. From the last checkpoint: {_resume_command(folder)}")
            raise typer.Exit(interruption.exit_code) from None
    return 0 if trainer.finished else interruption.exit_code


def _summarize(folder: RunFolder, settings: Settings, trainer: Trainer) -> None:
    from lucid.errors import LucidError

    if trainer.finished:
        seconds = sum(row.seconds for row in trainer.history)
        print(
            f"\nTest accuracy {trainer.history[-1].test_accuracy:.1%} after {trainer.epoch} epochs"
            f" in {seconds:.1f} s; sha256 of the weights {trainer.fingerprint()[:16]}"
        )
    else:
        print(f"\nStopped after {_place(trainer)}.")
        print(f"  go on       {_resume_command(folder)}")
    print(f"  checkpoint  {folder.checkpoint}")
    print(f"  metrics     {folder.metrics}")
    try:
        folder.draw(settings, trainer)
    except LucidError as error:  # everything else is done and written: no reason to fail
        print(f"  curve       not drawn: {error}")
    else:
        if trainer.history:
            print(f"  curve       {folder.curve}")

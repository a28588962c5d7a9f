"""Train a model."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import FAILED, debug_option, load_settings
from monitor.cli.shared.output import silence_native_libraries
from monitor.settings.models import TrainSettings
from monitor.settings.options import SettingsCommand, settings_options

if TYPE_CHECKING:
    from training.fit.augmentation import Augmentation
    from training.fit.trainer import TrainingSettings

PLANNED = (
    "labels",
    "targets",
    "start",
    "teachers",
    "unlabelled",
    "weights",
    "hold_out",
    "limit",
    "find_faces",
    "mixed_precision",
    "overlay",
)


@click.command(
    cls=SettingsCommand,
    epilog="Example: ad-monitor train --data fer2013.csv --votes fer2013new.csv --out runs/first "
    "--minutes 60",
)
@settings_options(TrainSettings)
@debug_option
def train(**options: Any) -> None:
    """Train a network and write the model, its card and its figures.

    Stop it with Ctrl+C; the same command continues where it stopped.
    """
    settings = load_settings(TrainSettings, options)
    if settings.data is None or settings.out is None:
        raise click.UsageError(f"Missing option '--{'out' if settings.data else 'data'}'.")
    silence_native_libraries()
    logging.getLogger("training").setLevel(logging.INFO)
    from monitor.cli.shared.tables import training_bar
    from training.architectures import find_architecture
    from training.run import TrainingPlan
    from training.run import train as run_training

    out, architecture = settings.out, find_architecture(settings.architecture)
    plan = TrainingPlan(
        settings.data,
        settings.votes,
        settings.architecture,
        **{name: getattr(settings, name) for name in PLANNED},
    )
    try:
        with training_bar() as tell:
            model = run_training(
                plan,
                out,
                name=settings.name or out.resolve().name,
                settings=_recipe(architecture.recipe(settings.weights), settings),
                h5=settings.h5,
                tensorboard=settings.tensorboard,
                tell=tell,
            )
    except KeyboardInterrupt:
        click.echo(
            f"Stopped. The same command continues after the last whole epoch in {out}.", err=True
        )
        raise SystemExit(FAILED) from None
    click.echo(f"Model: {model}\nIts card, with all scores: {model.with_suffix('.md')}", err=True)


def _recipe(recipe: TrainingSettings, settings: TrainSettings) -> TrainingSettings:
    """Return the recipe, changed by the settings."""
    from training.fit.schedule import Stage, parse_stages

    changes: dict[str, Any] = {
        "minutes": settings.minutes,
        "batch_size": settings.batch_size,
        "peak_learning_rate": settings.learning_rate,
        "balance": settings.balance,
        "seed": settings.seed,
    }
    if settings.stages is not None and settings.epochs is not None:
        raise click.UsageError("--stages already gives the epochs: leave --epochs out.")
    if settings.stages is not None:
        changes["stages"] = parse_stages(settings.stages)
    elif settings.epochs is not None:
        changes["stages"] = (Stage(recipe.stages[-1].side_px, settings.epochs),)
    changes = {name: value for name, value in changes.items() if value is not None}
    if settings.patience is not None:
        changes["patience"] = settings.patience or None
    return replace(recipe, augmentation=_augmentation(recipe.augmentation, settings), **changes)


def _augmentation(full: Augmentation, settings: TrainSettings) -> Augmentation:
    from training.fit.augmentation import NO_AUGMENTATION

    choices = {"full": full, "gentle": full.gentler(), "none": NO_AUGMENTATION}
    given = {
        "mixup": settings.mixup,
        "expression": settings.expression_strength,
        "cover_share": settings.cover_share,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(choices[settings.augmentation], **changes)

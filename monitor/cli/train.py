"""Train a model."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.evaluate import data_option, votes_option
from monitor.cli.options import (
    FAILED,
    debug_option,
)
from monitor.cli.output import silence_native_libraries
from training.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from training.fit.augmentation import Augmentation
    from training.fit.trainer import TrainingSettings

TARGETS = ("votes+original", "votes", "majority", "original")


AUGMENTATIONS = ("full", "gentle", "none")


logger = logging.getLogger(__name__)


@click.command(
    epilog="Example: ad-monitor train --data fer2013.csv --votes fer2013new.csv --out runs/first --minutes 60"
)
@data_option
@votes_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; goes on with what is in it.",
)
@click.option("--name", help="Name of the model. [default: the folder's]")
@click.option(
    "--architecture", type=click.Choice(list(ARCHITECTURES)), default="compact", show_default=True
)
@click.option(
    "--labels",
    help="seven, happy-sad, marketing, or names with commas between them. [default: all classes]",
)
@click.option("--targets", type=click.Choice(TARGETS), help="What is learnt of a face. [default: votes+original where "
              "there are votes, else original]")  # fmt: skip
@click.option(
    "--start", metavar="NAME|FILE", help="Fine-tune this model instead of starting fresh."
)
@click.option(
    "--teacher",
    "teachers",
    metavar="NAME|FILE",
    multiple=True,
    help="Distil from this model; may be repeated.",
)
@click.option("--weights", metavar="imagenet|none|FILE", help="Pretrained, frozen part of vgg16; none trains all of it. "
              "[default: imagenet]")  # fmt: skip
@click.option(
    "--find-faces", is_flag=True, help="The pictures are photographs: cut the faces out first."
)
@click.option("--limit", type=click.IntRange(1), help="Train on so many faces at most.")
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="At the size of the recipe's last stage. [default: the recipe's]",
)
@click.option(
    "--stages",
    help="Picture side and epochs of each stage, such as 32:12,48:18. [default: the recipe's]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Fit the whole schedule into this time.",
)
@click.option("--batch-size", type=click.IntRange(1), help="[default: the recipe's]")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), help="Peak. [default: the recipe's]"
)
@click.option("--balance", type=click.FloatRange(0, 1), help="Of the classes: 0 as they come, 1 all alike. [default: the "
              "recipe's]")  # fmt: skip
@click.option("--augmentation", type=click.Choice(AUGMENTATIONS), default="full", show_default=True)
@click.option(
    "--mixup",
    type=click.FloatRange(0),
    help="Blend pairs of faces; 0.2 is usual. [default: the recipe's]",
)
@click.option("--patience", type=click.IntRange(0), help="Stop after so many epochs without a better validation loss; 0 "
              "never. [default: the recipe's]")  # fmt: skip
@click.option(
    "--mixed-precision", type=click.Choice(["auto", "on", "off"]), default="auto", show_default=True
)
@click.option(
    "--seed", type=click.IntRange(0), help="Of every random choice. [default: the recipe's]"
)
@click.option("--h5", is_flag=True, help="Also write the older HDF5 form.")
@click.option("--tensorboard", is_flag=True, help="Also write logs for TensorBoard.")
@debug_option
def train(
    data: Path,
    votes: Path | None,
    out: Path,
    name: str | None,
    architecture: str,
    teachers: tuple[str, ...],
    h5: bool,
    tensorboard: bool,
    **options: Any,
) -> None:
    """Train a network and write the model, its card and its figures.

    Stop it with Ctrl-C; the same command goes on where it was.
    """
    silence_native_libraries()
    logging.getLogger("training").setLevel(logging.INFO)
    from monitor.cli.results import training_bar
    from training.architectures import find_architecture
    from training.run import TrainingPlan
    from training.run import train as run_training

    settings = _settings(find_architecture(architecture).recipe(options["weights"]), options)
    kept = ("labels", "targets", "start", "weights", "limit", "find_faces", "mixed_precision")
    plan = TrainingPlan(
        data, votes, architecture, teachers=teachers, **{key: options[key] for key in kept}
    )
    try:
        with training_bar() as tell:
            model = run_training(
                plan,
                out,
                name=name or out.resolve().name,
                settings=settings,
                h5=h5,
                tensorboard=tensorboard,
                tell=tell,
            )
    except KeyboardInterrupt:
        click.echo(
            f"Stopped. The same command goes on after the last whole epoch in {out}.", err=True
        )
        raise SystemExit(FAILED) from None
    click.echo(f"Model: {model}\nIts card, with all scores: {model.with_suffix('.md')}", err=True)


def _settings(recipe: TrainingSettings, options: dict[str, Any]) -> TrainingSettings:
    """The recipe with what the command line says otherwise."""
    from training.fit.schedule import Stage, parse_stages

    changes = {
        key: options[name]
        for key, name in {
            "minutes": "minutes",
            "batch_size": "batch_size",
            "peak_learning_rate": "learning_rate",
            "balance": "balance",
            "seed": "seed",
        }.items()
        if options[name] is not None
    }
    if options["stages"] is not None and options["epochs"] is not None:
        raise click.UsageError("--stages says how many epochs already: leave --epochs out.")
    if options["stages"] is not None:
        changes["stages"] = parse_stages(options["stages"])
    elif options["epochs"] is not None:
        changes["stages"] = (Stage(recipe.stages[-1].side_px, options["epochs"]),)
    if options["patience"] is not None:
        changes["patience"] = options["patience"] or None
    changes["augmentation"] = _augmentation(
        recipe.augmentation, options["augmentation"], options["mixup"]
    )
    return replace(recipe, **changes)


def _augmentation(full: Augmentation, wanted: str, mixup: float | None) -> Augmentation:
    from training.fit.augmentation import NO_AUGMENTATION

    chosen = {"full": full, "gentle": full.gentler(), "none": NO_AUGMENTATION}[wanted]
    return chosen if mixup is None else replace(chosen, mixup=mixup)

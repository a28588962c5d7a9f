"""The commands of the offline room: train a model, measure it, put it in use or take it back."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import (
    FAILED,
    PROGRAM,
    debug_option,
    json_option,
    model_options,
    print_json,
    silence_native_libraries,
    together,
)
from training.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from training.datasets.faces import FaceDataset
    from training.fit.augmentation import Augmentation
    from training.fit.trainer import TrainingSettings

AGAINST = ("original", "majority", "plurality", "happy-sad")
TARGETS = ("votes+original", "votes", "majority", "original")
AUGMENTATIONS = ("full", "gentle", "none")

logger = logging.getLogger(__name__)

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="FER2013's fer2013.csv (plain, .xz, .gz, .bz2 or .zip), or a folder split/class/picture or class/picture.",
)
votes_option = click.option(
    "--votes", type=click.Path(path_type=Path), help="FER+'s fer2013new.csv, beside the CSV."
)
judging_options = together(
    data_option,
    votes_option,
    click.option(
        "--split",
        default="validation",
        show_default=True,
        help="Published name of a split, or training, validation or test.",
    ),
    click.option(
        "--against",
        type=click.Choice(AGAINST),
        help="Which labels are the truth. [default: majority where there are votes, else original]",
    ),
    click.option(
        "--labels",
        help="seven, happy-sad, marketing, or names with commas between them. [default: all]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        help="With which a run split a dataset that has no splits of its own. [default: the default of train]",
    ),
)


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


@click.command(
    epilog="Example: ad-monitor evaluate --data fer2013.csv --votes fer2013new.csv --against majority"
)
@judging_options
@click.option("--flip", is_flag=True, help="Average with the mirrored face; twice the work.")
@click.option(
    "--conditions",
    is_flag=True,
    help="Also by face size, blur, light, noise, compression and roll.",
)
@model_options
@json_option
@debug_option
def evaluate(
    model: str | None, device: str, flip: bool, conditions: bool, as_json: bool, **judging: Any
) -> None:
    """Measure a model on a dataset."""
    silence_native_libraries()
    from detector.emotion.classifier import load_classifier
    from monitor.cli.results import print_conditions, print_evaluation
    from training.evaluation.evaluate import evaluate as measure
    from training.evaluation.robustness import by_condition

    classifier = load_classifier(model, device)  # type: ignore[arg-type]
    faces, against, labels = _judging(classifier.card.input_side_px, **judging)
    figures = measure(classifier, faces, against, labels=labels, flip=flip)  # type: ignore[arg-type]
    if conditions:
        figures["conditions"] = by_condition(classifier, faces, against, labels=labels)  # type: ignore[arg-type]
    if as_json:
        print_json(figures)
        return
    print_evaluation(figures)
    if conditions:
        print_conditions(figures["conditions"])


def _judging(
    side_px: int,
    data: Path,
    votes: Path | None,
    split: str,
    against: str | None,
    labels: str | None,
    seed: int | None,
) -> tuple[FaceDataset, str, tuple[str, ...] | None]:
    """The rows, the truth and the labels to judge by."""
    from training.datasets.labels import label_set
    from training.datasets.reading import read_dataset
    from training.datasets.splits import SPLIT_SEED

    faces = read_dataset(data, votes, side_px=side_px, seed=SPLIT_SEED if seed is None else seed)
    for sentence in faces.reading.sentences():
        click.echo(sentence, err=True)
    chosen = against or ("original" if faces.votes is None else "majority")
    return faces.split(split), chosen, label_set(labels, faces.classes) if labels else None


@click.group(
    epilog=f"Example: {PROGRAM} models promote runs/first/first.keras --data fer2013.csv --votes fer2013new.csv"
)
def models() -> None:
    """List the models, compare them, put one in use, or go back."""


@models.command(name="list", epilog="Example: ad-monitor models list")
@json_option
@debug_option
def list_models(as_json: bool) -> None:
    """List the shipped and the promoted models; the one in use is marked."""
    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import available
    from monitor.cli.results import print_models

    entries = []
    for stored in available():
        card = read_card(stored.path)
        entries.append(
            {
                "name": stored.name,
                "origin": stored.origin,
                "in_use": stored.current,
                "labels": list(card.labels),
                "size_mb": round(stored.path.stat().st_size / 1e6, 1),
                "scores": {name: score["accuracy"] for name, score in card.scores.items()},
            }
        )
    if as_json:
        print_json({"models": entries})
    else:
        print_models(entries)


@models.command(epilog="Example: ad-monitor models show compact-3")
@click.argument("model", required=False, metavar="[NAME|FILE]")
@json_option
@debug_option
def show(model: str | None, as_json: bool) -> None:
    """Show the card of a model, by default of the one in use."""
    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import find_model
    from monitor.cli.results import print_markdown

    path = find_model(model)
    card = read_card(path)
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        print_markdown(path.with_suffix(".md").read_text(encoding="utf-8"))


@models.command(
    epilog="Example: ad-monitor models compare compact-3 runs/first/first.keras --data fer2013.csv"
)
@click.argument("first", metavar="NAME|FILE")
@click.argument("second", metavar="NAME|FILE")
@judging_options
@json_option
@debug_option
def compare(first: str, second: str, as_json: bool, **judging: Any) -> None:
    """Compare two models on the same faces, with a paired test."""
    silence_native_libraries()
    from detector.emotion.classifier import load_classifier
    from monitor.cli.results import print_comparison
    from training.evaluation.comparison import compare as measure

    one, other = load_classifier(first, "cpu"), load_classifier(second, "cpu")
    faces, against, labels = _judging(one.card.input_side_px, **judging)
    found = measure(one, other, faces, against, labels=labels)  # type: ignore[arg-type]
    if as_json:
        print_json(found.document())
    else:
        print_comparison(found)


@models.command(
    epilog="Example: ad-monitor models promote runs/first/first.keras --data fer2013.csv --votes fer2013new.csv"
)
@click.argument("model", metavar="NAME|FILE")
@judging_options
@click.option("--tolerance", type=click.FloatRange(0, 100), default=0.1, show_default=True, help="Points of accuracy by "
              "which it may be worse.")  # fmt: skip
@click.option("--force", is_flag=True, help="Promote it even if it is worse; the log says so.")
@json_option
@debug_option
def promote(model: str, tolerance: float, force: bool, as_json: bool, **judging: Any) -> None:
    """Put a model in use, if it is not worse than the one that is."""
    silence_native_libraries()
    from dataclasses import asdict

    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import find_model
    from training.release.promotion import promote as put_in_use

    path = find_model(model)
    if judging["labels"]:
        raise click.UsageError("A model is promoted for the seven emotions: leave --labels out.")
    faces, against, _ = _judging(read_card(path).input_side_px, **judging)
    promoted = put_in_use(
        path,
        faces,
        against,  # type: ignore[arg-type]
        dataset=f"{judging['data'].name}, {judging['split']}",
        tolerance=tolerance / 100,
        force=force,
    )
    if as_json:
        print_json(asdict(promoted))
    for reason in promoted.reasons:
        click.echo(f"Forced although: {reason}", err=True)
    click.echo(f"{promoted.model} is in use now instead of {promoted.replaced}.", err=True)


@models.command(epilog="Example: ad-monitor models rollback")
@json_option
@debug_option
def rollback(as_json: bool) -> None:
    """Put the model that was in use before back in use."""
    from dataclasses import asdict

    from detector.emotion.model_store import roll_back

    entry = roll_back()
    if as_json:
        print_json(asdict(entry))
    click.echo(f"{entry.model} is in use again instead of {entry.replaced}.", err=True)

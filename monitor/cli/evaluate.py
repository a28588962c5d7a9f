"""Measure a model on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import debug_option, json_option, load_settings, together
from monitor.cli.output import print_json, silence_native_libraries
from monitor.settings.models import ModelSettings
from monitor.settings.options import settings_options

if TYPE_CHECKING:
    from training.datasets.faces import FaceDataset

AGAINST = ("original", "majority", "plurality", "happy-sad")


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
    epilog="Example: ad-monitor evaluate --data fer2013.csv --votes fer2013new.csv --against majority"
)
@judging_options
@click.option("--flip", is_flag=True, help="Average with the mirrored face; twice the work.")
@click.option(
    "--conditions",
    is_flag=True,
    help="Also by face size, blur, light, noise, compression and roll.",
)
@settings_options(ModelSettings, config=False)
@json_option
@debug_option
def evaluate(
    model: str | None,
    device: str | None,
    flip: bool,
    conditions: bool,
    as_json: bool,
    **judging: Any,
) -> None:
    """Measure a model on a dataset."""
    silence_native_libraries()
    from detector.emotion.classifier import load_classifier
    from monitor.cli.results import print_conditions, print_evaluation
    from training.evaluation.evaluate import evaluate as measure
    from training.evaluation.robustness import by_condition

    settings = load_settings(ModelSettings, {"model": model, "device": device})
    classifier = load_classifier(settings.model, settings.device)
    faces, against, labels = judging_faces(classifier.card.input_side_px, **judging)
    figures = measure(classifier, faces, against, labels=labels, flip=flip)  # type: ignore[arg-type]
    if conditions:
        figures["conditions"] = by_condition(classifier, faces, against, labels=labels)  # type: ignore[arg-type]
    if as_json:
        print_json(figures)
        return
    print_evaluation(figures)
    if conditions:
        print_conditions(figures["conditions"])


def judging_faces(
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

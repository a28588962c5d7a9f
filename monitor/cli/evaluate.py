"""Measure a model on a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import load_settings, output_options, own_model_options, together
from monitor.cli.output import print_json, silence_native_libraries
from monitor.settings.models import ModelSettings, TrainSettings
from monitor.settings.options import setting_option, settings_options

if TYPE_CHECKING:
    from pathlib import Path

    from detector.emotion.own_network import Pixels
    from training.datasets.faces import FaceDataset

judging_options = together(
    setting_option(TrainSettings, "data", required=True),
    setting_option(TrainSettings, "votes"),
    click.option(
        "--split",
        default="validation",
        help="Published name of a split, or training, validation or test.",
    ),
    click.option(
        "--against",
        type=click.Choice(["original", "majority", "plurality", "happy-sad"]),
        help="Labels taken as the truth. [default: majority if there are votes, else original]",
    ),
    click.option(
        "--labels", help="seven, happy-sad, marketing, or names separated by commas. [default: all]"
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        help="Seed with which a run split a dataset without published splits. [default: that of "
        "train]",
    ),
)


@click.command(
    epilog="Example: ad-monitor evaluate --data fer2013.csv --votes fer2013new.csv "
    "--against majority"
)
@judging_options
@click.option("--flip", is_flag=True, help="Average with the mirrored face; twice the work.")
@click.option(
    "--conditions",
    is_flag=True,
    help="Also measure by face size, blur, light, noise, compression and roll.",
)
@settings_options(ModelSettings, config=False)
@own_model_options
@output_options
def evaluate(
    model: str | None,
    device: str | None,
    model_labels: str | None,
    model_pixels: Pixels,
    flip: bool,
    conditions: bool,
    as_json: bool,
    **judging: Any,
) -> None:
    """Measure a model on a dataset."""
    silence_native_libraries()
    from detector.emotion.classifier import load_classifier
    from detector.emotion.own_network import OwnModel
    from monitor.cli.results import print_conditions, print_evaluation
    from training.evaluation.evaluate import evaluate as measure
    from training.evaluation.robustness import by_condition

    settings = load_settings(ModelSettings, {"model": model, "device": device})
    own = OwnModel(model_labels, model_pixels)
    classifier = load_classifier(settings.model, settings.device, own)
    faces, against, labels = judging_faces(classifier.card.input_side_px, **judging)
    figures = measure(classifier, faces, against, labels=labels, flip=flip)
    if conditions:
        figures["conditions"] = by_condition(classifier, faces, against, labels)
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
) -> tuple[FaceDataset, Any, tuple[str, ...] | None]:
    """Return the rows, the truth and the labels to measure by."""
    from training.datasets.labels import label_set
    from training.datasets.reading import read_dataset
    from training.datasets.splits import SPLIT_SEED

    faces = read_dataset(data, votes, side_px=side_px, seed=SPLIT_SEED if seed is None else seed)
    for sentence in faces.reading.sentences():
        click.echo(sentence, err=True)
    chosen = against or ("original" if faces.votes is None else "majority")
    return faces.split(split), chosen, label_set(labels, faces.classes) if labels else None

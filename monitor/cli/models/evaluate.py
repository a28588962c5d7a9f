"""Measure a model on a dataset."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import load_settings, output_options, own_model_options, together
from monitor.cli.shared.output import print_json, print_result, silence_native_libraries
from monitor.settings.models import ModelSettings, TrainSettings
from monitor.settings.options import GivenPath, WholeRange, setting_option, settings_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from detector.emotion.classifier import EmotionClassifier
    from detector.emotion.model_card import ModelCard
    from detector.emotion.own_network import Pixels
    from detector.emotion.preprocessing import CropGeometry
    from training.datasets.faces import FaceDataset

data_option = setting_option(TrainSettings, "data", required=True)


def judging_options(split: str = "validation") -> Callable[..., Any]:
    """Add the options that say which faces a model is judged by, and by which labels.

    `split` is what the help calls the default split.
    """
    return together(
        setting_option(TrainSettings, "votes"),
        setting_option(TrainSettings, "overlay"),
        setting_option(TrainSettings, "find_faces"),
        click.option(
            "--split",
            help="Published name of a split, or training, validation, test, or held-out (of the "
            f"training split, as train does). [default: {split}]",
        ),
        click.option(
            "--against",
            type=click.Choice(["original", "majority", "plurality", "happy-sad"]),
            help="Labels taken as the truth. [default: majority if there are votes, else original]",
        ),
        click.option(
            "--labels",
            help="seven, happy-sad, marketing, or names separated by commas. [default: all]",
        ),
        click.option(
            "--seed",
            type=WholeRange(0),
            help="Seed with which a run split a dataset without published splits. [default: that "
            "of train]",
        ),
    )


@click.command(
    epilog="Example: ad-monitor evaluate --data fer2013.csv --votes fer2013new.csv "
    "--against majority"
)
@setting_option(TrainSettings, "data")
@judging_options()
@click.option("--flip", is_flag=True, help="Average with the mirrored face; twice the work.")
@click.option(
    "--conditions",
    is_flag=True,
    help="Also measure by face size, blur, light, noise, compression, roll and turn of the head, "
    "glasses, mask, hand and hat.",
)
@click.option(
    "--groups",
    type=GivenPath(path_type=Path, exists=True, dir_okay=False),
    metavar="CSV",
    help="Instead of a dataset, measure photographs by group: a table with the columns file, age, "
    "gender, race (as FairFace has it), or any others.",
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
    groups: Path | None,
    as_json: bool,
    **judging: Any,
) -> None:
    """Measure a model on a dataset, or on photographs of labelled groups of people.

    Groups are read from the table of --groups, never estimated, and pictures stay in memory.
    """
    if groups is not None:
        _refuse_beside_groups("flip", "conditions", *judging)
    elif judging["data"] is None:
        raise click.UsageError("Missing option '--data', or '--groups' with a table of groups.")
    silence_native_libraries()
    from detector.emotion.classifier import crop_geometry, load_classifier
    from detector.emotion.own_network import OwnModel
    from monitor.cli.shared.tables import print_conditions, print_evaluation
    from training.evaluation.evaluate import evaluate as measure
    from training.evaluation.robustness import by_condition

    settings = load_settings(ModelSettings, {"model": model, "device": device})
    own = OwnModel(model_labels, model_pixels)
    classifier = load_classifier(settings.model, settings.device, own)
    if groups is not None:
        _measure_groups(groups, classifier, as_json)
        return
    faces, against, labels = judging_faces(crop_geometry(classifier.card), **judging)
    figures = measure(classifier, faces, against, labels=labels, flip=flip)
    if conditions:
        figures["conditions"] = by_condition(classifier, faces, against, labels)
    if as_json:
        print_json(figures)
        return
    print_evaluation(figures)
    if conditions:
        print_conditions(figures["conditions"])


def _refuse_beside_groups(*names: str) -> None:
    """Refuse options that say how to measure a dataset."""
    context = click.get_current_context()
    given = [
        name.replace("_", "-")
        for name in names
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(
            f"--groups measures the photographs that its table names: leave --{given[0]} out."
        )


def _measure_groups(path: Path, classifier: EmotionClassifier, as_json: bool) -> None:
    from monitor.cli.shared.tables import print_groups
    from monitor.reports.terminal import progress_bar
    from training.evaluation.group_labels import read_group_labels
    from training.evaluation.groups import by_group, look_at

    table = read_group_labels(path)
    with progress_bar("Looking", "pictures") as tell:
        looks = look_at(table, classifier, tell)
    for sentence in table.reading.sentences():
        click.echo(sentence, err=True)
    document = {"model": classifier.card.name} | by_group(table, looks)
    print_result(as_json, document, print_groups, document)


def judging_faces(
    geometry: CropGeometry,
    data: Path,
    votes: Path | None,
    overlay: Path | None,
    find_faces: bool | None,
    split: str | None,
    against: str | None,
    labels: str | None,
    seed: int | None,
    unknown_to: Sequence[ModelCard] = (),
) -> tuple[FaceDataset, Any, tuple[str, ...] | None]:
    """Return the rows, the truth and the labels to measure by.

    Without a split, the validation rows, or those that all models of `unknown_to` held out.
    """
    from training.datasets.folders import opened_face_finder
    from training.datasets.labels import label_set
    from training.datasets.splits import SPLIT_SEED, held_out
    from training.release.promotion import held_out_by

    seed = SPLIT_SEED if seed is None else seed
    logging.getLogger("training.datasets.folders").setLevel(logging.INFO)
    with opened_face_finder(geometry, wanted=bool(find_faces)) as finder:
        faces, chosen = read_faces(
            data,
            votes,
            against,
            side_px=geometry.side_px,
            seed=seed,
            overlay=overlay,
            face_finder=finder,
        )
    rows = held_out_by(unknown_to, faces) if split is None and unknown_to else None
    if rows is None:
        rows = (
            held_out(faces.split("training"))
            if split == "held-out"
            else faces.split(split or "validation")
        )
        if split is None and unknown_to and "test" not in faces.roles:
            click.echo(
                f"The models are judged by {', '.join(rows.splits())}, because their cards do not "
                "say that the same training rows were held out of both. For train these rows are "
                "the test, whose figures become too good if candidates are chosen by it.",
                err=True,
            )
    return rows, chosen, label_set(labels, faces.classes) if labels else None


def read_faces(
    data: Path, votes: Path | None, against: str | None, **options: Any
) -> tuple[FaceDataset, Any]:
    """Read a dataset, say what was left out, and return it with the labels to judge by."""
    from training.datasets.reading import read_dataset

    faces = read_dataset(data, votes, **options)
    for sentence in faces.reading.sentences():
        click.echo(sentence, err=True)
    return faces, against or ("original" if faces.votes is None else "majority")

"""The text of a model card: limits, rights to the data, and the card as Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import CLASSES
from training.datasets.fer2013 import SPLITS
from training.datasets.splits import HELD_OUT_OF
from training.evaluation.robustness import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from detector.emotion.model_card import ModelCard
    from training.datasets.faces import FaceDataset

FER2013_LICENCES = (
    "FER2013: data of the Facial Expression Recognition Challenge at ICML 2013 (Goodfellow et "
    "al.); the pictures come from a web search and their rights stay with their owners.",
    "FER+ votes (Barsoum et al., 2016), where they were used: published by Microsoft under the "
    "MIT licence, for the labels only.",
    "Both are research data: whoever uses a model trained on them commercially should have that "
    "checked first.",
)
OTHER_LICENCES = (
    "The training does not know the rights to the pictures it was given: check them before the "
    "model is used or passed on.",
)
FRAMING = (
    "The network saw the dataset's own crops in training; the camera cuts each face out in the "
    "same framing, as measured between the detector's boxes and FER2013's crops."
)


def limits(faces: FaceDataset, per_class: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    """Return what a model is not good at, in sentences, from its scores by label."""
    weak = sorted(
        (scores["recall"], label) for label, scores in per_class.items() if scores["support"] > 0
    )
    named = [f"{label} ({recall:.0%})" for recall, label in weak[:3] if recall < 0.7]
    found = [
        "It names expressions, not feelings: people smile without joy and grieve with a still "
        "face.",
        "Faces below 24 pixels, turned far to a side, rolled by more than 20 degrees, noisy, or "
        "with a covered mouth are read less well.",
    ]
    if named:
        worst = ", ".join(named)
        found.append(f"Found worst, by the share of their faces that are found: {worst}.")
    absent = [label for label, scores in per_class.items() if scores["support"] == 0]
    if absent:
        found.append(f"Not measured, for want of rows: {', '.join(absent)}.")
    found.append(
        "The data are photographs found by web search in 2013, labelled by few people each. Groups "
        "that are rare in them are likely to be read less well; by how much, this run could not "
        "measure, because the data name no groups."
        if is_fer2013(faces)
        else "It was only measured on faces like those it was trained on: people, cameras and "
        "light that are rare in that folder are likely to be read less well."
    )
    return tuple(found)


def licences(faces: FaceDataset) -> tuple[str, ...]:
    """Return what is known of the rights to the data, in sentences."""
    return FER2013_LICENCES if is_fer2013(faces) else OTHER_LICENCES


def is_fer2013(faces: FaceDataset) -> bool:
    """Return whether the splits and classes are those of the published FER2013 table."""
    splits = {split.removeprefix(HELD_OUT_OF) for split in faces.splits()}
    return faces.classes == EMOTIONS and splits <= set(SPLITS)


def card_text(card: ModelCard, figures: Iterable[str] = ()) -> str:
    """Return the card as Markdown, listing the figures of the run."""
    hidden = {"data", "reading", "rows"}
    settings = {key: value for key, value in card.training.items() if key not in hidden}
    source = (Path(__file__).parent / "card.md.j2").read_text("utf-8")
    template = jinja2.Template(source, trim_blocks=True, keep_trailing_newline=True)
    text: str = template.render(
        card=card,
        training=card.training,
        classes=CLASSES,
        tested=any(score.get("used_for") == "test" for score in card.scores.values()),
        names={key: condition.name for key, condition in CONDITIONS.items()},
        figures=list(figures),
        settings=json.dumps(settings, indent=1),
    )
    return text

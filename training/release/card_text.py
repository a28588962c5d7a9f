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
    "FER2013: the data of the Facial Expression Recognition Challenge at ICML 2013 (Goodfellow et "
    "al.). The pictures come from a web search; the rights to them stay with their owners.",
    "FER+ votes (Barsoum et al., 2016), if they were used: published by Microsoft under the MIT "
    "licence, which covers the labels only.",
    "Both are research data: have the rights checked before you use a model trained on them "
    "commercially.",
)
OTHER_LICENCES = (
    "The rights to the training pictures are not known to the program: check them before you use "
    "the model or pass it on.",
)
FRAMING = (
    "The network was trained on the dataset's own crops. The camera's crops have the same framing, "
    "measured by comparing the detector's boxes with FER2013's crops."
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
        "It reads some faces less well: those under 24 pixels, turned far to one side, tilted by "
        "more than 20 degrees, in a noisy picture, or with a covered mouth.",
    ]
    if named:
        worst = ", ".join(named)
        found.append(f"It misses these labels most often (share of their faces found): {worst}.")
    absent = [label for label, scores in per_class.items() if scores["support"] == 0]
    if absent:
        found.append(f"Not measured, because no row has them: {', '.join(absent)}.")
    found.append(
        "The data are photographs found by a web search in 2013, each labelled by few people. "
        "Groups of people that are rare in them are likely to be read less well. This run could "
        "not measure by how much, because the data name no groups."
        if is_fer2013(faces)
        else "It was measured only on faces like those it was trained on. People, cameras and "
        "light that are rare among them are likely to be read less well."
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

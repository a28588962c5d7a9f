"""The text of a model card: limits, rights to the data, and the card as Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from detector.emotion.labels import EMOTIONS
from training.evaluation.robustness import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from detector.emotion.model_card import ModelCard
    from training.datasets.faces import FaceDataset

LIMITS = (
    "It names expressions, not feelings: people smile without joy and grieve with a still face.",
    "Faces below 24 pixels, turned far to a side, rolled by more than 20 degrees, noisy, or with "
    "a covered mouth are read less well.",
)

FER2013_LIMIT = (
    "The data are photographs found by web search in 2013, labelled by few people each; groups "
    "that are rare in them are likely to be read less well, and nobody has measured by how much."
)
OTHER_DATA_LIMIT = (
    "It was only measured on faces like those it was trained on: people, cameras and light that "
    "are rare in that folder are likely to be read less well."
)
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
        ((scores["recall"], label) for label, scores in per_class.items() if scores["support"] > 0)
    )
    named = [f"{label} ({recall:.0%})" for recall, label in weak[:3] if recall < 0.7]
    found = (
        [f"Found worst, by the share of their faces that are found: {', '.join(named)}."]
        if named
        else []
    )
    absent = [label for label, scores in per_class.items() if scores["support"] == 0]
    if absent:
        found.append(f"Not measured, for want of rows: {', '.join(absent)}.")
    return (*LIMITS, *found, FER2013_LIMIT if is_fer2013(faces) else OTHER_DATA_LIMIT)


def licences(faces: FaceDataset) -> tuple[str, ...]:
    """Return what is known of the rights to the data, in sentences."""
    return FER2013_LICENCES if is_fer2013(faces) else OTHER_LICENCES


def is_fer2013(faces: FaceDataset) -> bool:
    """Return whether the splits and classes are those of the published FER2013 table."""
    return faces.classes == EMOTIONS and set(faces.splits()) <= {
        "Training",
        "PublicTest",
        "PrivateTest",
    }


def card_text(card: ModelCard, figures: Iterable[str] = ()) -> str:
    """Return the card as Markdown, listing the figures of the run."""
    training = card.training
    architecture = str(training.get("architecture", "unknown"))
    if "parameters" in training:
        architecture += f", {training['parameters']:,} parameters"
    lines = [
        f"# Model {card.name}",
        "",
        f"Gives the probabilities of {', '.join(card.labels)} for a grey face of "
        f"{card.input_side_px} x {card.input_side_px} pixels.",
        "",
        *_table(
            ("", ""),
            [
                ("architecture", architecture),
                ("trained on", str(training.get("data", "unknown"))),
                ("finished", str(training.get("finished_at", "unknown"))),
                (
                    "framing",
                    f"square of {card.crop_scale} box sides, centre {card.crop_raise} box sides "
                    "above the box's centre",
                ),
                ("temperature", str(card.temperature)),
                ("uncertain below", str(card.uncertain_below)),
                ("SHA-256", f"`{card.sha256}`"),
            ],
            right=0,
        ),
    ]
    lines += _scores(card)
    lines += _classes(card)
    lines += _calibration(card.calibration)
    lines += _conditions(card.conditions)
    shown = list(figures)
    if shown:
        lines += [
            "",
            "## Figures",
            "",
            "The training run left in its own folder:",
            "",
            *(f"- `{name}`" for name in shown),
        ]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in card.limits)]
    if card.licences:
        lines += ["", "## Rights to the data", "", *(f"- {licence}" for licence in card.licences)]
    lines += _data(card)
    settings = {
        key: value for key, value in training.items() if key not in {"data", "reading", "rows"}
    }
    return "\n".join(
        [*lines, "", "## Training", "", "```json", json.dumps(settings, indent=1), "```", ""]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: int) -> list[str]:
    """Return a Markdown table whose last `right` columns are right-aligned."""
    rules = ["---"] * (len(head) - right) + ["---:"] * right
    return [f"| {' | '.join(cells)} |" for cells in (head, *rows)][:1] + [
        f"|{'|'.join(rules)}|",
        *(f"| {' | '.join(cells)} |" for cells in rows),
    ]


def _scores(card: ModelCard) -> list[str]:
    rows = [
        (
            name,
            f"{score['n']:,}",
            f"{score['accuracy']:.1%}",
            f"{score['macro_f1']:.3f}",
            f"{score['ece']:.3f}",
        )
        for name, score in card.scores.items()
    ]
    return [
        "",
        "## Scores",
        "",
        "One pass over the rows, nothing varied. These rows chose the best epoch and the "
        "temperature, so the figures are validation figures; no row of them, nor its near-twin, "
        "was trained on.",
        "",
        *_table(("against", "rows", "accuracy", "macro F1", "ECE"), rows, right=4),
    ]


def _classes(card: ModelCard) -> list[str]:
    if not card.scores:
        return []
    name, score = next(iter(card.scores.items()))
    per_class: dict[str, dict[str, Any]] = score.get("per_class") or {}
    if not per_class:
        return []
    rows = [
        (
            label,
            f"{found['support']:,}",
            *(f"{found[key]:.3f}" for key in ("precision", "recall", "f1")),
        )
        for label, found in per_class.items()
    ]
    return [
        "",
        f"By label ({name}):",
        "",
        *_table(("label", "rows", "precision", "recall", "F1"), rows, right=4),
    ]


def _calibration(calibration: Mapping[str, Any]) -> list[str]:
    if not calibration:
        return []
    return [
        "",
        f"The temperature was fitted to {calibration['fitted_to']} of {calibration['rows']:,} "
        f"rows. ECE against {calibration['against']}: {calibration['ece_before']:.3f} before, "
        f"{calibration['ece_after']:.3f} after.",
    ]


def _conditions(conditions: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    if not conditions:
        return []
    rows = []
    for condition, measured in conditions.items():
        values = ", ".join(f"{entry['value']:g}: {entry['accuracy']:.1%}" for entry in measured)
        rows.append((NAMES.get(condition, condition), f"{measured[0]['n']:,}", values))
    return [
        "",
        "## Accuracy by condition",
        "",
        *_table(("condition", "rows", "accuracy by value"), rows, right=0),
    ]


def _data(card: ModelCard) -> list[str]:
    lines = [card.framing] if card.framing else []
    counts: dict[str, int] = card.training.get("rows") or {}
    if counts:
        lines.append(
            "Rows: "
            + ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
            + "."
        )
    lines += card.training.get("reading") or []
    return ["", "## Data", "", *(f"- {line}" for line in lines)] if lines else []

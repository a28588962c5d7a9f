"""Promote a model only if it is not worse than the one in use, and log why."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.emotion.classifier import KerasClassifier, classify, load_classifier
from detector.emotion.labels import what_it_tells
from detector.emotion.model_card import read_card
from detector.emotion.model_store import (
    MODELS_FOLDER,
    Promotion,
    find_model,
    install,
    record,
    timestamp,
)
from detector.emotion.preprocessing import fitted
from training.datasets.splits import HELD_OUT_OF, hash_places, held_out
from training.errors import PromotionRefusedError
from training.evaluation.comparison import compare
from training.evaluation.evaluate import select

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from detector.emotion.model_card import ModelCard
    from training.datasets.faces import FaceDataset
    from training.evaluation.comparison import Comparison
    from training.evaluation.evaluate import Against

logger = logging.getLogger(__name__)

TOLERANCE = 0.001
"""Accuracy that a model may lose: three faces in three thousand."""
F1_TOLERANCE = 0.01
"""Macro F1 that it may lose; rare emotions make it jump."""
LITERT_TOLERANCE = 0.05
"""Largest difference in a probability between LiteRT and the network: twice what 8 bits explain."""
MAX_BYTES = 10_000_000
TIMED_ROUNDS = 30
MAX_SLOWDOWN = 2.0
"""Largest ratio to the current model's time for one face on one core."""


def held_out_by(cards: Sequence[ModelCard], faces: FaceDataset) -> FaceDataset | None:
    """Return the training rows that all models held out, by the rows that their cards count.

    `None` unless each card says so of a training split with as many rows. Rows are held out in the
    order of a hash, so those of the smallest number are among those of the others.
    """
    if "training" not in faces.roles:
        return None
    training, counts = faces.split("training"), []
    for card in cards:
        rows = card.training.get("rows", {})
        held = str(card.training.get("calibrated_on", "")).startswith(HELD_OUT_OF)
        same = rows.get("training", 0) + rows.get("validation", 0) == len(training)
        if not held or not same or card.training.get("may_know_validation"):
            return None
        counts.append(rows["validation"])
    return held_out(training, float(np.sort(hash_places(training.images))[min(counts)]))


def promote(
    candidate: Path,
    faces: FaceDataset,
    against: Against = "majority",
    *,
    dataset: str = "",
    tolerance: float = TOLERANCE,
    force: bool = False,
    now: datetime | None = None,
) -> Promotion:
    """Put a model in use unless something speaks against it; return the new entry of the log.

    `faces` are rows that neither model was trained on, called `dataset` in the log. `tolerance` is
    the accuracy that may be lost. A model with other labels is judged by those that it shares with
    the current one. `force` promotes in spite of reasons, which the log keeps. Raises
    `PromotionRefusedError`, which says what speaks against it, and by how much.
    """
    card = read_card(candidate)
    current = find_model(None)
    if read_card(current).sha256 == card.sha256:
        raise PromotionRefusedError(
            f"{card.name} is the model in use already: expected another one."
        )
    shared = [name for name in read_card(current).labels if name in card.labels]
    comparison = None
    if len(shared) > 1:
        select(faces, against, shared)  # wrong data fail before seconds are spent on the models
    first, second = load_classifier(current, "cpu"), load_classifier(candidate, "cpu")
    if len(shared) > 1:
        comparison = compare(first, second, faces, against)
    litert_difference = _litert_difference(candidate, second, faces.images[:64])
    times_ms = face_times_ms((first, second), faces.images[:5])
    files = (candidate, candidate.with_suffix(".tflite"))
    largest = max(file.stat().st_size for file in files if file.is_file())
    unfit = _unfit(card.name, litert_difference, largest, times_ms)
    if comparison is None:
        worse = [
            f"It {what_it_tells(card.labels)}, and shares no two labels with {current.stem}, so "
            "nothing shows whether it is better."
        ]
    else:
        worse = _worse(comparison, tolerance)
    reasons = (*worse, *unfit)
    figures: dict[str, Any] = {
        "dataset": dataset,
        "rows": None if comparison is None else comparison.n,
        "against": against,
        "labels": list(card.labels),
        "comparison": None if comparison is None else comparison.document(),
        "twin_difference": litert_difference,
        "largest_file_bytes": largest,
        "current_ms": round(times_ms[0], 3),
        "candidate_ms": round(times_ms[1], 3),
    }
    refused = bool(reasons) and not force
    path = candidate if refused else install(candidate)
    entry = Promotion(
        time=timestamp(now),
        event="refused" if refused else "promoted",
        model=card.name if refused else path.stem,
        origin="shipped" if path.parent == MODELS_FOLDER else "own",
        sha256=card.sha256,
        replaced=current.stem,
        forced=bool(reasons) and force,
        reasons=reasons,
        figures=figures,
    )
    record(entry)
    if refused:
        advice = "One trained with more pictures or for more epochs may be better. "
        raise PromotionRefusedError(
            f"{card.name} was not promoted; {current.stem} stays in use. {' '.join(reasons)} "
            f"{advice if comparison and worse else ''}(--force promotes it anyway.)"
        )
    if reasons:
        logger.warning("%s was promoted by force although: %s", card.name, " ".join(reasons))
    return entry


def _worse(comparison: Comparison, tolerance: float) -> list[str]:
    first, second = comparison.first, comparison.second
    reasons = []
    # A loss of exactly the tolerance must pass in spite of rounding.
    if first.accuracy - second.accuracy > tolerance + 1e-12:
        reasons.append(
            f"Its accuracy is {100 * (first.accuracy - second.accuracy):.2f} points lower than "
            f"that of {first.model} ({second.accuracy:.2%} against {first.accuracy:.2%} on "
            f"{comparison.n:,} faces, p = {comparison.p_value:.3g}); at most {100 * tolerance:g} "
            "may be lost."
        )
    if first.macro_f1 - second.macro_f1 > F1_TOLERANCE + 1e-12:
        reasons.append(
            f"Its macro F1 is {100 * (first.macro_f1 - second.macro_f1):.2f} points lower than "
            f"that of {first.model} ({100 * second.macro_f1:.2f} against "
            f"{100 * first.macro_f1:.2f}); at most {100 * F1_TOLERANCE:g} may be lost."
        )
    return reasons


def _unfit(name: str, difference: float, largest: int, times_ms: Sequence[float]) -> list[str]:
    reasons = []
    if difference > LITERT_TOLERANCE:
        reasons.append(
            f"Its LiteRT form differs from the network by {difference:.4f} in a probability; at "
            f"most {LITERT_TOLERANCE:g} is allowed: delete {name}.tflite and export it again."
        )
    if largest > MAX_BYTES:
        reasons.append(
            f"It needs {largest / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:g} MB are allowed."
        )
    if times_ms[1] > MAX_SLOWDOWN * times_ms[0]:
        reasons.append(
            f"It takes {times_ms[1]:.2f} ms a face on one core, {times_ms[1] / times_ms[0]:.1f} "
            f"times the current model's {times_ms[0]:.2f} ms; at most {MAX_SLOWDOWN:g} times are "
            "allowed."
        )
    return reasons


def _litert_difference(model: Path, litert: EmotionClassifier, images: NDArray[np.uint8]) -> float:
    """Return the largest difference in a probability between a network and its LiteRT form."""
    crops = fitted(images, litert.card.input_side_px)
    network = KerasClassifier(model, litert.card)
    difference = np.abs(classify(network, crops) - classify(litert, crops)).max()
    return float(np.nan_to_num(difference, nan=1.0))  # NaN differs from everything


def face_times_ms(
    classifiers: Sequence[EmotionClassifier], images: NDArray[np.uint8]
) -> list[float]:
    """Return the milliseconds of processor time that each classifier takes for one face.

    They take turns, so other load slows all alike; the median ignores single delays.
    """
    crops = [fitted(images, classifier.card.input_side_px) for classifier in classifiers]
    rounds = np.zeros((TIMED_ROUNDS, len(classifiers)))
    for number in range(-1, TIMED_ROUNDS):  # one more, to warm up
        for index, classifier in enumerate(classifiers):
            start = time.process_time()
            for crop in crops[index]:
                classifier.logits(crop[None])
            if number >= 0:
                rounds[number, index] = (time.process_time() - start) / len(images)
    return [float(value) * 1000 for value in np.median(rounds, axis=0)]

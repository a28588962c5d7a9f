"""Shares of expressions in an audience, corrected for the prevalence of the training data.

A classifier's probabilities hold for the mix of faces it was calibrated on, of which a quarter are
happy and a third neutral. In front of a screen nine of ten are neutral, and the plain means of such
an audience show far too many sad and happy ones. Bayes' rule moves the probabilities of one face
from the calibration's mix to that of an ordinary audience (Saerens, Latinne and Decaestecker 2002,
eq. 4), and the inverse of the confusions left over takes out what is still mixed up (Vaz, Izbicki
and Stern 2019). Both are fixed for a model, so every face gets **group scores** whose mean over
faces, readings or viewers is an unbiased estimate of the shares, whatever the mix. A single face
may score below 0 or above 1.

Pure NumPy, as the database's roll-ups use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.emotion.labels import EMOTIONS, labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

GROUPS = ("happy", "surprise", "negative", "neutral")
"""The main four. Disgust and fear are too rare, in the data and in front of screens, to be told
from anger and sadness."""

HAPPY, SURPRISE, NEGATIVE_GROUP, NEUTRAL = range(len(GROUPS))
"""Places of the groups in the last axis of scores and shares."""

REFERENCE = (0.02, 0.005, 0.005, 0.10, 0.03, 0.04, 0.80)
"""An ordinary audience, in the order of `EMOTIONS`. Scores are unbiased for any mix; for one near
this they scatter least."""

MAX_CONDITION = 20.0
"""Largest condition number of a usable confusion; above, errors would be magnified by as much."""

CLASSES = ("happy", "surprise", "angry", "other negative", "neutral")
"""Rows and columns of a confusion. Anger is found far more often than sadness, so with one row for
both an angry audience would count for too much and a sad one for too little."""

_CLASS_OF = np.array(
    [CLASSES.index(emotion if emotion in CLASSES else "other negative") for emotion in EMOTIONS]
)
_MEMBERS = np.eye(len(CLASSES))[_CLASS_OF]
_COLLAPSED = np.eye(len(GROUPS))[
    [GROUPS.index(name if name in GROUPS else "negative") for name in CLASSES]
]


@dataclass(frozen=True)
class PrevalenceCalibration:
    """How a model's probabilities become group scores; part of the model card.

    Attributes:
        prior: Mean probabilities on the calibration rows, in the order of `EMOTIONS`, above 0.
        confusion: `confusion[g][h]` is the mean probability of class h, reweighted from `prior` to
            `REFERENCE`, over the calibration faces of class g, both in the order of `CLASSES`.
        plain_confusion: The same of the probabilities as they are.
        rows: Number of calibration faces.
        split: Where they come from, and by which labels.

    Raises:
        ValueError: The numbers are not probabilities, or a confusion cannot be inverted.
    """

    prior: tuple[float, ...]
    confusion: tuple[tuple[float, ...], ...]
    plain_confusion: tuple[tuple[float, ...], ...]
    rows: int
    split: str = ""

    def __post_init__(self) -> None:
        prior = np.asarray(self.prior, dtype=np.float64)
        if prior.shape != (len(EMOTIONS),) or not _adds_up(prior) or prior.min() <= 0:
            raise ValueError(
                f"Invalid prior: expected {len(EMOTIONS)} numbers above 0 that add up to 1, "
                f"received {self.prior}."
            )
        for name in ("confusion", "plain_confusion"):
            given = getattr(self, name)
            size = len(CLASSES)
            square = len(given) == size and all(len(row) == size for row in given)
            if not square or not _adds_up(np.asarray(given, dtype=np.float64)):
                raise ValueError(
                    f"Invalid {name}: expected {size} rows of {size} numbers that add up to 1, "
                    f"received {given}."
                )
            condition = float(np.linalg.cond(np.asarray(given, dtype=np.float64)))
            if not condition <= MAX_CONDITION:
                raise ValueError(
                    f"Invalid {name}: the model does not tell the classes apart: expected a "
                    f"condition number of at most {MAX_CONDITION:g}, received {condition:.3g}."
                )


def _adds_up(rows: Floats) -> bool:
    return bool(np.isfinite(rows).all() and np.allclose(rows.sum(axis=-1), 1.0, atol=1e-3))


def fit_calibration(
    probabilities: ArrayLike, truth: ArrayLike, split: str = ""
) -> PrevalenceCalibration:
    """Fit the calibration to labelled faces that the model was not trained on.

    Args:
        probabilities: `(n, 7)`, calibrated.
        truth: `(n,)`, places in `EMOTIONS`.
        split: See `PrevalenceCalibration`.

    Raises:
        ValueError: A class has no face, or the model does not tell the classes apart.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    own = _CLASS_OF[np.asarray(truth, dtype=np.int64)]
    missing = [name for place, name in enumerate(CLASSES) if not (own == place).any()]
    if missing:
        raise ValueError(f"Expected a labelled face of every class, received no {missing[0]} one.")
    prior = p.mean(axis=0)

    def confusion(of: Floats) -> tuple[tuple[float, ...], ...]:
        classes = of @ _MEMBERS
        means = [classes[own == place].mean(axis=0) for place in range(len(CLASSES))]
        return tuple(tuple(round(float(value), 6) for value in row) for row in means)

    return PrevalenceCalibration(
        prior=tuple(round(float(value), 6) for value in prior),
        confusion=confusion(reweighted(p, prior)),
        plain_confusion=confusion(p),
        rows=len(p),
        split=split,
    )


def calibration_of(card: Mapping[str, Any] | None) -> PrevalenceCalibration | None:
    """Return the calibration on a model's card; `None` if it has none, or other labels.

    A card stored by an earlier version lacks it: a shipped model is then found by its checksum.
    """
    if card is None or labels_of(card) != EMOTIONS:
        return None
    found = card.get("prevalence")
    return _from_json(found) if found else _shipped().get(str(card.get("sha256")))


def _from_json(found: Mapping[str, Any]) -> PrevalenceCalibration:
    values = {each.name: found[each.name] for each in fields(PrevalenceCalibration)}
    for name in ("confusion", "plain_confusion"):
        values[name] = tuple(tuple(row) for row in values[name])
    return PrevalenceCalibration(**{**values, "prior": tuple(values["prior"])})


@cache
def _shipped() -> dict[str, PrevalenceCalibration]:
    """The calibrations of the shipped models, by the checksum of the model."""
    folder = Path(__file__).parent / "models"
    cards = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    return {
        card["sha256"]: _from_json(card["prevalence"]) for card in cards if card.get("prevalence")
    }


# --- scores ---------------------------------------------------------------------------------------


def reweighted(
    probabilities: ArrayLike, prior: ArrayLike, reference: ArrayLike = REFERENCE
) -> Floats:
    """Move probabilities from one mix of faces to another: `p_k r_k / prior_k`, normalised.

    Source: Saerens, Latinne and Decaestecker 2002, eq. 4.

    Args:
        probabilities: `(..., 7)`, of single faces.
        prior: `(7,)`, the mix for which they hold.
        reference: `(7,)`, the mix for which the result holds.
    """
    weights = np.asarray(reference, dtype=np.float64) / np.asarray(prior, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64) * weights
    with np.errstate(invalid="ignore"):
        return np.asarray(p / p.sum(axis=-1, keepdims=True))


def for_small_groups(probabilities: ArrayLike, calibration: PrevalenceCalibration | None) -> Floats:
    """Move probabilities halfway to an ordinary audience, to name the mood of a few viewers.

    `(..., 7)` stay `(..., 7)`; without a calibration nothing changes. The few who stand together
    are often in one mood: moved all the way, a smiling group would be called neutral. Simulated
    with held-aside faces, the emotion with the largest mean is a most frequent one for 94, 99 and
    100% of ordinary groups of 1, 3 and 10 viewers, and 95, 96 and 96% of groups that mostly share
    one; as they are 88, 95 and 99%, and 89, 96 and 98%; all the way 93, 98 and 100%, and 94, 94
    and 93%.
    """
    if calibration is None:
        return np.asarray(probabilities, dtype=np.float64)
    halfway = np.sqrt(np.multiply(calibration.prior, REFERENCE))
    return reweighted(probabilities, calibration.prior, halfway)


def group_scores(probabilities: ArrayLike, calibration: PrevalenceCalibration) -> Floats:
    """Return the group scores of single faces: `(..., 7)` probabilities become `(..., 4)`.

    They add up to 1 and are unbiased for the group of the face, so that a mean of them is an
    unbiased estimate of the shares; a single score may lie outside 0 to 1. NaN stays NaN.
    """
    classes = reweighted(probabilities, calibration.prior) @ _MEMBERS
    return np.asarray(classes @ _unmixing(calibration.confusion))


def score_terms(calibration: PrevalenceCalibration) -> tuple[Floats, Floats]:
    """Return the terms of `group_scores`, for SQL: weights `(7,)` and a matrix `(7, 4)`.

    Scores are `(p * weights) @ matrix / (p @ weights)`.
    """
    weights = np.asarray(REFERENCE) / np.asarray(calibration.prior)
    return weights, np.asarray(_MEMBERS @ _unmixing(calibration.confusion))


def linear_scores(sums: ArrayLike, calibration: PrevalenceCalibration) -> Floats:
    """Return sums of group scores, `(..., 4)`, from plain sums (or means) of probabilities.

    For old roll-ups, which have no sums of scores. Unbiased too, but it scatters more.
    """
    classes = np.asarray(sums, dtype=np.float64) @ _MEMBERS
    return np.asarray(classes @ _unmixing(calibration.plain_confusion))


def linear_weights(calibration: PrevalenceCalibration) -> Floats:
    """Return the `(7, 4)` matrix of `linear_scores`: `sums @ weights`."""
    return np.asarray(_MEMBERS @ _unmixing(calibration.plain_confusion))


@cache
def _unmixing(confusion: tuple[tuple[float, ...], ...]) -> Floats:
    """From classes to groups, `(5, 4)`: the inverse of a confusion, rows adding up to 1 exactly."""
    matrix = np.asarray(confusion, dtype=np.float64)
    found: Floats = np.linalg.inv(matrix / matrix.sum(axis=1, keepdims=True)) @ _COLLAPSED
    found.flags.writeable = False
    return found


def shares(scores: ArrayLike) -> Floats:
    """Return mean group scores, `(..., 4)`, as shares: 0 to 1, adding up to 1; NaN stays NaN.

    Negative ones become 0 and the others are scaled.
    """
    clipped = np.maximum(np.asarray(scores, dtype=np.float64), 0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(clipped / clipped.sum(axis=-1, keepdims=True))


def corrected_valence(scores: ArrayLike) -> Floats:
    """Return `score(happy) - score(negative)`: `(..., 4)` become `(...)`; 0 for neutral faces.

    An audience's lies from -1 to 1 but for chance; a single face's may lie outside.
    """
    found = np.asarray(scores, dtype=np.float64)
    return np.asarray(found[..., HAPPY] - found[..., NEGATIVE_GROUP])

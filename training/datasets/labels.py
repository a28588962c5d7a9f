"""The labels that a network learns, and one head for each kind of target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from detector.emotion.labels import EMOTIONS
from training.datasets.faces import NO_LABEL, VOTE_LABELS, majority, soft_labels
from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.datasets.faces import FaceDataset

ORIGINAL: Final = "original"
"""The head of the published labels; the model exported from it is `NAME-original`."""

FITTED_TO_ORIGINAL = "the original labels"
"""What the card of a model calibrated to these says."""

Targets = Literal["votes", "majority", "original", "votes+original"]
LABEL_SETS = {
    "seven": EMOTIONS,
    "happy-sad": ("happy", "sad"),
    "marketing": ("disgust", "happy", "surprise", "neutral"),
}


@dataclass(frozen=True)
class Head:
    """One output of a network and its target for each row.

    `targets` are `(n, len(labels))` distributions, `known` tells which rows have one.
    """

    name: str
    labels: tuple[str, ...]
    targets: NDArray[np.float32]
    known: NDArray[np.bool_]
    loss_weight: float = 1.0

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def classes(self) -> NDArray[np.int64]:
        """The strongest class of each row, `(n,)`."""
        return np.asarray(self.targets.argmax(axis=1))

    def subset(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Head:
        """Return the rows that a mask or an index selects."""
        return replace(self, targets=self.targets[chosen], known=self.known[chosen])


def with_unlabelled(heads: Sequence[Head], count: int) -> tuple[Head, ...]:
    """Return the heads with so many further rows, for which they know no label."""

    def longer(head: Head) -> Head:
        uniform = one_hot(np.full(count, NO_LABEL), len(head.labels))
        return replace(
            head,
            targets=np.concatenate([head.targets, uniform]),
            known=np.concatenate([head.known, np.zeros(count, dtype=np.bool_)]),
        )

    return tuple(map(longer, heads))


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return `(n, classes)` with a one at each label; rows without (below 0) are uniform."""
    rows = np.full((len(labels), classes), 1.0 / classes, dtype=np.float32)
    known = labels >= 0
    rows[known] = np.eye(classes, dtype=np.float32)[labels[known]]
    return rows


def label_indices(
    found: NDArray[np.int64], classes: Sequence[str], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Turn `(n,)` indices into classes into indices into some of them, others to `NO_LABEL`."""
    # One more place than classes: NO_LABEL, -1, selects the last.
    place = np.full(len(classes) + 1, NO_LABEL, dtype=np.int64)
    place[[classes.index(label) for label in labels]] = np.arange(len(labels))
    return place[found]


def label_set(text: str, available: Sequence[str] = EMOTIONS) -> tuple[str, ...]:
    """Parse the name of a label set, or comma-separated labels among the available ones.

    Emotions are returned in the order of `EMOTIONS`, other sets in the given order. Raises
    `DatasetError` for unknown, repeated or fewer than two labels.
    """
    wanted = text.strip().lower()
    given = LABEL_SETS.get(wanted) or [name.strip() for name in text.split(",") if name.strip()]
    by_lower = {name.lower(): name for name in available}
    for name in given:
        if name.lower() not in by_lower:
            others = () if wanted in LABEL_SETS else LABEL_SETS
            near = get_close_matches(name.lower(), [*by_lower, *others], 1)
            raise DatasetError(
                f"Unknown label {name!r}: expected {', '.join(LABEL_SETS)}, or a list of "
                f"{', '.join(available)}"
                + (f". Did you mean {by_lower.get(near[0], near[0])}?" if near else ".")
            )
    labels = [by_lower[name.lower()] for name in given]
    twice = sorted({name for name in labels if labels.count(name) > 1})
    if twice:
        raise DatasetError(
            f"Invalid labels {text!r}: expected each label once, received {', '.join(twice)} twice."
        )
    if len(labels) < 2:
        raise DatasetError(
            f"Invalid labels {text!r}: expected at least two labels, received {len(labels)}; "
            "separate them by commas, such as happy,sad."
        )
    if set(labels) <= set(EMOTIONS):
        labels.sort(key=EMOTIONS.index)
    return tuple(labels)


def select_rows(
    faces: FaceDataset, labels: tuple[str, ...], targets: Targets, *, complete: bool = True
) -> tuple[NDArray[np.uint8], tuple[Head, ...]]:
    """Return the pictures labelled with some labels, and one head for each kind of target.

    `votes` are distributions of the FER+ votes, over all eight `VOTE_LABELS` if the labels are the
    seven emotions, else over the labels only, of rows whose strongest vote is among them.
    `majority` is FER+'s, `original` the published label, `votes+original` both. Every label must
    have a row if `complete`. Raises `DatasetError` if votes, labels or rows are missing.
    """
    if targets not in get_args(Targets):
        raise DatasetError(
            f"Invalid targets: expected one of {', '.join(get_args(Targets))}, received "
            f"{targets!r}."
        )
    heads = []
    if targets in {"votes", "votes+original"}:
        heads.append(_votes_head(_needed_votes(faces, targets, labels), labels))
    if targets == "majority":
        found = majority(_needed_votes(faces, targets, labels))
        heads.append(_one_hot_head("majority", label_indices(found, VOTE_LABELS, labels), labels))
    if targets in {"original", "votes+original"}:
        # Beside the votes, the noisier original labels get less weight.
        unknown = [name for name in labels if name not in faces.classes]
        if unknown:
            raise DatasetError(
                f"The dataset has no label {', '.join(unknown)}: expected labels among "
                f"{', '.join(faces.classes)}."
            )
        weight = 0.6 if heads else 1.0
        indices = label_indices(faces.original, faces.classes, labels)
        heads.append(_one_hot_head(ORIGINAL, indices, labels, weight))
    for head in heads if complete else ():
        held = set(head.classes[head.known].tolist())
        empty = [label for label in labels if head.labels.index(label) not in held]
        if empty:
            raise DatasetError(
                f"No row is labelled {', '.join(empty)} by the {head.name} labels: expected at "
                "least one row of every label; leave the label out with --labels, or add pictures "
                "of it."
            )
    known = np.any([head.known for head in heads], axis=0)
    if not known.any():
        raise DatasetError(
            f"No row is labelled {', '.join(labels)}: expected pictures with these labels, "
            f"received {len(faces)} without; choose other labels or another split."
        )
    return faces.images[known], tuple(head.subset(known) for head in heads)


def _needed_votes(faces: FaceDataset, targets: str, labels: tuple[str, ...]) -> NDArray[np.float64]:
    if faces.votes is None:
        raise DatasetError(
            f"The targets {targets!r} need FER+'s votes: name its fer2013new.csv with --votes, or "
            "learn from the original labels."
        )
    unknown = [name for name in labels if name not in VOTE_LABELS]
    if unknown:
        raise DatasetError(
            f"FER+ has no votes for {', '.join(unknown)}: expected labels among "
            f"{', '.join(VOTE_LABELS)}; learn from the original labels."
        )
    return faces.votes


def _votes_head(votes: NDArray[np.float64], labels: tuple[str, ...]) -> Head:
    soft, usable = soft_labels(votes)
    if labels == EMOTIONS:
        return Head("votes", VOTE_LABELS, soft.astype(np.float32), usable)
    columns = [VOTE_LABELS.index(name) for name in labels]
    usable &= np.isin(soft.argmax(axis=1), columns)
    part = soft[:, columns]
    part[~usable] = 1.0
    part /= part.sum(axis=1, keepdims=True)
    return Head("votes", labels, part.astype(np.float32), usable)


def _one_hot_head(
    name: str, indices: NDArray[np.int64], labels: tuple[str, ...], loss_weight: float = 1.0
) -> Head:
    return Head(name, labels, one_hot(indices, len(labels)), indices != NO_LABEL, loss_weight)

"""Measure a classifier on faces with known labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detector.emotion.classifier import classify
from detector.emotion.labels import EMOTIONS
from detector.emotion.preprocessing import fitted
from training.datasets.faces import NO_LABEL, VOTE_LABELS, FaceDataset, majority, plurality
from training.datasets.labels import LABEL_SETS, label_indices
from training.errors import DatasetError
from training.evaluation.calibration import calibration_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier

Against = Literal["original", "majority", "plurality", "happy-sad"]


@dataclass(frozen=True)
class Selection:
    """The `(m,)` rows to measure on: their truth, an index into `labels`, and votes for these."""

    against: str
    labels: tuple[str, ...]
    rows: NDArray[np.int64]
    truth: NDArray[np.int64]
    votes: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.rows)

    def correctness(self, predicted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return `(m,)` the share of the votes for each prediction; 1 or 0 without votes."""
        if self.votes is None:
            return np.asarray(predicted == self.truth, dtype=np.float64)
        return vote_shares(self.votes, predicted)


def vote_shares(votes: NDArray[np.float64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of `(n, classes)` votes that each prediction got; 0 without votes."""
    return np.asarray(votes[np.arange(len(votes)), predicted] / np.maximum(votes.sum(axis=1), 1.0))


def confusion_matrix(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return `(classes, classes)` counts; rows are the truth, columns the predictions."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def per_class(confusion: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall and F1 of each class; 0 for one never predicted or present."""
    hits = np.diag(confusion).astype(np.float64)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {"precision": precision, "recall": recall, "f1": f1}


def select(
    faces: FaceDataset,
    against: Against = "majority",
    labels: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
) -> Selection:
    """Choose the rows and labels to measure on.

    `against` says which labels are the truth; `happy-sad` takes the original labels of these two.
    Only rows with one of `labels` count, by default all offered ones that the classifier knows.
    Raises `DatasetError` if there are no such labels or rows, or fewer than two labels.
    """
    offered, found = truth_of(faces, against)
    chosen = _labels(offered, labels, known, against)
    truth = label_indices(found, offered, chosen)
    rows = np.flatnonzero(truth != NO_LABEL)
    if len(rows) == 0:
        raise DatasetError(
            f"No row of the dataset has a label against {against} among {', '.join(chosen)}."
        )
    votes = None
    if faces.votes is not None and set(chosen) <= set(VOTE_LABELS):
        votes = faces.votes[rows][:, [VOTE_LABELS.index(label) for label in chosen]]
    return Selection(against, chosen, rows, truth[rows], votes)


def truth_of(faces: FaceDataset, against: Against) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the offered labels, and `(n,)` an index into them or `NO_LABEL` for each row."""
    if against == "original":
        return faces.classes, faces.original
    if against == "happy-sad":
        pair = LABEL_SETS[against]
        if not set(pair) <= set(faces.classes):
            raise DatasetError(
                "Measuring happy against sad needs both labels: the dataset has "
                f"{', '.join(faces.classes)}."
            )
        return pair, label_indices(faces.original, faces.classes, pair)
    if against not in {"majority", "plurality"}:
        raise DatasetError(
            f"Cannot measure against {against!r}: expected original, majority, plurality or "
            "happy-sad."
        )
    if faces.votes is None:
        raise DatasetError(
            f"Measuring against the FER+ {against} needs the vote file: name it with --votes."
        )
    found = majority(faces.votes) if against == "majority" else plurality(faces.votes)
    return EMOTIONS, np.where(found < len(EMOTIONS), found, NO_LABEL)


def _labels(
    offered: Sequence[str], asked: Sequence[str] | None, known: Sequence[str] | None, against: str
) -> tuple[str, ...]:
    if asked is None:
        chosen = tuple(label for label in offered if known is None or label in known)
        if len(chosen) < 2:
            raise DatasetError(
                "Measuring needs at least two labels that the model and the dataset share: the "
                f"model knows {', '.join(known or ())}, against {against} there are "
                f"{', '.join(offered)}."
            )
        return chosen
    for holder, names in (("The model", known), (f"Against {against}, the dataset", offered)):
        unknown = [label for label in asked if names is not None and label not in names]
        if unknown:
            raise DatasetError(
                f"{holder} does not know {', '.join(unknown)}: expected some of "
                f"{', '.join(names or ())}."
            )
    if len(set(asked)) != len(asked) or len(asked) < 2:
        raise DatasetError(
            f"Measuring needs at least two different labels, received {', '.join(asked) or 'none'}."
        )
    return tuple(asked)


def predict(
    classifier: EmotionClassifier, images: NDArray[np.uint8], *, flip: bool = False
) -> NDArray[np.float64]:
    """Return `(n, labels)` calibrated probabilities of `(n, h, h)` grey faces of any size.

    With `flip`, the mean over each face and its mirror image (test-time augmentation).
    """
    found = np.empty((len(images), len(classifier.card.labels)))
    batch = 256
    for start in range(0, len(images), batch):
        faces = fitted(images[start : start + batch], classifier.card.input_side_px)
        scores = classify(classifier, faces)
        if flip:
            scores = (scores + classify(classifier, np.ascontiguousarray(faces[:, :, ::-1]))) / 2
        found[start : start + batch] = scores
    return found


def restricted(
    scores: NDArray[np.float64], known: Sequence[str], labels: Sequence[str]
) -> NDArray[np.float64]:
    """Return the probabilities of some labels, given that it is one of them."""
    if tuple(known) == tuple(labels):
        return scores
    part = scores[:, [list(known).index(label) for label in labels]] + np.finfo(np.float64).tiny
    return np.asarray(part / part.sum(axis=1, keepdims=True))


def document(selection: Selection, scores: NDArray[np.float64]) -> dict[str, Any]:
    """Return the document of `evaluate --json`.

    `balanced_accuracy` is the mean recall of the labels that have rows: the accuracy on a set with
    as many faces of each. `taken_for_neutral` is the share of the faces with another label that are
    called neutral, `None` without such a label. `loss` is the cross-entropy of the true labels, in
    nats. Where votes exist, the share of them for the predicted emotion stands for its accuracy in
    `ece`.
    """
    predicted = scores.argmax(axis=1)
    confusion = confusion_matrix(selection.truth, predicted, len(selection.labels))
    by_class = per_class(confusion)
    right = scores[np.arange(len(selection)), selection.truth]
    return {
        "n": len(selection),
        "against": selection.against,
        "labels": list(selection.labels),
        "accuracy": float((predicted == selection.truth).mean()),
        "balanced_accuracy": float(by_class["recall"][confusion.sum(axis=1) > 0].mean()),
        "taken_for_neutral": _taken_for_neutral(selection, predicted),
        "macro_f1": float(by_class["f1"].mean()),
        "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
        "ece": calibration_error(scores.max(axis=1), selection.correctness(predicted)),
        "per_class": {
            label: {name: float(values[index]) for name, values in by_class.items()}
            | {"support": int(confusion[index].sum())}
            for index, label in enumerate(selection.labels)
        },
        "confusion": confusion.tolist(),
    }


def _taken_for_neutral(selection: Selection, predicted: NDArray[np.int64]) -> float | None:
    if "neutral" not in selection.labels:
        return None
    neutral = selection.labels.index("neutral")
    others = selection.truth != neutral
    return float((predicted[others] == neutral).mean()) if others.any() else None


def evaluate(
    classifier: EmotionClassifier,
    faces: FaceDataset,
    against: Against = "majority",
    *,
    labels: Sequence[str] | None = None,
    flip: bool = False,
) -> dict[str, Any]:
    """Measure a classifier, calibrated as its card says; return the `document`.

    Only rows with one of `labels` count, by default all that classifier and truth share, and the
    probabilities are renormalised over them. Raises `DatasetError`, see `select`.
    """
    known = classifier.card.labels
    selection = select(faces, against, labels, known)
    scores = predict(classifier, faces.images[selection.rows], flip=flip)
    return document(selection, restricted(scores, known, selection.labels))

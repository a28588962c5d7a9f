"""Find labels that are probably wrong: confident learning (Northcutt et al., 2021, cleanlab).

A label is judged by probabilities that were not learnt from it: those of a logistic regression on
what a network says of each face, fitted in turn to four fifths of the faces and asked about the
rest.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.errors import import_extra
from training.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5


@dataclass(frozen=True)
class Suspects:
    """All rows, those with the most suspicious label first.

    Attributes:
        order: `(n,)` rows.
        likely: How many of the first probably are wrong.
        expected: `(n, classes)` probabilities of each row's label, without that label's influence.
    """

    order: NDArray[np.int64]
    likely: int
    expected: NDArray[np.float64]


def find_suspects(
    scores: NDArray[np.float64], labels: NDArray[np.int64], classes: int, seed: int = 0
) -> Suspects:
    """Rank the labels of a dataset, the most suspicious first.

    They are sorted by the probability of the label, the lowest first ("self-confidence"); how many
    are probably wrong is estimated by the confident joint.

    Args:
        scores: `(n, outputs)` probabilities that a network gives to each face, of any labels.
        labels: `(n,)` from 0 up to `classes`.
        classes: Number of labels.
        seed: Of the division into parts.

    Raises:
        DatasetError: There are too few rows.
        MissingExtraError: cleanlab is not installed.
    """
    expected = cross_validated(scores, labels, classes, seed)
    present = np.unique(labels)
    held = np.searchsorted(present, labels)
    rank = import_extra("cleanlab.rank").get_label_quality_scores
    quality = rank(held, expected[:, present], method="self_confidence")
    likely = import_extra("cleanlab.filter").find_label_issues(held, expected[:, present], n_jobs=1)
    order = np.argsort(quality, kind="stable")
    return Suspects(order, int(likely.sum()), expected)


def cross_validated(
    scores: NDArray[np.float64], labels: NDArray[np.int64], classes: int, seed: int = 0
) -> NDArray[np.float64]:
    """Return `(n, classes)` probabilities of each row by a regression that never saw its label.

    Rows of a label with hardly any others may get no probability of it at all.

    Raises:
        DatasetError: Fewer than two labels have `FOLDS` rows or more.
    """
    counts = np.bincount(labels, minlength=classes)
    present = np.flatnonzero(counts)
    if (counts >= FOLDS).sum() < 2:
        raise DatasetError(
            f"Too few faces to judge their labels: expected at least two labels with {FOLDS} faces "
            f"or more, received {', '.join(map(str, counts.tolist()))} by label."
        )
    linear = import_extra("sklearn.linear_model")
    selection = import_extra("sklearn.model_selection")
    preprocessing = import_extra("sklearn.preprocessing")
    pipeline: Any = import_extra("sklearn.pipeline").make_pipeline(
        preprocessing.StandardScaler(), linear.LogisticRegression(max_iter=500)
    )
    parts = selection.StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    evidence = np.log(np.maximum(scores, 1e-6))
    found = np.zeros((len(labels), classes))
    with warnings.catch_warnings():
        # It warns of labels with fewer rows than there are parts; their rows then come first.
        warnings.simplefilter("ignore")
        found[:, present] = selection.cross_val_predict(
            pipeline, evidence, labels, cv=parts, method="predict_proba"
        )
    return found

"""Names of emotions, label sets, and the two numbers derived from probabilities.

A label set is the names of a model's outputs, in their order: the seven emotions by default, some
of them, such as happy and sad, or others. It belongs to a model, and so to a session; readings are
tuples in its order.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's order; every array with an emotion axis in this project follows it."""

NEGATIVE = ("angry", "disgust", "fear", "sad")
"""The emotions whose strongest one is subtracted in the valence."""

LabelSet: TypeAlias = tuple[str, ...]

_WORDS_FOR_PERSONS = re.compile(
    r"(?<![a-z])(ages?|aged|child|children|kids?|teens?|teenagers?|adults?|seniors?|elderly|baby"
    r"|males?|females?|m[ae]n|wom[ae]n|boys?|girls?|gender|sex|race|ethnicity|origin|skin"
    r"|black|white|asian|african|european|indian|latino|hispanic)(?![a-z])|^\d+ ?(\+|-) ?\d*$"
)


def labels_of_persons(labels: LabelSet) -> LabelSet:
    """Return the labels that say who somebody is rather than how somebody looks at an ad.

    Those with a word for sex, age or origin, and bands of age such as 20-29.
    """
    return tuple(label for label in labels if _WORDS_FOR_PERSONS.search(label.casefold()))


def labels_of(card: Mapping[str, Any] | None) -> LabelSet:
    """Return the label set of a stored model card; the seven emotions if it names none."""
    labels = (card or {}).get("labels")
    if not isinstance(labels, list | tuple) or len(set(map(str, labels))) < 2:
        return EMOTIONS
    return tuple(map(str, labels))


def own_labels(labels: LabelSet) -> LabelSet:
    """Return the labels that are none of the seven emotions, in their order."""
    return tuple(name for name in labels if name not in EMOTIONS)


def knows_valence(labels: LabelSet) -> bool:
    """Return whether a label set has both sides of valence: happy, and a negative emotion."""
    return "happy" in labels and not set(labels).isdisjoint(NEGATIVE)


def colour_names(labels: LabelSet) -> dict[str, str]:
    """Return the emotion whose colour each label has: its own, or one that the set lacks."""
    order = ("sad", "happy", "disgust", "fear", "surprise", "angry", "neutral")
    free = [name for name in order if name not in labels] or list(order)
    others = {name: free[place % len(free)] for place, name in enumerate(own_labels(labels))}
    return {name: others.get(name, name) for name in labels}


def what_it_tells(labels: LabelSet) -> str:
    """Return the predicate of a sentence whose subject is a model of these labels."""
    if len(labels) == 2:
        return f"tells {labels[0]} from {labels[1]} only"
    return f"tells {', '.join(labels[:-1])} and {labels[-1]} apart"


def valence(probabilities: ArrayLike, labels: LabelSet = EMOTIONS) -> NDArray[np.float64]:
    """Return `p(happy)` minus the strongest of `NEGATIVE`, -1 (unpleasant) to 1 (pleasant).

    `(..., n)` probabilities in the order of a label set become `(...)`. Emotions that the set lacks
    are left out; NaN unless `knows_valence`.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if not knows_valence(labels):
        return np.full(p.shape[:-1], np.nan)
    negative = p[..., [labels.index(name) for name in NEGATIVE if name in labels]].max(axis=-1)
    return np.asarray(p[..., labels.index("happy")] - negative)


def expressiveness(probabilities: ArrayLike, labels: LabelSet = EMOTIONS) -> NDArray[np.float64]:
    """Return `1 - p(neutral)`, 0 to 1; NaN without a neutral label.

    `(..., n)` probabilities in the order of a label set become `(...)`.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if "neutral" not in labels:
        return np.full(p.shape[:-1], np.nan)
    return np.asarray(1.0 - p[..., labels.index("neutral")])

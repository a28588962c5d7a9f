"""The order of the emotions and the two derived numbers, by known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detector.emotion.labels import (
    EMOTIONS,
    colour_names,
    expressiveness,
    knows_valence,
    labels_of,
    labels_of_persons,
    own_labels,
    valence,
    what_it_tells,
)

DISTRIBUTIONS = hnp.arrays(np.float64, (7,), elements=st.floats(1e-6, 1.0)).map(
    lambda p: p / p.sum()
)


def certain(name: str) -> np.ndarray:
    return np.eye(7)[EMOTIONS.index(name)]


def test_the_order_is_that_of_fer2013() -> None:
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.mark.parametrize(
    ("name", "expected_valence", "expected_expressiveness"),
    [
        ("angry", -1, 1),
        ("disgust", -1, 1),
        ("fear", -1, 1),
        ("happy", 1, 1),
        ("sad", -1, 1),
        ("surprise", 0, 1),
        ("neutral", 0, 0),
    ],
)
def test_a_certain_emotion(
    name: str, expected_valence: float, expected_expressiveness: float
) -> None:
    assert valence(certain(name)) == expected_valence
    assert expressiveness(certain(name)) == expected_expressiveness


def test_only_the_strongest_negative_emotion_is_subtracted() -> None:
    mixed = [0.1, 0.2, 0.05, 0.4, 0.15, 0.0, 0.1]
    assert valence(mixed) == pytest.approx(0.4 - 0.2)
    assert expressiveness(mixed) == pytest.approx(0.9)


def test_leading_axes_are_kept() -> None:
    batch = np.stack([[certain("happy"), certain("neutral")]] * 3)
    assert valence(batch).shape == expressiveness(batch).shape == (3, 2)
    assert valence(batch)[:, 0].tolist() == [1, 1, 1]
    assert valence(np.zeros((0, 7))).shape == (0,)


@given(DISTRIBUTIONS)
def test_ranges(probabilities: np.ndarray) -> None:
    assert -1 <= valence(probabilities) <= 1
    assert 0 <= expressiveness(probabilities) <= 1
    happy = probabilities[EMOTIONS.index("happy")]
    assert happy - 1 <= valence(probabilities) <= happy


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("happy", "sad"), 0.5),
        (("sad", "happy", "bored"), -0.5),
        (("happy", "surprise", "disgust", "neutral"), 0.5),
    ],
)
def test_valence_of_other_labels(labels: tuple[str, ...], expected: float) -> None:
    p = [0.75, 0.25, *[0.0] * (len(labels) - 2)]
    assert float(valence(p, labels)) == pytest.approx(expected + 0.25 * ("surprise" in labels))


@pytest.mark.parametrize("labels", [("happy", "neutral"), ("sad", "angry"), ("keen", "bored")])
def test_valence_needs_both_sides(labels: tuple[str, ...]) -> None:
    assert not knows_valence(labels)
    assert np.isnan(valence(np.full((3, 2), 0.5), labels)).all()
    given = np.isfinite(expressiveness([0.5, 0.5], labels))
    assert given == ("neutral" in labels)


@pytest.mark.parametrize("card", [None, {}, {"labels": ["one"]}, {"labels": 7}, {"labels": None}])
def test_a_card_without_labels_has_the_seven(card: dict[str, object] | None) -> None:
    assert labels_of(card) == EMOTIONS


@given(st.lists(st.text(min_size=1), min_size=2, max_size=12, unique=True))
def test_every_label_has_a_colour(names: list[str]) -> None:
    labels = labels_of({"labels": names})
    colours = colour_names(labels)
    assert list(colours) == list(labels)
    assert set(colours.values()) <= set(EMOTIONS)
    assert len(set(colours.values())) == min(len(names), len(EMOTIONS))
    assert own_labels(labels) == tuple(name for name in names if name not in EMOTIONS)


def test_what_a_model_tells_in_words() -> None:
    assert what_it_tells(("happy", "sad")) == "tells happy from sad only"
    assert what_it_tells(("a", "b", "c")) == "tells a, b and c apart"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (EMOTIONS, ()),
        (("engaged", "bored", "smiling"), ()),
        (("manly", "engaged", "average"), ()),
        (("male", "female"), ("male", "female")),
        (
            ("happy", "Young_Woman", "50+", "20-29", "3 - 9"),
            ("Young_Woman", "50+", "20-29", "3 - 9"),
        ),
        (("skin-tone 1", "East Asian", "level 2"), ("skin-tone 1", "East Asian")),
    ],
)
def test_labels_that_say_who_somebody_is(
    labels: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert labels_of_persons(labels) == expected

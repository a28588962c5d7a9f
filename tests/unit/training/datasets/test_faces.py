"""Labels made of the votes, by known answers and by what must hold for any votes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.datasets.faces import NO_LABEL, VOTE_LABELS, majority, plurality, soft_labels


def votes(**named: int) -> list[float]:
    """A row of votes: our emotions, contempt, unknown, not_a_face."""
    order = (*VOTE_LABELS, "unknown", "not_a_face")
    assert set(named) <= set(order)
    return [float(named.get(name, 0)) for name in order]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (votes(happy=10), "happy"),
        (votes(happy=6, neutral=4), "happy"),
        # Half of the votes is not more than half.
        (votes(happy=5, neutral=5), None),
        (votes(happy=4, neutral=3, sad=3), None),
        # Single votes are dropped before the votes are counted: 4 of 7 and 3 of 5 that remain.
        (votes(happy=4, neutral=3, sad=1, fear=1, angry=1), "happy"),
        (votes(sad=3, neutral=2, happy=1, fear=1, angry=1, disgust=1, surprise=1), "sad"),
        (votes(surprise=2, happy=1, fear=1, angry=1, disgust=1, sad=1), "surprise"),
        (votes(happy=1, neutral=1, sad=1), None),
        (votes(), None),
        (votes(contempt=7, neutral=3), "contempt"),
        (votes(unknown=6, neutral=4), None),
        (votes(not_a_face=10), None),
        # Votes for unknown and not-a-face count among those of which half is asked.
        (votes(happy=4, unknown=3, not_a_face=3), None),
    ],
)
def test_majority_by_the_rule_of_the_ferplus_authors(
    row: list[float], expected: str | None
) -> None:
    [label] = majority(np.array([row]))
    assert label == (NO_LABEL if expected is None else VOTE_LABELS.index(expected))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (votes(happy=4, neutral=3, sad=3), "happy"),
        (votes(happy=1), "happy"),
        (votes(unknown=8, fear=2), "fear"),
        (votes(contempt=4, sad=3), "contempt"),
        (votes(sad=4, angry=4), "angry"),
        (votes(unknown=10), None),
        (votes(), None),
    ],
)
def test_plurality_among_the_eight(row: list[float], expected: str | None) -> None:
    [label] = plurality(np.array([row]))
    assert label == (NO_LABEL if expected is None else VOTE_LABELS.index(expected))


def test_soft_labels_are_the_votes_without_the_single_ones() -> None:
    rows = np.array(
        [
            votes(happy=6, neutral=3, sad=1),
            votes(happy=4, unknown=3, contempt=3),
            votes(unknown=6, happy=4),
            votes(not_a_face=10),
            votes(),
        ]
    )
    soft, usable = soft_labels(rows)
    assert usable.tolist() == [True, True, False, False, False]
    happy, neutral, contempt = (
        VOTE_LABELS.index(name) for name in ("happy", "neutral", "contempt")
    )
    assert soft[0, [happy, neutral]] == pytest.approx([6 / 9, 3 / 9])
    assert soft[1, [happy, contempt]] == pytest.approx([4 / 7, 3 / 7])
    assert soft[0].sum() == pytest.approx(1)
    assert (soft[2:] == 1 / 8).all()


vote_tables = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 20), st.just(10)), elements=st.integers(0, 10).map(float)
)


@settings(deadline=None)
@given(vote_tables)
def test_the_rules_agree_where_they_must(table: np.ndarray) -> None:
    most, more_than_half = plurality(table), majority(table)
    labelled = more_than_half != NO_LABEL
    assert (most[labelled] == more_than_half[labelled]).all()
    soft, usable = soft_labels(table)
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert usable[labelled].all()
    assert (soft[labelled].argmax(axis=1) == more_than_half[labelled]).all()
    assert (soft[labelled].max(axis=1) > 0.5).all()

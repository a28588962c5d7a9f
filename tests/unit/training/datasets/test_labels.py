"""Label sets by name and by list, and what each kind of target says of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.emotion.labels import EMOTIONS
from training.datasets.faces import NO_LABEL, VOTE_LABELS, FaceDataset
from training.datasets.labels import LABEL_SETS, Head, label_set, select_rows
from training.errors import DatasetError


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("seven", EMOTIONS),
        ("happy-sad", ("happy", "sad")),
        ("marketing", ("disgust", "happy", "surprise", "neutral")),
        (" Seven ", EMOTIONS),
        ("sad,happy", ("happy", "sad")),
        (" Sad , HAPPY,", ("happy", "sad")),
        (",".join(reversed(EMOTIONS)), EMOTIONS),
    ],
)
def test_label_sets(text: str, labels: tuple[str, ...]) -> None:
    assert label_set(text) == labels


def test_own_labels_stay_as_they_were_given() -> None:
    available = (*EMOTIONS, "Bored", "contempt")
    assert label_set("bored,happy", available) == ("Bored", "happy")
    assert label_set("sad,happy", available) == ("happy", "sad")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hapy,sad",
            r"Unknown label 'hapy': expected seven, .*surprise, neutral\. Did you mean happy\?",
        ),
        ("sevn", r"Unknown label 'sevn': .*Did you mean seven\?"),
        ("happy,xyz", r"Unknown label 'xyz': expected .*neutral\.$"),
        ("happy,seven", r"Unknown label 'seven'"),
        ("happy,sad,happy", r"expected each label once, received happy twice\."),
        ("happy", r"expected at least two labels, received 1; .*such as happy,sad\."),
        ("", "expected at least two labels, received 0"),
        (" , ,", "expected at least two labels, received 0"),
    ],
)
def test_wrong_label_sets_are_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        label_set(text)


def test_a_named_set_that_the_data_do_not_have() -> None:
    with pytest.raises(
        DatasetError,
        match=r"Unknown label 'happy': expected seven, .*, or a list of closed, open\.$",
    ):
        label_set("happy-sad", ("closed", "open"))


@settings(deadline=None)
@given(st.lists(st.sampled_from(EMOTIONS), min_size=2, unique=True))
def test_emotions_are_always_in_their_order(names: list[str]) -> None:
    assert label_set(",".join(names)) == tuple(name for name in EMOTIONS if name in names)


def table(*rows: dict[str, int]) -> np.ndarray:
    order = (*VOTE_LABELS, "unknown", "not_a_face")
    return np.array([[float(row.get(name, 0)) for name in order] for row in rows])


@pytest.fixture
def few(faces: Any) -> FaceDataset:
    """Six rows whose votes and original labels are known by heart."""
    votes = table(
        {"happy": 10},
        {"happy": 5, "neutral": 5},
        {"sad": 6, "contempt": 4},
        {"contempt": 7, "happy": 3},
        {"unknown": 8, "sad": 2},
        {"neutral": 6, "happy": 3, "sad": 1},
    )
    original = [
        EMOTIONS.index(name) for name in ("happy", "sad", "sad", "happy", "neutral", "neutral")
    ]
    return FaceDataset(faces(6), np.array(original), votes, np.array(["Training"] * 6))


def columns(head: Head, *names: str) -> np.ndarray:
    return head.targets[:, [head.labels.index(name) for name in names]]


def test_votes_for_the_seven_keep_contempt(few: FaceDataset) -> None:
    images, [head] = select_rows(few, EMOTIONS, "votes", complete=False)
    np.testing.assert_array_equal(images, few.images[[0, 1, 2, 3, 5]])
    assert (head.name, head.labels, head.loss_weight) == ("votes", VOTE_LABELS, 1.0)
    assert head.known.all()
    assert head.targets.dtype == np.float32
    np.testing.assert_allclose(
        columns(head, "happy", "sad", "neutral", "contempt"),
        [[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0.6, 0, 0.4], [0.3, 0, 0, 0.7], [1 / 3, 0, 2 / 3, 0]],
        atol=1e-6,
    )


def test_votes_for_some_labels_are_restricted_to_them(few: FaceDataset) -> None:
    images, [head] = select_rows(few, ("happy", "sad"), "votes")
    # Of rows whose strongest vote is one of the two.
    np.testing.assert_array_equal(images, few.images[[0, 1, 2]])
    assert head.labels == ("happy", "sad")
    np.testing.assert_allclose(head.targets, [[1, 0], [1, 0], [0, 1]])
    _, [three] = select_rows(few, ("happy", "sad", "neutral"), "votes")
    np.testing.assert_allclose(
        three.targets, [[1, 0, 0], [0.5, 0, 0.5], [0, 1, 0], [1 / 3, 0, 2 / 3]], atol=1e-6
    )


def test_majority_of_some_labels(few: FaceDataset) -> None:
    images, [head] = select_rows(few, ("happy", "sad", "neutral"), "majority")
    np.testing.assert_array_equal(images, few.images[[0, 2, 5]])
    assert (head.name, head.loss_weight) == ("majority", 1.0)
    np.testing.assert_array_equal(head.targets, np.eye(3))


def test_original_labels(few: FaceDataset) -> None:
    images, [head] = select_rows(few, ("sad", "neutral"), "original")
    np.testing.assert_array_equal(images, few.images[[1, 2, 4, 5]])
    assert (head.name, head.labels, head.loss_weight) == ("original", ("sad", "neutral"), 1.0)
    assert head.classes.tolist() == [0, 0, 1, 1]


def test_both_targets_keep_rows_that_one_of_them_knows(few: FaceDataset) -> None:
    images, [votes, original] = select_rows(few, EMOTIONS, "votes+original", complete=False)
    np.testing.assert_array_equal(images, few.images)
    assert votes.known.tolist() == [True, True, True, True, False, True]
    assert original.known.all()
    assert (original.labels, original.loss_weight) == (EMOTIONS, 0.6)
    np.testing.assert_array_equal(original.classes, few.original)
    images, [votes, original] = select_rows(few, ("happy", "sad"), "votes+original")
    np.testing.assert_array_equal(images, few.images[:4])
    assert votes.known.tolist() == [True, True, True, False]
    assert original.known.tolist() == [True, True, True, True]
    np.testing.assert_allclose(votes.targets[3], [0.5, 0.5])


def test_rows_without_an_original_label_are_left_out(few: FaceDataset) -> None:
    few.original[0] = NO_LABEL
    images, [head] = select_rows(few, ("happy", "sad"), "original")
    np.testing.assert_array_equal(images, few.images[1:4])
    assert head.classes.tolist() == [1, 1, 0]


def test_own_classes_are_learnt_from_their_folders(faces: Any) -> None:
    found = FaceDataset(
        faces(3), np.array([1, 0, 1]), None, np.array(["train"] * 3), ("closed", "open")
    )
    _, [head] = select_rows(found, ("open", "closed"), "original")
    assert head.classes.tolist() == [0, 1, 0]
    with pytest.raises(
        DatasetError, match=r"The dataset has no label happy: expected labels among closed, open\."
    ):
        select_rows(found, ("open", "happy"), "original")


def test_a_label_without_a_row_is_named(few: FaceDataset) -> None:
    for targets, by in (("votes", "votes"), ("majority", "majority"), ("original", "original")):
        with pytest.raises(
            DatasetError, match=f"No row is labelled disgust, fear by the {by} .*--labels"
        ):
            select_rows(few, ("disgust", "fear", "happy", "sad"), targets)  # type: ignore[arg-type]
    _, [head] = select_rows(few, ("disgust", "happy"), "original", complete=False)
    assert head.classes.tolist() == [1, 1]
    with pytest.raises(
        DatasetError, match=r"No row is labelled angry, disgust: .*received 6 without"
    ):
        select_rows(few, ("angry", "disgust"), "original", complete=False)


def test_votes_that_are_not_there_are_asked_for(dataset: Any) -> None:
    for targets in ("votes", "majority", "votes+original"):
        with pytest.raises(
            DatasetError, match=r"need FER\+'s votes: name its fer2013new\.csv with --votes"
        ):
            select_rows(dataset(14, voted=False), EMOTIONS, targets)
    images, _ = select_rows(dataset(14, voted=False), EMOTIONS, "original")
    assert len(images) == 14


def test_labels_without_votes_and_unknown_targets_are_refused(dataset: Any) -> None:
    with pytest.raises(
        DatasetError, match=r"FER\+ has no votes for bored: expected labels among angry"
    ):
        select_rows(dataset(14), ("bored", "happy"), "votes")
    with pytest.raises(
        DatasetError,
        match=r"expected one of votes, majority, original, votes\+original, received 'soft'",
    ):
        select_rows(dataset(14), EMOTIONS, "soft")


@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
@pytest.mark.parametrize("targets", ["votes", "majority", "original", "votes+original"])
def test_every_combination_gives_sound_heads(
    dataset: Any, labels: tuple[str, ...], targets: Any
) -> None:
    images, heads = select_rows(dataset(70), labels, targets)
    assert {len(head) for head in heads} == {len(images)}
    for head in heads:
        assert head.targets.shape == (len(images), len(head.labels))
        np.testing.assert_allclose(head.targets.sum(axis=1), 1, rtol=1e-6)

"""Roles of splits, seeded splits, and pictures that stand in more than one split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.datasets.faces import FaceDataset, role_of
from training.datasets.splits import (
    SHARES,
    divide,
    hash_places,
    held_out,
    near_duplicates,
    stratified_split,
    without_duplicates,
)
from training.errors import DatasetError

Faces = Callable[..., np.ndarray]


def test_twins_are_found_although_they_were_changed_a_little(faces: Faces) -> None:
    others = faces(20, seed=1)
    turn = cv2.getRotationMatrix2D((23.5, 23.5), 0.7, 1.01)
    twins = np.stack(
        [
            others[3],
            np.clip(others[4].astype(int) * 0.7 + 40, 0, 255).astype(np.uint8),
            others[5][:, ::-1],
            cv2.warpAffine(others[6], turn, (48, 48), borderMode=cv2.BORDER_REPLICATE),
            others[7][::-1],
            faces(1, seed=2)[0],
            255 - others[8],
        ]
    )
    assert near_duplicates(twins, others).tolist() == [True, True, True, True, False, False, False]


def test_twins_are_told_from_neighbours_by_the_threshold(faces: Faces) -> None:
    [face] = faces(1)
    noisy = np.clip(face + np.random.default_rng(0).normal(0, 25, face.shape), 0, 255).astype(
        np.uint8
    )
    together = float(np.corrcoef(face.ravel(), noisy.ravel())[0, 1])
    assert near_duplicates(noisy[None], face[None], together - 0.01).tolist() == [True]
    assert near_duplicates(noisy[None], face[None], together + 0.01).tolist() == [False]


def test_twins_beyond_the_first_block_are_found(faces: Faces) -> None:
    many = np.tile(faces(10), (250, 1, 1))
    found = near_duplicates(many, faces(10)[[7]])
    assert np.flatnonzero(found).tolist() == list(range(7, 2500, 10))


def test_twins_of_nothing(faces: Faces) -> None:
    nothing = np.zeros((0, 48, 48), np.uint8)
    assert near_duplicates(faces(3), nothing).tolist() == [False] * 3
    assert near_duplicates(nothing, faces(3)).shape == (0,)
    flat = np.full((1, 48, 48), 90, np.uint8)
    assert near_duplicates(flat, faces(3)).tolist() == [False]


def test_twins_of_larger_pictures_are_found(faces: Faces) -> None:
    large = np.stack(
        [cv2.resize(face, (96, 96), interpolation=cv2.INTER_CUBIC) for face in faces(4)]
    )
    assert near_duplicates(faces(3), large).tolist() == [True] * 3
    assert near_duplicates(large, large[:1]).tolist() == [True, False, False, False]


def test_training_loses_its_twins_only(dataset: Any) -> None:
    training, validation, test = (
        dataset(12),
        dataset(3, seed=1, usage="PublicTest"),
        dataset(2, seed=2),
    )
    training.images[4] = validation.images[2]
    training.images[7] = test.images[0][:, ::-1]
    kept, count = without_duplicates(training, [validation, test])
    assert count == 2
    rest = np.delete(np.arange(12), [4, 7])
    np.testing.assert_array_equal(kept.images, training.images[rest])
    np.testing.assert_array_equal(kept.votes, training.votes[rest])
    same, none = without_duplicates(training, [])
    assert (len(same), none) == (12, 0)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Training", "training"),
        ("train", "training"),
        ("PublicTest", "validation"),
        ("VALID", "validation"),
        ("val", "validation"),
        ("PrivateTest", "test"),
        ("Test", "test"),
        ("happy", None),
        ("", None),
    ],
)
def test_roles_of_published_splits(name: str, role: str | None) -> None:
    assert role_of(name) == role


def test_splits_are_listed_in_the_order_of_their_roles(faces: Faces) -> None:
    usage = np.array(["test", "valid", "train", "other", "train"])
    found = FaceDataset(faces(5), np.array([3, 0, 3, 1, 0]), None, usage)
    assert list(found.splits().items()) == [("train", 2), ("valid", 1), ("test", 1), ("other", 1)]
    assert found.roles == {"training": 2, "validation": 1, "test": 1}
    assert found.present == ("angry", "disgust", "happy")
    assert found.split("validation").original.tolist() == [0]
    assert (
        found.split("train").original.tolist()
        == found.split("training").original.tolist()
        == [3, 0]
    )
    assert found.split("other").original.tolist() == [1]


def test_rows_of_different_number_are_refused(faces: Faces) -> None:
    with pytest.raises(
        ValueError,
        match="as many rows of each kind, received images 3, original 2, votes 3, usage 3",
    ):
        FaceDataset(faces(3), np.array([0, 1]), None, np.array(["Training"] * 3))


@settings(deadline=None)
@given(hnp.arrays(np.int64, st.integers(0, 300), elements=st.integers(0, 4)), st.integers(0, 5))
def test_every_class_is_dealt_by_its_shares(labels: np.ndarray, seed: int) -> None:
    parts = stratified_split(labels, SHARES, seed)
    np.testing.assert_array_equal(parts, stratified_split(labels, SHARES, seed))
    assert parts.shape == labels.shape
    for label in np.unique(labels):
        counts = np.bincount(parts[labels == label], minlength=3)
        # Rounding to the nearest row, or one row given to a part that would have had none.
        assert (abs(counts - counts.sum() * np.array(SHARES)) <= 1.5).all()
        if counts.sum() >= 3:
            assert counts.min() >= 1


def test_another_seed_deals_other_rows_in_the_same_numbers() -> None:
    labels = np.repeat([0, 1], [700, 50])
    first, second = stratified_split(labels, SHARES, 1), stratified_split(labels, SHARES, 2)
    assert np.bincount(first[:700]).tolist() == np.bincount(second[:700]).tolist() == [504, 98, 98]
    assert np.bincount(first[700:]).tolist() == [36, 7, 7]
    assert (first != second).any()


@pytest.mark.parametrize("shares", [(), (0.5, 0.6), (1.0, 0.0), (0.5, 0.4)])
def test_wrong_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected parts above 0 that sum to 1"):
        stratified_split(np.zeros(4, np.int64), shares, 0)


def together(*parts: FaceDataset) -> FaceDataset:
    votes = [part.votes for part in parts if part.votes is not None]
    return FaceDataset(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.original for part in parts]),
        np.concatenate(votes) if votes else None,
        np.concatenate([part.usage for part in parts]),
    )


def test_a_limit_keeps_the_classes_in_proportion(dataset: Callable[..., FaceDataset]) -> None:
    both = together(dataset(140, 1), dataset(42, 2, "PublicTest"))
    found = divide(both, limit=70, seed=3)
    assert np.bincount(found.training.original).tolist() == [10] * 7
    assert np.bincount(found.validation.original).tolist() == [3] * 7, "half of them, too"
    assert found.test is None
    assert found.counts == {"training": 140, "validation": 42, "twins_left_out": 0}
    other = divide(both, limit=70, seed=4)
    assert not np.array_equal(found.training.images, other.training.images)
    assert len(divide(both, limit=140, seed=3).validation) == 42
    assert len(divide(both, limit=7, seed=3).validation) == 7, "one of a class remains"
    with pytest.raises(DatasetError, match="limit of 3 rows is too low for 7 classes"):
        divide(both, limit=3, seed=3)


def test_a_place_depends_on_the_picture_alone(faces: Faces) -> None:
    pictures = faces(300)
    places = hash_places(pictures)
    plain = np.array([0, 7], np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    assert hash_places(plain) == pytest.approx([0.811572, 0.637771], abs=1e-6), "on every machine"
    assert np.array_equal(hash_places(pictures[::-1]), places[::-1])
    assert 0.4 < places.mean() < 0.6
    assert len(hash_places(pictures[:0])) == 0


def test_rows_of_the_training_split_choose_and_the_validation_split_tests(
    dataset: Callable[..., FaceDataset],
) -> None:
    training, public = dataset(300, 1), dataset(28, 2, "PublicTest")
    # Twins of a held-out row and of a test row.
    aside = np.flatnonzero(hash_places(training.images) < 0.2)
    kept = np.flatnonzero(hash_places(training.images) >= 0.2)
    training.images[kept[0]] = training.images[aside[0]][:, ::-1]
    training.images[kept[1]] = public.images[0]
    twins = int((hash_places(training.images[kept[:2]]) >= 0.2).sum())
    found = divide(together(training, public), hold_out=0.2, seed=1)
    assert found.test is not None
    assert np.array_equal(found.test.images, public.images)
    assert found.validation.splits() == {"held out of Training": len(aside) + 2 - twins}
    assert np.isin(aside, np.flatnonzero(hash_places(training.images) < 0.2)).all()
    assert found.counts["twins_left_out"] == twins
    assert len(found.training) == len(kept) - 2
    assert not near_duplicates(found.training.images, found.validation.images).any()
    assert found.counts["test"] == 28


@pytest.mark.parametrize(
    ("rows", "others", "expected"),
    [
        (1400, ("PublicTest",), "held out of Training"),
        (1200, ("PublicTest",), "PublicTest"),  # 96 rows would choose too badly
        (1400, ("PublicTest", "PrivateTest"), "PublicTest"),
    ],
)
def test_what_chooses_by_default(
    dataset: Callable[..., FaceDataset], rows: int, others: tuple[str, ...], expected: str
) -> None:
    parts = [dataset(14, number, split) for number, split in enumerate(others, 2)]
    faces = together(dataset(rows, 1), *parts)
    found = divide(faces, seed=1)
    assert list(found.validation.splits()) == [expected]
    test = [] if found.test is None else list(found.test.splits())
    assert test == [split for split in others if split != expected]


def test_a_share_that_leaves_nothing_on_a_side_is_refused(
    dataset: Callable[..., FaceDataset],
) -> None:
    with pytest.raises(DatasetError, match=r"Cannot hold out 1e-05 of 14 training rows"):
        held_out(dataset(14), 1e-5)
    # Without a validation split, too, the held-out rows choose.
    found = divide(dataset(140), hold_out=0.3, seed=1)
    assert found.test is None
    assert len(found.training) + len(found.validation) == 140

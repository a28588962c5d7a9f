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
    near_duplicates,
    stratified_split,
    without_duplicates,
)

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

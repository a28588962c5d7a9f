"""Targets taught by others: known answers, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.emotion.model_card import ModelCard
from training.datasets.labels import Head
from training.errors import TrainingError
from training.fit import distillation as teachers
from training.fit.distillation import teacher_targets


class Says:
    """A teacher that says the same of every picture, or something else where its left half is
    brighter.
    """

    runtime = "said"

    def __init__(
        self,
        labels: Sequence[str],
        distribution: Sequence[float],
        *,
        when_left_is_bright: Sequence[float] | None = None,
        temperature: float = 1.0,
        side_px: int = 48,
    ) -> None:
        self.card = ModelCard(
            name="teacher",
            labels=tuple(labels),
            input_side_px=side_px,
            crop_scale=1,
            crop_raise=0,
            temperature=temperature,
            uncertain_below=0,
            sha256="",
        )
        self._plain = np.log(distribution)
        self._bright = self._plain if when_left_is_bright is None else np.log(when_left_is_bright)
        self.shapes: list[tuple[int, ...]] = []

    def logits(self, crops: np.ndarray) -> np.ndarray:
        assert crops.dtype == np.uint8
        self.shapes.append(crops.shape)
        half = crops.shape[2] // 2
        bright = crops[:, :, :half].mean(axis=(1, 2)) > crops[:, :, half:].mean(axis=(1, 2))
        return np.where(bright[:, None], self._bright, self._plain)


def head(
    labels: Sequence[str], targets: Sequence[Sequence[float]], known: Sequence[bool] | None = None
) -> Head:
    rows = np.array(targets, dtype=np.float32)
    return Head(
        "emotions",
        tuple(labels),
        rows,
        np.ones(len(rows), bool) if known is None else np.array(known),
    )


def grey(count: int) -> np.ndarray:
    return np.full((count, 48, 48), 100, dtype=np.uint8)


def test_own_and_taught_targets_are_mixed() -> None:
    own = head(("a", "b"), [[1, 0], [0, 1]])
    targets = teacher_targets([Says("ab", [0.8, 0.2])], grey(2), own, share=0.5)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, [[0.9, 0.1], [0.4, 0.6]], atol=1e-6)


def test_the_mean_of_the_teachers_counts() -> None:
    own = head(("a", "b"), [[1, 0]])
    both = [Says("ab", [0.8, 0.2]), Says("ab", [0.4, 0.6])]
    np.testing.assert_allclose(
        teacher_targets(both, grey(1), own, share=1), [[0.6, 0.4]], atol=1e-6
    )


def test_labels_are_matched_by_name() -> None:
    own = head(("a", "b", "c"), [[1, 0, 0]])
    targets = teacher_targets([Says("cab", [0.5, 0.2, 0.3])], grey(1), own, share=1)
    np.testing.assert_allclose(targets, [[0.2, 0.3, 0.5]], atol=1e-6)


def test_what_the_teacher_does_not_know_keeps_its_own_share() -> None:
    own = head(("a", "b", "contempt"), [[0.6, 0.0, 0.4]])
    targets = teacher_targets([Says("ab", [0.25, 0.75])], grey(1), own, share=0.5)
    np.testing.assert_allclose(
        targets, [[0.5 * 0.6 + 0.5 * 0.25 * 0.6, 0.5 * 0.75 * 0.6, 0.4]], atol=1e-6
    )


def test_rows_without_a_label_are_taught_by_the_teacher_alone() -> None:
    own = head(("a", "b", "contempt"), [[1 / 3, 1 / 3, 1 / 3]], [False])
    targets = teacher_targets([Says("ab", [0.25, 0.75])], grey(1), own, share=0.5)
    np.testing.assert_allclose(targets, [[0.25, 0.75, 0]], atol=1e-6)


def test_the_mirrored_view_counts_as_much() -> None:
    pictures = grey(1)
    pictures[:, :, :24] = 200
    own = head(("a", "b"), [[1, 0]])
    teacher = Says("ab", [0.2, 0.8], when_left_is_bright=[0.6, 0.4])
    np.testing.assert_allclose(
        teacher_targets([teacher], pictures, own, share=1), [[0.4, 0.6]], atol=1e-6
    )
    plain = teacher_targets([teacher], pictures, own, share=1, flip=False)
    np.testing.assert_allclose(plain, [[0.6, 0.4]], atol=1e-6)


def test_temperatures_multiply() -> None:
    own = head(("a", "b"), [[1, 0]])
    teacher = Says("ab", [16 / 17, 1 / 17], temperature=2)
    np.testing.assert_allclose(
        teacher_targets([teacher], grey(1), own, share=1), [[0.8, 0.2]], atol=1e-6
    )
    softer = teacher_targets([teacher], grey(1), own, share=1, temperature=2)
    np.testing.assert_allclose(softer, [[2 / 3, 1 / 3]], atol=1e-6)


def test_a_teacher_gets_its_own_size_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "BLOCK", 2)
    teacher = Says("ab", [0.5, 0.5], side_px=64)
    teacher_targets([teacher], grey(3), head(("a", "b"), [[1, 0]] * 3), flip=False)
    assert teacher.shapes == [(2, 64, 64), (1, 64, 64)]


def test_a_teacher_of_other_classes_is_refused() -> None:
    with pytest.raises(
        TrainingError, match="The teacher teacher gives c, d, which the student does not learn"
    ):
        teacher_targets([Says("acd", [0.2, 0.3, 0.5])], grey(1), head(("a", "b"), [[1, 0]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 1.5}, r"Invalid share of the teachers: expected 0 to 1, received 1\.5"),
        (
            {"temperature": 0.0},
            r"Invalid temperature of the teachers: expected a number above 0, received 0\.0",
        ),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        teacher_targets([Says("ab", [0.5, 0.5])], grey(1), head(("a", "b"), [[1, 0]]), **options)


def test_no_teacher_and_other_rows_are_refused() -> None:
    own = head(("a", "b"), [[1, 0]])
    with pytest.raises(TrainingError, match="There is no teacher"):
        teacher_targets([], grey(1), own)
    with pytest.raises(
        TrainingError, match="Expected a picture for each of the 1 rows of emotions, got 2"
    ):
        teacher_targets([Says("ab", [0.5, 0.5])], grey(2), own)


SHARES = st.lists(st.floats(0.01, 1), min_size=4, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    own=SHARES,
    said=SHARES,
    share=st.floats(0, 1),
    known=st.booleans(),
    temperature=st.floats(0.3, 5),
)
def test_targets_stay_distributions(
    own: list[float], said: list[float], share: float, known: bool, temperature: float
) -> None:
    row = np.array(own) / sum(own)
    labels = ("a", "b", "c", "contempt")
    student = head(labels, [row], [known])
    teacher = Says(labels[:3], np.array(said[:3]) / sum(said[:3]), side_px=8)
    targets = teacher_targets(
        [teacher], np.zeros((1, 8, 8), np.uint8), student, share=share, temperature=temperature
    )[0]
    assert targets.sum() == pytest.approx(1, abs=1e-5)
    assert (targets >= 0).all()
    assert targets[3] == pytest.approx(row[3] if known else 0, abs=1e-6)
    if share == 0 and known:
        np.testing.assert_allclose(targets, row, atol=1e-6)

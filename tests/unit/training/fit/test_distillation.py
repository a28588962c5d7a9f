"""Targets taught by others: known answers, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.emotion.classifier import load_network
from detector.emotion.labels import EMOTIONS
from detector.emotion.preprocessing import fitted
from detector.errors import ModelLoadError
from tests.helpers.classifiers import ScriptedClassifier, write_card
from training.architectures import compact
from training.datasets.faces import VOTE_LABELS
from training.datasets.labels import FITTED_TO_ORIGINAL, Head, one_hot
from training.errors import TrainingError
from training.fit import distillation as teachers
from training.fit.distillation import (
    find_teachers,
    load_teachers,
    taught,
    taught_once,
    teacher_targets,
)
from training.release.export import serving_network


class Says(ScriptedClassifier):
    """A teacher that says the same of every picture, or something else where its left half is
    brighter.
    """

    def __init__(
        self,
        labels: Sequence[str],
        distribution: Sequence[float],
        *,
        when_left_is_bright: Sequence[float] | None = None,
        **card: float,
    ) -> None:
        super().__init__("teacher", labels=tuple(labels), **card)
        self._plain = np.log(distribution)
        self._bright = self._plain if when_left_is_bright is None else np.log(when_left_is_bright)

    def answer(self, crops: np.ndarray) -> np.ndarray:
        assert crops.dtype == np.uint8
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
    teacher = Says("ab", [0.5, 0.5], input_side_px=64)
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
    teacher = Says(labels[:3], np.array(said[:3]) / sum(said[:3]), input_side_px=8)
    targets = teacher_targets(
        [teacher], np.zeros((1, 8, 8), np.uint8), student, share=share, temperature=temperature
    )[0]
    assert targets.sum() == pytest.approx(1, abs=1e-5)
    assert (targets >= 0).all()
    assert targets[3] == pytest.approx(row[3] if known else 0, abs=1e-6)
    if share == 0 and known:
        np.testing.assert_allclose(targets, row, atol=1e-6)


class Sure(ScriptedClassifier):
    """Sure of one emotion, whatever it is shown."""

    def __init__(self, emotion: str, fitted_to: str) -> None:
        framing = {"crop_scale": 1.18, "crop_raise": 0.1}
        super().__init__("teacher", **framing, calibration={"fitted_to": fitted_to})
        self._says = np.where(np.array(EMOTIONS) == emotion, 50.0, 0.0)

    def answer(self, crops: np.ndarray) -> np.ndarray:
        return np.tile(self._says, (len(crops), 1))


def test_each_teacher_teaches_the_head_whose_labels_it_follows(
    faces: Callable[..., np.ndarray],
) -> None:
    known = np.array([True, True, False])
    votes = Head("votes", VOTE_LABELS, one_hot(np.array([3, 4, -1]), 8), known)
    original = Head("original", EMOTIONS, one_hot(np.array([0, 1, 2]), 7), np.ones(3, bool), 0.6)
    by_votes, by_labels = (
        Sure("surprise", "the distribution of the votes"),
        Sure("fear", "the original labels"),
    )
    first, second = taught((votes, original), faces(3), [by_votes, by_labels])
    assert first.known.all(), "a teacher has something to say of every row"
    np.testing.assert_allclose(
        first.targets[:, EMOTIONS.index("surprise")], [0.7, 0.7, 1], atol=1e-6
    )
    assert first.targets[0, 3] == pytest.approx(0.3)
    assert second.targets[:, EMOTIONS.index("fear")] == pytest.approx([0.7, 0.7, 1])
    assert second.loss_weight == 0.6
    alone, untouched = taught((votes, original), faces(3), [by_votes])
    assert untouched is original
    np.testing.assert_array_equal(alone.targets, first.targets)
    assert taught((votes,), faces(3), []) == (votes,)


def write_model(network: keras.Model, head: Head, path: Path, fitted_to: str = "") -> None:
    serving_network(network, head, EMOTIONS).save(path)
    write_card(
        path,
        input_side_px=24,
        crop_scale=1.18,
        crop_raise=0.1,
        temperature=1.3,
        calibration={"fitted_to": fitted_to},
    )


@pytest.fixture(scope="module")
def two_heads(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Head, Head]]:
    """Both models of one small training, and the heads of its student, for 10 rows."""
    heads = tuple(
        replace(head(labels, np.full((10, len(labels)), 1 / len(labels))), name=name)
        for name, labels in (("votes", VOTE_LABELS), ("original", EMOTIONS))
    )
    keras.utils.set_random_seed(4)
    network = compact.build({"votes": 8, "original": 7}, side_px=24, widths=(8, 8, 8))
    path = tmp_path_factory.mktemp("teachers") / "large.keras"
    write_model(network, heads[0], path)
    write_model(network, heads[1], path.with_name("large-original.keras"), FITTED_TO_ORIGINAL)
    return path, (heads[0], heads[1])


def test_naming_a_teacher_names_both_of_its_heads(
    two_heads: tuple[Path, tuple[Head, Head]],
) -> None:
    path, heads = two_heads
    both = (path, path.with_name("large-original.keras"))
    assert find_teachers([str(path)], heads) == both
    assert find_teachers([str(model) for model in both], heads) == both
    assert find_teachers([str(path)], heads[:1]) == both[:1]
    with pytest.raises(TrainingError, match="The teacher large gives angry, disgust"):
        find_teachers([str(path)], (head(["happy", "sad"], [[1, 0]]),))
    with pytest.raises(ModelLoadError, match="There is no model 'nobody'"):
        find_teachers(["nobody"], heads)


def test_two_heads_of_one_network_share_its_work_and_answer_as_the_files_do(
    two_heads: tuple[Path, tuple[Head, Head]],
    faces: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, heads = two_heads
    asked: list[int] = []

    def predict(network: keras.Model, pictures: np.ndarray) -> np.ndarray:
        asked.append(len(pictures))
        return np.asarray(network(pictures))

    monkeypatch.setattr(teachers, "predict", predict)
    models = find_teachers([str(path)], heads)
    loaded = load_teachers(models)
    crops = fitted(faces(3), 24)
    for model, teacher in zip(models, loaded, strict=True):
        expected = np.asarray(load_network(model)(crops[..., None].astype(np.float32)))
        np.testing.assert_allclose(teacher.logits(crops), expected, atol=1e-5)
    assert asked == [3], "not once for each head"


def test_answers_are_kept_for_a_resumed_run(
    two_heads: tuple[Path, tuple[Head, Head]],
    faces: Callable[..., np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, heads = two_heads
    models = find_teachers([str(path)], heads)
    heads = (heads[0], replace(heads[1], known=np.arange(10) < 9))
    images = faces(10)
    first = taught_once(heads, images, models, tmp_path)
    assert not np.allclose(first[0].targets, heads[0].targets)
    monkeypatch.setattr(teachers, "load_teachers", lambda _models: pytest.fail("asked again"))
    again = taught_once(heads, images, models, tmp_path)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(one.known, other.known)
    assert again[1].known.all()
    assert taught_once(heads, images, (), tmp_path) == heads
    with pytest.raises(pytest.fail.Exception, match="asked again"):
        taught_once(heads, images[::-1], models, tmp_path)

"""Which rows an epoch draws, and what a batch holds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from tests.helpers.face_crops import demo_face
from training.datasets.labels import Head, one_hot
from training.datasets.landmarks import Landmarks, find_landmarks
from training.datasets.warping import frame_points
from training.fit.augmentation import NO_AUGMENTATION, Augmentation, augment, mixup
from training.fit.batches import FaceBatches, Rows, draw_rows, draw_shares
from training.fit.expressions import Expressions

Faces = Callable[..., np.ndarray]


def head(labels: np.ndarray, classes: int = 3, name: str = "emotions") -> Head:
    return Head(name, tuple("abcdefgh"[:classes]), one_hot(labels, classes), labels >= 0)


def batches(images: np.ndarray, heads: list[Head], **options: object) -> FaceBatches:
    settings = {
        "side_px": 20,
        "batch_size": 8,
        "balance": 0.0,
        "seed": 5,
        "epoch": 0,
        "strength": lambda _: NO_AUGMENTATION,
    }
    known = {name: options.pop(name) for name in ("landmarks", "expressions") if name in options}
    rows = Rows(images, tuple(heads), **known)  # type: ignore[arg-type]
    return FaceBatches(rows, **(settings | options))  # type: ignore[arg-type]


def test_one_hot_of_a_missing_label_is_uniform() -> None:
    np.testing.assert_allclose(one_hot(np.array([1, -1]), 4), [[0, 1, 0, 0], [0.25] * 4])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.floats(0, 1))
def test_shares_sum_to_one_and_favour_the_rare(labels: list[int], balance: float) -> None:
    classes = np.array(labels)
    shares = draw_shares(classes, balance)
    assert shares.sum() == pytest.approx(1)
    counts = np.bincount(classes)
    of_class = {label: shares[classes == label].sum() for label in set(labels)}
    for one, share in of_class.items():
        for other, other_share in of_class.items():
            assert share / other_share == pytest.approx(
                (counts[one] / counts[other]) ** (1 - balance)
            )


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=60), st.integers(0, 1000))
def test_rows_come_as_often_as_their_share_says(weights: list[float], seed: int) -> None:
    shares = np.array(weights) / np.sum(weights)
    rows = draw_rows(shares, np.random.default_rng(seed))
    assert len(rows) == len(shares)
    expected = shares * len(shares)
    drawn = np.bincount(rows, minlength=len(shares))
    assert (drawn >= np.floor(expected - 1e-9)).all()
    assert (drawn <= np.ceil(expected + 1e-9)).all()


def test_an_unbalanced_epoch_holds_every_row_once_and_the_last_batch_is_short(faces: Faces) -> None:
    images = faces(21)
    epoch = batches(images, [head(np.arange(21) % 3)])
    assert len(epoch) == 3
    seen = [epoch[index] for index in range(3)]
    assert [len(pictures) for pictures, _, _ in seen] == [8, 8, 5]
    assert sorted(epoch._order.tolist()) == list(range(21))
    for index, (pictures, targets, weights) in enumerate(seen):
        rows = epoch._order[index * 8 : index * 8 + 8]
        assert pictures.shape[1:] == (20, 20, 1)
        assert targets["emotions"].argmax(axis=1).tolist() == (rows % 3).tolist()
        assert (weights["emotions"] == 1).all()


def test_whole_batches_only_and_the_same_from_several_threads(faces: Faces) -> None:
    heads = [head(np.arange(21) % 3)]
    vary = {"strength": lambda _: Augmentation()}
    one, several = (
        batches(faces(21), heads, only_whole=True, threads=threads, **vary) for threads in (1, 3)
    )
    assert len(one) == len(several) == 2
    assert (one.workers, several.workers) == (1, 3)
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(several.__getitem__, [1, 0, 1, 0]))
    for (pictures, targets, _), index in zip(made, [1, 0, 1, 0], strict=True):
        assert np.array_equal(pictures, one[index][0])
        assert np.array_equal(targets["emotions"], one[index][1]["emotions"])


def test_a_row_that_says_nothing_to_a_head_weighs_nothing_there(faces: Faces) -> None:
    known = np.array([0, 1, -1, 2, -1, 1, 0, 2])
    epoch = batches(
        faces(8), [head(known, name="votes"), head(np.arange(8) % 2, 2, name="original")]
    )
    _, targets, weights = epoch[0]
    assert set(targets) == set(weights) == {"votes", "original"}
    assert weights["votes"].tolist() == (known[epoch._order] >= 0).astype(float).tolist()
    assert (weights["original"] == 1).all()


def test_rare_classes_are_drawn_more_often(faces: Faces) -> None:
    labels = np.array([0] * 90 + [1] * 10)
    drawn = [
        (labels[batches(faces(100), [head(labels, 2)], balance=b)._order] == 1).mean()
        for b in (0.0, 0.5, 1.0)
    ]
    assert drawn[0] == pytest.approx(0.1)
    assert drawn[1] == pytest.approx(0.25, abs=0.01)
    assert drawn[2] == pytest.approx(0.5, abs=0.01)


def test_batches_repeat_by_seed_and_differ_by_epoch(faces: Faces) -> None:
    images, heads = faces(24), [head(np.arange(24) % 3)]

    def first(seed: int, epoch: int) -> bytes:
        return batches(images, heads, seed=seed, epoch=epoch, strength=lambda _: Augmentation())[0][
            0
        ].tobytes()

    assert first(1, 0) == first(1, 0)
    assert len({first(1, 0), first(1, 1), first(2, 0)}) == 3
    going_on = batches(images, heads, seed=1, strength=lambda _: Augmentation())
    going_on.on_epoch_end()
    assert going_on[0][0].tobytes() == first(1, 1), "a resumed run sees what it would have seen"


def test_the_strength_is_that_of_the_step(faces: Faces) -> None:
    images = faces(16)
    asked: list[int] = []

    def strength(step: int) -> Augmentation:
        asked.append(step)
        return Augmentation() if step == 3 else NO_AUGMENTATION

    epoch = batches(images, [head(np.arange(16) % 3)], epoch=1, strength=strength)
    for index, chosen in ((0, NO_AUGMENTATION), (1, Augmentation())):
        rng = np.random.default_rng([5, 1, index])
        expected = augment(images[epoch._order[8 * index : 8 * index + 8]], 20, chosen, rng)
        np.testing.assert_array_equal(epoch[index][0], expected)
    assert asked == [2, 3]


def test_mixup_blends_pictures_labels_and_weights_alike(faces: Faces) -> None:
    pictures = faces(6).astype(np.float32)[..., None]
    targets, weights = one_hot(np.arange(6) % 3, 3), np.array([1, 0, 1, 1, 0, 1], np.float32)
    before = pictures.copy(), targets.copy(), weights.copy()
    mixup(pictures, [targets, weights], 0.4, np.random.default_rng(1))
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    for row in range(6):
        own = np.corrcoef(pictures[row].ravel(), before[0][row].ravel())[0, 1]
        assert own > 0.5, "the picture itself has at least half of the weight"
    # The share that explains the labels explains the picture.
    rng = np.random.default_rng(1)
    share = np.maximum(s := rng.beta(0.4, 0.4, size=6).astype(np.float32), 1 - s)
    partner = rng.permutation(6)
    for values, original in zip((pictures, targets, weights), before, strict=True):
        shape = share.reshape(-1, *([1] * (values.ndim - 1)))
        np.testing.assert_allclose(
            values, shape * original + (1 - shape) * original[partner], rtol=1e-4, atol=1e-4
        )


def test_batches_are_blended_when_asked(faces: Faces) -> None:
    heads = [head(np.arange(16) % 3)]
    blended = batches(faces(16), heads, strength=lambda _: replace(NO_AUGMENTATION, mixup=0.4))[0][
        1
    ]["emotions"]
    assert ((blended > 0) & (blended < 1)).any()
    assert heads[0].targets.max() == 1, "the rows themselves stay as they are"


def test_expressions_change_pictures_and_targets_of_some_faces(faces: Faces) -> None:
    count, side = 24, 48
    points = np.random.default_rng(0).uniform(4, 44, (63, 2))
    around = np.vstack([points, frame_points(side)])
    movements = np.zeros((1, 63, 2), dtype=np.float32)
    movements[0, :10] = (2, 0)
    expressive = np.arange(count) % 2 == 0
    expressions = Expressions(
        movements,
        expressive[:, None].astype(np.float32),
        np.repeat(np.eye(2, dtype=np.float32)[None], count, axis=0),
        np.repeat(points[None].astype(np.float32), count, axis=0),
        Delaunay(around).simplices.astype(np.int64),
    )
    labels = np.full((count, 2), 0.5, dtype=np.float32)
    one = Head("votes", ("happy", "neutral"), labels, np.ones(count, dtype=np.bool_))
    images = np.repeat(faces(1, 3), count, axis=0)
    varied = {
        "strength": lambda _: replace(NO_AUGMENTATION, expression=0.8, expression_share=1.0),
        "expressions": expressions,
        "side_px": side,
        "batch_size": count,
    }
    pictures, targets, _ = batches(images, [one], **varied)[0]
    rows = draw_rows(np.full(count, 1 / count), np.random.default_rng([5, 0]))
    changed = (np.abs(pictures[..., 0] - images[rows]) > 1).any(axis=(1, 2))
    np.testing.assert_array_equal(changed, expressive[rows])
    calm = targets["votes"][:, 1]
    assert (calm[~changed] == 0.5).all()
    assert 0 < (calm < 0.45).sum() < changed.sum()
    np.testing.assert_allclose(targets["votes"].sum(axis=1), 1, atol=1e-6)
    # The rows themselves are as they were, and the draw is repeated.
    assert (labels == 0.5).all()
    again = batches(images, [one], **varied)[0]
    np.testing.assert_array_equal(again[0], pictures)
    plain = batches(images, [one], **(varied | {"strength": lambda _: NO_AUGMENTATION}))[0]
    np.testing.assert_array_equal(plain[0][..., 0], images[rows])


def test_a_share_of_the_faces_is_covered(faces: Faces) -> None:
    count, side = 200, 48
    points = np.repeat(find_landmarks(demo_face()[None]).points, count, axis=0)
    scores = np.where(np.arange(count) < 150, 1, 0).astype(np.float32)
    images, heads = np.repeat(demo_face()[None], count, axis=0), [head(np.arange(count) % 3)]
    covered = {
        "strength": lambda _: replace(NO_AUGMENTATION, cover_share=0.4),
        "landmarks": Landmarks(points, scores),
        "side_px": side,
        "batch_size": count,
        "balance": 0,
    }
    pictures, targets, _ = batches(images, heads, **covered)[0]
    rows = draw_rows(np.full(count, 1 / count), np.random.default_rng([5, 0]))
    changed = (pictures[..., 0] != demo_face()).any(axis=(1, 2))
    assert not changed[rows >= 150].any(), "without landmarks there is no place to draw"
    assert 0.25 < changed[rows < 150].mean() < 0.55
    # Masks hide mouths, hats hide foreheads, glasses and hands something else.
    lower = (pictures[changed, 40:, 20:28, 0] != demo_face()[40:, 20:28]).any(axis=(1, 2)).mean()
    upper = (pictures[changed, :6, 20:28, 0] != demo_face()[:6, 20:28]).any(axis=(1, 2)).mean()
    assert 0.1 < lower < 0.9
    assert 0.1 < upper < 0.9
    np.testing.assert_array_equal(targets["emotions"], heads[0].targets[rows])
    assert (images == demo_face()).all(), "the rows themselves stay as they are"

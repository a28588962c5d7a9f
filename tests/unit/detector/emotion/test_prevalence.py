"""Shares of expressions in an audience: known answers, properties, and a simulated classifier."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detector.emotion.classifier import LiteRTClassifier, classify
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card
from detector.emotion.model_store import DEFAULT_MODEL, find_model, shipped_default
from detector.emotion.prevalence import (
    GROUPS,
    PrevalenceCalibration,
    calibration_of,
    corrected_valence,
    fit_calibration,
    group_scores,
    linear_scores,
    linear_weights,
    reweighted,
    score_terms,
    shares,
)
from training.datasets.reading import read_dataset
from training.evaluation.evaluate import select

SHIPPED = read_card(shipped_default()).prevalence
PROBABILITIES = arrays(np.float64, (5, 7), elements=st.floats(1e-6, 1)).map(
    lambda p: p / p.sum(axis=1, keepdims=True)
)

MIX = np.array([0.09, 0.01, 0.03, 0.28, 0.14, 0.13, 0.32])
"""Faces of a training set, as FER2013 has them."""

CROWDS = {
    "85 neutral, 10 happy, 5 other": ([6, 3, 0, 1, 2, 4, 5], [0.85, 0.10] + [0.01] * 5),
    "97 neutral, 3 happy": ([6, 3], [0.97, 0.03]),
    "neutral": ([6], [1.0]),
    "18 angry": ([6, 3, 0, 5], [0.73, 0.07, 0.18, 0.02]),
    # As mixed as in the calibration: a class is as its members were there.
    "18 sad": ([6, 3, 1, 2, 4, 5], [0.73, 0.07, 0.01, 0.03, 0.14, 0.02]),
}


@pytest.fixture(scope="module")
def classifier():
    """A classifier with calibrated probabilities: faces in, posteriors for `MIX` out."""
    concentration = 0.3 + 2.5 * np.eye(7)
    concentration[4, 6] = concentration[6, 4] = 1.2  # sad and neutral are mixed up

    def look(truth, rng):
        seen = rng.dirichlet(np.ones(7), len(truth))
        for emotion in range(7):
            mine = truth == emotion
            seen[mine] = rng.dirichlet(concentration[emotion], mine.sum())
        seen = np.maximum(seen, 1e-9)
        # The exact posterior of a face that looks like this, by Bayes' rule.
        likelihood = np.stack(
            [
                ((row - 1) * np.log(seen)).sum(axis=1)
                + math.lgamma(row.sum())
                - sum(map(math.lgamma, row))
                for row in concentration
            ],
            axis=1,
        )
        posterior = np.exp(likelihood - likelihood.max(axis=1, keepdims=True)) * MIX
        return posterior / posterior.sum(axis=1, keepdims=True)

    rng = np.random.default_rng(1)
    truth = rng.choice(7, 4000, p=MIX)
    return look, fit_calibration(look(truth, rng), truth)


def crowd(name, faces, rng):
    emotions, parts = CROWDS[name]
    return np.repeat(emotions, np.diff(np.round(np.cumsum([0, *parts]) * faces).astype(int)))


def true_shares(truth):
    return group_scores_of_certain(np.eye(7)[truth]).mean(axis=0)


def group_scores_of_certain(p):
    happy, surprise, neutral = p[:, 3], p[:, 5], p[:, 6]
    return np.column_stack([happy, surprise, p[:, [0, 1, 2, 4]].sum(axis=1), neutral])


@pytest.mark.parametrize("name", CROWDS)
@pytest.mark.parametrize("faces", [60, 500])
def test_shares_of_a_crowd_are_right(classifier, name, faces):
    look, calibration = classifier
    rng = np.random.default_rng(2)
    truth = crowd(name, faces, rng)
    # Sad faces scatter most, so a crowd with more of them does too.
    allowed = {60: 0.15, 500: 0.10}[faces] * (1.5 if name == "18 sad" else 1)
    right = true_shares(truth)
    found, valences, plain = [], [], []
    for _ in range(200):
        p = look(truth, rng)
        mean = group_scores(p, calibration).mean(axis=0)
        found.append(np.abs(shares(mean) - right).sum())
        valences.append(corrected_valence(mean))
        plain.append(np.abs(group_scores_of_certain(p).mean(axis=0) - right).sum())
    assert np.mean(found) <= allowed
    assert np.mean(valences) == pytest.approx(right[0] - right[2], abs=0.02)
    assert np.mean(plain) > 1.2 * np.mean(found)  # what the plain means say


def most_likely_mix(p: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return the mix of an audience by expectation maximisation, to check scores against.

    Source: Saerens, Latinne and Decaestecker 2002, eq. 9.
    """
    mix = np.asarray(prior) / np.sum(prior)
    for _ in range(2000):
        found = reweighted(p, prior, mix).mean(axis=0)
        done = float(np.abs(found - mix).max()) < 1e-7
        mix = found
        if done:
            break
    return mix


@pytest.mark.parametrize("name", CROWDS)
def test_the_other_estimates_agree(classifier, name):
    look, calibration = classifier
    rng = np.random.default_rng(3)
    truth = crowd(name, 5000, rng)
    right = true_shares(truth)
    p = look(truth, rng)
    linear = linear_scores(p.sum(axis=0), calibration) / len(p)
    np.testing.assert_allclose(linear, right, atol=0.06)
    mix = most_likely_mix(p, MIX)
    assert mix.sum() == pytest.approx(1)
    np.testing.assert_allclose(group_scores_of_certain(mix[None])[0], right, atol=0.03)


def test_a_mean_of_scores_of_the_calibration_faces_is_their_mix(classifier):
    look, _ = classifier
    rng = np.random.default_rng(4)
    truth = rng.choice(7, 700, p=MIX)
    p = look(truth, rng)
    calibration = fit_calibration(p, truth)
    # Exact up to the rounding of the card, because these faces made the confusion.
    mean = group_scores(p, calibration).mean(axis=0)
    np.testing.assert_allclose(mean, true_shares(truth), atol=1e-4)
    np.testing.assert_allclose(
        linear_scores(p.mean(axis=0), calibration), true_shares(truth), atol=1e-4
    )


@given(PROBABILITIES)
@settings(max_examples=50, deadline=None)
def test_scores_add_up_and_are_additive(p):
    for scores in (group_scores(p, SHIPPED), linear_scores(p, SHIPPED)):
        np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(
        linear_scores(p.sum(axis=0), SHIPPED), linear_scores(p, SHIPPED).sum(axis=0), atol=1e-9
    )
    weights, matrix = score_terms(SHIPPED)
    found = (p * weights) @ matrix / (p @ weights)[:, None]
    np.testing.assert_allclose(found, group_scores(p, SHIPPED), atol=1e-9)
    np.testing.assert_allclose(p @ linear_weights(SHIPPED), linear_scores(p, SHIPPED))


@given(arrays(np.float64, 4, elements=st.floats(-0.5, 1.5)).map(lambda s: s - (s.sum() - 1) / 4))
@settings(max_examples=50, deadline=None)
def test_shares_lie_on_the_simplex(scores):
    found = shares(scores)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    assert (found[scores <= 0] == 0).all()


def test_shares_that_are_right_already_stay():
    np.testing.assert_array_equal(shares([0.5, 0.25, 0.25, 0.0]), [0.5, 0.25, 0.25, 0.0])


def test_reweighting_by_hand():
    # Twice as rare as in training: 1/2 and 1/2 become 1/3 and 2/3.
    p = np.array([0.5, 0, 0, 0, 0, 0, 0.5])
    prior, new = np.full(7, 1 / 7), np.array([0.5, 1, 1, 1, 1, 1, 1]) / 6.5
    np.testing.assert_allclose(reweighted(p, prior, new), [1 / 3, 0, 0, 0, 0, 0, 2 / 3])


def test_a_face_without_an_emotion_has_no_score():
    assert np.isnan(group_scores(np.full((2, 7), np.nan), SHIPPED)).all()
    assert np.isnan(shares(np.full(4, np.nan))).all()


def test_a_neutral_face_has_about_zero_valence_and_others_the_right_sign():
    by_name = dict(zip(EMOTIONS, np.full((7, 7), 0.02) + 0.86 * np.eye(7), strict=True))
    valence = {
        name: float(corrected_valence(group_scores(p, SHIPPED))) for name, p in by_name.items()
    }
    assert valence["happy"] > 0.8
    assert abs(valence["neutral"]) < 0.1
    assert max(valence[name] for name in ("angry", "disgust", "fear", "sad")) < -0.3


def test_every_shipped_card_has_a_calibration_that_older_cards_find_by_checksum():
    for name in (DEFAULT_MODEL, f"{DEFAULT_MODEL}-original"):
        card = read_card(find_model(name))
        stored = json.loads(json.dumps(card.model_dump(mode="json")))
        assert calibration_of(stored) == card.prevalence is not None
        del stored["prevalence"]
        assert calibration_of(stored) == card.prevalence
        assert calibration_of(stored | {"prevalence": None}) == card.prevalence
    assert calibration_of({"sha256": "ab"}) is None
    assert calibration_of({}) is None
    assert calibration_of(None) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prior": (0.5, 0.5)}, "7 numbers"),
        ({"prior": (0.0, 0.1, 0.1, 0.2, 0.2, 0.2, 0.2)}, "above 0"),
        ({"prior": (0.9,) * 7}, "add up to 1"),
        ({"confusion": ((1.0, 0.0), (0.0, 1.0))}, "5 rows of 5"),
        ({"plain_confusion": ((0.5,) * 5,) * 5}, "add up to 1"),
        ({"confusion": ((0.2,) * 5,) * 5}, "tell the classes apart"),
    ],
)
def test_impossible_calibrations_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        PrevalenceCalibration(**{**asdict(SHIPPED), **change})


def test_a_fit_needs_every_class():
    p = np.eye(7)[[3, 5, 6, 0]] * 0.9 + 0.1 / 7
    with pytest.raises(ValueError, match="no other negative one"):
        fit_calibration(p, [3, 5, 6, 0])


def test_groups_are_the_main_four():
    assert GROUPS == ("happy", "surprise", "negative", "neutral")


# --- held-aside faces -----------------------------------------------------------------------------

CONDITIONS = {
    "clean": lambda face: face,
    "blur 1.0": lambda face: cv2.GaussianBlur(face, (0, 0), 1.0),
    "quarter light": lambda face: (face * 0.25).astype(np.uint8),
    "24 px": lambda face: cv2.resize(
        cv2.resize(face, (24, 24), interpolation=cv2.INTER_AREA),
        (48, 48),
        interpolation=cv2.INTER_LINEAR,
    ),
}


@pytest.fixture(scope="module")
def labelled(dataset_folder):
    """PublicTest with FER+'s majority: emotion of each face, and its probabilities when degraded."""
    votes = dataset_folder / "fer2013new.csv"
    faces = read_dataset(find_table(dataset_folder), votes, side_px=48, seed=0).split("validation")
    chosen = select(faces, "majority", EMOTIONS, EMOTIONS)
    model = shipped_default()
    classifier = LiteRTClassifier(model.with_suffix(".tflite"), read_card(model))

    def classified(condition, every=1):
        rows = chosen.rows[::every]
        return chosen.truth[::every], classify(
            classifier, np.array([CONDITIONS[condition](face) for face in faces.images[rows]])
        )

    return classified


def find_table(folder):
    return next(path for path in sorted(folder.glob("fer2013.csv*")))


def crowd_errors(truth, clean, degraded, name, faces, *, splits, crowds, seed):
    """Sums of absolute errors of the shares, and errors of corrected valence, of crowds from the
    half of the faces that did not calibrate.
    """
    emotions, parts = CROWDS[name]
    rng = np.random.default_rng(seed)
    wrong, valence = [], []
    for _ in range(splits):
        order = rng.permutation(len(truth))
        calibrates, drawn = np.array_split(order, 2)
        calibration = fit_calibration(clean[calibrates], truth[calibrates])
        scores = group_scores(degraded, calibration)
        # "Other" faces are drawn as they come, so that rare emotions stay rare.
        others = [emotion for emotion, part in zip(emotions, parts, strict=True) if part <= 0.01]
        kinds = [([e], part) for e, part in zip(emotions, parts, strict=True) if part > 0.01]
        kinds += [(others, sum(part for part in parts if part <= 0.01))] if others else []
        for _ in range(crowds):
            people = np.concatenate(
                [
                    rng.choice(drawn[np.isin(truth[drawn], kind)], round(faces * part))
                    for kind, part in kinds
                ]
            )
            right, mean = true_shares(truth[people]), scores[people].mean(axis=0)
            wrong.append(np.abs(shares(mean) - right).sum())
            valence.append(float(corrected_valence(mean)) - (right[0] - right[2]))
    return np.array(wrong), np.array(valence)


def check_crowds(truth, clean, degraded, condition, **how):
    for name in ("85 neutral, 10 happy, 5 other", "97 neutral, 3 happy"):
        for faces, allowed in ((60, 0.15), (500, 0.10 if condition == "clean" else 0.12)):
            wrong, valence = crowd_errors(truth, clean, degraded, name, faces, seed=15, **how)
            where = f"{name}, {faces} faces, {condition}: {wrong.mean():.3f} {valence.mean():+.3f}"
            assert wrong.mean() <= allowed, where
            assert np.abs(valence).mean() <= 0.03, where
            assert abs(valence.mean()) <= 0.015, where
            if faces == 500:
                assert (np.abs(valence) <= 0.03).mean() >= 0.9, where


def test_crowds_of_held_aside_faces(labelled):
    truth, clean = labelled("clean", every=2)
    for condition in ("clean", "blur 1.0"):
        degraded = clean if condition == "clean" else labelled(condition, every=2)[1]
        check_crowds(truth, clean, degraded, condition, splits=12, crowds=20)


@pytest.mark.slow
@pytest.mark.parametrize("condition", CONDITIONS)
def test_crowds_of_held_aside_faces_in_bad_conditions(labelled, condition):
    truth, clean = labelled("clean")
    check_crowds(truth, clean, labelled(condition)[1], condition, splits=20, crowds=50)


@pytest.mark.slow
def test_the_calibration_of_the_card_is_that_of_the_data(labelled):
    truth, clean = labelled("clean")
    fitted = fit_calibration(clean, truth, "PublicTest, majority")
    # The card's is fitted to the network; its 8-bit form, which classifies here, differs a little.
    for name in ("prior", "confusion", "plain_confusion"):
        np.testing.assert_allclose(getattr(fitted, name), getattr(SHIPPED, name), atol=2e-3)

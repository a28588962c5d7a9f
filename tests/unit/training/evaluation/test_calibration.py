"""Bins, temperature and threshold by known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.calibration import (
    TEMPERATURES,
    calibration_error,
    fit_temperature,
    reliability_bins,
    uncertain_threshold,
)


def test_perfect_calibration_has_no_error() -> None:
    confidence = np.repeat([0.5, 0.75, 1.0], 100)
    correct = np.concatenate([np.repeat([1, 0], 50), np.repeat([1, 0], [75, 25]), np.ones(100)])
    assert calibration_error(confidence, correct) == pytest.approx(0)


@pytest.mark.parametrize(
    ("confidence", "correct", "expected"),
    [
        ([1.0, 1.0], [0, 0], 1.0),
        ([0.9, 0.9, 0.9, 0.9], [1, 1, 0, 0], 0.4),
        ([0.2, 0.2], [1, 1], 0.8),
        # Two bins of 3 and 1 rows: |0.8 * 3 - 3| and |0.4 - 0|, over 4 rows.
        ([0.8, 0.8, 0.8, 0.4], [1, 1, 1, 0], (0.6 + 0.4) / 4),
        # In one bin, too sure and too unsure cancel each other out.
        ([0.68, 0.72], [0, 1], abs(1.4 - 1) / 2),
        # The share of the votes stands for the accuracy.
        ([0.6, 0.6], [0.6, 0.6], 0.0),
    ],
)
def test_calibration_error_by_hand(
    confidence: list[float], correct: list[float], expected: float
) -> None:
    assert calibration_error(np.array(confidence), np.array(correct, dtype=float)) == pytest.approx(
        expected
    )


def test_the_number_of_bins_counts() -> None:
    confidence, correct = np.array([0.1, 0.9]), np.array([1.0, 0.0])
    assert calibration_error(confidence, correct, bins=1) == pytest.approx(0)
    assert calibration_error(confidence, correct) == pytest.approx(0.9)
    assert math.isnan(calibration_error(np.zeros(0), np.zeros(0)))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=50))
def test_calibration_error_is_a_share_and_bins_hold_every_row(
    rows: list[tuple[float, float]],
) -> None:
    confidence, correct = np.array(rows).T
    assert 0 <= calibration_error(confidence, correct) <= 1 + 1e-12
    bins = reliability_bins(confidence, correct)
    assert bins.counts.sum() == len(rows)
    assert (bins.counts * bins.confidence).sum() == pytest.approx(confidence.sum())
    assert (bins.counts * bins.correctness).sum() == pytest.approx(correct.sum())


def test_bins_by_hand() -> None:
    bins = reliability_bins(
        np.array([0.0, 0.3, 0.5, 0.5, 1.0]), np.array([0.0, 1.0, 1.0, 0.0, 1.0]), bins=2
    )
    assert bins.counts.tolist() == [2, 3]
    assert bins.confidence.tolist() == pytest.approx([0.15, 2 / 3])
    assert bins.correctness.tolist() == pytest.approx([0.5, 2 / 3])
    assert bins.error == pytest.approx(0.35 * 2 / 5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0, 8.0])
@pytest.mark.parametrize("votes", [1.0, 10.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float, votes: float) -> None:
    distribution = np.random.default_rng(0).dirichlet(np.ones(7), 400)
    logits = temperature * np.log(distribution + 1e-12)
    assert fit_temperature(logits, votes * distribution) == pytest.approx(temperature, rel=0.01)


def test_the_temperature_fits_labels_too() -> None:
    rng = np.random.default_rng(1)
    distribution = rng.dirichlet(np.ones(4), 20_000)
    drawn = (distribution.cumsum(axis=1) > rng.random((len(distribution), 1))).argmax(axis=1)
    assert fit_temperature(2 * np.log(distribution + 1e-12), np.eye(4)[drawn]) == pytest.approx(
        2, rel=0.05
    )


def test_rows_without_a_vote_do_not_count() -> None:
    distribution = np.random.default_rng(0).dirichlet(np.ones(7), 100)
    logits = np.concatenate(
        [2 * np.log(distribution + 1e-12), np.eye(7)[np.zeros(20, dtype=int)] * 50]
    )
    targets = np.concatenate([distribution, np.zeros((20, 7))])
    assert fit_temperature(logits, targets) == pytest.approx(2, rel=0.01)
    assert fit_temperature(logits[100:], targets[100:]) == 1.0


def test_hopeless_logits_stay_in_range() -> None:
    logits, always_wrong = np.array([[100.0, 0.0]] * 5), np.array([[0.0, 1.0]] * 5)
    low, high = TEMPERATURES
    assert fit_temperature(logits, always_wrong) == pytest.approx(high, rel=0.01)
    assert low <= fit_temperature(logits, 1 - always_wrong) <= high


def test_the_threshold_is_where_wrong_outweighs_right() -> None:
    confidence = np.linspace(0.2, 1.0, 801)
    correct = confidence > 0.4
    # All are wrong up to 0.4 and right from there on, so a window around 0.4 holds as many of each.
    assert uncertain_threshold(confidence, correct) == pytest.approx(0.4, abs=0.01)
    shuffled = np.random.default_rng(0).permutation(801)
    assert uncertain_threshold(confidence[shuffled], correct[shuffled]) == pytest.approx(
        0.4, abs=0.01
    )


def test_without_doubt_there_is_no_threshold() -> None:
    confidence = np.linspace(0.2, 1.0, 100)
    assert uncertain_threshold(confidence, np.ones(100, dtype=bool)) == 0.0
    # A handful of unlucky rows is no evidence.
    assert uncertain_threshold(confidence, np.arange(100) >= 8) == 0.0
    assert uncertain_threshold(confidence[:19], np.zeros(19, dtype=bool)) == 0.0

"""What a shadow run says: agreement, shares, intervals by day, and whether it suffices."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from db.read.shadow import ShadowHour
from monitor.analytics.shadow import clustered_ratio, shadow_reports

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 11, 2, 9, tzinfo=UTC)


def hour(day: int, label: str, shadow: str, faces: int, **changes: Any) -> ShadowHour:
    values: dict[str, Any] = {
        "session_id": 1,
        "at": START + timedelta(days=day),
        "model_in_use": "compact-3",
        "model": "compact-4",
        "model_sha256": "ab" * 32,
        "label": label,
        "shadow_label": shadow,
        "faces": faces,
        "sum_valence": 0.2 * faces,
        "sum_shadow_valence": 0.3 * faces,
        "sum_confidence": 0.6 * faces,
        "sum_shadow_confidence": 0.7 * faces,
        "cpu_ms": 1.0 * faces,
        "shadow_cpu_ms": 2.5 * faces,
    }
    return ShadowHour(**(values | changes))


def week(agreeing: int = 160, turned: int = 40, days: int = 7) -> list[ShadowHour]:
    return [
        one
        for day in range(days)
        for one in (
            hour(day, "neutral", "neutral", agreeing + day),
            hour(day, "neutral", "happy", turned),
        )
    ]


def test_a_week_of_two_models() -> None:
    [report] = shadow_reports(week(), UTC)
    assert (report["days"], report["sessions"], report["faces"]) == (7, 1, 1421)
    assert report["agreement"]["value"] == pytest.approx(1141 / 1421)
    assert 0.75 < report["agreement"]["low"] < report["agreement"]["high"] < 0.85
    neutral, happy = report["labels"]
    assert (neutral["label"], neutral["in_use"]) == ("neutral", 1.0)
    assert happy["shadow"] == pytest.approx(280 / 1421)
    assert happy["difference"]["low"] > 0 > neutral["difference"]["high"]
    assert report["disagreements"] == [
        {"label": "neutral", "shadow_label": "happy", "faces": 280, "share": 280 / 1421}
    ]
    assert report["valence"]["difference"]["value"] == pytest.approx(0.1)
    assert report["cpu_ms"]["in_use"] == pytest.approx(1.0)
    assert report["cpu_ms"]["shadow"] == pytest.approx(2.5)
    assert report["suffices"]
    assert report["sentence"].startswith(
        "compact-4 gave the label of compact-3 to 80% of 1,421 faces on 7 days (95% interval"
    )
    assert "That suffices" in report["sentence"]


@pytest.mark.parametrize(
    "rows", [week(days=1), week(days=3), week(agreeing=16, turned=4)], ids=["1", "3", "few faces"]
)
def test_what_does_not_suffice_says_so(rows: list[ShadowHour]) -> None:
    [report] = shadow_reports(rows, UTC)
    assert not report["suffices"]
    assert "does not suffice yet" in report["sentence"]


def test_a_single_day_has_no_interval() -> None:
    [report] = shadow_reports(week(days=1), UTC)
    assert report["agreement"]["low"] is None
    assert "no interval yet from a single day" in report["sentence"]


def test_days_that_differ_make_the_interval_wide() -> None:
    same = [one for day in range(6) for one in (hour(day, "a", "a", 50), hour(day, "a", "b", 50))]
    differing = [hour(day, "a", "a" if day % 2 else "b", 100) for day in range(6)]
    widths = [
        report["agreement"]["high"] - report["agreement"]["low"]
        for rows in (same, differing)
        for report in shadow_reports(rows, UTC)
    ]
    assert widths[0] == pytest.approx(0)
    assert widths[1] > 0.8


def test_each_pair_of_models_has_its_own_report() -> None:
    other = [hour(9, "sad", "sad", 5, model="compact-5", model_sha256="cd" * 32)]
    reports = shadow_reports([*week(), *other], UTC)
    assert [report["shadow_model"] for report in reports] == ["compact-5", "compact-4"]
    assert shadow_reports([], UTC) == []


def test_no_valence_where_a_model_gives_none() -> None:
    [report] = shadow_reports([hour(0, "a", "b", 3, sum_shadow_valence=None)], UTC)
    assert report["valence"] is None


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda pair: (min(pair), pair[1])),
        min_size=2,
        max_size=12,
    )
)
def test_a_share_lies_in_its_interval(clusters: list[tuple[int, int]]) -> None:
    numerators, denominators = np.array(clusters).T
    ratio = clustered_ratio(numerators, denominators, np.arange(len(clusters)))
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= ratio.value <= ratio.high
    assert ratio.value == pytest.approx(numerators.sum() / denominators.sum())


def degrees_by_matrices(share: np.ndarray) -> float:
    """Satterthwaite's degrees of freedom, by the covariance of all pairs of clusters."""
    made = np.diag((1 - share) ** -0.5) @ (
        np.eye(share.size) - np.outer(share, np.ones(share.size))
    )
    covariance = made @ np.diag(share**2) @ made.T
    return float(np.trace(covariance) ** 2 / np.trace(covariance @ covariance))


def test_the_degrees_of_freedom_are_satterthwaites() -> None:
    below = np.array([3.0, 50, 8, 40, 25])
    above = below * [0.5, 0.9, 0.7, 0.8, 0.6]
    ratio = clustered_ratio(above, below, np.arange(5))
    share = below / below.sum()
    changes = (above - ratio.value * below) / below.sum()
    error = math.sqrt((changes**2 / (1 - share)).sum())
    reach = float(student.ppf(0.975, degrees_by_matrices(share)))
    assert ratio.high == pytest.approx(ratio.value + reach * error)
    equal = clustered_ratio([1, 2, 3, 4], [5, 5, 5, 5], np.arange(4))
    plain = student.interval(0.95, 3, 0.5, np.std([0.2, 0.4, 0.6, 0.8], ddof=1) / 2)
    assert (equal.low, equal.high) == pytest.approx(plain)  # as of four independent values


def equal_days(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Faces of ten days, and the share on which two models agree."""
    return random.integers(20, 200, 10), np.clip(random.normal(0.8, 0.05, 10), 0, 1)


def busy_weekend(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.array([100, 100, 100, 100, 100, 400, 400]) * np.exp(random.normal(0, 0.3, 7))
    return sizes.astype(int), random.beta(0.8 * 63, 0.2 * 63, 7)


def restarts(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sessions from seven to thousands of faces."""
    sizes = np.maximum(7, np.exp(random.normal(5, 1, 7)))
    return sizes.astype(int), random.beta(0.8 * 63, 0.2 * 63, 7)


@pytest.mark.slow
@pytest.mark.parametrize("days", [equal_days, busy_weekend, restarts])
def test_intervals_hold_what_they_promise(
    days: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]],
) -> None:
    random = np.random.default_rng(5)
    hits, weeks = 0, 1000
    for _ in range(weeks):
        sizes, shares = days(random)
        agreeing = random.binomial(sizes, shares)
        ratio = clustered_ratio(agreeing, sizes, np.arange(sizes.size))
        assert ratio.low is not None
        assert ratio.high is not None
        hits += ratio.low <= 0.8 <= ratio.high
    assert 0.94 <= hits / weeks <= 0.99


@pytest.mark.parametrize(
    "sizes", [[10_000_000, 352, 38, 32], [864_000, 100, 50], [864_000, 1, 1, 1], [10_000_000, 1]]
)
def test_one_cluster_that_outweighs_the_others_leaves_one_degree_of_freedom(
    sizes: list[int],
) -> None:
    faces = np.array(sizes)
    agreeing = np.round(faces * 0.8)
    agreeing[-1] = 0
    ratio = clustered_ratio(agreeing, faces, np.arange(faces.size))
    others = (faces.sum() - faces) / faces.sum()
    changes = (agreeing - ratio.value * faces) / faces.sum()
    error = math.sqrt((changes**2 / others).sum())
    assert ratio.high is not None
    assert ratio.high - ratio.value == pytest.approx(error * student.ppf(0.975, 1), rel=1e-3)

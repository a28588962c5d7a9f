"""The measures of steadiness on series with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.steadiness import Series, changes_per_minute, delay_s
from detector.emotion.smoothing import ExponentialSmoother

FRAME_NS = 20_000_000


def waves(viewers: int, frames: int, period_s: float) -> Series:
    """Viewers whose strongest emotion changes twice in each period, noisy around the change."""
    noise = np.random.default_rng(0)
    series: Series = {}
    for viewer in range(viewers):
        rows = []
        for n in range(frames):
            level = (
                0.5
                + 0.4 * np.sin(2 * np.pi * (n * FRAME_NS / 1e9 / period_s + 0.1 * viewer))
                + noise.normal(0, 0.05)
            )
            rows.append((n * FRAME_NS, (level, 1 - level)))
        series[viewer] = rows
    return series


def test_changes_are_counted_by_viewer_and_minute() -> None:
    steady = {1: [(n * FRAME_NS, (0.9, 0.1)) for n in range(3001)]}
    flips = {2: [(n * FRAME_NS, (n % 2, 1 - n % 2)) for n in range(3001)]}
    assert changes_per_minute(steady) == 0
    assert changes_per_minute(flips) == pytest.approx(3000)
    assert changes_per_minute(steady | flips) == pytest.approx(1500)
    assert changes_per_minute({}) == 0


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.4])
def test_the_delay_of_a_smoother_is_found(delay: float) -> None:
    raw = waves(2, 1500, period_s=6.0)
    smooth: Series = {}
    for viewer, seen in raw.items():
        smoother = ExponentialSmoother(delay)
        smooth[viewer] = [(when, tuple(smoother.update(np.array(row), when))) for when, row in seen]
    assert delay_s(raw, smooth) == pytest.approx(delay, abs=0.04)
    if delay >= 0.1:
        assert changes_per_minute(smooth) < 0.7 * changes_per_minute(raw)

"""The measures of steadiness on series with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.steadiness import Series, changes_per_minute, delay_s

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
def test_the_delay_of_a_low_pass_is_found(delay: float) -> None:
    from scipy.signal import lfilter  # takes half a second

    raw = waves(2, 1500, period_s=6.0)
    smooth: Series = {}
    kept = np.exp(-FRAME_NS / 1e9 / delay) if delay else 0.0
    for viewer, seen in raw.items():
        rows = np.array([row for _, row in seen])
        low_pass, _ = lfilter([1 - kept], [1, -kept], rows, axis=0, zi=kept * rows[:1])
        smooth[viewer] = [(when, tuple(row)) for (when, _), row in zip(seen, low_pass, strict=True)]
    assert delay_s(raw, smooth) == pytest.approx(delay, abs=0.04)
    if delay >= 0.1:
        assert changes_per_minute(smooth) < 0.7 * changes_per_minute(raw)

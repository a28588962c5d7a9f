"""Sums per viewer and play, and per viewer, play and second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ExposureArrays:
    """One entry per viewer and play in which the viewer was in view; sorted by play, viewer."""

    play_id: NDArray[np.int64]
    viewer_id: NDArray[np.int64]
    readings: NDArray[np.int64]
    emotion_readings: NDArray[np.int64]
    uncertain: NDArray[np.int64]
    dwell_s: NDArray[np.float64]
    attention_s: NDArray[np.float64]
    longest_attention_s: NDArray[np.float64]
    baseline: NDArray[np.float64]
    end_readings: NDArray[np.int64]
    end_happy: NDArray[np.float64]
    sums: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SecondArrays:
    """One entry per viewer, play and second of the ad."""

    play_id: NDArray[np.int64]
    viewer_id: NDArray[np.int64]
    second: NDArray[np.int64]
    readings: NDArray[np.int64]
    attentive: NDArray[np.int64]
    emotion_readings: NDArray[np.int64]
    sums: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which sessions."""

    session_ids: tuple[int, ...] | None = None
    site: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    replays: bool = True

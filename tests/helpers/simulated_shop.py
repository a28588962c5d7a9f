"""Simulated audiences of two ads, as the database's roll-ups give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.formulas import ExposureArrays, SecondArrays
from db.read.sessions import AdInfo, PlayInfo, SessionInfo
from monitor.analytics.report_data import ReportData

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
VALENCE, HAPPY_SCORE = 7, 9


def shop(
    hours: ArrayLike,
    ad: ArrayLike,
    play: ArrayLike,
    values: ArrayLike,
    *,
    viewer: ArrayLike | None = None,
    probability: ArrayLike | float = 1.0,
    policy: str = "shuffle",
) -> ReportData:
    """Make the data of a site with one session a day.

    Args:
        hours: Shape `(p,)`, when plays begin, in hours since Monday 0:00 UTC, rising.
        ad: Shape `(p,)`, which ad, 0 and up.
        play: Shape `(n,)`, which play an exposure belongs to.
        values: Shape `(n,)`, its valence, plain and corrected.
        viewer: Shape `(n,)`, whose it is; None: of a new viewer.
        probability: Shape `(p,)`, with which the ads were chosen by the `policy`.
    """
    hours, ad, play = np.asarray(hours, float), np.asarray(ad), np.asarray(play)
    days = (hours // 24).astype(int)
    chances = np.broadcast_to(probability, hours.shape)
    sessions = tuple(
        SessionInfo(
            id=day + 1,
            kind="run",
            site="Hall",
            source="0",
            started_at=MONDAY + timedelta(days=day),
            ended_at=MONDAY + timedelta(days=day + 1),
            end_reason="finished",
            model_name="test-model",
            model_sha256="ab" * 32,
            program_version="0.1.0",
            settings={"policy": policy},
            frames=1000,
            dropped=0,
            fps=10.0,
            viewers=0,
            readings=0,
            plays=0,
        )
        for day in np.unique(days).tolist()
    )
    ads = tuple(
        AdInfo(row, f"ad-{row:02}", f"Ad {row}", "", "video", 10_000, (), sha256=f"{row:064x}")
        for row in np.unique(ad).tolist()
    )
    plays = tuple(
        PlayInfo(
            number + 1,
            number + 1,
            row,
            start := MONDAY + timedelta(hours=hour),
            start + timedelta(seconds=10),
            "finished",
            1e4,
            "",
            chance,
            None,
            session_id=day + 1,
        )
        for number, (row, hour, day, chance) in enumerate(
            zip(ad.tolist(), hours.tolist(), days.tolist(), chances.tolist(), strict=True)
        )
    )
    return ReportData(sessions, ads, plays, (), _exposures(play, values, viewer), _no_seconds())


def _exposures(play: Any, values: ArrayLike, viewer: ArrayLike | None) -> ExposureArrays:
    whose = np.arange(play.size) if viewer is None else np.asarray(viewer)
    order = np.lexsort((whose, play))
    ten, zero = np.full(play.size, 10), np.zeros(play.size)
    sums = np.zeros((play.size, 12))
    sums[:, VALENCE] = sums[:, HAPPY_SCORE] = 10 * np.asarray(values)[order]
    return ExposureArrays(
        play_id=play[order] + 1,
        viewer_id=whose[order] + 1,
        readings=ten,
        emotion_readings=ten,
        uncertain=zero.astype(int),
        dwell_s=np.full(play.size, 8.0),
        attention_s=np.full(play.size, 4.0),
        longest_attention_s=np.full(play.size, 4.0),
        baseline=np.full(play.size, np.nan),
        end_readings=zero.astype(int),
        end_happy=zero,
        sums=sums,
    )


def _no_seconds() -> SecondArrays:
    none = np.empty(0, dtype=np.int64)
    return SecondArrays(none, none, none, none, none, none, np.empty((0, 12)))

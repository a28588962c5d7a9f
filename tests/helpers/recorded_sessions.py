"""Sessions made by hand, so that every figure of a report can be calculated beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ads.policies.audience import REWARD
from db.read.formulas import RolledPlay, roll_up
from db.read.plays import LoggedPlay
from db.read.sessions import AdInfo, GapInfo, PlayInfo, ReadingArrays, SessionData, SessionInfo
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import PrevalenceCalibration
from detector.types import WITHHELD_REASONS
from monitor.analytics.metrics import microseconds
from monitor.analytics.report_data import ReportData

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHIPPED = read_card(shipped_default()).prevalence
WITHHELD = (np.nan,) * 7
NEUTRAL = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def at(seconds: float) -> datetime:
    return START + timedelta(microseconds=round(seconds * 1e6))


@dataclass
class SessionMaker:
    """Collects ads, plays, readings and gaps, in seconds since the start; returns database values."""

    length: float | None = 60.0
    fps: float | None = 10.0
    site: str = "Test hall"
    ads: list[AdInfo] = field(default_factory=list)
    plays: list[PlayInfo] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)
    gaps: list[GapInfo] = field(default_factory=list)
    static_faces: int = 0
    settings: dict = field(default_factory=dict)
    calibration: PrevalenceCalibration | None = SHIPPED

    def ad(
        self,
        ad_id: str,
        duration_s: float = 4.0,
        *,
        name: str = "",
        brand=(),
        row: int | None = None,
    ) -> int:
        row = row or len(self.ads) + 1
        length = round(duration_s * 1000)
        label = name or ad_id.title()
        self.ads.append(
            AdInfo(row, ad_id, label, f"{ad_id}.mp4", "video", length, tuple(brand), f"{row:064x}")
        )
        return row

    def play(
        self, ad_row: int, start: float, seconds: float | None, outcome: str = "finished"
    ) -> int:
        """Adds a play; None seconds leave it open. Returns its id, which is not its number."""
        number = len(self.plays) + 1
        ended = None if seconds is None else at(start + seconds)
        shown = None if seconds is None else seconds * 1000.0
        how = None if seconds is None else outcome
        self.plays.append(
            PlayInfo(
                100 + number, number, ad_row, at(start), ended, how, shown, "next", 1.0, None, 7
            )
        )
        return 100 + number

    def reading(
        self,
        play: int,
        viewer: int,
        time: float,
        position_s: float,
        p=NEUTRAL,
        *,
        attentive=True,
        uncertain=False,
        withheld: str | None = None,
    ) -> None:
        """Add a reading; with a reason to withhold its emotion it has none, whatever `p` says."""
        reason = -1 if withheld is None else WITHHELD_REASONS.index(withheld)
        p, uncertain = (tuple(p), uncertain) if withheld is None else (WITHHELD, True)
        self.rows.append((play, viewer, time, position_s * 1000.0, p, attentive, uncertain, reason))

    def gap(
        self, start: float, end: float | None, cause: str = "camera lost", detail: str = ""
    ) -> None:
        self.gaps.append(GapInfo(at(start), None if end is None else at(end), cause, detail, 7))

    def data(self, *, shuffle: np.random.Generator | None = None) -> ReportData:
        """The session as reports read it."""
        read = self.read(shuffle=shuffle)
        lengths = {ad.ad_row_id: ad.duration_ms for ad in self.ads}
        starts = [microseconds(play.started_at) for play in self.plays]
        # An open play is the last one.
        ends = [microseconds(play.ended_at or play.started_at) for play in self.plays]
        plays = [
            RolledPlay(
                id=play.id,
                session_id=7,
                previous_us=ends[place - 1] if place else -(1 << 62),
                started_us=starts[place],
                ended_us=None if play.ended_at is None else microseconds(play.ended_at),
                duration_ms=lengths[play.ad_row_id],
                interval_us=1e6 / self.settings.get("readings_per_second", 10.0),
            )
            for place, play in enumerate(self.plays)
        ]
        exposures, seconds = roll_up(plays, read.readings, self.calibration)
        counts: dict[tuple[int, bool, str], int] = {}
        for play, _, _, _, _, _, uncertain, reason in self.rows:
            sort = (
                WITHHELD_REASONS[reason] if reason >= 0 else "uncertain" if uncertain else "certain"
            )
            key = (7, play >= 0, sort)
            counts[key] = counts.get(key, 0) + 1
        last_seen = (
            {7: at(max(row[2] for row in self.rows))} if self.length is None and self.rows else {}
        )
        return ReportData(
            (read.info,), read.ads, read.plays, read.gaps, exposures, seconds, counts, last_seen
        )

    def read(self, *, shuffle: np.random.Generator | None = None) -> SessionData:
        """The session with every reading."""
        rows = list(self.rows)
        if shuffle is not None:
            rows = [rows[i] for i in shuffle.permutation(len(rows))]
        p = np.array([row[4] for row in rows], dtype=np.float64).reshape(len(rows), 7)
        readings = ReadingArrays(
            play_id=np.array([row[0] for row in rows], dtype=np.int64),
            viewer=np.array([row[1] for row in rows], dtype=np.int64),
            at_us=np.array(
                [(at(row[2]) - EPOCH) // timedelta(microseconds=1) for row in rows], dtype=np.int64
            ),
            position_ms=np.array([row[3] for row in rows], dtype=np.float64),
            probabilities=p,
            valence=p[:, 3] - p[:, [0, 1, 2, 4]].max(axis=1, initial=0.0),
            expressiveness=1 - p[:, 6],
            uncertain=np.array([row[6] for row in rows], dtype=np.bool_),
            attentive=np.array([row[5] for row in rows], dtype=np.bool_),
            withheld=np.array([row[7] for row in rows], dtype=np.int8),
        )
        info = SessionInfo(
            id=7,
            kind="replay",
            site=self.site,
            source="clip.mp4",
            started_at=START,
            ended_at=None if self.length is None else at(self.length),
            end_reason=None if self.length is None else "finished",
            model_name="test-model",
            model_sha256="ab" * 32,
            program_version="0.1.0",
            settings=self.settings,
            frames=600,
            dropped=0,
            fps=self.fps,
            viewers=len({row[1] for row in rows}),
            readings=len(rows),
            plays=len(self.plays),
            lost=0,
            static_faces=self.static_faces,
        )
        return SessionData(info, tuple(self.ads), tuple(self.plays), readings, tuple(self.gaps))


@pytest.fixture(scope="session")
def maker() -> type[SessionMaker]:
    return SessionMaker


def random_session(
    seed: int, *, viewers: int = 9, plays: int = 5, withheld: float = 0.0
) -> SessionMaker:
    """A session with odd intervals, holes, late positions, readings between ads and an unseen ad.

    A share of `withheld` of the readings has no emotion, and neither has any reading of the last
    viewer then.
    """
    rng = np.random.default_rng(seed)
    made = SessionMaker(length=plays * 7.0 + 20.0, fps=11.0)
    rows = [made.ad("one", 5.0, brand=(2.0,)), made.ad("two", 3.4), made.ad("three", 6.02)]
    lengths = {rows[0]: 5.0, rows[1]: 3.4, rows[2]: 6.02}
    unseen = made.ad("unseen", 4.0)
    for k in range(plays):
        ad_row, start = rows[k % 3], k * 7.0
        play = made.play(ad_row, start, lengths[ad_row] + 0.02)
        for viewer in range(1, viewers + 1):
            if rng.random() < 0.25:
                continue
            time = start + rng.uniform(-1.0, 3.0)
            while time < start + lengths[ad_row] and rng.random() < 0.97:
                p = rng.dirichlet(np.full(7, 0.4))
                inside = time >= start
                position = time - start if inside and rng.random() > 0.03 else np.nan
                flags: dict = {
                    "attentive": bool(rng.random() < 0.6),
                    "uncertain": bool(rng.random() < 0.2),
                }
                if withheld and (viewer == viewers or rng.random() < withheld):
                    flags["withheld"] = str(rng.choice(WITHHELD_REASONS))
                made.reading(play if inside else -1, viewer, round(time, 6), position, p, **flags)
                time += float(rng.choice([0.03, 0.09, 0.2, 0.9], p=[0.4, 0.4, 0.15, 0.05]))
    made.play(unseen, plays * 7.0 + 2.0, 4.0)
    made.gap(1.0, 1.5)
    return made


@pytest.fixture(params=[(1, 0.0), (2, 0.0), (3, 0.3), (4, 0.9)])
def any_session(request: pytest.FixtureRequest) -> SessionMaker:
    seed, withheld = request.param
    return random_session(seed, withheld=withheld)


def logged_play(hour: int, place: int, ad_id: str, **values) -> LoggedPlay:
    """A play in an hour of a session, with what else is said of it."""
    known = {
        "session": 1,
        "number": 1000 * hour + place,
        "ad_id": ad_id,
        "started_at": START + timedelta(hours=hour, seconds=10 * place),
        "policy": "learn",
        "held_out": False,
        "probability": None,
        "context": {},
        "reward": None,
        "viewer_s": None,
    }
    context = {"reward": REWARD, **values.pop("context", {})}
    return LoggedPlay(**(known | values | {"context": context}))


@pytest.fixture(scope="session")
def play_of():
    return logged_play

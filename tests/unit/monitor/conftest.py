"""Sessions as sums per viewer and play, made by hand."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import CodeType

import numpy as np
import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from db.read.formulas import ExposureArrays, SecondArrays
from db.read.sessions import AdInfo, PlayInfo, SessionInfo
from monitor.analytics.report_data import ReportData
from tests.helpers.recorded_sessions import any_session, maker, play_of  # noqa: F401
from tests.helpers.sensing import analysed, collector, picture, reading, scripted, short_clip  # noqa: F401


class TemplatesInMemory(BytecodeCache):
    """Templates compiled in this process, by name, file, content and where others come from."""

    def __init__(self) -> None:
        self.compiled: dict[tuple[str, str, type | None], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.compiled.get(self._key_of(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.compiled[self._key_of(bucket)] = bucket.code

    @staticmethod
    def _key_of(bucket: Bucket) -> tuple[str, str, type | None]:
        loader = bucket.environment.loader
        return bucket.key, bucket.checksum, type(loader) if loader is not None else None


@pytest.fixture(scope="session", autouse=True)
def compile_once():
    """Compile each template and route once, not for every application: that takes longest."""
    compile_builder = Rule._compile_builder
    builders = {}

    def compile_route(rule: Rule, append_unknown: bool = True):
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": TemplatesInMemory()})
        patch.setattr(Rule, "_compile_builder", compile_route)
        yield


@pytest.fixture(autouse=True)
def no_collection_while_painting(request):
    """Collect widgets that only cycles hold in Qt's thread and outside its painting.

    Left to chance, a collection comes while Qt paints, or in a thread of the test runner, and the
    process crashes.
    """
    if "ui" not in request.path.parts and not {"qapp", "qtbot"} & set(request.fixturenames):
        yield
        return
    gc.disable()
    yield
    gc.collect()
    gc.enable()


START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
HAPPY, SURPRISE, NEUTRAL, VALENCE, EXPRESSIVENESS = 3, 5, 6, 7, 8
HAPPY_SCORE, SURPRISE_SCORE, NEGATIVE_SCORE = 9, 10, 11


@dataclass
class ExposureMaker:
    """Collects sessions, ads, plays and exposures; gives them as the database's roll-ups do."""

    sessions: list[SessionInfo] = field(default_factory=list)
    ads: list[AdInfo] = field(default_factory=list)
    plays: list[PlayInfo] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)

    def session(self, site: str = "Hall", source: str = "0") -> int:
        number = len(self.sessions) + 1
        self.sessions.append(
            SessionInfo(
                id=number,
                kind="run",
                site=site,
                source=source,
                started_at=START,
                ended_at=START + timedelta(hours=12),
                end_reason="finished",
                model_name="test-model",
                model_sha256="ab" * 32,
                program_version="0.1.0",
                settings={},
                frames=1000,
                dropped=0,
                fps=10.0,
                viewers=0,
                readings=0,
                plays=0,
            )
        )
        return number

    def ad(self, ad_id: str, duration_s: float = 10.0, *, name: str = "", sha256: str = "") -> int:
        row = len(self.ads) + 1
        length, checksum = round(duration_s * 1000), sha256 or f"{row:064x}"
        self.ads.append(
            AdInfo(
                row,
                ad_id,
                name or ad_id.title(),
                f"{ad_id}.mp4",
                "video",
                length,
                (),
                sha256=checksum,
            )
        )
        return row

    def play(self, ad_row: int, *, session: int = 1, hours: float = 0.0) -> int:
        """Adds a play that begins some hours after Monday 9:00 UTC; returns its id."""
        number = len(self.plays) + 1
        start = START + timedelta(hours=hours)
        end = start + timedelta(seconds=10)
        self.plays.append(
            PlayInfo(
                500 + number,
                number,
                ad_row,
                start,
                end,
                "finished",
                1e4,
                "next",
                1.0,
                None,
                session_id=session,
            )
        )
        return 500 + number

    def saw(
        self,
        play: int,
        viewer: int,
        valence: float | None = 0.0,
        *,
        readings: int = 10,
        dwell_s: float = 8.0,
        attention_s: float = 4.0,
        longest_s: float | None = None,
        happy: float = 0.0,
        surprise: float = 0.0,
        expressiveness: float = 0.0,
    ) -> None:
        """Adds an exposure with ten readings a second.

        `readings` have an emotion; without a valence no emotion could be read.
        """
        mean = np.zeros(12)
        mean[[HAPPY, SURPRISE, NEUTRAL]] = happy, surprise, 1 - happy - surprise
        mean[[VALENCE, EXPRESSIVENESS]] = valence or 0.0, expressiveness
        # Corrected valence is the valence given.
        mean[[HAPPY_SCORE, SURPRISE_SCORE]] = max(valence or 0.0, 0.0), surprise
        mean[NEGATIVE_SCORE] = max(-(valence or 0.0), 0.0)
        read = 0 if valence is None else readings
        longest = attention_s if longest_s is None else longest_s
        every = max(read, round(10 * dwell_s))
        self.rows.append((play, viewer, every, read, dwell_s, attention_s, longest, mean * read))

    def data(self, *, order: np.ndarray | None = None) -> ReportData:
        """All of it; with an order the exposures stand in another one."""
        rows = self.rows if order is None else [self.rows[place] for place in order]
        columns = list(zip(*rows, strict=True)) if rows else [()] * 8

        def ints(column: int) -> np.ndarray:
            return np.array(columns[column], dtype=np.int64)

        def floats(column: int) -> np.ndarray:
            return np.array(columns[column], dtype=np.float64)

        exposures = ExposureArrays(
            play_id=ints(0),
            viewer_id=ints(1),
            readings=ints(2),
            emotion_readings=ints(3),
            uncertain=np.zeros(len(rows), dtype=np.int64),
            dwell_s=floats(4),
            attention_s=floats(5),
            longest_attention_s=floats(6),
            baseline=np.full(len(rows), np.nan),
            end_readings=np.zeros(len(rows), dtype=np.int64),
            end_happy=np.zeros(len(rows)),
            sums=floats(7).reshape(len(rows), 12),
        )
        none = np.empty(0, dtype=np.int64)
        seconds = SecondArrays(none, none, none, none, none, none, np.empty((0, 12)))
        return ReportData(
            tuple(self.sessions), tuple(self.ads), tuple(self.plays), (), exposures, seconds
        )


@pytest.fixture
def exposures() -> ExposureMaker:
    """One session at the site "Hall", nothing in it yet."""
    made = ExposureMaker()
    made.session()
    return made


@pytest.fixture(scope="session")
def make_exposures():
    """Makes empty ones, for tests that need several."""
    return ExposureMaker

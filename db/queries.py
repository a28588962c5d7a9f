"""The read side: plain values and NumPy arrays; no row and no session of SQLAlchemy leaves this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Integer, String, case, func, select, type_coerce

from db.errors import NoSuchSessionError
from db.records import WITHHELD_REASONS
from db.schema import EMOTION_COLUMNS, Ad, Gap, Model, Play, Reading, Session, Viewer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Select
    from sqlalchemy.engine import Connection, Engine

READ_ROWS = 10_000
"""Readings that are turned into arrays at a time; few enough that their Python objects stay small beside the arrays."""

_REASON_PLACES = {reason: place for place, reason in enumerate(WITHHELD_REASONS)}
_MICROSECOND = np.timedelta64(1, "us")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session. Figures that are not known (yet) are `None`.

    Attributes:
        id: Row id; stable.
        kind: "run" or "replay".
        site: Name of the place.
        source: What was watched.
        started_at: UTC, aware, as all times here.
        ended_at: `None` while it runs.
        end_reason: Why it ended; "interrupted" when the program was killed.
        model_name: Name of the model, if known.
        model_sha256: Checksum of the model file, if known.
        program_version: Version of the program that wrote it.
        settings: Settings in force.
        frames: Frames analysed.
        dropped: Frames not analysed.
        fps: Frames analysed per second.
        viewers: Number of anonymous tracks, static faces left out.
        readings: Number of readings, those of static faces left out.
        plays: Number of plays.
        lost: Records that could not be stored; more than 0 means that the session is incomplete.
        static_faces: Number of tracks that turned out to be posters or still pictures.
    """

    id: int
    kind: str
    site: str
    source: str
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    model_name: str | None
    model_sha256: str | None
    program_version: str
    settings: dict[str, Any]
    frames: int | None
    dropped: int | None
    fps: float | None
    viewers: int
    readings: int
    plays: int
    lost: int | None = None
    static_faces: int = 0


@dataclass(frozen=True, slots=True)
class AdInfo:
    """One version of an ad that the session played; see `records.AdRecord`."""

    ad_row_id: int
    ad_id: str
    name: str
    file: str
    kind: str
    duration_ms: int
    brand_at_s: tuple[float, ...]
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class PlayInfo:
    """One showing of one ad; see `records.PlayStarted` and `records.PlayEnded`. `id` is what readings refer to."""

    id: int
    number: int
    ad_row_id: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    shown_ms: float | None
    reason: str
    probability: float | None
    error: str | None
    session_id: int = 0


@dataclass(frozen=True, slots=True)
class GapInfo:
    """A stretch in which nothing could be measured."""

    started_at: datetime
    ended_at: datetime | None
    cause: str
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class ReadingArrays:
    """The n readings of a session, one array per column, ordered by time and viewer; static faces are left out.

    Attributes:
        play_id: `(n,)` int64, `PlayInfo.id`; -1 where no ad was on.
        viewer: `(n,)` int64, number of the track.
        at_us: `(n,)` int64, microseconds since 1970-01-01 UTC.
        position_ms: `(n,)` float64, position in the ad; NaN where no ad was on.
        probabilities: `(n, 7)` float64: angry, disgust, fear, happy, sad, surprise, neutral; NaN, as the next two, where
            the emotion is withheld.
        valence: `(n,)` float64, -1 to 1.
        expressiveness: `(n,)` float64, 0 to 1.
        uncertain: `(n,)` bool.
        attentive: `(n,)` bool.
        withheld: `(n,)` int8, why the emotion is withheld, as a place in `records.WITHHELD_REASONS`; -1 where it is not.
    """

    play_id: NDArray[np.int64]
    viewer: NDArray[np.int64]
    at_us: NDArray[np.int64]
    position_ms: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    valence: NDArray[np.float64]
    expressiveness: NDArray[np.float64]
    uncertain: NDArray[np.bool_]
    attentive: NDArray[np.bool_]
    withheld: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True, eq=False)
class SessionData:
    """Everything that a report on one session needs.

    Attributes:
        info: The session.
        ads: Ads with at least one play, in the order of their first play.
        plays: In the order of their numbers.
        readings: All readings but those of static faces.
        gaps: In the order of their starts.
    """

    info: SessionInfo
    ads: tuple[AdInfo, ...]
    plays: tuple[PlayInfo, ...]
    readings: ReadingArrays
    gaps: tuple[GapInfo, ...]


def list_sessions(engine: Engine) -> list[SessionInfo]:
    """All sessions, the latest recorded one first."""
    with engine.connect() as connection:
        return _session_infos(connection, _session_query().order_by(Session.id.desc()))


def latest_session_id(engine: Engine) -> int | None:
    """Id of the session that was recorded last; `None` when there is none."""
    with engine.connect() as connection:
        return connection.scalar(select(func.max(Session.id)))


def load_session(engine: Engine, session_id: int) -> SessionData:
    """Load one session, as it is at one moment; it may still be running.

    Raises:
        NoSuchSessionError: The database has no session with this id.
    """
    # One transaction on one snapshot, so that no reading appears whose play was not there yet. SQLite always gives one.
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            connection.execution_options(isolation_level="REPEATABLE READ")
        infos = _session_infos(connection, _session_query().where(Session.id == session_id))
        if not infos:
            known = [str(number) for number in connection.scalars(select(Session.id).order_by(Session.id.desc()))]
            latest = f"the latest is {known[0]}" if known else "there is none yet"
            raise NoSuchSessionError(
                f"There is no session {session_id} in {engine.url.database}; {latest}, "
                "and `ad-monitor sessions` lists them."
            )
        return SessionData(
            info=infos[0],
            ads=_ads(connection, session_id),
            plays=_plays(connection, session_id),
            readings=_readings(connection, session_id, infos[0].readings),
            gaps=_gaps(connection, session_id),
        )


def _session_query() -> Select[Any]:
    plays, tracks, static, readings = (
        select(func.count()).where(table.session_id == Session.id, *which).correlate(Session).scalar_subquery()
        for table, which in ((Play, ()), (Viewer, ()), (Viewer, (Viewer.static,)), (Reading, ()))
    )
    # Subtracted, because all readings of a session are counted on an index, without a look at a single one.
    pictures = select(Viewer.id).where(Viewer.session_id == Session.id, Viewer.static).correlate(Session)
    left_out = select(func.count()).where(Reading.viewer_id.in_(pictures)).correlate(Session).scalar_subquery()
    return select(
        Session.id,
        Session.kind,
        Session.site,
        Session.source,
        Session.started_at,
        Session.ended_at,
        Session.end_reason,
        Model.name,
        Model.sha256,
        Session.program_version,
        Session.settings,
        Session.frames,
        Session.dropped,
        Session.fps,
        tracks - static,
        readings - left_out,
        plays,
        Session.lost,
        static,
    ).outerjoin(Model, Model.id == Session.model_id)


def _session_infos(connection: Connection, query: Select[Any]) -> list[SessionInfo]:
    return [SessionInfo(*row) for row in connection.execute(query)]


def _ads(connection: Connection, session_id: int) -> tuple[AdInfo, ...]:
    query = (
        select(Ad.id, Ad.ad_id, Ad.name, Ad.file, Ad.kind, Ad.duration_ms, Ad.brand_at_s)
        .join(Play, Play.ad_version_id == Ad.id)
        .where(Play.session_id == session_id)
        .group_by(Ad.id)
        .order_by(func.min(Play.number))
    )
    return tuple(
        AdInfo(row[0], row[1], row[2], row[3], row[4], row[5], tuple(row[6])) for row in connection.execute(query)
    )


def _plays(connection: Connection, session_id: int) -> tuple[PlayInfo, ...]:
    query = (
        select(
            Play.id,
            Play.number,
            Play.ad_version_id,
            Play.started_at,
            Play.ended_at,
            Play.outcome,
            Play.shown_ms,
            Play.reason,
            Play.probability,
            Play.error,
        )
        .where(Play.session_id == session_id)
        .order_by(Play.number)
    )
    return tuple(PlayInfo(*row) for row in connection.execute(query))


def _gaps(connection: Connection, session_id: int) -> tuple[GapInfo, ...]:
    query = (
        select(Gap.started_at, Gap.ended_at, Gap.cause, Gap.detail)
        .where(Gap.session_id == session_id)
        .order_by(Gap.started_at, Gap.id)
    )
    return tuple(GapInfo(*row) for row in connection.execute(query))


def _readings(connection: Connection, session_id: int, count: int) -> ReadingArrays:
    # Coerced to types that SQLAlchemy hands through as they come: NumPy converts whole columns at a time.
    query = (
        select(
            func.coalesce(Reading.play_id, -1),
            Viewer.number,
            type_coerce(Reading.at, String),
            Reading.position_ms,
            Reading.valence,
            Reading.expressiveness,
            type_coerce(Reading.uncertain, Integer),
            type_coerce(Reading.attentive, Integer),
            case(_REASON_PLACES, value=Reading.withheld, else_=-1),
            *(getattr(Reading, name) for name in EMOTION_COLUMNS),
        )
        .join(Viewer, Viewer.id == Reading.viewer_id)
        .where(Reading.session_id == session_id, Viewer.static.is_(False))
        .order_by(Reading.at, Viewer.number, Reading.id)
    )
    arrays = ReadingArrays(
        play_id=np.empty(count, np.int64),
        viewer=np.empty(count, np.int64),
        at_us=np.empty(count, np.int64),
        position_ms=np.empty(count, np.float64),
        probabilities=np.empty((count, len(EMOTION_COLUMNS)), np.float64),
        valence=np.empty(count, np.float64),
        expressiveness=np.empty(count, np.float64),
        uncertain=np.empty(count, np.bool_),
        attentive=np.empty(count, np.bool_),
        withheld=np.empty(count, np.int8),
    )
    plain = (
        (0, arrays.play_id),
        (1, arrays.viewer),
        (3, arrays.position_ms),  # NumPy makes NaN of None.
        (4, arrays.valence),
        (5, arrays.expressiveness),
        (6, arrays.uncertain),
        (7, arrays.attentive),
        (8, arrays.withheld),
        *((9 + index, arrays.probabilities[:, index]) for index in range(len(EMOTION_COLUMNS))),
    )
    start = 0
    for rows in connection.execution_options(yield_per=READ_ROWS).execute(query).partitions():
        columns = list(zip(*rows, strict=True))
        stop = start + len(rows)
        for index, array in plain:
            array[start:stop] = columns[index]
        arrays.at_us[start:stop] = microseconds(columns[2])
        start = stop
    return arrays


def microseconds(moments: Sequence[str | datetime]) -> NDArray[np.int64]:
    """Microseconds since 1970-01-01 UTC.

    Args:
        moments: At least one: SQLite's texts, or the aware datetimes that other drivers give.

    Returns:
        One int64 for each.
    """
    if isinstance(moments[0], str):
        return np.array(moments, dtype="datetime64[us]").astype(np.int64)
    times = np.array([moment - _EPOCH for moment in moments], dtype="timedelta64[us]")  # type: ignore[operator]
    return (times // _MICROSECOND).astype(np.int64)

"""Sessions with their ads, plays, gaps and readings, as plain values and NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import BigInteger, Integer, String, case, cast, func, select, type_coerce

from db.engine import snapshot
from db.errors import NoSuchSessionError
from db.read.scope import at_places, places
from db.schema import EMOTION_COLUMNS, Ad, Gap, Model, Play, Reading, ReadingCount, Session, Viewer
from detector.emotion.labels import EMOTIONS, labels_of, own_labels
from detector.texts import lazy
from detector.types import WITHHELD_REASONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

    from db.read.scope import Scope
    from db.schema import Base
    from db.write.records import SessionKind
    from detector.emotion.labels import LabelSet

READ_ROWS = 10_000
"""Readings turned into arrays at a time; their Python objects stay small."""

_REASON_PLACES = {reason: place for place, reason in enumerate(WITHHELD_REASONS)}

_MICROSECOND = np.timedelta64(1, "us")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session. Unknown figures are `None`.

    Attributes:
        kind: "run" or "replay".
        session_kind: Whose reactions it holds; a run over a recording is a "replay" as well.
        started_at, ended_at: UTC, aware, as all times here; no end while it runs.
        end_reason: Why it ended; "interrupted" when the program was killed.
        frames, dropped: Frames analysed, and not analysed.
        fps: Frames analysed per second.
        viewers, readings: Numbers of tracks and of readings, without static faces.
        lost: Records that could not be stored; above 0 the session is incomplete.
        static_faces: Tracks that turned out to be posters or still pictures.
        screen_id: Row id of the screen that it belongs to; on a kiosk there is none.
        labels: The label set of its model.
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
    session_kind: SessionKind = "live"
    screen_id: int | None = None
    labels: LabelSet = EMOTIONS

    @property
    def timezone(self) -> str | None:
        """Name of the site's time zone; `None` for sessions of earlier versions."""
        return zone_in(self.settings)


@dataclass(frozen=True, slots=True)
class AdInfo:
    """One version of an ad; see `records.AdRecord`."""

    ad_row_id: int
    ad_id: str
    name: str
    file: str
    kind: str
    duration_ms: int
    brand_at_s: tuple[float, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class PlayInfo:
    """One play of one ad; see `records.PlayStarted` and `records.PlayEnded`."""

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
    session_id: int


@dataclass(frozen=True, slots=True)
class GapInfo:
    """A stretch of a session in which nothing could be measured."""

    started_at: datetime
    ended_at: datetime | None
    cause: str
    detail: str
    session_id: int


@dataclass(frozen=True, slots=True, eq=False)
class ReadingArrays:
    """`n` readings, one array per column, ordered by time and viewer.

    Attributes:
        play_id: `PlayInfo.id`; -1 where no ad was on.
        viewer: Number or row id of the track.
        at_us: Microseconds since 1970-01-01 UTC.
        position_ms: Position in the ad; NaN where no ad was on.
        probabilities: `(n, 7)`, in the order of `EMOTIONS`; NaN, as the next two, where the emotion
            is withheld or the model does not give the figure.
        valence: -1 to 1.
        expressiveness: 0 to 1.
        withheld: Why the emotion is withheld, as a place in `WITHHELD_REASONS`; -1 where it is not.
        own: `(n, k)`, probabilities of the labels outside the seven that were asked for, if any.
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
    own: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True, eq=False)
class SessionData:
    """Everything that a report on one session needs.

    Attributes:
        ads: Ads with at least one play, in the order of their first play.
        plays: By number.
        readings: All but those of static faces.
        gaps: By start.
    """

    info: SessionInfo
    ads: tuple[AdInfo, ...]
    plays: tuple[PlayInfo, ...]
    readings: ReadingArrays
    gaps: tuple[GapInfo, ...]


def had_screen(kind: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a session of this kind, with these settings, showed its ads on a screen.

    Neither a replay nor a run without a window did.
    """
    return kind == "run" and not settings.get("headless", False)


def list_sessions(engine: Engine) -> list[SessionInfo]:
    """Return all sessions, latest first."""
    with engine.connect() as connection:
        return session_infos(connection)[::-1]


def viewers_over_time(
    engine: Engine, sessions: Sequence[SessionInfo], parts: int = 24
) -> dict[int, list[int]]:
    """Count the different viewers in view in each of `parts` equal parts of each session, by id.

    A session that still runs lasts until somebody was last in view; static faces are left out.
    """
    times = (Viewer.first_seen_at, Viewer.last_seen_at)
    ids = [session.id for session in sessions]
    query = (
        select(Viewer.session_id, *(type_coerce(time, String) for time in times))
        .where(Viewer.static.is_(False), Viewer.session_id.in_(ids))
        .order_by(Viewer.session_id)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    found = {number: [0] * parts for number in ids}
    if not rows:
        return found
    owners, first, last = zip(*rows, strict=True)
    owner, first_us, last_us = np.array(owners), microseconds(first), microseconds(last)
    for session in sessions:
        mine = owner == session.id
        if not mine.any():
            continue
        (start,) = microseconds([session.started_at])
        end = (
            last_us[mine].max() if session.ended_at is None else microseconds([session.ended_at])[0]
        )
        edges = np.linspace(start, max(end, start + 1), parts + 1)
        came = np.searchsorted(np.sort(first_us[mine]), edges[1:], side="left")
        went = np.searchsorted(np.sort(last_us[mine]), edges[:-1], side="left")
        # The last part includes its end.
        came[-1] = mine.sum()
        found[session.id] = (came - went).tolist()
    return found


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of sessions, latest first, and their number on all pages."""

    sessions: tuple[SessionInfo, ...]
    total: int


def find_sessions(
    engine: Engine,
    sites: Collection[str] = (),
    *,
    groups: Collection[str] = (),
    tags: Collection[str] = (),
    limit: int = 25,
    offset: int = 0,
) -> SessionPage:
    """Return `limit` sessions after the latest `offset`.

    A session is at one of the sites, of which a part of the name is enough, in any case, and at a
    screen of one of the groups and with one of the tags, where any are named.
    """
    wanted = at_places(groups=groups, tags=tags, parts=sites)
    page = select(Session.id).where(*wanted).order_by(Session.id.desc()).limit(limit).offset(offset)
    with engine.connect() as connection:
        total = connection.scalar(select(func.count()).select_from(Session).where(*wanted)) or 0
        found = session_infos(connection, Session.id.in_(list(connection.scalars(page))))
        return SessionPage(tuple(reversed(found)), total)


def site_zones(engine: Engine, scope: Scope | None = None) -> dict[str, str | None]:
    """Return the time zone of each site: that of its latest session, if known.

    With a scope, only its places count, not its times and kinds.
    """
    where = places()
    wanted = [] if scope is None else at_places(scope.sites, scope.groups, scope.tags)
    latest = (
        select(where.c.site, func.max(Session.id).label("id"))
        .join(Session, Session.id == where.c.id)
        .where(*wanted)
        .group_by(where.c.site)
        .subquery()
    )
    query = select(latest.c.site, Session.settings).join(latest, latest.c.id == Session.id)
    with engine.connect() as connection:
        return {row.site: zone_in(row.settings) for row in connection.execute(query)}


def zone_in(settings: Mapping[str, Any]) -> str | None:
    """Return the name of the site's time zone from the settings of a session, if it has one."""
    name = settings.get("timezone")
    return name if isinstance(name, str) else None


def latest_session_id(engine: Engine) -> int | None:
    """Return the id of the latest session, if there is one."""
    with engine.connect() as connection:
        return connection.scalar(select(func.max(Session.id)))


def require_session(engine: Engine, session_id: int) -> None:
    """Raise NoSuchSessionError if there is no session with this id."""
    with engine.connect() as connection:
        known = list(connection.scalars(select(Session.id).order_by(Session.id.desc())))
    if session_id not in known:
        latest = (
            lazy("the latest is %(number)s", number=known[0])
            if known
            else lazy("there is none yet")
        )
        raise NoSuchSessionError(
            lazy(
                "There is no session %(number)s in %(database)s; %(what)s, and "
                "`ad-monitor sessions` lists them.",
                number=session_id,
                database=engine.url.database,
                what=latest,
            )
        )


def load_session(engine: Engine, session_id: int) -> SessionData:
    """Load one session with every reading, as it is at one moment; it may still be running.

    Reports read roll-ups instead, see `db.read.rollups`.

    Raises:
        NoSuchSessionError: The database has no session with this id.
    """
    require_session(engine, session_id)
    with snapshot(engine) as connection:
        (info,) = session_infos(connection, Session.id == session_id)
        of_session = Play.session_id == session_id
        return SessionData(
            info=info,
            ads=tuple(ad_infos(connection, of_session)),
            plays=tuple(play_infos(connection, of_session)),
            readings=read_arrays(
                connection,
                Viewer.number,
                Reading.session_id == session_id,
                Viewer.static.is_(False),
                own=own_labels(info.labels),
            ),
            gaps=tuple(gap_infos(connection, Gap.session_id == session_id)),
        )


def session_infos(connection: Connection, *which: ColumnElement[bool]) -> list[SessionInfo]:
    """Return the sessions that meet conditions on `Session`, in the order of their ids."""
    plays, tracks, static = (
        select(func.count())
        .where(table.session_id == Session.id, *more)
        .correlate(Session)
        .scalar_subquery()
        for table, more in (
            (Play, ()),
            (Viewer, (Viewer.static.is_(False),)),
            (Viewer, (Viewer.static,)),
        )
    )
    readings = (
        select(cast(func.coalesce(func.sum(ReadingCount.readings), 0), BigInteger))
        .join(Viewer, Viewer.id == ReadingCount.viewer_id)
        .where(Viewer.session_id == Session.id, Viewer.static.is_(False))
        .correlate(Session)
        .scalar_subquery()
    )
    where = places()
    place = {"site": where.c.site, "screen_id": where.c.screen_id}
    figures = {"viewers": tracks, "readings": readings, "plays": plays, "static_faces": static}
    model = {"model_name": Model.name, "model_sha256": Model.sha256, "labels": Session.model_id}
    query = (
        select(*columns_of(SessionInfo, Session, **model, **figures, **place))
        .join(where, where.c.id == Session.id)
        .outerjoin(Model, Model.id == Session.model_id)
        .where(*which)
        .order_by(Session.id)
    )
    rows = connection.execute(query).all()
    labels = label_sets(connection)
    # The labels are the last field.
    values = ([*row[:-1], labels.get(row[-1], EMOTIONS)] for row in rows)
    return [SessionInfo(*each) for each in values]


def session_labels(connection: Connection, session_id: int) -> LabelSet:
    """Return the label set of a session's model; the seven emotions if it has none."""
    card = select(Model.card).join(Session, Session.model_id == Model.id)
    return labels_of(connection.scalar(card.where(Session.id == session_id)))


def label_sets(connection: Connection) -> dict[int, LabelSet]:
    """Return the label set of each model, by row id."""
    query = select(Model.id, Model.card)
    return {row_id: labels_of(card) for row_id, card in connection.execute(query).tuples()}


def reading_rates(connection: Connection, *which: ColumnElement[bool]) -> dict[int, float | None]:
    """Return the readings per second that each session was set to, by id; `None` if not logged.

    Not picked from the settings in SQL: a server refuses that where they name a file that is no
    Unicode.
    """
    query = select(Session.id, Session.settings).where(*which)
    found = {}
    for session_id, settings in connection.execute(query):
        rate = settings.get("readings_per_second")
        found[session_id] = None if rate is None else float(rate)
    return found


def ad_infos(connection: Connection, *which: ColumnElement[bool]) -> list[AdInfo]:
    """Return the versions of ads with plays that meet conditions, by first such play."""
    query = (
        select(Ad.id, Ad.ad_id, Ad.name, Ad.file, Ad.kind, Ad.duration_ms, Ad.brand_at_s, Ad.sha256)
        .join(Play, Play.ad_version_id == Ad.id)
        .join(Session, Session.id == Play.session_id)
        .where(*which)
        .group_by(Ad.id)
        .order_by(func.min(Play.id))
    )
    return [
        AdInfo(*(*row[:6], tuple(row.brand_at_s), row.sha256)) for row in connection.execute(query)
    ]


def play_infos(connection: Connection, *which: ColumnElement[bool]) -> list[PlayInfo]:
    """Return the plays that meet conditions on `Play` and `Session`, by session and number."""
    query = (
        select(*columns_of(PlayInfo, Play, ad_row_id=Play.ad_version_id))
        .join(Session, Session.id == Play.session_id)
        .where(*which)
        .order_by(Play.session_id, Play.number)
    )
    return [PlayInfo(*row) for row in connection.execute(query)]


def gap_infos(connection: Connection, *which: ColumnElement[bool]) -> list[GapInfo]:
    """Return the gaps that meet conditions on `Gap` and `Session`, by start."""
    query = (
        select(*columns_of(GapInfo, Gap))
        .join(Session, Session.id == Gap.session_id)
        .where(*which)
        .order_by(Gap.started_at, Gap.id)
    )
    return [GapInfo(*row) for row in connection.execute(query)]


def columns_of(info: type[Any], table: type[Base], **other: Any) -> list[Any]:
    """Return columns for the fields of an info: those of the same name, or the others given."""
    return [other[f.name] if f.name in other else getattr(table, f.name) for f in fields(info)]


def read_arrays(
    connection: Connection, name: Any, *which: ColumnElement[bool], own: LabelSet = ()
) -> ReadingArrays:
    """Read the readings that meet conditions on `Reading` and `Viewer`.

    `name` becomes `ReadingArrays.viewer`: `Viewer.number`, or `Viewer.id`, which is unique over
    sessions. `own` are labels outside the seven emotions, for `ReadingArrays.own`.
    """
    # Coerced to types that SQLAlchemy hands through: NumPy converts whole columns at a time.
    columns: dict[str, tuple[Any, type]] = {
        "play_id": (func.coalesce(Reading.play_id, -1), np.int64),
        "viewer": (name, np.int64),
        "at_us": (type_coerce(Reading.at, String), np.int64),
        "position_ms": (Reading.position_ms, np.float64),  # NumPy makes NaN of None.
        "valence": (Reading.valence, np.float64),
        "expressiveness": (Reading.expressiveness, np.float64),
        "uncertain": (type_coerce(Reading.uncertain, Integer), np.bool_),
        "attentive": (type_coerce(Reading.attentive, Integer), np.bool_),
        "withheld": (case(_REASON_PLACES, value=Reading.withheld, else_=-1), np.int8),
        **{column: (getattr(Reading, column), np.float64) for column in EMOTION_COLUMNS},
    }
    asked = [column for column, _ in columns.values()]
    query = (
        select(*asked, *([Reading.p_own] if own else []))
        .join(Viewer, Viewer.id == Reading.viewer_id)
        .where(*which)
        .order_by(Reading.at, Viewer.number, Reading.id)
    )
    chunks: dict[str, list[NDArray[Any]]] = {key: [] for key in columns}
    of_own: list[NDArray[np.float64]] = [np.empty((0, len(own)))]
    for rows in connection.execute(query, execution_options={"yield_per": READ_ROWS}).partitions():
        by_column = list(zip(*rows, strict=True))
        if own:
            of_own.append(label_arrays(by_column.pop(), own))
        for (key, (_, kind)), values in zip(columns.items(), by_column, strict=True):
            chunks[key].append(
                microseconds(values) if key == "at_us" else np.array(values, dtype=kind)
            )
    arrays = {
        key: np.concatenate(parts) if parts else np.empty(0, columns[key][1])
        for key, parts in chunks.items()
    }
    probabilities = np.column_stack([arrays.pop(column) for column in EMOTION_COLUMNS])
    found = np.concatenate(of_own) if own else None
    return ReadingArrays(**arrays, probabilities=probabilities, own=found)


def label_arrays(
    values: Iterable[Mapping[str, float] | None], own: LabelSet
) -> NDArray[np.float64]:
    """Return figures by label, as rows store them, as `(n, k)`; NaN where there is none."""
    rows = [[(found or {}).get(name, np.nan) for name in own] for found in values]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(own))


def microseconds(moments: Sequence[str | datetime]) -> NDArray[np.int64]:
    """Convert SQLite's texts or aware datetimes, at least one, to microseconds since 1970 UTC."""
    if isinstance(moments[0], str):
        return np.array(moments, dtype="datetime64[us]").astype(np.int64)
    times = np.array([moment - _EPOCH for moment in moments], dtype="timedelta64[us]")  # type: ignore[operator]
    return (times // _MICROSECOND).astype(np.int64)

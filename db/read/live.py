"""A session that is being written, at this moment; for the live page, once a second.

The database sums up readings, found by their index on time. A mean is taken within each viewer
first and then over viewers, as in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Double, case, cast, func, null, or_, select

from db.errors import NoSuchSessionError, ReadingsElsewhereError
from db.read.scope import places
from db.read.sessions import label_arrays
from db.schema import EMOTION_COLUMNS, Ad, Gap, Model, Origin, Play, Reading, Session, Viewer
from detector.emotion.labels import EMOTIONS, labels_of, own_labels
from detector.emotion.prevalence import (
    GROUPS,
    calibration_of,
    corrected_valence,
    score_terms,
    shares,
)
from detector.texts import lazy

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement, Select, Subquery
    from sqlalchemy.engine import Connection, Engine, Row

    from db.write.records import SessionKind
    from detector.emotion.labels import LabelSet
    from detector.emotion.prevalence import PrevalenceCalibration

NOW_S = 2.0
"""Length of "now": the writer commits once a second, and a face may be missed for a frame."""

MAX_SECONDS = 120
"""Longest window; each of its seconds is a branch of one query."""


@dataclass(frozen=True, slots=True)
class LiveAd:
    """The ad on the screen, and when this play began (UTC, aware)."""

    ad_id: str
    name: str
    started_at: datetime
    duration_s: float


@dataclass(frozen=True, slots=True)
class LiveSecond:
    """One second of the curve, which began `age_s` seconds ago, from 1.

    `valence` is the mean over the viewers whose emotion could be read, -1 to 1; `None` for too few.
    `valence_corrected` is the same from group scores, where the model has a calibration.
    """

    age_s: int
    viewers: int
    valence: float | None
    valence_corrected: float | None


@dataclass(frozen=True, slots=True)
class LiveGap:
    """An open stretch in which nothing can be measured."""

    started_at: datetime
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class LiveState:
    """A session at one moment. Figures that are unknown, or about too few viewers, are `None`.

    Attributes:
        session_kind: Whose reactions it holds.
        ended_at: UTC, aware, as all times here; `None` while it is open.
        at: The moment of these figures: now for a run, the last reading for a replay.
        last_sign_at: When it was last written to; long ago if the program was killed.
        viewers: In view now (within `NOW_S`).
        attentive: Those of them who look at the screen.
        recent_viewers: Viewers in the window.
        emotion_viewers: Those of them whose emotion could be read.
        labels: The label set of the model.
        probabilities: Mean over these, by label.
        valence: Their mean, -1 to 1; `None` also where the labels do not give it.
        shares: Of the groups (`detector.emotion.prevalence`) in this audience, in their order;
            `None` also where the model has no calibration.
        valence_corrected: Mean of their score(happy) - score(negative), about -1 to 1.
        curve: Seconds of the window with viewers, oldest first.
        gaps: Open ones, by start.
    """

    session_id: int
    session_kind: SessionKind
    site: str
    ended_at: datetime | None
    at: datetime
    last_sign_at: datetime
    viewers: int
    attentive: int | None
    recent_viewers: int
    emotion_viewers: int
    labels: LabelSet
    probabilities: dict[str, float] | None
    valence: float | None
    shares: tuple[float, ...] | None
    valence_corrected: float | None
    curve: tuple[LiveSecond, ...]
    ad: LiveAd | None
    gaps: tuple[LiveGap, ...]


def live_state(
    engine: Engine,
    session_id: int,
    seconds: int = 30,
    *,
    min_viewers: int = 1,
    now: datetime | None = None,
) -> LiveState:
    """Sum up the last seconds of a session, without static faces.

    Args:
        seconds: Length of the window, 1 to `MAX_SECONDS`.
        min_viewers: Attention, emotions and valence of fewer viewers are `None`.
        now: Aware; defaults to the clock.

    Raises:
        NoSuchSessionError: The database has no session with this id.
        ReadingsElsewhereError: A kiosk sent its sums here, and has its readings.
        ValueError: `seconds` or `min_viewers` is outside its range.
    """
    if not 1 <= seconds <= MAX_SECONDS:
        raise ValueError(f"Invalid seconds: expected 1 to {MAX_SECONDS}, received {seconds}.")
    if min_viewers < 1:
        raise ValueError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    with engine.connect() as connection:
        row = _session(connection, session_id)
        last_sign = _last_sign(connection, session_id, row.ended_at or row.started_at)
        at = last_sign if row.kind == "replay" else (now or datetime.now(UTC))
        seen = _seen_now(connection, session_id, at)
        scores, labels = _scores(calibration_of(row.card)), labels_of(row.card)
        mood = _mood(connection, session_id, at, seconds, scores)
        enough = mood.emotion_viewers >= min_viewers
        means = np.array([getattr(mood, group) for group in scores]) if scores and enough else None
        return LiveState(
            session_id=session_id,
            session_kind=row.session_kind,
            site=row.site,
            ended_at=row.ended_at,
            at=at,
            last_sign_at=last_sign,
            viewers=seen.viewers,
            attentive=int(seen.attentive) if seen.viewers >= min_viewers else None,
            recent_viewers=mood.viewers,
            emotion_viewers=mood.emotion_viewers,
            labels=labels,
            probabilities=_probabilities(connection, session_id, at, seconds, labels, mood)
            if enough
            else None,
            valence=None if mood.valence is None or not enough else float(mood.valence),
            shares=None if means is None else tuple(shares(means).tolist()),
            valence_corrected=None if means is None else float(corrected_valence(means)),
            curve=_curve(connection, session_id, at, seconds, min_viewers, scores),
            ad=_ad(connection, session_id),
            gaps=_open_gaps(connection, session_id),
        )


def _session(connection: Connection, session_id: int) -> Row[Any]:
    where = places()
    row = connection.execute(
        select(
            Session.kind,
            Session.session_kind,
            where.c.site,
            _recorded_here().label("is_here"),
            Session.started_at,
            Session.ended_at,
            Model.card,
        )
        .join(where, where.c.id == Session.id)
        .outerjoin(Model, Model.id == Session.model_id)
        .where(Session.id == session_id)
    ).one_or_none()
    if row is None:
        raise NoSuchSessionError(
            lazy(
                "There is no session %(number)s in %(database)s.",
                number=session_id,
                database=connection.engine.url.database,
            )
        )
    if not row.is_here:
        raise ReadingsElsewhereError(
            lazy(
                "Session %(number)s was recorded by a kiosk at %(site)s. It sends sums after each "
                "play and keeps its readings, so nothing is known here about this moment.",
                number=session_id,
                site=row.site,
            )
        )
    return row


def open_session_ids(engine: Engine) -> tuple[list[int], int]:
    """Return the ids of the open sessions recorded here, latest first, and how many others are."""
    here = _recorded_here()
    query = select(Session.id, here.label("is_here")).where(Session.ended_at.is_(None))
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(Session.id.desc())).tuples().all()
    mine = [number for number, is_here in rows if is_here]
    return mine, len(rows) - len(mine)


def _recorded_here() -> ColumnElement[bool]:
    """Whether this database is that of the kiosk that recorded a session, in any of its epochs."""
    kiosk = select(Origin.kiosk).where(Origin.is_here).scalar_subquery()
    own = select(Origin.id).where(Origin.kiosk == kiosk)
    return or_(Session.origin_id.is_(None), Session.origin_id.in_(own))


def _last_sign(connection: Connection, session_id: int, at_least: datetime) -> datetime:
    """The latest time in any row of the session."""
    moments = [
        connection.scalar(select(func.max(column)).where(column.class_.session_id == session_id))
        for column in (Reading.at, Play.started_at, Play.ended_at, Gap.started_at, Gap.ended_at)
    ]
    return max([at_least, *(moment for moment in moments if moment is not None)])


def _readings_since(session_id: int, at: datetime, seconds: float) -> tuple[Any, ...]:
    """Conditions on the readings in the window that ends at a moment, without static faces."""
    return (
        Reading.session_id == session_id,
        Reading.at > at - timedelta(seconds=seconds),
        Reading.at <= at,
        Viewer.static.is_(False),
    )


def _seen_now(connection: Connection, session_id: int, at: datetime) -> Any:
    latest = (
        select(Reading.viewer_id, func.max(Reading.at).label("at"))
        .join(Viewer, Viewer.id == Reading.viewer_id)
        .where(*_readings_since(session_id, at, NOW_S))
        .group_by(Reading.viewer_id)
        .subquery()
    )
    # Joined on the viewer's own index; one viewer has one reading at an instant.
    query = select(
        func.count(Reading.id).label("viewers"),
        func.coalesce(func.sum(case((Reading.attentive, 1), else_=0)), 0).label("attentive"),
    ).join(latest, (latest.c.viewer_id == Reading.viewer_id) & (latest.c.at == Reading.at))
    return connection.execute(query).one()


def _scores(calibration: PrevalenceCalibration | None) -> dict[str, ColumnElement[float]]:
    """The group scores of a reading, by group; none without a calibration."""
    if calibration is None:
        return {}
    weights, matrix = score_terms(calibration)
    columns = [getattr(Reading, name) for name in EMOTION_COLUMNS]

    def weighted(factors: NDArray[np.float64]) -> Any:
        return sum(float(each) * column for each, column in zip(factors, columns, strict=True))

    return {
        group: weighted(weights * factors) / weighted(weights)
        for group, factors in zip(GROUPS, matrix.T, strict=True)
    }


def _probabilities(  # noqa: PLR0917 (of a session, to a moment, so long, with labels)
    connection: Connection,
    session_id: int,
    at: datetime,
    seconds: int,
    labels: LabelSet,
    mood: Any,
) -> dict[str, float]:
    """The mean probabilities of all labels; those outside the seven are in one column."""
    found = {name: getattr(mood, f"p_{name}") for name in labels if name in EMOTIONS}
    if own := own_labels(labels):
        query = (
            select(Reading.viewer_id, Reading.p_own)
            .join(Viewer, Viewer.id == Reading.viewer_id)
            .where(*_readings_since(session_id, at, seconds), Reading.withheld.is_(None))
        )
        by_viewer: dict[int, list[Any]] = {}
        for viewer, values in connection.execute(query).tuples():
            by_viewer.setdefault(viewer, []).append(values)
        means = [label_arrays(rows, own).mean(axis=0) for rows in by_viewer.values()]
        found |= dict(zip(own, np.mean(means, axis=0).tolist(), strict=True))
    return {name: float(found[name]) for name in labels}


def _mood(
    connection: Connection,
    session_id: int,
    at: datetime,
    seconds: int,
    scores: dict[str, ColumnElement[float]],
) -> Any:
    means = [func.avg(getattr(Reading, name)).label(name) for name in ("valence", *EMOTION_COLUMNS)]
    means += [func.avg(score).label(group) for group, score in scores.items()]
    means.append(_read())
    within = (
        select(*means)
        .join(Viewer, Viewer.id == Reading.viewer_id)
        .where(*_readings_since(session_id, at, seconds))
        .group_by(Reading.viewer_id)
        .subquery()
    )
    query = select(
        *_over_viewers(within),
        *(func.avg(within.c[name]).label(name) for name in (*EMOTION_COLUMNS, *scores)),
    ).select_from(within)
    return connection.execute(query).one()


def _curve(  # noqa: PLR0917 (a curve is of a session, to a moment, so long, with limits and scores)
    connection: Connection,
    session_id: int,
    at: datetime,
    seconds: int,
    min_viewers: int,
    scores: dict[str, ColumnElement[float]],
) -> tuple[LiveSecond, ...]:
    age = case(
        *((Reading.at > at - timedelta(seconds=age), age) for age in range(1, seconds)),
        else_=seconds,
    ).label("age")
    within = (
        select(
            age,
            func.avg(Reading.valence).label("valence"),
            _read(),
            (
                func.avg(scores["happy"] - scores["negative"]) if scores else cast(null(), Double)
            ).label("corrected"),
        )
        .join(Viewer, Viewer.id == Reading.viewer_id)
        .where(*_readings_since(session_id, at, seconds))
        .group_by(Reading.viewer_id, age)
        .subquery()
    )
    query: Select[Any] = (
        select(within.c.age, *_over_viewers(within), func.avg(within.c.corrected))
        .group_by(within.c.age)
        .order_by(within.c.age.desc())
    )
    return tuple(
        LiveSecond(
            age,
            viewers,
            float(valence) if known >= min_viewers and valence is not None else None,
            float(corrected) if known >= min_viewers and corrected is not None else None,
        )
        for age, viewers, known, valence, corrected in connection.execute(query)
    )


def _read() -> Any:
    """Whether any reading of a viewer has an emotion: 1 or NULL."""
    return func.max(case((Reading.withheld.is_(None), 1))).label("read")


def _over_viewers(within: Subquery) -> tuple[Any, ...]:
    """Of one row per viewer: all viewers, those with an emotion, and the mean valence of these."""
    return (
        func.count().label("viewers"),
        func.count(within.c.read).label("emotion_viewers"),
        func.avg(within.c.valence).label("valence"),
    )


def _ad(connection: Connection, session_id: int) -> LiveAd | None:
    row = connection.execute(
        select(Ad.ad_id, Ad.name, Play.started_at, Ad.duration_ms)
        .join(Play, Play.ad_version_id == Ad.id)
        .where(Play.session_id == session_id, Play.ended_at.is_(None))
        .order_by(Play.number.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return LiveAd(row.ad_id, row.name, row.started_at, row.duration_ms / 1000)


def _open_gaps(connection: Connection, session_id: int) -> tuple[LiveGap, ...]:
    query = (
        select(Gap.started_at, Gap.cause, Gap.detail)
        .where(Gap.session_id == session_id, Gap.ended_at.is_(None))
        .order_by(Gap.started_at, Gap.id)
    )
    return tuple(LiveGap(*row) for row in connection.execute(query))

"""What the lake is made of: the cells and the plays of a day, by origin, with their screens.

Cells are added up from sums (`db.read.cells`), or are those that the kiosk sent instead. Only live
sessions count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, union

from db.hub.tables.intake import Cell
from db.hub.tables.screens import Screen
from db.read.cells import between, cells_of_day, hour_of
from db.read.scope import of_kinds
from db.schema import SUM_COLUMNS, Ad, Origin, Play, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    Row = dict[str, Any]

CELL_FIGURES = (
    "viewers",
    "readings",
    "emotion_readings",
    "attentive",
    "exposures",
    "watchers",
    "watchers_2s",
    "dwell_s",
    "attention_s",
    *SUM_COLUMNS,
)
"""Columns of a cell behind its ad, hour and second."""


@dataclass(frozen=True, slots=True)
class Place:
    """An origin and the screen that it fills, as the screen is called now.

    An origin without a screen, such as the database's own, has the site of its last session.
    """

    origin_id: int
    kiosk: str
    screen: str
    screen_name: str
    site: str
    group_name: str
    venue_type: str
    time_zone: str
    tags: list[str]


def places(connection: Connection, day: date) -> list[Place]:
    """Return the origins with plays or cells that may lie in a day, by kiosk."""
    since, until = _limits(day)
    recorded = select(Session.origin_id).where(
        *between(since, until)[:2], *of_kinds(), Session.origin_id.is_not(None)
    )
    sent = select(Cell.origin_id).where(Cell.hour >= since, Cell.hour < until)
    ids = union(recorded, sent).subquery().c[0]
    columns = place_columns()
    query = (
        select(*(column.label(name) for name, column in columns.items()))
        .select_from(Origin)
        .outerjoin(Screen, Screen.id == Origin.screen_id)
        .where(Origin.id.in_(select(ids)))
        .order_by(Origin.kiosk, Origin.id)
    )
    empty: dict[str, Any] = dict.fromkeys(columns, "") | {"tags": []}
    return [
        Place(**{name: empty[name] if value is None else value for name, value in row.items()})
        for row in connection.execute(query).mappings()
    ]


def place_columns() -> dict[str, Any]:
    """Return the columns of a `Place`, from origins joined with their screens."""
    own_site = (
        select(Session.site)
        .where(Session.origin_id == Origin.id)
        .order_by(Session.id.desc())
        .limit(1)
        .correlate(Origin)
    )
    return {
        "origin_id": Origin.id,
        "kiosk": Origin.kiosk,
        "screen": Screen.uid,
        "screen_name": Screen.name,
        "site": func.coalesce(func.nullif(Screen.site, ""), own_site.scalar_subquery()),
        "group_name": Screen.group_name,
        "venue_type": Screen.venue_type,
        "time_zone": Screen.time_zone,
        "tags": Screen.tags,
    }


def cell_rows(connection: Connection, origin_id: int, day: date, min_viewers: int) -> list[Row]:
    """Return the cells of an origin in a day: ad, hour, second and `CELL_FIGURES`.

    Of an ad and hour that the kiosk sent as cells, only these are taken.
    """
    since, until = _limits(day)
    query = (
        select(
            Cell.ad_version_id,
            Cell.hour,
            Cell.second,
            *(getattr(Cell, name) for name in CELL_FIGURES),
        )
        .where(Cell.origin_id == origin_id, Cell.hour >= since, Cell.hour < until)
        .where(Cell.viewers >= min_viewers)
    )
    sent = [dict(row) for row in connection.execute(query).mappings()]
    hours = select(Cell.ad_version_id, Cell.hour).distinct()
    known = set(
        connection.execute(
            hours.where(Cell.origin_id == origin_id, Cell.hour >= since, Cell.hour < until)
        ).tuples()
    )
    summed = cells_of_day(connection, origin_id, since, min_viewers)
    return sent + [row for row in summed if (row["ad_version_id"], row["hour"]) not in known]


def play_rows(connection: Connection, origin_id: int, day: date) -> list[Row]:
    """Return the plays of an origin in a day; they say nothing about people."""
    query = (
        select(
            Play.ad_version_id,
            Session.number.label("session"),
            Play.number.label("play"),
            Play.started_at,
            Play.ended_at,
            Play.outcome,
            Play.shown_ms,
            Play.reason,
            Play.probability,
            Play.held_out,
        )
        .join(Session, Session.id == Play.session_id)
        .where(Session.origin_id == origin_id, *between(*_limits(day)), *of_kinds())
        .order_by(Play.started_at, Play.number)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def ad_rows(connection: Connection) -> dict[int, Row]:
    """Return what identifies each version of an ad, by row id."""
    query = select(Ad.id, Ad.ad_id, Ad.name.label("ad_name"), Ad.sha256, Ad.duration_ms)
    return {row.pop("id"): row for row in map(dict, connection.execute(query).mappings())}


def newest_ids(connection: Connection) -> tuple[int, int]:
    """Return the highest ids of plays and of cells, 0 without any."""
    highest = (connection.scalar(select(func.max(table.id))) for table in (Play, Cell))
    plays, cells = (found or 0 for found in highest)
    return plays, cells


def days_after(connection: Connection, play_id: int = 0, cell_id: int = 0) -> list[date]:
    """Return the days, in UTC, of the live plays and the cells with higher ids, in order."""
    plays = (
        select(hour_of(Play.started_at))
        .join(Session, Session.id == Play.session_id)
        .where(Play.id > play_id, *of_kinds())
        .distinct()
    )
    sent = select(Cell.hour).where(Cell.id > cell_id).distinct()
    hours: Iterator[datetime] = (
        hour for query in (plays, sent) for hour in connection.scalars(query)
    )
    return sorted({hour.date() for hour in hours})


def own_epoch(connection: Connection) -> str:
    """Return the epoch of this database, which tells it from another and from an older copy."""
    return connection.scalar(select(Origin.epoch).where(Origin.is_here)) or ""


def _limits(day: date) -> tuple[datetime, datetime]:
    since = datetime.combine(day, time(), UTC)
    return since, since + timedelta(days=1)

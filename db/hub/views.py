"""Plain SQL views for programs that draw charts: names, not row ids, and no row about one viewer.

They read what the tables hold now. `min_viewers` is part of their text: hours of an ad with fewer
viewers are not in them. Migrations change tables, so they drop the views and make them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, and_, case, cast, func, inspect, literal, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from db.hub.lake import CELL_FIGURES, place_columns
from db.hub.tables.alerts import Alert
from db.hub.tables.intake import Cell
from db.hub.tables.screens import Screen
from db.hub.tables.shows import Campaign
from db.read.cells import WHOLE, every_cell, hour_of
from db.read.scope import of_kinds
from db.schema import Ad, Gap, Origin, Play, Session

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

VIEWS = ("v_about", "v_screens", "v_plays", "v_cells", "v_ad_days", "v_gaps", "v_alerts")
"""In the order in which they are made."""

_OF_AD = (Ad.ad_id, Ad.name.label("ad_name"), Ad.sha256, Ad.duration_ms)


class day_of(FunctionElement[Any]):  # noqa: N801 (a function of SQL)
    """The day in UTC in which a moment lies."""

    type = Date()
    inherit_cache = True


@compiles(day_of, "sqlite")
def _day_in_sqlite(element: day_of, compiler: Any, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, 10)"


@compiles(day_of)
def _day_on_a_server(element: day_of, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AT TIME ZONE 'UTC' AS DATE)"


def create_views(connection: Connection, min_viewers: int) -> None:
    """Make all views, in place of those that are there.

    Args:
        connection: In a transaction of `db.engine.writing`.
        min_viewers: Hours and seconds of an ad with fewer viewers are left out; 1 or more.
    """
    if min_viewers < 1:
        raise ValueError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    drop_views(connection)
    for name, query in _queries(min_viewers).items():
        text = query.compile(connection, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {text}")


def drop_views(connection: Connection) -> int | None:
    """Drop the views; return the `min_viewers` that they were made with, None without any."""
    there = set(inspect(connection).get_view_names())
    found = None
    if VIEWS[0] in there:
        found = connection.exec_driver_sql("SELECT min_viewers FROM v_about").scalar()
    for name in reversed(VIEWS):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    return None if found is None else int(found)


def _queries(min_viewers: int) -> dict[str, Select[Any]]:
    screen = (Screen.uid.label("screen"), Screen.name.label("screen_name"), Screen.site)
    play = {
        "session": Session.number,
        "play": Play.number,
        "day": day_of(Play.started_at),
        "hour": hour_of(Play.started_at),
    }
    return {
        "v_about": select(literal(min_viewers).label("min_viewers")),
        "v_screens": select(
            *screen,
            *(Screen.group_name, Screen.tags, Screen.venue_type, Screen.time_zone),
            *(Screen.created_at, Screen.retired_at),
        ),
        "v_plays": _by_place(
            *_OF_AD,
            *(column.label(name) for name, column in play.items()),
            *(Play.started_at, Play.ended_at, Play.outcome, Play.shown_ms, Play.reason),
            *(Play.probability, Play.held_out),
        )
        .join(Session, Session.origin_id == Origin.id)
        .join(Play, Play.session_id == Session.id)
        .join(Ad, Ad.id == Play.ad_version_id)
        .where(*of_kinds()),
        "v_cells": _cells(min_viewers),
        "v_ad_days": _ad_days(min_viewers),
        "v_gaps": _by_place(Gap.started_at, Gap.ended_at, Gap.cause, Gap.detail)
        .join(Session, Session.origin_id == Origin.id)
        .join(Gap, Gap.session_id == Session.id)
        .where(*of_kinds()),
        "v_alerts": select(
            *screen,
            *(Campaign.uid.label("campaign"), Campaign.name.label("campaign_name")),
            *(Alert.kind, Alert.raised_at, Alert.ended_at, Alert.detail),
        )
        .select_from(Alert)
        .outerjoin(Screen, Screen.id == Alert.screen_id)
        .outerjoin(Campaign, Campaign.id == Alert.campaign_id),
    }


def _by_place(*columns: Any) -> Select[Any]:
    """A query from origins with the names of their screens."""
    names = {
        name: one for name, one in place_columns().items() if name not in {"origin_id", "tags"}
    }
    return (
        select(*(column.label(name) for name, column in names.items()), *columns)
        .select_from(Origin)
        .outerjoin(Screen, Screen.id == Origin.screen_id)
    )


def _cells(min_viewers: int) -> Select[Any]:
    """All cells with names; of an ad and hour that a kiosk sent as cells, only these."""
    names = ("origin_id", "ad_version_id", "hour", "second", *CELL_FIGURES)
    summed = every_cell(min_viewers).subquery("summed")
    sent = select(Cell.origin_id, Cell.ad_version_id, Cell.hour).distinct().subquery("sent")
    same = [getattr(summed.c, name) == getattr(sent.c, name) for name in names[:3]]
    every = union_all(
        select(*(getattr(summed.c, name) for name in names))
        .outerjoin(sent, and_(*same))
        .where(sent.c.origin_id.is_(None)),
        select(*(getattr(Cell, name) for name in names)).where(Cell.viewers >= min_viewers),
    ).subquery("every")
    return (
        _by_place(
            *_OF_AD,
            day_of(every.c.hour).label("day"),
            *(getattr(every.c, name) for name in names[2:]),
        )
        .join(every, every.c.origin_id == Origin.id)
        .join(Ad, Ad.id == every.c.ad_version_id)
    )


def _ad_days(min_viewers: int) -> Select[Any]:
    """Whole exposures by day; who sees an ad in two hours counts as two viewers."""
    cells = _cells(min_viewers).subquery("cells")
    figures = {name for name in CELL_FIGURES if name != "attentive"}
    keys = [column for column in cells.c if column.name not in {*CELL_FIGURES, "hour", "second"}]
    return (
        select(
            *keys,
            *(_added(column).label(column.name) for column in cells.c if column.name in figures),
        )
        .where(cells.c.second == WHOLE)
        .group_by(*keys)
    )


def _added(column: Any) -> Any:
    """The sum of a column; unknown where a part is."""
    return case((func.count(column) == func.count(), cast(func.sum(column), column.type)))

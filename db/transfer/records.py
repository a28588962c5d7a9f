"""Rows as records that another database can store: without row ids, named by their origin.

A record has its `number` in the outbox, its `kind`, the `session` that it belongs to by its number
within its `epoch` (of the same kiosk), and rows by the names of their columns. Times are texts in
ISO 8601, in UTC.

======= ========================================================================================
kind    also holds
======= ========================================================================================
session `row`, `model` (null without one), and the `viewers` seen since the last play
play    `row`, `ad`, the `viewers` seen since the end of the play before, `exposures`, `seconds`
viewer  `viewers`: one
gap     `row`
cell    no session, but its `hour`, the `ads`, and the `cells`: a table with the place of the ad
======= ========================================================================================

`viewers`, `counts`, `exposures` and `seconds` are tables: `columns` and `rows`. A viewer is a
number within the session; `counts` are the readings of each viewer by sort. With `upload: cells`
nothing about one viewer is sent: these four tables are empty.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import aliased

from db.hub.tables.intake import Cell
from db.read.cells import cells
from db.schema import (
    Ad,
    Exposure,
    ExposureSecond,
    Gap,
    Model,
    Origin,
    Play,
    ReadingCount,
    Session,
    Viewer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection

    from db.schema import Base
    from db.transfer.queue import Kind

    Record = dict[str, Any]
    _Maker: TypeAlias = Callable[[Connection, list[int]], Iterator[tuple[int, Record]]]

_OWN = {"id", "session_id", "play_id", "viewer_id", "model_id", "ad_version_id", "origin_id"}
_OWN |= {"rolled_up", "last_record", "hour"}

_NAME = (Origin.epoch, Session.number)

_PERSONAL = ("viewers", "counts", "exposures", "seconds")


def columns(table: type[Base]) -> list[str]:
    """Return the columns of a table that travel: those that mean the same in every database."""
    return [column.name for column in table.__table__.columns if column.name not in _OWN]


def make_records(
    connection: Connection,
    queued: Sequence[tuple[int, Kind, int]],
    upload: str = "sums",
    min_viewers: int = 1,
) -> list[Record]:
    """Return records of queued rows in order, with their current values; deleted rows are skipped.

    Args:
        connection: To a snapshot of the database.
        queued: Number, kind and row id, as `db.transfer.queue.waiting` gives them.
        upload: `sums`, or `cells`: nothing about one viewer.
        min_viewers: A cell has at least so many.
    """
    makers: dict[Kind, _Maker] = {"session": _sessions, "play": _plays, "gap": _gaps}
    if upload == "cells":
        makers["cell"] = partial(_cells, min_viewers=min_viewers)
    else:
        makers["viewer"] = _viewers
    made: dict[tuple[Kind, int], Record] = {}
    for kind, make in makers.items():
        if ids := sorted({row_id for _, its_kind, row_id in queued if its_kind == kind}):
            made |= {(kind, row_id): record for row_id, record in make(connection, ids)}
    records: list[Record] = [
        {"number": number, "kind": kind} | made[kind, row_id]
        for number, kind, row_id in queued
        if (kind, row_id) in made
    ]
    if upload == "cells":
        for record in records:
            record |= {name: record[name] | {"rows": []} for name in _PERSONAL if name in record}
    return records


def _sessions(connection: Connection, ids: list[int]) -> Iterator[tuple[int, Record]]:
    last_end = select(func.max(Play.ended_at)).where(Play.session_id == Session.id)
    query = _rows(Session, Session.id, Session.model_id, last_end.scalar_subquery(), Origin.epoch)
    query = query.join(Origin, Origin.id == Session.origin_id)
    for (row_id, model_id, seen, epoch), row in _found(
        connection, Session, query.where(Session.id.in_(ids))
    ):
        models = [
            model
            for _, model in _found(connection, Model, _rows(Model).where(Model.id == model_id))
        ]
        since = [Viewer.last_seen_at >= seen] if seen else []
        yield (
            row_id,
            {
                "epoch": epoch,
                "session": row["number"],
                "row": row,
                "model": models[0] if models else None,
                **_people(connection, Viewer.session_id == row_id, *since),
            },
        )


def _plays(connection: Connection, ids: list[int]) -> Iterator[tuple[int, Record]]:
    before = aliased(Play)
    previous = (
        select(before.ended_at)
        .where(
            before.session_id == Play.session_id,
            before.number < Play.number,
            before.ended_at.is_not(None),
        )
        .order_by(before.number.desc())  # a session may have a hundred thousand plays
        .limit(1)
        .scalar_subquery()
    )
    query = (
        _rows(
            Play,
            Play.id,
            Play.session_id,
            Play.ad_version_id,
            Play.ended_at,
            previous,
            *_NAME,
        )
        .join(Session, Session.id == Play.session_id)
        .join(Origin, Origin.id == Session.origin_id)
        .where(Play.id.in_(ids))
    )
    for (row_id, session_id, ad_id, ended_at, seen, *name), row in _found(connection, Play, query):
        [(_, ad)] = _found(connection, Ad, _rows(Ad).where(Ad.id == ad_id))
        exposed = select(Exposure.viewer_id).where(Exposure.play_id == row_id)
        between = [Viewer.session_id == session_id, Viewer.first_seen_at <= ended_at]
        between += [] if seen is None else [Viewer.last_seen_at >= seen]
        yield (
            row_id,
            {
                **_named(name),
                "row": row,
                "ad": ad,
                **_people(connection, or_(Viewer.id.in_(exposed), and_(*between))),
                "exposures": _sums(connection, Exposure, row_id),
                "seconds": _sums(connection, ExposureSecond, row_id),
            },
        )


def _viewers(connection: Connection, ids: list[int]) -> Iterator[tuple[int, Record]]:
    query = select(Viewer.id, *_NAME).join(Session, Session.id == Viewer.session_id)
    query = query.join(Origin, Origin.id == Session.origin_id)
    for row_id, *name in connection.execute(query.where(Viewer.id.in_(ids))).all():
        yield row_id, {**_named(name), **_people(connection, Viewer.id == row_id)}


def _gaps(connection: Connection, ids: list[int]) -> Iterator[tuple[int, Record]]:
    query = _rows(Gap, Gap.id, *_NAME).join(Session, Session.id == Gap.session_id)
    query = query.join(Origin, Origin.id == Session.origin_id)
    for (row_id, *name), row in _found(connection, Gap, query.where(Gap.id.in_(ids))):
        yield row_id, {**_named(name), "row": row}


def _cells(
    connection: Connection, ids: list[int], min_viewers: int
) -> Iterator[tuple[int, Record]]:
    for number in ids:
        hour = datetime.fromtimestamp(3600 * number, UTC)
        found = cells(connection, hour, min_viewers)
        versions = sorted({row["ad_version_id"] for row in found})
        ads = [
            ad
            for version in versions
            for _, ad in _found(connection, Ad, _rows(Ad).where(Ad.id == version))
        ]
        names = columns(Cell)
        rows = [
            [versions.index(row["ad_version_id"]), *(row[name] for name in names)] for row in found
        ]
        yield (
            number,
            {
                "hour": hour.isoformat(),
                "ads": ads,
                "cells": {"columns": ["ad", *names], "rows": rows},
            },
        )


def _named(name: Sequence[Any]) -> Record:
    epoch, session = name
    return {"epoch": epoch, "session": session}


def _people(connection: Connection, *which: ColumnElement[bool]) -> Record:
    """The viewers that meet conditions, and the counts of their readings."""
    counts = (
        _rows(ReadingCount, Viewer.number)
        .join(Viewer, Viewer.id == ReadingCount.viewer_id)
        .where(*which)
        .order_by(Viewer.number, ReadingCount.on_ad, ReadingCount.sort)
    )
    viewers = _rows(Viewer).where(*which).order_by(Viewer.number)
    return {
        "viewers": _table(connection, viewers, *columns(Viewer)),
        "counts": _table(connection, counts, "viewer", *columns(ReadingCount)),
    }


def _sums(connection: Connection, table: type[Exposure | ExposureSecond], play_id: int) -> Record:
    query = (
        _rows(table, Viewer.number)
        .join(Viewer, Viewer.id == table.viewer_id)
        .where(table.play_id == play_id)
        .order_by(Viewer.number, *([ExposureSecond.second] if table is ExposureSecond else []))
    )
    found = _table(connection, query, "viewer", *columns(table))
    if all(row[-1] is None for row in found["rows"]):
        # The last column, which a hub of an earlier version does not know.
        found = {
            "columns": found["columns"][:-1],
            "rows": [row[:-1] for row in found["rows"]],
        }
    return found


def _rows(table: type[Base], *first: Any) -> Select[Any]:
    return select(*first, *(getattr(table, name) for name in columns(table)))


def _found(
    connection: Connection, table: type[Base], query: Select[Any]
) -> Iterator[tuple[Sequence[Any], Record]]:
    """The first columns of each row, and those of a table by their names."""
    names = columns(table)
    for row in connection.execute(query).all():
        values = [_plain(value) for value in row[-len(names) :]]
        yield row[: -len(names)], dict(zip(names, values, strict=True))


def _table(connection: Connection, query: Select[Any], *names: str) -> Record:
    rows = connection.execute(query).all()
    return {"columns": names, "rows": [[_plain(value) for value in row] for row in rows]}


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value

"""How often ads of the library were shown and looked at: for the agencies that made them.

Tested in `tests/unit/monitor/web/pages/test_agency.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.hub.console_tables import Creative, CreativeVersion, Folder, MediaFile
from db.hub.tables import Cell
from db.read.scope import of_kinds
from db.schema import Ad, Exposure, Play, Session, Viewer

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from db.hub.library.contents import Scope


@dataclass(frozen=True, slots=True)
class AdFigures:
    """What is known of one ad in a time.

    Attributes:
        uid, name: Of the creative.
        plays: At all screens.
        attention_s: Seconds for which viewers looked at it; `None` if too few viewers were there.
    """

    uid: str
    name: str
    plays: int
    attention_s: float | None


def agency_figures(
    connection: Connection, scope: Scope, since: datetime, until: datetime, min_viewers: int
) -> list[AdFigures]:
    """Return the figures of the ads visible to an account, by name, without archived ones.

    Only plays of the very files of an ad count, whatever else has its id. Only live sessions count;
    of kiosks that send hourly sums, hours that begin in this time.

    Args:
        connection: To the hub's database.
        scope: What they see.
        since: Aware.
        until: Not included.
        min_viewers: Attention of fewer viewers is withheld.
    """
    creatives = (
        select(Creative.id, Creative.uid, Creative.name)
        .join(Folder, Folder.id == Creative.folder_id)
        .where(scope.holds(), Creative.archived_at.is_(None))
        .order_by(Creative.name, Creative.id)
    )
    plays, seen, told = (
        {row.creative: row for row in connection.execute(query)}
        for query in (
            _plays(since, until),
            _exposures(since, until),
            _cells(since, until, min_viewers),
        )
    )
    found = []
    for one in connection.execute(creatives):
        attention = told[one.id].attention_s if one.id in told else None
        if one.id in seen and seen[one.id].viewers >= min_viewers:
            attention = (attention or 0.0) + seen[one.id].attention_s
        elif one.id not in seen and attention is None:
            attention = 0.0
        count = plays[one.id].plays if one.id in plays else 0
        found.append(AdFigures(one.uid, one.name, count, attention))
    return found


def _files() -> Any:
    """Return which rows of `ads` are versions of which creative."""
    return (
        select(Creative.id.label("creative"), Ad.id.label("ad"))
        .join(CreativeVersion, CreativeVersion.creative_id == Creative.id)
        .join(MediaFile, MediaFile.id == CreativeVersion.media_file_id)
        .join(Ad, (Ad.ad_id == Creative.ad_id) & (Ad.sha256 == MediaFile.sha256))
        .distinct()
        .subquery()
    )


def _plays(since: datetime, until: datetime) -> Any:
    files = _files()
    return (
        select(files.c.creative, func.count().label("plays"))
        .select_from(files)
        .join(Play, Play.ad_version_id == files.c.ad)
        .join(Session, Session.id == Play.session_id)
        .where(Play.started_at >= since, Play.started_at < until, *of_kinds())
        .group_by(files.c.creative)
    )


def _exposures(since: datetime, until: datetime) -> Any:
    files = _files()
    return (
        select(
            files.c.creative,
            func.count(Viewer.id.distinct()).label("viewers"),
            func.coalesce(func.sum(Exposure.attention_s), 0.0).label("attention_s"),
        )
        .select_from(files)
        .join(Play, Play.ad_version_id == files.c.ad)
        .join(Session, Session.id == Play.session_id)
        .join(Exposure, Exposure.play_id == Play.id)
        .join(Viewer, Viewer.id == Exposure.viewer_id)
        .where(Play.started_at >= since, Play.started_at < until, Viewer.static.is_(False))
        .where(*of_kinds())
        .group_by(files.c.creative)
    )


def _cells(since: datetime, until: datetime, min_viewers: int) -> Any:
    files = _files()
    return (
        select(
            files.c.creative, func.coalesce(func.sum(Cell.attention_s), 0.0).label("attention_s")
        )
        .select_from(files)
        .join(Cell, Cell.ad_version_id == files.c.ad)
        .where(Cell.hour >= since, Cell.hour < until, Cell.second == -1)
        .where(Cell.viewers >= min_viewers)
        .group_by(files.c.creative)
    )

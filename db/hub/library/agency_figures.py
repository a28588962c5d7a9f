"""How often ads of the library were shown and looked at: for the agencies that made them.

Tested in `tests/unit/monitor/web/pages/test_agency.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from db.hub.library.shown import attention_of, plays_of
from db.hub.tables.library import Creative, CreativeVersion, Folder, MediaFile
from db.schema import Ad

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Subquery
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
    files = _files()
    plays = plays_of(connection, files, since, until)
    attention = attention_of(connection, files, since, until, min_viewers)
    return [
        AdFigures(one.uid, one.name, plays.get(one.id, 0), attention.get(one.id, 0.0))
        for one in connection.execute(creatives)
    ]


def _files() -> Subquery:
    """Return which rows of `ads` are versions of which creative."""
    return (
        select(Creative.id.label("key"), Ad.id.label("ad"))
        .join(CreativeVersion, CreativeVersion.creative_id == Creative.id)
        .join(MediaFile, MediaFile.id == CreativeVersion.media_file_id)
        .join(Ad, (Ad.ad_id == Creative.ad_id) & (Ad.sha256 == MediaFile.sha256))
        .distinct()
        .subquery()
    )

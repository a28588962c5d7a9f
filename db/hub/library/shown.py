"""How often ads were shown, and how long viewers looked at them, on all screens together.

Only live sessions count; of kiosks that send hourly sums, hours that begin in the time. Tested in
`tests/unit/monitor/web/pages/test_agency.py` and `tests/unit/db/hub/shows/test_campaigns.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.hub.tables.intake import Cell
from db.read.cells import WHOLE
from db.read.scope import of_kinds
from db.schema import Exposure, Play, Session, Viewer

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select, Subquery
    from sqlalchemy.engine import Connection


def plays_of(
    connection: Connection, ads: Subquery, since: datetime, until: datetime
) -> dict[Any, int]:
    """Return how often some ads were shown, by `key`; those that were not are left out.

    Args:
        connection: To the hub's database.
        ads: Columns `key`, and `ad` with rows of `ads` that count for it.
        since: Aware.
        until: Not included.
    """
    found = connection.execute(_plays(ads, since, until, func.count()))
    return dict(found.tuples().all())


def attention_of(
    connection: Connection, ads: Subquery, since: datetime, until: datetime, min_viewers: int
) -> dict[Any, float | None]:
    """Return the seconds for which viewers looked at some ads; arguments as of `plays_of`.

    Ads that nobody looked at may be left out. `None` if fewer than `min_viewers` were there. An
    hourly sum of fewer does not count: viewers of several hours may be the same person.
    """
    seconds = func.coalesce(func.sum(Exposure.attention_s), 0.0)
    seen = (
        _plays(ads, since, until, func.count(Viewer.id.distinct()), seconds)
        .join(Exposure, Exposure.play_id == Play.id)
        .join(Viewer, Viewer.id == Exposure.viewer_id)
        .where(Viewer.static.is_(False))
    )
    told = (
        select(ads.c.key, func.coalesce(func.sum(Cell.attention_s), 0.0))
        .select_from(ads)
        .join(Cell, Cell.ad_version_id == ads.c.ad)
        .where(Cell.hour >= since, Cell.hour < until, Cell.second == WHOLE)
        .where(Cell.viewers >= min_viewers)
        .group_by(ads.c.key)
    )
    found: dict[Any, float | None] = dict(connection.execute(told).tuples().all())
    for key, viewers, attention_s in connection.execute(seen):
        if viewers >= min_viewers:
            found[key] = (found.get(key) or 0.0) + attention_s
        else:
            found.setdefault(key, None)
    return found


def _plays(ads: Subquery, since: datetime, until: datetime, *figures: Any) -> Select[Any]:
    return (
        select(ads.c.key, *figures)
        .select_from(ads)
        .join(Play, Play.ad_version_id == ads.c.ad)
        .join(Session, Session.id == Play.session_id)
        .where(Play.started_at >= since, Play.started_at < until, *of_kinds())
        .group_by(ads.c.key)
    )

"""What a report is made of, read from the database at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.read.rollups import Log as ReportData
from db.read.rollups import Scope, read_log
from monitor.analytics.errors import EmptyScopeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine

    from db.read.sessions import AdInfo

__all__ = ["ReportData", "Scope", "ad_versions", "load_report_data"]


def load_report_data(engine: Engine, scope: Scope, *, seconds: bool = True) -> ReportData:
    """Read what a report on some sessions needs; only curves need `seconds`.

    Raises:
        EmptyScopeError: No session is in scope.
    """
    data = read_log(engine, scope, seconds=seconds)
    if not data.sessions:
        raise EmptyScopeError(
            "No session is in scope: expected at least one; `ad-monitor sessions` lists them, and "
            "wider dates or another --site may help."
        )
    return data


def ad_versions(ads: Iterable[AdInfo]) -> list[tuple[AdInfo, int | None]]:
    """Number the versions of each ad from 1, by row id; None for a single one."""
    by_id: dict[str, list[AdInfo]] = {}
    for ad in ads:
        by_id.setdefault(ad.ad_id, []).append(ad)
    return [
        (ad, number if len(versions) > 1 else None)
        for versions in by_id.values()
        for number, ad in enumerate(sorted(versions, key=lambda ad: ad.ad_row_id), 1)
    ]

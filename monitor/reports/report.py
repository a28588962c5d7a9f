"""The report on a scope, from the database to the document, with the library that its ads are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db.read.ads import ad_totals
from monitor.analytics.metrics import WATCHER_ATTENTION_S
from monitor.analytics.norms import build_norms
from monitor.analytics.report_data import load_report_data
from monitor.reports.session_report import build_report

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from db.read.rollups import Scope
    from monitor.analytics.report_data import ReportData


def make_report(
    engine: Engine, scope: Scope, *, min_viewers: int = 1
) -> tuple[dict[str, Any], ReportData]:
    """Makes the report on some sessions.

    Args:
        engine: From `db.engine.open_database`.
        scope: Which sessions and plays.
        min_viewers: Figures about fewer viewers than this are withheld.

    Returns:
        The document, and the data that tables are made of.

    Raises:
        EmptyScopeError: No session is in scope.
        ReportError: `min_viewers` is less than 1.
    """
    data = load_report_data(engine, scope)
    library = build_norms(ad_totals(engine, WATCHER_ATTENTION_S), min_viewers=min_viewers)
    return build_report(data, min_viewers=min_viewers, scope=scope, library=library), data

"""What a report is made of, read from the database in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.read.rollups import Log as ReportData
from db.read.rollups import Scope, read_log
from monitor.analytics.errors import EmptyScopeError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

__all__ = ["ReportData", "Scope", "load_report_data"]


def load_report_data(engine: Engine, scope: Scope, *, seconds: bool = True) -> ReportData:
    """Reads what a report on some sessions needs.

    Args:
        engine: From `db.engine.open_database`.
        scope: Which sessions and plays.
        seconds: Whether the entries by the second are needed: curves are, figures over whole ads
            are not.

    Raises:
        EmptyScopeError: No session is in scope.
    """
    data = read_log(engine, scope, seconds=seconds)
    if not data.sessions:
        raise EmptyScopeError(
            "No session is in scope: expected at least one; `ad-monitor sessions` lists them, and wider dates or another "
            "--site may help."
        )
    return data

"""Sessions in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from monitor.reports.terminal.charts import sparkline
from monitor.reports.terminal.console import shown, signs_of, wide_console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from db.read.sessions import SessionInfo


def print_sessions(
    sessions: Sequence[SessionInfo], activity: Mapping[int, Sequence[int]] | None = None
) -> None:
    """A table of sessions, times in the local zone.

    Args:
        sessions: In the order in which they are listed.
        activity: Of each session, by its id: how many viewers were in view in each of equal parts
            of its length. Without it there is no curve; a session that has none gets an empty one.
    """
    console = wide_console()
    signs = signs_of(console)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "started", "length"):
        table.add_column(column, no_wrap=True)
    for column in ("site", "source", "how it ended"):
        table.add_column(column, overflow="fold")
    for column in ("plays", "viewers", "readings"):
        table.add_column(column, justify="right", no_wrap=True)
    if activity is not None:
        table.add_column("viewers over time", no_wrap=True)
    for session in sessions:
        length = (
            "running"
            if session.ended_at is None
            else _length(session.ended_at - session.started_at)
        )
        row = [
            str(session.id),
            session.started_at.astimezone().strftime("%Y-%m-%d %H:%M"),
            length,
            shown(console, session.site),
            shown(console, session.source),
            shown(console, session.end_reason or ""),
            str(session.plays),
            str(session.viewers),
            f"{session.readings:,}",
        ]
        if activity is not None:
            # Each session on its own scale: when it was busy, not how busy it was beside others.
            viewers = activity.get(session.id, ())
            row.append(sparkline(viewers, 0, max(viewers, default=0), signs))
        table.add_row(*row)
    console.print(table)


def _length(span: timedelta) -> str:
    """A length of time as hours, minutes and seconds."""
    seconds = round(span.total_seconds())
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}"

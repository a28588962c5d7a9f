"""Reports and comparisons for the pages: the only place here that knows how they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db.errors import NoSuchSessionError
from db.queries import load_session
from monitor.reports.export import to_csv, to_json
from monitor.reports.session_report import build_report, utc_text
from monitor.web.problems import Problem

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from db.queries import SessionInfo

DOWNLOADS = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
"""Formats of a report that can be downloaded, and what they are called on the web."""


def session_report_document(engine: Engine, session_id: int, min_viewers: int) -> dict[str, Any]:
    """The report of one session.

    Raises:
        Problem: There is no such session.
    """
    try:
        data = load_session(engine, session_id)
    except NoSuchSessionError as error:
        raise Problem(404, "no_session", str(error)) from error
    return build_report(data, min_viewers=min_viewers)


def report_page(document: dict[str, Any]) -> str:
    """A report as one page."""
    from monitor.reports.html import render_html  # noqa: PLC0415 - draws figures, slow to import

    return render_html(document)


def report_file(document: dict[str, Any], format: str) -> bytes:  # noqa: A002 - as it is called elsewhere
    """A report in one of the formats of `DOWNLOADS`."""
    return (to_json(document) if format == "json" else to_csv(document)).encode("utf-8")


def session_document(session: SessionInfo) -> dict[str, Any]:
    """A session as `sessions --json` lists it."""
    return {
        "id": session.id,
        "kind": session.kind,
        "site": session.site,
        "source": session.source,
        "started_at": utc_text(session.started_at),
        "ended_at": utc_text(session.ended_at),
        "end_reason": session.end_reason,
        "model": session.model_name,
        "plays": session.plays,
        "viewers": session.viewers,
        "readings": session.readings,
    }

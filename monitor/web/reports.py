"""Reports and comparisons for the pages: the only place here that knows how they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db.catalogue import known_ads, session_ids_with
from db.errors import NoSuchSessionError
from db.queries import require_session
from db.rollups import Scope
from monitor.reports.comparison import MEASURES, compare_ads
from monitor.reports.export import to_csv, to_json
from monitor.reports.report_data import load_report_data
from monitor.reports.session_report import build_report, utc_text
from monitor.web.problems import Problem

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from db.queries import SessionInfo

MOST_COMPARED = 8
"""Ads at once; every pair of them is tested, and the more tests, the less each can say."""

DOWNLOADS = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
"""Formats of a report that can be downloaded, and what they are called on the web."""


def session_report_document(engine: Engine, session_id: int, min_viewers: int) -> dict[str, Any]:
    """The report of one session.

    Raises:
        Problem: There is no such session.
    """
    try:
        require_session(engine, session_id)
    except NoSuchSessionError as error:
        raise Problem(404, "no_session", str(error)) from error
    scope = Scope(session_ids=(session_id,))
    return build_report(load_report_data(engine, scope), min_viewers=min_viewers, scope=scope)


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


def comparison_document(engine: Engine, ads: list[str], measure: str, min_viewers: int) -> dict[str, Any]:
    """Ads compared pair by pair, over all sessions that showed any of them.

    Args:
        engine: From `open_database`.
        ads: Their ids, in the order in which they are compared.
        measure: One of `MEASURES`.
        min_viewers: Comparisons with fewer viewers of either ad are withheld.

    Returns:
        `{"ads", "measure", "comparisons"}`, the latter as `Comparison.document` gives them.

    Raises:
        Problem: Fewer than two ads are named, there is no such ad, or the measure is unknown.
    """
    if len(ads) < 2:
        raise Problem(400, "not_comparable", f"Name two or more different ads; received {', '.join(ads) or 'none'}.")
    if len(ads) > MOST_COMPARED:
        raise Problem(400, "not_comparable", f"Name at most {MOST_COMPARED} ads; received {len(ads)}.")
    if measure not in MEASURES:
        raise Problem(
            400, "not_comparable", f"Invalid measure: expected one of {', '.join(MEASURES)}, received {measure!r}."
        )
    shown = {ad.ad_id for ad in known_ads(engine)}
    if unknown := [ad for ad in ads if ad not in shown]:
        raise Problem(404, "no_ad", f"No play of {', '.join(unknown)} is in this database; the page Compare lists all ads.")
    scope = Scope(session_ids=tuple(session_ids_with(engine, ads)))
    found = compare_ads(load_report_data(engine, scope, seconds=False), ads, measure=measure, min_viewers=min_viewers)
    return {"ads": ads, "measure": measure, "comparisons": [comparison.document() for comparison in found]}

"""Reports and comparisons for the pages and the API."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db.errors import NoSuchSessionError
from db.read.ads import known_ads, session_ids_with
from db.read.plays import count_plays
from db.read.scope import Scope, left_out
from db.read.sessions import require_session
from monitor.analytics.comparison import compare_ads
from monitor.analytics.errors import EmptyScopeError, ReportError
from monitor.analytics.measures import MEASURES, require_measure
from monitor.analytics.report_data import load_report_data
from monitor.languages import lazy, numeral
from monitor.reports.document import make_report
from monitor.reports.export import report_bytes
from monitor.reports.thumbnails import find_thumbnails
from monitor.web.request.problems import ProblemError
from monitor.web.services import services

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from monitor.analytics.report_data import ReportData

MAX_PLAYS = 100_000
"""In one report over many sessions: it takes some 15 s of a processor."""

MAX_COMPARED = 8
"""Every pair of ads is tested, and the more tests, the less each can say."""

DOWNLOADS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
"""Formats of a report that can be downloaded, and their content types."""


def content_type_of(ending: str) -> str:
    """Return the content type of a format of `DOWNLOADS`.

    Raises:
        ProblemError: There is no such format.
    """
    if ending not in DOWNLOADS:
        raise ProblemError(
            404,
            "not_found",
            lazy(
                "There is no report.%(ending)s: expected one of %(expected)s.",
                ending=ending,
                expected=", ".join(DOWNLOADS),
            ),
        )
    return DOWNLOADS[ending]


def session_report_document(
    engine: Engine, session_id: int, min_viewers: int, folders: Iterable[Path] = ()
) -> dict[str, Any]:
    """Return the report of one session; the folders are searched for the ads' files.

    Raises:
        ProblemError: There is no such session.
    """
    return _report(engine, session_id, min_viewers, folders)[0]


def report_page(
    document: dict[str, Any], bar: str, folders: Iterable[Path] = ()
) -> tuple[str, str]:
    """Return a report as one page with a bar above it, and the header for its content security.

    That is the page's own policy, which names its styles and its script by their checksums, opened
    for style sheets and pictures of this server; the bar has no inline styles or scripts. The
    folders are searched for the ads' files, for thumbnails.
    """
    from monitor.reports.html import render_html  # noqa: PLC0415 - slow to import

    page, policy = with_policy(render_html(document, find_thumbnails(document, folders)))
    policy = policy.replace("style-src ", "style-src 'self' ").replace(
        "img-src ", "img-src 'self' "
    )
    # The visible part begins with this header; only a link that skips to the content is before it.
    header = '<header class="top">'
    return page.replace(header, bar + header, 1), policy


def with_policy(page: str) -> tuple[str, str]:
    """Return a report's page without its own policy for contents, and that as a header."""
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">\n?', page)
    if found is None:
        raise ValueError("The report's page has no policy for its content; expected one.")
    return page.replace(found[0], "", 1), f"{html.unescape(found[1])}; frame-ancestors 'none'"


def report_file(
    engine: Engine,
    session_id: int,
    format: str,  # noqa: A002 - its name elsewhere
    min_viewers: int,
    folders: Iterable[Path] = (),
) -> bytes:
    """Return the report of a session in one of the formats of `DOWNLOADS`.

    Raises:
        ProblemError: There is no such session, or this machine cannot make the format.
    """
    return file_of(*_report(engine, session_id, min_viewers, folders), format, folders)


def file_of(
    document: dict[str, Any],
    data: ReportData,
    format: str,  # noqa: A002 - its name elsewhere
    folders: Iterable[Path] = (),
) -> bytes:
    """Return a report in one of the formats of `DOWNLOADS`.

    Raises:
        ProblemError: This machine cannot make the format.
    """
    from monitor.reports.pdf import PdfUnavailableError  # noqa: PLC0415 - slow to import

    films = find_thumbnails(document, folders) if format in {"pdf", "pptx"} else None
    try:
        return report_bytes(document, format, data=data, thumbnails=films)
    except PdfUnavailableError as error:
        raise ProblemError(503, "format_unavailable", str(error)) from error


def report_over(
    engine: Engine, scope: Scope, min_viewers: int, folders: Iterable[Path] = ()
) -> tuple[dict[str, Any], ReportData]:
    """Return the report over the sessions in a scope, and its data.

    Raises:
        ProblemError: There are none, or they have too many plays for a page.
    """
    plays = count_plays(engine, scope)
    if plays > MAX_PLAYS:
        raise ProblemError(
            400,
            "too_many_plays",
            lazy(
                "These sessions have %(plays)s plays; a report in the browser takes at "
                "most %(max_plays)s. Choose fewer days or screens, or use `ad-monitor "
                "report`, which takes any number.",
                plays=numeral(f"{plays:,}"),
                max_plays=numeral(f"{MAX_PLAYS:,}"),
            ),
        )
    try:
        return make_report(engine, scope, min_viewers=min_viewers, media=folders)
    except EmptyScopeError:
        raise ProblemError(
            404,
            "no_session",
            lazy(
                "No live session is at these sites and days. Choose others; replays "
                "and sessions of the demo viewer do not count."
            ),
        ) from None


def _report(
    engine: Engine, session_id: int, min_viewers: int, folders: Iterable[Path]
) -> tuple[dict[str, Any], ReportData]:
    try:
        require_session(engine, session_id)
    except NoSuchSessionError as error:
        raise ProblemError(404, "no_session", services().told(error)) from error
    scope = Scope(session_ids=(session_id,))
    return make_report(engine, scope, min_viewers=min_viewers, media=folders)


def comparison_document(
    engine: Engine, ads: list[str], measure: str, min_viewers: int, scope: Scope | None = None
) -> dict[str, Any]:
    """Compare ads pair by pair, over all sessions in a scope that showed any of them.

    Comparisons with fewer than `min_viewers` viewers of either ad are withheld.

    Returns:
        `{"ads", "measure", "comparisons", "left_out"}`: comparisons as `Comparison.document` gives
        them, and how many replays and demonstrations do not count.

    Raises:
        ProblemError: Fewer than two ads are named, there is no such ad, or the measure is unknown.
    """
    _check_choice(ads, measure)
    scope = scope or Scope()
    shown = {ad.ad_id for ad in known_ads(engine, replace(scope, replays=True, demos=True))}
    if unknown := [ad for ad in ads if ad not in shown]:
        raise ProblemError(
            404,
            "no_ad",
            lazy(
                "No play of %(unknown)s is in this database, or none at these sites; "
                "the page Compare lists all ads.",
                unknown=", ".join(unknown),
            ),
        )
    sessions = session_ids_with(engine, ads, scope)
    if not sessions:
        raise ProblemError(
            400,
            "not_comparable",
            lazy(
                "Only replays and sessions of the demo viewer showed %(ads)s, which do "
                "not count; `ad-monitor compare --replays --demos` compares them.",
                ads=", ".join(ads),
            ),
        )
    data = load_report_data(engine, Scope(session_ids=tuple(sessions)), seconds=False)
    try:
        require_measure(data, measure)
    except ReportError as error:
        raise ProblemError(400, "not_comparable", str(error)) from error
    found = compare_ads(data, ads, measure=measure, min_viewers=min_viewers)
    return {
        "ads": ads,
        "measure": measure,
        "comparisons": [pair.document() for pair in found],
        "left_out": left_out(engine, scope, ads),
    }


def _check_choice(ads: list[str], measure: str) -> None:
    wrong = None
    if len(ads) < 2:
        wrong = lazy(
            "Name two or more different ads; received %(names)s.", names=", ".join(ads) or "none"
        )
    elif len(ads) > MAX_COMPARED:
        wrong = lazy(
            "Name at most %(most)s ads; received %(count)s.", most=MAX_COMPARED, count=len(ads)
        )
    elif measure not in MEASURES:
        wrong = lazy(
            "Invalid measure: expected one of %(names)s, received %(value)s.",
            names=", ".join(MEASURES),
            value=repr(measure),
        )
    if wrong is not None:
        raise ProblemError(400, "not_comparable", wrong)

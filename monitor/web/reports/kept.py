"""What saved and shared reports are made of, for the pages and for the duty that sends them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from db.read.plays import count_plays
from db.read.scope import Scope
from monitor.analytics.breakdown import COUNTS, Breakdown, break_down
from monitor.analytics.errors import EmptyScopeError
from monitor.analytics.measures import measures_of
from monitor.analytics.report_data import load_report_data
from monitor.hub.duties import Duty
from monitor.hub.mail import Attachment
from monitor.hub.reports.query import ReportQuery
from monitor.hub.reports.sending import ReportDuty
from monitor.languages import later, lazy
from monitor.reports import wording
from monitor.reports.formatting import whole
from monitor.reports.tables import to_csv_rows
from monitor.settings.mail_server import MailServer
from monitor.web.reports.documents import MAX_PLAYS, file_of, report_over
from monitor.web.request.chosen import on_days, zone_of
from monitor.web.request.problems import ProblemError

if TYPE_CHECKING:
    from datetime import tzinfo

    from sqlalchemy.engine import Engine

    from db.hub.reports import KeptReport
    from monitor.analytics.report_data import ReportData
    from monitor.settings.models import HubSettings, WebSettings

CHECKED_EVERY_S = 60


def scope_of(engine: Engine, query: ReportQuery, now: datetime) -> Scope:
    """Return the plays that a question is about, as it is asked at a moment."""
    places = _places(query)
    today = now.astimezone(zone_of(engine, places)).date()
    return replace(on_days(engine, places, *query.days(today)), ads=query.ads)


def figures_of(engine: Engine, query: ReportQuery, min_viewers: int, now: datetime) -> Breakdown:
    """Return the figures that a question asks for.

    Raises:
        ProblemError: There are none, or too many plays for a page.
    """
    scope = scope_of(engine, query, now)
    if (plays := count_plays(engine, scope)) > MAX_PLAYS:
        raise ProblemError(
            400,
            "too_many_plays",
            lazy(
                "These are %(plays)s plays; a page takes at most %(most)s. Choose fewer days, "
                "screens or ads.",
                plays=later(whole, plays),
                most=later(whole, MAX_PLAYS),
            ),
        )
    try:
        data = load_report_data(engine, scope, seconds=False)
    except EmptyScopeError:
        why = lazy("Nothing was shown there in these days. Choose others.")
        if query.period in {"yesterday", "week", "month"}:
            why = lazy("Nothing was shown there in these days, which end yesterday.")
        raise ProblemError(404, "no_session", why) from None
    found = break_down(data, query.measure, query.division, min_viewers=min_viewers)
    if query.measure in {*COUNTS, *measures_of(data.labels)}:
        return found
    return replace(found, why_unknown=wording.why_not_given(data.labels, data.sessions))


def figures_csv(found: Breakdown) -> str:
    """Return figures as CSV, a line for each ad and part; spreadsheets take no formula from it."""
    head = ("ad_id", "name", found.division, found.measure, "low", "high", "viewers", "plays")
    rows = []
    for row in found.rows:
        for part, one in (("", row.total), *zip(found.parts, row.parts, strict=True)):
            if one is not None:
                cells = (one.value, one.low, one.high, one.viewers, one.plays)
                rows.append((row.ad_id, row.name, part, *cells))
    return to_csv_rows(head, rows)


def whole_report(engine: Engine, query: ReportQuery, settings: WebSettings, now: datetime) -> str:
    """Return the report on the plays of a question as one page, which needs no server.

    Raises:
        ProblemError: There are no sessions, or too many plays.
    """
    from monitor.reports.html import render_html  # noqa: PLC0415 (slow to import)
    from monitor.reports.thumbnails import find_thumbnails  # noqa: PLC0415

    document, _ = report_on(engine, query, settings, now)
    return render_html(document, find_thumbnails(document, settings.folders))


def report_on(
    engine: Engine, query: ReportQuery, settings: WebSettings, now: datetime
) -> tuple[dict[str, Any], ReportData]:
    """Return the report on the plays of a question, and its data.

    Raises:
        ProblemError: There are no sessions, or too many plays.
    """
    scope = scope_of(engine, query, now)
    return report_over(engine, scope, settings.min_viewers, settings.folders)


def report_duty(settings: HubSettings) -> Duty:
    """Return what sends saved reports by mail when they are due."""
    return Duty("reports", CHECKED_EVERY_S, report_sender(settings).run)


def report_sender(settings: HubSettings) -> ReportDuty:
    """Return what makes saved reports, and sends them through the mail server of the settings."""
    server = None if settings.mail is None else MailServer.parse(settings.mail)

    def make(engine: Engine, report: KeptReport, now: datetime) -> list[Attachment]:
        query = ReportQuery.model_validate(report.query)
        try:
            pdf = file_of(*report_on(engine, query, settings, now), "pdf", settings.folders)
            table = figures_csv(figures_of(engine, query, settings.min_viewers, now))
        except ProblemError as error:
            raise ValueError(error.detail) from error
        day = f"{now.astimezone(UTC):%Y-%m-%d}"
        return [
            Attachment(f"report-{day}.pdf", "application/pdf", pdf),
            Attachment(f"figures-{day}.csv", "text/csv", table.encode("utf-8-sig")),
        ]

    def zone(engine: Engine, query: ReportQuery) -> tzinfo:
        return zone_of(engine, _places(query))

    return ReportDuty(make, zone, server, settings.message_language)


def _places(query: ReportQuery) -> Scope:
    return Scope(sites=query.sites, groups=query.groups, tags=query.tags)

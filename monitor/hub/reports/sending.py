"""Sends saved reports by mail when they are due."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from db.engine import snapshot, writing
from db.errors import DatabaseError
from db.hub import reports
from monitor.hub.mail import Attachment, MailError, send_mail
from monitor.hub.reports.query import ReportQuery, next_sending
from monitor.languages import ENGLISH, _, in_english, lazy, long_date, speaking

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from sqlalchemy.engine import Engine

    from db.hub.reports import KeptReport
    from monitor.settings.mail_server import MailServer

logger = logging.getLogger(__name__)

AGAIN = timedelta(minutes=15)
"""When a report that could not be sent is tried again, until the next one is due."""

LINKS_KEPT = timedelta(days=30)
"""How long the list of links keeps those that are over."""


class ReportDuty:
    """Sends what is due; call `run` once a minute.

    Args:
        make: Makes the files of a report; raises `ValueError` with a sentence if it has nothing.
        zone: Returns the time zone of a report's places.
        server: Sends it; `None` without a mail server.
        language: Code of that in which the report and its mail are written.
    """

    def __init__(
        self,
        make: Callable[[Engine, KeptReport, datetime], list[Attachment]],
        zone: Callable[[Engine, ReportQuery], tzinfo],
        server: MailServer | None,
        language: str = ENGLISH,
    ) -> None:
        self._make = make
        self._zone = zone
        self._server = server
        self._language = language

    def run(self, engine: Engine, now: datetime) -> None:
        """Send the reports that are due now, and forget links that ended long ago."""
        with snapshot(engine) as connection:
            due = reports.due_reports(connection, now)
        for report in due:
            self.send(engine, report, now)
        with writing(engine) as connection:
            reports.forget_links(connection, now - LINKS_KEPT)

    def send(self, engine: Engine, report: KeptReport, now: datetime) -> str | None:
        """Send a report; return why that failed, in a sentence, or `None`."""
        query = ReportQuery.model_validate(report.query)
        following = None
        if report.rhythm is not None:
            following = next_sending(report.rhythm, now, self._zone(engine, query))
        error = None
        try:
            if self._server is None:
                raise MailError(lazy("The hub has no mail server: set `hub.mail`."))
            with speaking(self._language):
                files = self._make(engine, report, now)
                subject = f"{report.name}, {long_date(now.date())}"
                text = _("The report is attached.")
            send_mail(self._server, report.recipients, subject, f"{text}\n", files)
        except (MailError, DatabaseError, ValueError) as problem:
            error = in_english(problem)
            logger.warning("The report %s was not sent: %s", report.name, error)
        with writing(engine) as connection:
            if error is None:
                reports.note_sending(connection, report.uid, following, sent_at=now)
            else:
                again = following and min(following, now + AGAIN)
                reports.note_sending(connection, report.uid, again, error=error)
        return error

"""Saved reports go out when they are due, and are tried again when they cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from db.engine import open_database, snapshot, writing
from db.hub import reports
from db.hub.tables.people import User
from monitor.hub.mail import Attachment
from monitor.hub.reports.query import ReportQuery
from monitor.hub.reports.sending import AGAIN, ReportDuty
from monitor.settings.mail_server import MailServer
from tests.helpers.mail_server import mail_server

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path):
    engine = open_database(str(tmp_path / "hub.db"))
    with writing(engine) as connection:
        connection.execute(insert(User).values(name="ann", role="editor", created_at=NOW))
        asked = ReportQuery().model_dump(mode="json")
        to = ["ben@example.com"]
        reports.save_report(connection, 1, "Week", asked, "weekly", to, NOW, NOW)
    yield engine
    engine.dispose()


def kept(engine):
    with snapshot(engine) as connection:
        (report,) = reports.kept_reports(connection)
    return report


FILES = (Attachment("a.csv", "text/csv", b"1"),)


def duty(port, files=FILES):
    server = None
    if port is not None:
        server = MailServer.parse(f"smtp://127.0.0.1:{port}?from=ads@example.com&tls=no")

    def make(_engine, _report, _now):
        if files is None:
            raise ValueError("Nothing was shown.")
        return list(files)

    return ReportDuty(make, lambda _engine, _query: UTC, server)


def test_a_due_report_is_sent_once(engine):
    with mail_server() as server:
        duty(server.port).run(engine, NOW - timedelta(seconds=1))
        assert server.messages == []
        for _ in range(2):
            duty(server.port).run(engine, NOW)
    assert len(server.messages) == 1
    report = kept(engine)
    assert (report.sent_at, report.error) == (NOW, None)
    assert report.next_at == NOW + timedelta(days=7)


@pytest.mark.parametrize("role", ["agency", "viewer"])
def test_a_report_of_somebody_who_may_keep_none_any_more_is_not_sent(engine, role):
    with writing(engine) as connection:
        connection.execute(update(User).values(role=role))
    with mail_server() as server:
        duty(server.port).run(engine, NOW)
    assert server.messages == []
    assert kept(engine).sent_at is None


@pytest.mark.parametrize(("port", "files"), [(9, ()), (None, ()), (9, None)])
def test_one_that_cannot_be_sent_is_tried_again_with_its_reason(engine, caplog, port, files):
    duty(port, files).run(engine, NOW)
    report = kept(engine)
    assert report.next_at == NOW + AGAIN
    assert report.sent_at is None
    assert report.error
    assert "The report Week was not sent" in caplog.text
    caplog.clear()

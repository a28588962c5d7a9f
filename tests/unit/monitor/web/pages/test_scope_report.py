"""Reports over many sessions in the browser."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("query", "sessions"),
    [
        ("", 3),
        ("group=North", 1),
        ("site=b", 2),
        ("site=b&tag=food&group=", 2),
        ("from=2026-03-02", 2),
        ("from=2026-03-02&to=2026-03-02", 1),
        ("to=2026-03-03", 3),
    ],
)
def test_the_report_is_over_the_chosen_sessions(hub, query, sessions):
    document = json.loads(hub.get(f"/report.json?{query}").data)
    assert len(document["sessions"]) == sessions
    assert document["report"]["scope"]["sessions"] == sessions


def test_the_page_has_the_way_back_and_downloads(hub):
    answer = hub.get("/report?group=North&from=2026-03-01&to=")
    assert answer.status_code == 200
    assert "Screen by screen" in answer.text
    assert "Only sessions of the group North." in answer.text
    assert ">Till</th>" in answer.text
    assert '<a href="/sessions?group=North">← Sessions</a>' in answer.text
    assert 'href="/report.pdf?group=North&amp;from=2026-03-01"' in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    file = hub.get("/report.csv?tag=food")
    assert file.headers["Content-Disposition"] == 'attachment; filename="report.csv"'
    assert file.data.startswith(b"\xef\xbb\xbf")
    assert hub.get("/report.exe").status_code == 404


def test_the_sessions_lead_to_it(hub):
    page = hub.get("/sessions?tag=food").text
    form = page.split('action="/report"')[1].split("</form>")[0]
    assert '<input type="hidden" name="tag" value="food">' in form
    assert 'type="date"' in form
    assert 'action="/report"' not in hub.get("/sessions?group=North").text, "one has its own"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("site=nowhere", 404, "No live session is at these sites and days"),
        ("from=2027-01-01", 404, "No live session is at these sites and days"),
        ("from=tomorrow", 400, "expected a date such as 2026-03-01, received &#39;tomorrow&#39;"),
    ],
)
def test_what_cannot_be_reported_on(hub, query, status, words):
    answer = hub.get(f"/report?{query}")
    assert answer.status_code == status
    assert words in answer.text


def test_too_many_plays_are_refused_before_they_are_read(hub, monkeypatch):
    monkeypatch.setattr("monitor.web.reports.documents.MAX_PLAYS", 5)
    answer = hub.get("/report")
    assert answer.status_code == 400
    assert "These sessions have 6 plays" in answer.text
    assert hub.get("/report?tag=food").status_code == 200

"""The page of the audit log: search, readable changes, and exports."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from db.engine import writing
from db.hub.audit import note
from monitor.settings.time_zone import local_zone

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

# The days of the page are those of this machine.
START = datetime(2026, 3, 2, 12, tzinfo=local_zone()).astimezone(UTC)


@pytest.fixture
def entries(engine):
    with writing(engine) as connection:
        place = {"name": "Till", "site": "Köln", "tags": ["a", "b"]}
        moved = place | {"site": "<b>Bonn</b>"}
        note(connection, "anna", "screen.edit", "screen 3", START, before=place, after=moved)
        later = START + timedelta(days=1)
        note(connection, "ben", "channel.add", "channel =1+1", later, after={"on": True})
        note(connection, "anna", "screen.retire", "screen 3", START + timedelta(days=2))


def rows(browser, **search):
    answer = browser.get("/admin/audit/log.jsonl", query_string=search)
    assert answer.status_code == 200
    found = [json.loads(line) for line in answer.text.splitlines()]
    return [row["action"] for row in found if row["at"] < "2026-04"]


def test_the_page_shows_what_changed_and_only_that(admin, entries):
    page = admin.get("/admin/audit?actor=anna").text
    assert "<del>Köln</del> → <ins>&lt;b&gt;Bonn&lt;/b&gt;</ins>" in page
    assert "<dt>tags</dt>" not in page
    assert "2 entries" in page
    assert page.index("screen.retire</code>") < page.index("screen.edit</code>")


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({"actor": "ben"}, ["channel.add"]),
        ({"action": "screen."}, ["screen.retire", "screen.edit"]),
        ({"text": "köLN"}, ["screen.edit"]),
        ({"text": "100%"}, []),
        ({"text": "SCREEN 3", "to": "2026-03-02"}, ["screen.edit"]),
        ({"from": "2026-03-03", "to": "2026-03-03"}, ["channel.add"]),
    ],
)
def test_search(admin, entries, search, found):
    assert rows(admin, **search) == found


@pytest.mark.parametrize("search", ["from=tomorrow", "to=9999-12-31", "page=9", "page=x"])
def test_a_search_that_makes_no_sense_is_refused(admin, search):
    assert admin.get(f"/admin/audit?{search}").status_code in {400, 404}


def test_a_spreadsheet_reads_the_export_and_calculates_nothing(admin, entries, engine):
    answer = admin.get("/admin/audit/log.csv?to=2026-03-31")
    assert answer.data.startswith("\ufeff".encode())
    assert "attachment" in answer.headers["Content-Disposition"]
    table = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["actor"] for row in table] == ["anna", "ben", "anna"]
    assert json.loads(table[2]["before"])["site"] == "Köln"
    assert not [cell for row in table for cell in row.values() if cell[:1] in "=+-@" and cell]
    assert rows(admin, action="audit.export") == []  # They are of today.
    assert "audit log as csv" in admin.get("/admin/audit?action=audit.export").text


def test_pages(admin, engine):
    with writing(engine) as connection:
        for second in range(60):
            note(connection, "anna", "test.many", "x", START + timedelta(seconds=second))
    first = admin.get("/admin/audit?action=test.many")
    assert first.text.count("<code>test.many</code>") == 50
    assert admin.get("/admin/audit?action=test.many&page=2").text.count("<code>test.many") == 10

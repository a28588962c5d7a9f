"""The list of sessions, their reports and downloads, and ads side by side."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from db.engine import open_database, writing
from db.schema import Session
from monitor.web.pages.sessions import interval_rows
from monitor.web.services import EXTENSION, Places

from .conftest import START, write_session, write_weeks


def test_without_a_database_the_pages_say_how_to_make_one(client, database):
    for path in ("/sessions", "/compare", "/live"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "There is no database yet" in answer.text
        assert "ad-monitor run --source demo" in answer.text
        assert database not in answer.text
        assert database.rsplit("/", 1)[-1] in answer.text
    assert client.get("/sessions/1").status_code == 503
    open_database(database).dispose()
    empty = client.get("/sessions").text
    assert "Each run of a kiosk becomes a session" in empty
    assert "0 sessions" not in empty
    write_session(database, "Foyer")
    assert "Foyer" in client.get("/sessions").text


def test_a_file_that_is_no_database_is_named(client, database):
    from pathlib import Path

    Path(database).write_text("something else")
    text = client.get("/sessions").text
    assert "is not an SQLite database" in text
    assert database not in text


def test_the_list(client, database, running, monkeypatch):
    monkeypatch.setattr("monitor.web.request.paging.SESSIONS_PER_PAGE", 4)
    for number in range(4):
        write_session(database, f"Site <{number}>", START + timedelta(days=number), viewers=1)
    first, second = client.get("/sessions").text, client.get("/sessions?page=2").text
    assert "5 sessions, latest first" in first
    assert "Page 1 of 2" in first
    assert f'href="/sessions/{running.id}/live"' in second
    assert 'href="/sessions?page=2"' in first
    assert 'href="/sessions?page=1"' in second
    assert "Site &lt;3&gt;" in first
    assert "4 March 2026" in first
    assert first.count("20.0 s") == 4
    found = client.get("/sessions?site=%3C3%3E").text
    assert found.count("Site &lt;") == 1
    assert 'value="&lt;3&gt;"' in found
    assert "No session was recorded at sites matching" in client.get("/sessions?site=nowhere").text
    assert client.get("/sessions?page=9").status_code == 404
    assert client.get("/sessions?page=x").status_code == 400


@pytest.mark.parametrize(
    ("query", "found", "words"),
    [
        ("", [3, 2, 1], ""),
        ("site=b", [2, 1], " at sites matching “b”"),
        ("site=foyer&site=bonn", [3, 2], " at sites matching “foyer” or “bonn”"),
        ("group=North&tag=", [1], " of the group “North”"),
        ("group=North&group=%3CWest%3E", [2, 1], " of the group “North” or “&lt;West&gt;”"),
        ("tag=food&site=bo", [2], " at sites matching “bo”, with the tag “food”"),
        ("tag=foo", [], " with the tag “foo”"),
    ],
)
def test_sessions_by_site_group_and_tag(hub, query, found, words):
    page = hub.get(f"/sessions?{query}").text
    assert [number for number in (3, 2, 1) if f"No. {number}, live" in page] == found
    assert f"{len(found)} session{'' if len(found) == 1 else 's'}{words}, latest first" in page
    assert "<option>North</option>" in page or "<option selected>North</option>" in page
    answer = hub.get(f"/api/v1/sessions?{query}").json
    assert [entry["id"] for entry in answer["sessions"]] == found


def test_what_was_chosen_stays(hub, monkeypatch):
    monkeypatch.setattr("monitor.web.request.paging.SESSIONS_PER_PAGE", 1)
    page = hub.get("/sessions?tag=food&group=North&group=%3CWest%3E").text
    assert "screen Door" in page
    assert "<option selected>food</option>" in page
    assert 'href="/sessions?group=North&amp;group=%3CWest%3E&amp;tag=food&amp;page=2"' in page


def test_a_kiosk_has_nothing_to_choose_by(client, database):
    write_session(database, "Foyer")
    assert "<select" not in client.get("/sessions").text
    assert 'aria-label="Choose sites"' not in client.get("/compare").text


def test_ads_of_some_screens(hub):
    assert "No ad was shown with the tag “nothing”." in hub.get("/compare?tag=nothing").text
    page = hub.get("/compare?group=North&tag=food&ad=summer&ad=winter").text
    assert "over all their sessions of the group “North”, with the tag “food”" in page
    assert '<input type="hidden" name="group" value="North">' in page
    few = hub.get("/api/v1/compare?ad=summer&ad=winter&measure=attention&site=Berlin").json[
        "comparisons"
    ][0]
    every = hub.get("/api/v1/compare?ad=summer&ad=winter&measure=attention").json["comparisons"][0]
    assert (few["first_viewers"], every["first_viewers"]) == (1, 3)
    assert hub.get("/api/v1/compare?ad=summer&ad=winter&site=nowhere").status_code == 404


def test_a_report_with_the_way_back_and_downloads(client, database, running):
    session = write_session(database, "Foyer <1>")
    answer = client.get(f"/sessions/{session}")
    assert "Foyer &lt;1&gt;" in answer.text
    assert '<a href="/sessions">← All sessions</a>' in answer.text
    assert (
        answer.text.index('class="skip"')
        < answer.text.index('class="web-bar"')
        < answer.text.index("<h1>")
    )
    for ending in ("json", "csv", "parquet", "pdf"):
        assert f'href="/sessions/{session}/report.{ending}"' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "style-src 'self' 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http-equiv" not in answer.text
    assert f'href="/sessions/{running.id}/live"' in client.get(f"/sessions/{running.id}").text
    assert client.get("/sessions/99").status_code == 404


def test_downloads(client, database):
    session = write_session(database, "Foyer")
    answer = client.get(f"/sessions/{session}/report.json")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="session-{session}.json"'
    assert json.loads(answer.data)["session"]["site"] == "Foyer"
    table = client.get(f"/sessions/{session}/report.csv")
    assert table.mimetype == "text/csv"
    assert len(table.text.splitlines()) == 1 + 2 * 4
    assert client.get(f"/sessions/{session}/report.exe").status_code == 404
    assert client.get("/sessions/99/report.json").status_code == 404


def test_a_format_that_cannot_be_made_is_explained(client, database, monkeypatch):
    from monitor.reports.pdf import PdfUnavailableError

    def fail(*_args, **_more):
        raise PdfUnavailableError("PDFs need a library.")

    monkeypatch.setattr("monitor.web.reports.documents.report_bytes", fail)
    answer = client.get(f"/sessions/{write_session(database, 'Foyer')}/report.pdf")
    assert answer.status_code == 503
    assert "PDFs need a library." in answer.text


def test_a_report_without_a_policy_is_not_served(monkeypatch):
    from monitor.web.reports.documents import report_page

    monkeypatch.setattr(
        "monitor.reports.html.render_html", lambda _document, _films: "<html></html>"
    )
    with pytest.raises(ValueError, match="no policy"):
        report_page({"ads": []}, "")


def test_compare(client, database):
    assert "No ad has been shown yet" not in client.get("/compare").text
    write_weeks(database, "Foyer")
    empty = client.get("/compare").text
    assert empty.count('type="checkbox"') == 2
    assert "checked" not in empty
    page = client.get("/compare?ad=summer&ad=winter&measure=happy").text
    assert "The summer ad is better than The winter ad in happiness" in page
    assert page.count(" checked>") == 2
    assert 'class="range"' in page
    limits = [float(part.split("%")[0]) for part in page.split('class="range"')[1].split('="')[1:3]]
    assert 50 < limits[0] < limits[1] <= 96
    withheld = client.get("/compare?ad=summer&ad=winter&measure=attention")
    assert withheld.status_code == 200
    wrong = client.get("/compare?ad=summer&ad=nothing")
    assert wrong.status_code == 404
    assert "No play of nothing" in wrong.text
    assert wrong.text.count('type="checkbox"') == 2


def test_ads_of_demonstrations_exist_but_cannot_be_compared(client, database):
    write_session(database, "Foyer")
    engine = open_database(database)
    with writing(engine) as connection:
        connection.execute(update(Session).values(session_kind="demo"))
    engine.dispose()
    answer = client.get("/compare?ad=summer&ad=winter")
    assert answer.status_code == 400
    assert "These ads cannot be compared." in answer.text
    assert "Only replays and sessions of the demo viewer showed summer, winter" in answer.text


def test_ads_that_only_demonstrations_showed_are_not_offered(client, database):
    demo = write_session(database, "Foyer")
    write_session(database, "Hall", happy=(0.3,), ads=("winter",))
    engine = open_database(database)
    with writing(engine) as connection:
        of_demo = update(Session).where(Session.id == demo)
        connection.execute(of_demo.values(session_kind="demo"))
    engine.dispose()
    page = client.get("/compare").text
    assert "Only “The winter ad” has been shown so far" in page
    assert "without 1 demo session" in page
    assert "<code>ad-monitor compare --replays --demos</code>" in page
    write_session(database, "Hall", START + timedelta(days=1), happy=(0.3,), ads=("autumn",))
    page = client.get("/compare").text
    assert re.findall('name="ad" value="([a-z]+)"', page) == ["autumn", "winter"]
    assert "without 1 demo session" in page


def test_too_few_viewers_are_withheld(client, database):
    write_session(database, "Foyer", viewers=2)
    page = client.get("/compare?ad=summer&ad=winter").text
    assert "withheld" in page
    assert 'class="range"' not in page


def test_intervals_share_one_axis():
    def pair(low, value, high):
        return {"difference": {"low": low, "value": value, "high": high}}

    rows = interval_rows([pair(-0.5, 0.0, 0.25), pair(None, None, None), pair(0.1, 0.2, 0.3)])
    assert {row["reach"] for row in rows} == {0.5}
    assert rows[0]["plot"] == {"low": 4.0, "value": 50.0, "high": 73.0}
    assert rows[1]["plot"] is None
    assert interval_rows([pair(0.0, 0.0, 0.0)])[0]["plot"] == {
        "low": 50.0,
        "value": 50.0,
        "high": 50.0,
    }


def test_a_long_list_of_ads_is_cut_and_says_so(client, database, monkeypatch):
    from monitor.web.pages import sessions

    write_session(database, "Hall")
    monkeypatch.setattr(sessions, "MAX_LISTED_ADS", 1)
    page = client.get("/compare?ad=winter").text
    assert page.count('type="checkbox"') == 1
    assert 'value="winter" checked' in page
    assert "The 1 ads that were shown most, of 2" in page


def test_reports_have_places(make_app, database):
    number = write_session(database, "Hall")
    app = make_app()
    here = app.extensions[EXTENSION]
    here.reports = Places(0)
    client = app.test_client()
    for path in (f"/sessions/{number}", f"/sessions/{number}/report.csv", "/compare?ad=summer&ad=winter",
                 f"/api/v1/sessions/{number}/report", "/api/v1/compare?ad=summer&ad=winter"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert client.get("/sessions").status_code == 200


def test_a_report_speaks_the_language_of_who_opens_it(client, database):
    number = write_session(database, "Hall", START, viewers=9)
    german = {"Accept-Language": "de"}
    page = client.get(f"/sessions/{number}", headers=german).text
    assert '<html lang="de">' in page
    assert "Bericht zur Werbewirkung" in page
    assert "← Alle Sitzungen" in page
    for ending in ("json", "csv"):
        files = [
            client.get(f"/sessions/{number}/report.{ending}", headers=headers).data
            for headers in ({}, german)
        ]
        assert files[0] == files[1]

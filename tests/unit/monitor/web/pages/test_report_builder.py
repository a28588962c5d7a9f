"""Reports that people put together: figures, saving, sending, sharing by a link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from db.engine import writing
from db.hub.tables.people import AuditEntry
from db.hub.tables.reports import SavedReport, SharedDocument
from db.schema import Session
from db.write.records import ModelRecord
from monitor.web.pages import report_builder
from monitor.web.reports.documents import DOWNLOADS
from monitor.web.services import EXTENSION
from tests.helpers.hub_rows import add_screen, fill_screen
from tests.helpers.mail_server import mail_server
from tests.helpers.making import Make
from tests.unit.monitor.web.pages.conftest import write_session

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
ALL = {"period": "all", "measure": "attention"}
SHARE = ALL | {"title": "Spring", "days": "7"}


@pytest.fixture
def shops(tmp_path, app, engine):
    """Two screens with six viewers each, and one with a single viewer."""
    for number, (name, viewers) in enumerate((("Till", 6), ("Door", 6), ("Attic", 1))):
        start = datetime(2026, 3, 1 + number, 9, 30, tzinfo=UTC)
        session = write_session(str(tmp_path / "hub.db"), name, start, viewers=viewers)
        fill_screen(engine, session, add_screen(engine, name, site=f"{name} site"))


@pytest.fixture
def editor(as_):
    return as_("editor")


def shared_link(browser, **changes):
    answer = browser.post("/reports/share", data=SHARE | changes, headers=PAGE)
    assert answer.status_code == 201, answer.text
    return re.search(r"<code>http://localhost(/shared/[\w-]+)</code>", answer.text)[1]


def actions(engine):
    with engine.connect() as connection:
        found = connection.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    return [action for action in found if not action.startswith("user.")]


def test_figures_by_screen_withhold_few_viewers(as_, shops):
    page = as_("viewer").get("/reports/figures", query_string=ALL | {"division": "screen"}).text
    assert "Till, Till site" in page
    assert "The summer ad" in page
    # With the attic's one viewer, one more screen is withheld, or it would be the rest of all.
    assert page.count("withheld") >= 2
    assert "Save and share" not in page


def test_a_measure_that_the_model_does_not_give_says_why(as_, engine):
    make, p = Make(), {"probabilities": (0.6, 0.4), "valence": 0.2, "expressiveness": None}
    readings = [make.reading(n / 4, n % 5, position_ms=n * 250.0, **p) for n in range(16)]
    records = [make.ad(), make.play(), *readings, make.play_end(1, 4.0)]
    model = ModelRecord("happy-sad", "ef" * 32, {"labels": ["happy", "sad"]})
    make.write_rolled(engine, records, model=model)
    why = "not known, because the model happy-sad tells happy from sad only."
    viewer = as_("viewer")
    for measure, is_known in (("happy_share", False), ("attention", True), ("viewers", True)):
        page = viewer.get("/reports/figures", query_string=ALL | {"measure": measure}).text
        assert (why in page) != is_known
    page = viewer.get("/reports/figures", query_string=ALL | {"measure": "happy_share"}).text
    assert f"Happy faces: {why}" in page


def test_a_question_without_an_answer_says_so(as_, shops):
    viewer = as_("viewer")
    answer = viewer.get("/reports/figures", query_string={"period": "yesterday"})
    assert answer.status_code == 404
    assert "Nothing was shown there in these days" in answer.text
    answer = viewer.get("/reports/figures", query_string={"from": "2026-13-01", "period": "days"})
    assert answer.status_code == 400
    assert "Expected a date such as" in answer.text
    answer = viewer.get("/reports/figures", query_string=ALL | {"measure": "beauty"})
    assert answer.status_code == 400


@pytest.mark.parametrize("period", ["yesterday", "week", "month"])
def test_on_the_first_day_the_empty_report_offers_all_days(as_, engine, tmp_path, period):
    session = write_session(str(tmp_path / "hub.db"), "Till", datetime.now(UTC))
    fill_screen(engine, session, add_screen(engine, "Till", site="Till site"))
    viewer = as_("viewer")
    answer = viewer.get("/reports/figures", query_string={"period": period, "measure": "plays"})
    assert "Nothing was shown there in these days, which end yesterday." in answer.text
    (way,) = re.findall(r'<a class="button" href="([^"]+)">All days</a>', answer.text)
    answer = viewer.get(way.replace("&amp;", "&"))
    assert answer.status_code == 200
    assert "The summer ad" in answer.text
    assert "measure=plays" in way


def test_the_one_column_of_figures_has_the_name_of_its_measure(as_, shops):
    viewer = as_("viewer")
    for division, head in (("none", "Happy faces"), ("screen", "All")):
        asked = ALL | {"measure": "happy_share", "division": division}
        page = viewer.get("/reports/figures", query_string=asked).text
        heads = page[page.index("<thead>") : page.index("</thead>")]
        assert f'<th scope="col" class="n">{head}</th>' in heads


def test_the_days_of_figures_are_written_as_people_do(as_, shops):
    viewer = as_("viewer")
    for language, words in (("en", "1 Mar"), ("de", "1. März")):
        viewer.set_cookie("ad_monitor_language", language)
        page = viewer.get("/reports/figures", query_string=ALL | {"division": "day"}).text
        assert f'<time datetime="2026-03-01">{words}<span class="sub">2026</span></time>' in page


def test_figures_as_csv_hold_no_formula(as_, shops, engine):
    from db.schema import Ad

    with writing(engine) as connection:
        connection.execute(update(Ad).values(name="=cmd()"))
    answer = as_("viewer").get("/reports/figures.csv", query_string=ALL | {"division": "site"})
    text = answer.data.decode("utf-8-sig")
    assert text.splitlines()[0] == "ad_id,name,site,attention,low,high,viewers,plays"
    assert "'=cmd()" in text
    assert "Attic site,,,,,1" in text


def test_the_whole_report_is_on_the_same_plays(as_, shops):
    answer = as_("viewer").get(
        "/reports/whole", query_string=ALL | {"site": "Till", "ad": "winter"}
    )
    assert answer.status_code == 200
    assert "The winter ad" in answer.text
    assert "The summer ad" not in answer.text


def test_the_whole_report_comes_in_all_formats(as_, shops):
    viewer, asked = as_("viewer"), ALL | {"site": "Till site", "ad": "winter"}
    figures = viewer.get("/reports/figures", query_string=asked).text
    whole = viewer.get("/reports/whole", query_string=asked).text
    assert "· Report · Ad reaction monitor</title>" in figures
    for page in (figures, whole):
        links = re.findall(r'href="(/reports/whole\.([a-z]+)\?[^"]*)" download', page)
        assert [ending for _, ending in links] == list(DOWNLOADS)
        assert all("site=Till+site" in link and "ad=winter" in link for link, _ in links)
    assert 'href="/reports/figures?' in whole
    (way,) = (link for link, ending in links if ending == "xlsx")
    answer = viewer.get(way.replace("&amp;", "&"))
    assert answer.content_type == DOWNLOADS["xlsx"]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report.xlsx"'
    assert answer.data.startswith(b"PK")
    ads = viewer.get("/reports/whole.json", query_string=asked).json["ads"]
    assert [ad["ad_id"] for ad in ads] == ["winter"]
    assert viewer.get("/reports/whole.exe", query_string=asked).status_code == 404
    assert viewer.get("/reports/whole.pdf", query_string={"measure": "x"}).status_code == 400


def test_ads_that_only_demonstrations_showed_are_not_offered(as_, shops, engine):
    offered = 'name="ad" value="winter"'
    assert offered in as_("viewer").get("/reports").text
    with writing(engine) as connection:
        connection.execute(update(Session).values(session_kind="demo"))
    assert offered not in as_("editor").get("/reports").text


def test_only_some_ads_are_asked_for(as_, shops):
    page = as_("viewer").get("/reports/figures", query_string=ALL | {"ad": "winter"}).text
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    assert "winter" in table
    assert "summer" not in table


def test_a_report_is_saved_shown_and_deleted_by_its_owner_only(as_, editor, shops, engine):
    answer = editor.post("/reports", data=ALL | {"name": "Mine", "ad": ["summer"]}, headers=PAGE)
    assert answer.status_code == 303
    listing = editor.get("/reports").text
    assert "Mine" in listing
    assert re.search(r'href="(/reports/figures\?ad=summer[^"]*)"', listing)
    other = as_("approver")
    assert "Mine" not in other.get("/reports").text
    with engine.connect() as connection:
        uid = connection.scalar(select(SavedReport.uid))
    assert other.post(f"/reports/{uid}/delete", headers=PAGE).status_code == 404
    assert as_("admin").get("/reports").text.count("Mine") >= 1
    assert editor.post(f"/reports/{uid}/delete", headers=PAGE).status_code == 303
    assert actions(engine) == ["report.save", "report.delete"]


def test_a_report_cannot_be_sent_without_a_mail_server(editor, shops):
    form = ALL | {"name": "Mine", "rhythm": "weekly", "recipients": "anna@example.com"}
    answer = editor.post("/reports", data=form, headers=PAGE)
    assert answer.status_code == 400
    assert "hub.mail" in answer.text


def test_a_saved_report_is_sent_by_mail(app, editor, shops, engine):
    with mail_server() as server:
        settings = app.extensions[EXTENSION].settings
        mail = f"smtp://127.0.0.1:{server.port}?from=ads@example.com&tls=no"
        app.extensions[EXTENSION].settings = settings.model_copy(update={"mail": mail})
        form = ALL | {"name": "Weekly", "rhythm": "weekly"}
        form |= {"recipients": "anna@example.com, ben@example.com"}
        assert editor.post("/reports", data=form, headers=PAGE).status_code == 303
        with engine.connect() as connection:
            uid = connection.scalar(select(SavedReport.uid))
        assert editor.post(f"/reports/{uid}/send", headers=PAGE).status_code == 303
    assert [message["To"] for message in server.messages] == ["anna@example.com", "ben@example.com"]
    message = server.messages[0]
    assert message["Subject"].startswith("Weekly, ")
    pdf, table = message.iter_attachments()
    assert pdf.get_content().startswith(b"%PDF")
    assert "The summer ad" in table.get_content()
    answer = editor.post(f"/reports/{uid}/send", headers=PAGE)
    assert answer.status_code == 502
    assert "127.0.0.1" in answer.text
    assert actions(engine) == ["report.save", "report.send", "report.send"]


def test_a_link_shows_one_frozen_document_to_anybody(app, editor, shops, tmp_path):
    link = shared_link(editor)
    stranger = app.test_client()
    answer = stranger.get(link)
    assert answer.status_code == 200
    assert "The summer ad" in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert 'http-equiv="Content-Security-Policy"' not in answer.text
    assert not re.search(r'(?:href|src)="https?://', answer.text)
    later = datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
    write_session(str(tmp_path / "hub.db"), "Later", later)
    assert stranger.get(link).text == answer.text
    # The link opens this document and nothing else.
    assert stranger.get("/reports").status_code in {302, 303, 401}
    assert stranger.get("/shared/").status_code in {401, 404}


@pytest.mark.parametrize(
    ("host", "is_warned"),
    [("localhost", True), ("127.0.0.1:8080", True), ("hub.example.com", False)],
)
def test_a_link_that_nobody_else_can_open_says_so(editor, shops, monkeypatch, host, is_warned):
    monkeypatch.setattr(report_builder, "hub_address", lambda: f"http://{host}")
    answer = editor.post("/reports/share", data=SHARE, headers=PAGE)
    assert f"<code>http://{host}/shared/" in answer.text
    assert ("opens on this machine only" in answer.text) == is_warned
    assert ("hub.url" in answer.text) == is_warned


def test_a_link_withholds_what_few_viewers_did(app, editor, shops):
    few = app.test_client().get(shared_link(editor, site="Attic site")).text
    assert few.count("1 viewer was in view, 5 are needed") >= 2


def test_a_link_ends_by_itself_and_by_its_author(app, editor, as_, shops, engine):
    link, stranger = shared_link(editor), app.test_client()
    with engine.connect() as connection:
        uid = connection.scalar(select(SharedDocument.uid))
    assert as_("operator").post(f"/reports/links/{uid}/revoke", headers=PAGE).status_code == 404
    assert stranger.get(link).status_code == 200
    assert editor.post(f"/reports/links/{uid}/revoke", headers=PAGE).status_code == 303
    assert stranger.get(link).status_code == 404
    with engine.connect() as connection:
        assert connection.scalar(select(SharedDocument.content)) == b""
    link = shared_link(editor)
    with writing(engine) as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(SharedDocument).values(expires_at=past))
    over, unknown = stranger.get(link), stranger.get("/shared/" + "A" * 43)
    assert over.status_code == unknown.status_code == 404
    assert over.text == unknown.text.replace("A" * 43, link.rpartition("/")[2])


def test_the_secret_of_a_link_is_nowhere_in_the_database(editor, shops, engine, tmp_path):
    token = shared_link(editor).rpartition("/")[2]
    assert len(token) == 43
    listing = editor.get("/reports").text
    assert "Spring" in listing
    assert token not in listing
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert token.encode() not in (tmp_path / "hub.db").read_bytes()


@pytest.mark.parametrize("days", ["91", "0", "-1", "x"])
def test_a_link_works_for_at_most_ninety_days(editor, shops, days):
    answer = editor.post("/reports/share", data=SHARE | {"days": days}, headers=PAGE)
    assert answer.status_code == 400


def test_another_site_cannot_make_a_link(editor, shops, engine):
    for headers in ({}, {"Origin": "https://evil.example"}):
        assert editor.post("/reports/share", data=SHARE, headers=headers).status_code == 403
    assert actions(engine) == []

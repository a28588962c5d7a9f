"""Sales and other figures, imported in the browser."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

import pytest
from sqlalchemy import select

from db.engine import writing
from db.hub.screens import registry
from db.hub.tables.people import AuditEntry
from db.read.experiments import outcome_spans, outcomes
from monitor.web.pages import outcomes as pages
from tests.helpers.hub_shows import add_creative

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
SALES = "time;value\n01.03.2026 09:00;1.234,50\n01.03.2026 10:00;987,00\n"
NINE = datetime(2026, 3, 1, 8, tzinfo=UTC)  # nine o'clock in Berlin


@pytest.fixture
def shop(engine):
    """A screen at a site in Berlin, and an ad."""
    place = registry.Place("Till", site="Foyer", time_zone="Europe/Berlin")
    with writing(engine) as connection:
        add_creative(connection, "summer")
        registry.create_screen(connection, place, datetime.now(UTC))


def send(browser, content=SALES, file="sales.csv", **form):
    data = {"file": (BytesIO(content.encode()), file), "site": "Foyer"} | form
    return browser.post("/experiments/outcomes", data=data, headers=PAGE)


def test_a_file_is_read_in_the_time_of_its_site_and_may_be_sent_again(as_, engine, shop):
    browser = as_("editor")
    assert "None." in browser.get("/experiments/outcomes").text
    answer = send(browser)
    assert answer.status_code == 201
    assert "2 figures were imported" in answer.text
    assert "No session has run" not in answer.text
    rows = outcomes(engine, "sales", ["Foyer"], NINE, datetime(2026, 3, 2, tzinfo=UTC))
    assert (rows[0].at, rows[0].value, rows[0].lasts_s) == (NINE, 1234.5, 3600)
    assert "2 of which replaced earlier ones" in send(browser).text
    page = browser.get("/experiments/outcomes").text
    assert "09:00" in page
    assert 'value="sales"' in browser.get("/experiments/new").text
    with engine.connect() as connection:
        [first, _] = connection.scalars(
            select(AuditEntry.after).where(AuditEntry.action == "outcome.import")
        ).all()
    assert first == {
        "file": "sales.csv",
        "sites": ["Foyer"],
        "figures": 2,
        "replaced": 0,
        "lines_left_out": 0,
    }


def test_what_is_said_of_a_file_settles_what_it_does_not_say(as_, engine, shop):
    text = "Date,Total,Shop\n03/02/2026 09:00,7,Moon\n03/02/2026 10:00,much,Moon\n"
    said = {"time_column": "Date", "value_column": "Total", "time_format": "%m/%d/%Y %H:%M"}
    answer = send(as_("editor"), text, "till.csv", name="visits", covered="0", **said)
    assert answer.status_code == 201
    assert "Line 3: expected a number with a decimal point, received &#39;much&#39;" in answer.text
    [span] = outcome_spans(engine)
    assert (span.name, span.site, span.figures) == ("visits", "Foyer", 1)
    assert span.first_at == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_a_site_in_the_file_that_nobody_knows_is_named(as_, shop):
    text = "time;site;value\n2026-03-01 09:00;Moon;7,5\n"
    assert "No session has run at Moon yet" in send(as_("editor"), text, site="").text


@pytest.mark.parametrize(
    ("content", "changes", "status", "words"),
    [
        ("", {}, 422, "no outcome that can be read"),
        ("when,what\nsoon,much\n", {}, 422, "which columns have the time and the value"),
        ("time;value\n2026-03-01 09:00;1.234\n", {}, 422, "name the decimal sign"),
        (SALES, {"site": ""}, 422, "expected a site: name one, or add a column"),
        ("x" * 200, {}, 413, "split it into parts"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    as_, engine, shop, monkeypatch, content, changes, status, words
):
    monkeypatch.setattr(pages, "MAX_FILE_BYTES", 150)
    answer = send(as_("editor"), content, **changes)
    assert answer.status_code == status
    assert words in answer.text
    assert outcome_spans(engine) == []


def test_without_a_file_nothing_is_imported(as_, engine, shop):
    answer = as_("editor").post("/experiments/outcomes", data={}, headers=PAGE)
    assert answer.status_code == 400
    assert "Choose a file." in answer.text
    assert "Import a file" not in as_("viewer").get("/experiments/outcomes").text

"""Experiments in the browser, on a hub and on the console of one kiosk."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pytest
from sqlalchemy import select

from db.engine import open_database, writing
from db.hub.people import accounts
from db.hub.screens import registry
from db.hub.tables.people import AuditEntry
from db.hub.tables.screens import Screen
from db.hub.tables.shows import DesiredState
from db.read.experiments import blocks_at_site, blocks_of, experiments, outcome_names
from db.write.experiments import store_experiment, store_outcomes
from monitor.analytics.errors import ExperimentError
from monitor.analytics.experiments import draw_blocks
from monitor.settings.console_order import ConsoleOrder
from monitor.settings.models import HubSettings
from monitor.uplink.documents import ExperimentEntry
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.kiosk_console import Console
from monitor.web.pages import experiments as pages
from tests.helpers.experiments import MONDAY, make_plan, outcomes_of, sales_of
from tests.helpers.hub_shows import add_creative
from tests.helpers.making import Make
from tests.unit.monitor.web.pages.conftest import lost_targets

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
DAY = timedelta(days=1)
FORM = {
    "treatment": "summer",
    "control": "winter",
    "site": "Foyer",
    "measure": "attention",
    "hours": "00:00-24:00",
    "block_min": "30",
    "wash_out_min": "0",
    "spread": "20 %",
    "stopping": "always_valid",
}
START = FORM | {"name": "Summer holds", "hypothesis": "Summer holds people longer."}


@contextmanager
def a_console(folder):
    """A kiosk that has run once, with its console.

    Yields the browser of its administrator, the console's database and the kiosk's, and the
    application.
    """
    order = ConsoleOrder(
        database=folder / "kiosk.db",
        settings_file=folder / "kiosk.yaml",
        site="Foyer",
        time_zone="Europe/Berlin",
    )
    kiosk = open_database(str(order.database))
    Make().write(kiosk)
    app = create_hub_app(HubSettings(database=str(folder / "console.db")), Console(order))
    engine = open_database(str(folder / "console.db"))
    yield log_in(app, engine, "admin"), engine, kiosk, app
    for one in (engine, kiosk):
        one.dispose()
    close_app(app)


def log_in(app, engine, role):
    browser, now = app.test_client(), datetime.now(UTC)
    with writing(engine) as connection:
        _token, account = accounts.invite(connection, role, role, now)
        browser.set_cookie("ad_monitor_hub", accounts.begin_login(connection, account, now))
    return browser


@pytest.fixture
def own(tmp_path):
    with a_console(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A console in which nothing is stored."""
    with a_console(tmp_path_factory.mktemp("console")) as made:
        yield made


def store(engine, **changes):
    """Store an experiment that began three days ago."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begin = now - 3 * DAY
    plan = make_plan(
        measure="attention",
        outcome=None,
        relevant=0.05,
        treatment=("summer",),
        control=("winter",),
        sites=("Foyer",),
        power={
            "spread": 0.2,
            "design_effect": 1.0,
            "blocks": 168,
            "days": 14,
            "detectable": 0.06,
            "enough": True,
        },
    )
    plan = replace(plan, starts_at=begin, ends_at=begin + 14 * DAY, registered_at=begin, **changes)
    with writing(engine) as connection:
        return replace(plan, id=store_experiment(connection, plan, draw_blocks(plan)))


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def audit(engine):
    with engine.connect() as connection:
        rows = connection.execute(select(AuditEntry.action, AuditEntry.after)).tuples().all()
    return [(action, after) for action, after in rows if action.startswith("experiment.")]


def test_a_console_plans_starts_and_stops_in_the_database_of_its_kiosk(own, monkeypatch):
    browser, hub, kiosk, _ = own
    # Within this test no block ends.
    at = datetime.now(UTC)
    monkeypatch.setattr(pages, "now", lambda: at)
    assert "There are none yet" in browser.get("/experiments").text
    page = browser.get("/experiments/new").text
    assert 'name="site" value="Foyer"' in page
    assert 'value="summer"' in page

    page = text_of(browser.get("/experiments/new", query_string=FORM | {"plan": "1"}).text)
    assert re.search(r"[\d,]+ blocks on \d+ days find an effect of \S+ points", page)
    assert "20.0%, as stated" in page
    assert experiments(kiosk) == []

    answer = browser.post("/experiments/new", data=START, headers=PAGE)
    assert answer.status_code == 303
    (stored,) = experiments(kiosk)
    assert experiments(hub) == []
    assert (stored.name, stored.sites) == ("Summer holds", ("Foyer",))
    assert stored.opening.timezone == "Europe/Berlin"
    blocks = blocks_of(kiosk, stored.id)
    assert blocks == draw_blocks(stored)
    # A running kiosk looks every ten seconds.
    assert blocks[0].starts_at >= stored.registered_at + timedelta(seconds=15)
    ((action, after),) = audit(hub)
    assert action == "experiment.start"
    assert (after["blocks"], after["treatment"]) == (len(blocks), ["summer"])

    page = text_of(browser.get(answer.headers["Location"]).text)
    assert "Started:" in page
    assert f"0 of {len(blocks):,} blocks are over" in page
    listed = text_of(browser.get("/experiments").text)
    assert "Summer holds people longer." in listed
    again = browser.post("/experiments/new", data=START, headers=PAGE)
    assert again.status_code == 409
    assert "its plan cannot be changed" in text_of(again.text)

    page = text_of(browser.get("/experiments/Summer holds/stop").text)
    assert f"0 of {len(blocks):,} blocks are over: that is too few to find anything" in page
    silent = browser.post("/experiments/Summer holds/stop", data={"reason": " "}, headers=PAGE)
    assert silent.status_code == 400
    why = {"reason": "sold out"}
    assert browser.post("/experiments/Summer holds/stop", data=why, headers=PAGE).status_code == 303
    assert experiments(kiosk)[0].stop_reason == "sold out"
    assert [action for action, _ in audit(hub)] == ["experiment.start", "experiment.stop"]
    twice = browser.post("/experiments/Summer holds/stop", data=why, headers=PAGE)
    assert twice.status_code == 409


@pytest.fixture
def hub_page(app, engine):
    """The browser of an editor of a hub that has two screens in a shop and one elsewhere."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        for name, site in (("Till", "Foyer"), ("Door", "Foyer"), ("Yard", "Hall"), ("Store", "")):
            place = registry.Place(name, site=site, time_zone="Europe/Berlin")
            registry.create_screen(connection, place, now)
        add_creative(connection, "summer")
    return log_in(app, engine, "editor")


def wanted(engine):
    """Return the experiments in what each screen is to show."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Screen.name, DesiredState.document).join(DesiredState)
        ).tuples()
        return {name: content.get("experiments", []) for name, content in rows}


def test_a_hub_sends_an_experiment_to_the_screens_of_its_sites(hub_page, engine):
    page = hub_page.get("/experiments/new").text
    assert "Door, Till" in text_of(page)
    assert "Store" not in text_of(page)
    assert "Choose where it runs" in text_of(
        hub_page.get("/experiments/new?plan=1&treatment=summer&measure=attention").text
    )
    answer = hub_page.post("/experiments/new", data=START, headers=PAGE)
    assert answer.status_code == 303
    (stored,) = experiments(engine)
    assert wanted(engine) == {"Till": [stored.uid], "Door": [stored.uid]}
    # Kiosks ask every half minute.
    first = blocks_of(engine, stored.id)[0].starts_at
    assert first >= stored.registered_at + timedelta(minutes=2)
    with engine.connect() as connection:
        (sent,) = blocks_at_site(connection, [stored.uid], "Foyer")
    assert (sent.name, sent.treatment, sent.control) == ("Summer holds", ("summer",), ("winter",))
    made = ExperimentEntry.model_validate(asdict(sent)).blocks()
    assert [(b.number, b.arm, b.starts_at, b.ends_at) for b in made] == [
        (b.number, b.arm, b.starts_at, b.ends_at) for b in blocks_of(engine, stored.id)
    ]
    other = START | {"name": "another"}
    refused = hub_page.post("/experiments/new", data=other, headers=PAGE)
    assert refused.status_code == 409
    assert "runs at the same site" in text_of(refused.text)

    why = {"reason": "sold out"}
    hub_page.post("/experiments/Summer holds/stop", data=why, headers=PAGE)
    assert wanted(engine) == {"Till": [], "Door": []}
    with engine.connect() as connection:
        log = connection.scalars(select(AuditEntry.action)).all()
    assert [action for action in log if not action.startswith("user.")] == [
        *("show.publish", "experiment.start", "show.publish", "experiment.stop")
    ]


def test_a_console_without_a_kiosk_says_what_to_do(own, tmp_path):
    own[2].dispose()
    (tmp_path / "kiosk.db").unlink()
    answer = own[0].get("/experiments")
    assert answer.status_code == 503
    assert "start it" in answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"treatment": "", "control": ""}, "Choose the ad that is on trial"),
        ({"control": "summer"}, "in both arms"),
        ({"hours": "9-17"}, "Expected hours such as"),
        ({"effect": "much"}, "or such as 10%"),
        ({"block_min": "0"}, "Expected at least 0.05"),
        ({"wash_out_min": "29"}, "less than half of a block"),
        ({"last_day": "2020-01-01"}, "ends on 2020-01-02 00:00, before it starts"),
        ({"last_day": "9999-12-31"}, "Expected an earlier date"),
        ({"first_day": "9999-12-30"}, "expected the next ten years"),
        ({"effect": "0." + "0" * 300 + "1"}, "from 0.0001 to 10"),
        ({"effect": "0.0001", "spread": "10"}, "look for a larger effect"),
        ({"effect": "5"}, "No difference of attention can be as large as 500 points"),
        ({"site": "Hall"}, "Choose a site of this list"),
        ({"treatment": "x" * 201}, "at most 200 characters"),
        ({"first_day": "2030-01-02", "last_day": "2030-01-01"}, "before the first one"),
        ({"spread": ""}, "run the kiosk there for some days first"),
        ({"effect": "0.1%"}, "look for a larger effect"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_says_why(untouched, changes, words):
    form = {name: value for name, value in (FORM | changes | {"plan": "1"}).items() if value}
    answer = untouched[0].get("/experiments/new", query_string=form)
    assert answer.status_code == 400
    assert words in text_of(answer.text)
    assert lost_targets(answer.text) == set()
    # What was chosen is still there.
    chosen = {form.get("treatment"), form.get("control")} & {"summer", "winter"}
    assert answer.text.count(" checked>") >= len(chosen)


def test_starts_wait_for_each_other_before_they_look_for_others(untouched, monkeypatch):
    calls = []

    def begin(*_values, **_options):
        calls.append("begin")
        raise ExperimentError("Another one runs.")

    monkeypatch.setattr(pages, "hold_plan", lambda connection: calls.append("hold"))
    monkeypatch.setattr(pages, "begin", begin)
    assert untouched[0].post("/experiments/new", data=START, headers=PAGE).status_code == 409
    assert calls == ["hold", "begin"]


def test_a_name_of_the_command_line_may_have_a_slash(own):
    browser, _, kiosk, _ = own
    store(kiosk, name="summer/winter")
    address = re.search(r'href="(/experiments/summer[^"]*)"', browser.get("/experiments").text)[1]
    assert "summer/winter" in browser.get(address).text
    why = {"reason": "sold out"}
    assert browser.post(f"{address}/stop", data=why, headers=PAGE).status_code == 303


def test_a_last_day_is_the_last_day_that_is_shown(untouched):
    first, last = (datetime.now(UTC) + days * DAY for days in (3, 16))
    days = {"first_day": f"{first:%Y-%m-%d}", "last_day": f"{last:%Y-%m-%d}"}
    page = text_of(
        untouched[0].get("/experiments/new", query_string=FORM | days | {"plan": "1"}).text
    )
    assert f"to {last.day} {last:%B %Y}" in page


def test_the_last_day_of_an_experiment_is_one_with_blocks(hub_page, engine):
    seven = MONDAY + timedelta(hours=7)
    plan = make_plan(starts_at=seven, ends_at=seven + 14 * DAY)
    with writing(engine) as connection:
        store_experiment(connection, plan, draw_blocks(plan))
    page = text_of(hub_page.get("/experiments/tea").text)
    assert "2 March 2026 to 15 March 2026, 08:00\N{EN DASH}20:00, UTC" in page


def test_what_a_plan_promises_is_the_effect_that_its_blocks_find(untouched):
    last = f"{datetime.now(UTC) + 2 * DAY:%Y-%m-%d}"
    page = (
        untouched[0]
        .get("/experiments/new", query_string=FORM | {"plan": "1", "last_day": last})
        .text
    )
    found = re.search(r"find an effect of (\S+ points)", text_of(page))[1]
    assert f"If there is a difference of {found}, 80% of such experiments find it." in text_of(page)


@pytest.mark.parametrize("name", ["", "new", "a/b", "x" * 81])
def test_a_name_that_cannot_be_used_keeps_the_plan(untouched, name):
    browser, _, kiosk, _ = untouched
    answer = browser.post("/experiments/new", data=START | {"name": name}, headers=PAGE)
    assert answer.status_code == 400
    assert "What it takes" in answer.text
    assert experiments(kiosk) == []


def test_before_its_end_a_fixed_plan_shows_no_effect_and_says_why(own):
    store(own[2], stopping="fixed")
    page = text_of(own[0].get("/experiments/tea").text)
    assert "finds effects that are not there" in page
    assert "judged once, at its end" in page or "too few whole days" in page
    page = text_of(own[0].get("/experiments/tea/stop").text)
    assert "nothing can be claimed" in page


def test_an_answer_at_any_time_says_that_looking_is_allowed_for(own):
    store(own[2])
    page = text_of(own[0].get("/experiments/tea").text)
    assert "allows for a look every day" in page
    assert "No play in" in page
    page = text_of(own[0].get("/experiments/tea/stop").text)
    assert "all that are planned would find 6 points" in page


def test_the_list_has_pages_and_works_out_a_row_once_in_a_while(own, monkeypatch):
    browser, _, kiosk, _ = own
    for number in range(12):
        store(kiosk, name=f"trial {number}", uid=f"{number:032x}")
    worked_out, at, later = [], datetime.now(UTC), timedelta()

    def result_document(engine, plan, at):
        worked_out.append(plan.name)
        return real(engine, plan, at)

    real = pages.result_document
    monkeypatch.setattr(pages, "result_document", result_document)
    monkeypatch.setattr(pages, "now", lambda: at + later)
    page = browser.get("/experiments").text
    latest = [f"trial {number}" for number in range(11, 1, -1)]
    assert re.findall(r">(trial \d+)</a>", page) == worked_out == latest
    assert browser.get("/experiments").text == page
    assert len(worked_out) == 10
    assert "trial 1<" in browser.get("/experiments?page=2").text
    assert browser.get("/experiments?page=3").status_code == 404
    assert worked_out == [*latest, "trial 1", "trial 0"]

    file = BytesIO(b"time,value\n2026-03-01 09:00,12\n")
    browser.post("/experiments/outcomes", data={"file": (file, "till.csv")}, headers=PAGE)
    browser.get("/experiments?page=2")
    assert len(worked_out) == 14
    later = timedelta(minutes=1)
    browser.get("/experiments?page=2")
    assert len(worked_out) == 16
    # Settled ones are kept for an hour.
    for minutes, count in ((60 * 24 * 30, 18), (60 * 24 * 30 + 59, 18), (60 * 24 * 30 + 61, 20)):
        later = timedelta(minutes=minutes)
        browser.get("/experiments?page=2")
        assert len(worked_out) == count


def test_the_blocks_that_were_drawn_count_and_not_those_of_the_plan(own):
    browser, _, kiosk, _ = own
    power = make_plan().power | {"spread": 0.2, "design_effect": 1.0, "detectable": 0.06}
    plan = store(kiosk)
    drawn = len(blocks_of(kiosk, plan.id))
    other = replace(plan, name="milk", uid="b" * 32, power=power | {"blocks": drawn + 1})
    with writing(kiosk) as connection:
        store_experiment(connection, other, draw_blocks(other))
    for address in ("/experiments/milk", "/experiments/milk/stop"):
        assert f" of {drawn:,} blocks are over" in text_of(browser.get(address).text), address


def test_the_pages_speak_german(own):
    store(own[2])
    german = {"Accept-Language": "de"}
    for address in ("/experiments", "/experiments/tea", "/experiments/tea/stop"):
        page = text_of(own[0].get(address, headers=german).text)
        assert "blocks" not in page
        assert "Blöcke" in page
    page = own[0].get("/experiments/new", query_string=FORM | {"plan": 1}, headers=german).text
    assert "finden einen Effekt, der" in text_of(page)


def test_the_effect_at_each_site_is_written_as_in_the_sentence(hub_page, engine):
    make = {"measure": "outcome", "outcome": "sales", "treatment": ("summer",), "control": ()}
    plan = make_plan(**make, sites=("Foyer", "Hall"), power={"blocks": 672})
    blocks = draw_blocks(plan)
    sold = sales_of(blocks, np.random.default_rng(1), lift=0.2, noise=0.1)
    with writing(engine) as connection:
        store_experiment(connection, plan, blocks)
        store_outcomes(connection, outcomes_of(blocks, sold), plan.ends_at)
    page = text_of(hub_page.get("/experiments/tea").text)
    assert re.search(r"It works: sales \d+\.\d% higher .*, p < 0\.0001", page.replace("&lt;", "<"))
    for site in ("Foyer", "Hall"):
        assert re.search(rf"{site} \+\d+\.\d% \+\d+\.\d% to \+\d+\.\d% 336 of 336", page)
    german = {"Accept-Language": "de"}
    # Rows of the list are kept, each shown in the language of who looks.
    for headers, words in ((german, r"um \d+,\d\s% höher"), ({}, r"sales \d+\.\d% higher")):
        assert re.search(words, text_of(hub_page.get("/experiments", headers=headers).text))
    german = text_of(hub_page.get("/experiments/tea", headers=german).text)
    assert re.search(r"Hall \+\d+,\d\s% \+\d+,\d\s% bis \+\d+,\d\s%", german)


def test_readers_see_and_do_not_change(own):
    _, engine, kiosk, app = own
    store(kiosk)
    browser = log_in(app, engine, "viewer")
    assert "Plan an experiment" not in browser.get("/experiments").text
    assert "Stop it early" not in browser.get("/experiments/tea").text


def test_figures_of_a_console_belong_to_its_kiosk(own):
    browser, hub, kiosk, _ = own
    file = BytesIO(b"time,value\n2026-03-01 09:00,12\n2026-03-01 10:00,14\n")
    answer = browser.post("/experiments/outcomes", data={"file": (file, "till.csv")}, headers=PAGE)
    assert answer.status_code == 201
    assert outcome_names(kiosk) == {"till": ("Foyer",)}
    assert outcome_names(hub) == {}
    assert 'value="till"' in browser.get("/experiments/new").text

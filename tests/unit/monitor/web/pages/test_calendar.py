"""The calendar and the campaigns of a hub."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from db.engine import writing
from db.hub.screens import registry
from db.hub.tables.people import AuditEntry
from db.hub.tables.shows import Booking, Campaign, DesiredState
from monitor.web.services import EXTENSION
from tests.helpers.hub_screens import PLACE
from tests.helpers.hub_shows import add_creative, add_playlist, publish_revision
from tests.unit.monitor.web.pages.conftest import lost_targets, write_session

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}


@pytest.fixture
def shop(engine):
    """A screen, a playlist with one approved ad, and their uids."""
    with writing(engine) as connection:
        screen = registry.create_screen(connection, PLACE, datetime.now(UTC))
        ad = add_creative(connection, "summer")
        playlist = add_playlist(connection, [{"creative": ad}], "Usual")
    return screen.uid, playlist, ad


def shown(engine):
    """Return the ads that each screen is to show."""
    with engine.connect() as connection:
        found = connection.scalars(select(DesiredState.document)).all()
    return [[ad["id"] for ad in (one["playlist"] or {"ads": []})["ads"]] for one in found]


def actions(engine):
    with engine.connect() as connection:
        rows = connection.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    return [one for one in rows if not one.startswith("user.")]


def book(browser, playlist, address="/calendar/new", **changes):
    form = {"playlist": playlist, "where": "all", "priority": "0", "save": ""} | changes
    return browser.post(address, data=form, headers=PAGE)


def test_a_booking_reaches_the_screen_and_is_in_the_calendar(operator, engine, shop):
    _, playlist, _ = shop
    assert book(operator, playlist, hours="08:00-12:00").status_code == 303
    assert shown(engine) == [["summer"]]
    page = operator.get("/calendar").text
    # On each day, and in the list of bookings.
    assert page.count("08:00\N{EN DASH}12:00") == 8
    assert "Till 3" in page
    assert actions(engine) == ["show.publish", "booking.add"]


def test_it_is_changed_and_removed(operator, engine, shop):
    uid, playlist, _ = shop
    book(operator, playlist)
    with engine.connect() as connection:
        booking = connection.scalar(select(Booking.uid))
    page = operator.get(f"/calendar/{booking}").text
    assert 'value="0"' in page
    day = {"days": ["mon"], "where": f"screen:{uid}", "priority": "3", "day": ["mon", "tue"]}
    assert book(operator, playlist, f"/calendar/{booking}", **day).status_code == 303
    with engine.connect() as connection:
        (row,) = connection.execute(select(Booking.__table__)).all()
    assert (row.target_kind, row.target, row.days, row.priority) == (
        "screen",
        uid,
        ["mon", "tue"],
        3,
    )
    assert operator.post(f"/calendar/{booking}/remove", headers=PAGE).status_code == 303
    assert shown(engine) == [[]]
    assert operator.get(f"/calendar/{booking}").status_code == 404


def test_looking_changes_nothing(operator, engine, shop):
    _, playlist, _ = shop
    answer = operator.post(
        "/calendar/new", data={"playlist": playlist, "where": "all", "look": ""}, headers=PAGE
    )
    assert answer.status_code == 200
    assert "1 screen would show something else" in answer.text
    assert shown(engine) == []
    assert actions(engine) == []


def test_a_booking_that_would_leave_a_screen_empty_is_refused(operator, engine, shop):
    _, playlist, _ = shop
    book(operator, playlist)
    with writing(engine) as connection:
        publish_revision(connection, playlist, [])
    answer = book(operator, playlist, hours="08:00-09:00")
    assert answer.status_code == 409
    assert "would have nothing to show (Till 3)" in answer.text
    assert shown(engine) == [["summer"]]


@pytest.mark.parametrize(
    ("field", "typed", "why"),
    [
        ("hours", "25:00-26:00", "hours"),
        ("priority", "10", "at most 9"),
        ("priority", "high", "whole number"),
        ("first_day", "tomorrow", "Expected a date"),
        ("where", "planet:Mars", "Expected"),
        ("where", "screen:" + "0" * 32, "no such screen"),
        ("playlist", "0" * 32, "no such playlist"),
    ],
)
def test_wrong_fields_are_named_and_kept(operator, engine, shop, field, typed, why):
    answer = book(operator, **{"playlist": shop[1], field: typed})
    assert answer.status_code == 400
    assert why in answer.text
    assert lost_targets(answer.text) == set()
    assert shown(engine) == []


def test_the_last_day_is_not_before_the_first(operator, shop):
    answer = book(operator, shop[1], first_day="2026-03-02", last_day="2026-03-01")
    assert answer.status_code == 400
    assert "The last day is before the first one" in answer.text


def test_weeks_are_chosen_and_wrong_ones_refused(as_, shop):
    viewer = as_("viewer")
    assert "2 Mar" in viewer.get("/calendar?week=2026-03-05").text
    for week in ("soon", "9999-12-31", "0001-01-01"):
        assert viewer.get(f"/calendar?week={week}").status_code in {200, 400}
    assert "/calendar/new" not in viewer.get("/calendar").text


def plan(browser, ad, **changes):
    today = datetime.now(UTC).date()
    form = {"name": "Spring", "creative": [ad], "goal_kind": "plays", "goal": "4"}
    form |= {"first_day": today - timedelta(days=5), "last_day": today + timedelta(days=4)}
    return browser.post("/campaigns/new", data=form | changes, headers=PAGE)


def test_a_campaign_counts_the_plays_of_its_ads(as_, engine, shop, tmp_path):
    editor = as_("editor")
    for number in range(3):
        start = datetime.now(UTC) - timedelta(days=number, hours=3)
        write_session(str(tmp_path / "hub.db"), "Foyer", start)
    answer = plan(editor, shop[2])
    assert answer.status_code == 303, answer.text
    page = editor.get(answer.headers["Location"]).text
    assert "3 of 4" in page
    assert "On track" in page
    assert "ends with" in page
    listing = editor.get("/campaigns").text
    assert "Spring" in listing
    uid = re.search(r"/campaigns/([0-9a-f]{32})", listing)[1]
    seconds = {"goal_kind": "attentive_seconds", "goal": "1000000", "name": "Spring"}
    today = datetime.now(UTC).date()
    days = {"first_day": today - timedelta(days=5), "last_day": today + timedelta(days=4)}
    form = seconds | days | {"creative": [shop[2]]}
    assert editor.post(f"/campaigns/{uid}", data=form, headers=PAGE).status_code == 303
    assert "Behind" in editor.get("/campaigns").text
    assert editor.post(f"/campaigns/{uid}/archive", headers=PAGE).status_code == 303
    assert "Spring" not in editor.get("/campaigns").text
    assert "Spring" in editor.get("/campaigns?archived=1").text
    assert actions(engine) == ["campaign.add", "campaign.change", "campaign.archived"]


def test_a_campaign_withholds_the_seconds_of_few_viewers(app, as_, shop, tmp_path):
    write_session(str(tmp_path / "hub.db"), "Foyer", datetime.now(UTC) - timedelta(hours=3))
    editor, services = as_("editor"), app.extensions[EXTENSION]
    page = plan(editor, shop[2], goal_kind="attentive_seconds", goal="1000").headers["Location"]
    seen = []
    for fewest in (1, 1000):
        services.settings = services.settings.model_copy(update={"min_viewers": fewest})
        seen.append(re.search(r"([\d.,]+) of 1,000", editor.get(page).text)[1])
    assert seen[0] != seen[1] == "0"


def test_the_titles_tell_a_new_booking_or_campaign_from_one_that_is_there(as_, engine, shop):
    admin = as_("admin")
    book(admin, shop[1])
    plan(admin, shop[2])
    with engine.connect() as connection:
        booking = connection.scalar(select(Booking.uid))
        campaign = connection.scalar(select(Campaign.uid))
    titles = {
        "/calendar/new": "Book a playlist",
        f"/calendar/{booking}": "Booking",
        "/campaigns/new": "Plan a campaign",
        f"/campaigns/{campaign}": "Spring",
    }
    for path, title in titles.items():
        assert f"<title>{title} · " in admin.get(path).text


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "Fill in"),
        ({"creative": []}, "Choose an ad"),
        ({"goal": "0"}, "above 0"),
        ({"goal": "many"}, "Expected a number"),
        ({"first_day": ""}, "Expected a date"),
        ({"last_day": "9999-12-31"}, "Expected an earlier date"),
    ],
)
def test_wrong_fields_of_a_campaign_are_named(as_, engine, shop, changes, why):
    answer = plan(as_("editor"), shop[2], **changes)
    assert answer.status_code == 400
    assert why in answer.text
    assert lost_targets(answer.text) == set()
    with engine.connect() as connection:
        assert connection.scalar(select(Campaign.id)) is None

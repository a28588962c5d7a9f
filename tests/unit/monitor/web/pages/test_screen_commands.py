"""What a screen's page says of its show, and what people ask its kiosk to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from db.engine import writing
from db.hub.screens import registry
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.commands import (
    CommandAnswer,
    add_commands,
    finish_command,
    list_commands,
)
from db.hub.shows.desired import Reported, find_desired, note_report
from db.hub.tables.people import AuditEntry
from db.hub.tables.screens import Screen
from db.hub.tables.shows import Command
from monitor.hub.screens.place_form import form_of
from monitor.hub.screens.settings_form import FIELDS
from monitor.hub.shows.publishing import refresh
from monitor.settings.from_hub import SCREEN_KEYS
from tests.helpers.hub_screens import PLACE, a_health, fill_wall
from tests.helpers.hub_shows import add_creative, add_playlist, set_approval

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
PICTURE = b"\x89PNG of an ad"


@pytest.fixture
def screen(engine):
    now = datetime.now(UTC)
    with writing(engine) as connection:
        screen = registry.create_screen(connection, PLACE, now)
        registry.store_health(connection, screen.id, a_health(at=now.isoformat()), now)
    return screen


@pytest.fixture
def ads(engine, screen):
    """A playlist of two ads that is booked for the screen, and one that waits."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        uids = [add_creative(connection, name) for name in ("coffee", "tea")]
        uids.append(add_creative(connection, "milk", approval="pending"))
        playlist = add_playlist(connection, [{"creative": uid} for uid in uids])
        days = {"first_day": date(2026, 3, 2), "last_day": date(2036, 3, 9)}
        days["hours"] = ("00:00-24:00",)
        plan = BookingPlan(playlist, "site", PLACE.site, priority=3, **days)
        add_booking(connection, plan, "eva", now)
        refresh(connection, "eva", now)
    return uids


def report(engine, screen, *what):
    with writing(engine) as connection:
        assert note_report(connection, screen.id, Reported(*what), datetime.now(UTC))


def actions(engine):
    with engine.connect() as connection:
        rows = connection.execute(
            select(AuditEntry.action, AuditEntry.target, AuditEntry.after)
        ).tuples()
        return [row for row in rows if not row[0].startswith("user.")]


def test_every_setting_that_a_screen_may_have_is_in_the_form():
    assert tuple(field.key for field in FIELDS) == SCREEN_KEYS


def test_the_page_says_what_the_screen_is_to_show_and_what_came_of_it(as_, engine, screen, ads):
    page = as_("viewer").get(f"/screens/{screen.uid}").text
    assert "Its kiosk has not asked for version 1 yet." in page
    assert "Coffee, Tea" in page
    assert "It waits for approval." in page
    assert ">Usual</th><td>from 2 March 2026 until 9 March 2036" in page
    assert "<td>00:00\N{EN DASH}24:00</td>" in page
    for what, words in (
        ((1, "fetching", "", 0.4), "It fetches version 1: 40% of the media are there."),
        ((1, "refused", "the disk is full"), "Version 1 is not shown: the disk is full. It goes"),
        ((1, "applied"), "It shows version 1."),
    ):
        report(engine, screen, *what)
        assert words in as_("viewer").get(f"/screens/{screen.uid}").text


def test_a_screen_with_nothing_left_to_show_says_why_it_keeps_what_it_has(as_, engine, screen, ads):
    with writing(engine) as connection:
        for uid in ads:
            set_approval(connection, uid, "rejected")
        refresh(connection, "tom", datetime.now(UTC), keep_empty=True)
    page = as_("viewer").get(f"/screens/{screen.uid}").text
    assert "so the screen keeps what it has." in page
    assert "Coffee: It was rejected." in page


def test_before_anything_is_published_the_page_says_so(as_, screen):
    page = as_("viewer").get(f"/screens/{screen.uid}").text
    assert "Nothing was published for this screen yet: it shows its local playlist." in page
    assert "/commands" not in page


def test_a_command_is_asked_answered_and_listed(operator, as_, engine, screen):
    answer = operator.post(
        f"/screens/{screen.uid}/commands", data={"kind": "picture"}, headers=PAGE
    )
    assert answer.status_code == 303
    assert ("command.picture", f"screen {screen.id}", None) in actions(engine)
    page = operator.get(answer.location).text
    assert "The kiosk was asked." in page
    assert "waiting for the kiosk" in page
    with writing(engine) as connection:
        [command] = list_commands(connection, screen.id)
        done = CommandAnswer(True, "1920 x 1080", "image/png", PICTURE)
        finish_command(connection, screen.id, command.uid, done, datetime.now(UTC))
    page = as_("viewer").get(f"/screens/{screen.uid}").text
    assert "done: 1920 x 1080" in page
    address = f"/screens/{screen.uid}/commands/{command.uid}/picture"
    assert f'<img src="{address}"' in page
    picture = as_("viewer").get(address)
    assert (picture.data, picture.content_type) == (PICTURE, "image/png")
    assert operator.get(address.replace("picture", "logs")).status_code == 404
    assert as_("agency").get(address).status_code == 403


def test_logs_are_for_operators_and_come_as_a_file(operator, as_, engine, screen):
    with writing(engine) as connection:
        now = datetime.now(UTC)
        [uid] = add_commands(connection, [screen.id], "logs", "tom", now)
        done = CommandAnswer(True, "", "application/zstd", b"packed")
        finish_command(connection, screen.id, uid, done, now)
    address = f"/screens/{screen.uid}/commands/{uid}/logs"
    answer = operator.get(address)
    assert answer.data == b"packed"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="logs-')
    assert as_("viewer").get(address).status_code == 403
    assert address not in as_("viewer").get(f"/screens/{screen.uid}").text


def test_a_command_that_nobody_fetched_in_time_was_not_done(operator, engine, screen):
    with writing(engine) as connection:
        add_commands(connection, [screen.id], "restart", "tom", datetime.now(UTC))
        late = datetime.now(UTC) - timedelta(minutes=1)
        connection.execute(update(Command).values(expires_at=late))
    assert "the kiosk did not ask in time" in operator.get(f"/screens/{screen.uid}").text


def test_many_screens_are_asked_at_once(operator, engine):
    fill_wall(engine, 50, datetime.now(UTC))
    chosen = {"kind": "identify", "site": "Site 3", "group": "", "tag": ""}
    answer = operator.post("/screens/commands", data=chosen, headers=PAGE)
    assert answer.status_code == 303
    assert "2 kiosks were asked" in operator.get(answer.location).text
    with engine.connect() as connection:
        asked = connection.scalars(select(Command.screen_id)).all()
        sites = connection.scalars(select(Screen.site).where(Screen.id.in_(asked))).all()
    assert sites == ["Site 3", "Site 3"]
    assert actions(engine)[-1][:2] == ("command.identify", "2 screens")
    # Pictures and logs of a thousand screens are asked for one by one.
    for kind in ("picture", "logs", "format"):
        wrong = operator.post("/screens/commands", data=chosen | {"kind": kind}, headers=PAGE)
        assert wrong.status_code == 400


def test_settings_are_checked_stored_and_published(operator, engine, screen):
    address = f"/screens/{screen.uid}/settings"
    wrong = operator.post(
        address, data={"window.volume": "loud", "data.measure_hours": "9-30"}, headers=PAGE
    )
    assert wrong.status_code == 400
    assert "Expected a number from 0 to 1" in wrong.text
    assert 'value="loud"' in wrong.text
    right = {
        "window.volume": "0,5",
        "window.overlay": "false",
        "notice.languages": "de, en",
        "data.measure_hours": "08:00-20:00",
        "data.campaign": " ",
        "camera.source": "0",
    }
    answer = operator.post(address, data=right, headers=PAGE)
    assert answer.status_code == 303
    stored = {
        "window.volume": 0.5,
        "window.overlay": False,
        "notice.languages": ["de", "en"],
        "data.measure_hours": ["08:00-20:00"],
    }
    with engine.connect() as connection:
        assert find_desired(connection, screen.id).content["settings"] == stored
    assert ("screen.settings", f"screen {screen.id}", stored) in actions(engine)
    page = operator.get(answer.location).text
    assert 'value="de, en"' in page
    assert '<option value="false" selected>' in page


def test_a_screen_that_moves_shows_what_is_booked_there(operator, engine, screen, ads):
    form = form_of(PLACE) | {"site": "Elsewhere"}
    operator.post(f"/screens/{screen.uid}/place", data=form, headers=PAGE)
    with engine.connect() as connection:
        found = find_desired(connection, screen.id)
    assert (found.version, found.content["playlist"]) == (2, None)


def test_a_screen_that_is_retired_is_asked_nothing(operator, engine, screen):
    with writing(engine) as connection:
        registry.retire_screen(connection, screen.uid, datetime.now(UTC))
    for path in ("commands", "settings"):
        address = f"/screens/{screen.uid}/{path}"
        assert operator.post(address, data={"kind": "restart"}, headers=PAGE).status_code == 409
    assert operator.get(f"/screens/{screen.uid}").status_code == 200
    assert operator.get(f"/screens/{'f' * 32}/commands/{'f' * 32}/picture").status_code == 404

"""What screens are to show is worked out anew when something changes."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select, update

from db.engine import writing
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.desired import find_desired
from db.hub.tables.people import AuditEntry
from db.hub.tables.screens import Screen
from db.hub.tables.shows import DesiredState
from monitor.hub.shows.publishing import ShowError, preview, refresh, renew, trying
from tests.helpers.hub_screens import NOW, fill_wall
from tests.helpers.hub_shows import add_creative, add_playlist, publish_revision, set_approval

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine


def versions(connection: Connection) -> list[int]:
    rows = connection.execute(select(DesiredState.version).join(Screen).order_by(Screen.id))
    return [version for (version,) in rows]


def book(connection: Connection, count: int = 3, **plan: Any) -> tuple[str, list[str]]:
    """Book a playlist of some ads for all screens; return its uid and those of the ads."""
    ads = [add_creative(connection, f"ad {number}") for number in range(count)]
    playlist = add_playlist(connection, [{"creative": uid} for uid in ads])
    add_booking(connection, BookingPlan(playlist, **plan), "eva", NOW)
    return playlist, ads


def test_a_version_grows_only_if_the_document_changed(engine: Engine) -> None:
    fill_wall(engine, 3, NOW)
    with writing(engine) as connection:
        playlist, ads = book(connection)
        outcome = refresh(connection, "eva", NOW)
        assert [screen.place.name for screen in outcome.changed] == [
            "Screen 1",
            "Screen 2",
            "Screen 3",
        ]
        assert refresh(connection, "eva", NOW).changed == ()
        assert versions(connection) == [1, 1, 1]
        publish_revision(connection, playlist, [{"creative": ads[0]}])
        refresh(connection, "tom", NOW + timedelta(hours=1))
        assert versions(connection) == [2, 2, 2]
        found = find_desired(connection, 1)
        assert found is not None
        assert (found.made_by, found.serial) == ("tom", 2)
        assert [ad["id"] for ad in found.content["playlist"]["ads"]] == ["ad 0"]
        log = connection.execute(select(AuditEntry.actor, AuditEntry.action, AuditEntry.target))
        assert log.all() == [
            ("eva", "show.publish", "3 screens"),
            ("tom", "show.publish", "3 screens"),
        ]


def test_only_the_screens_that_are_booked_change(engine: Engine) -> None:
    fill_wall(engine, 4, NOW)
    with writing(engine) as connection:
        book(connection, target_kind="site", target="Site 2")
        outcome = refresh(connection, "eva", NOW)
        assert [screen.place.site for screen in outcome.changed] == ["Site 2"]
        connection.execute(update(Screen).where(Screen.id == 3).values(site="Site 2"))
        assert len(refresh(connection, "eva", NOW, [3]).changed) == 1
        # What is no longer booked goes back to what the screen has by itself.
        connection.execute(update(Screen).where(Screen.id == 3).values(site="Elsewhere"))
        refresh(connection, "eva", NOW)
        found = find_desired(connection, 3)
        assert found is not None
        assert found.content["playlist"] is None


def test_settings_of_a_screen_come_before_those_of_its_playlist(engine: Engine) -> None:
    fill_wall(engine, 2, NOW)
    with writing(engine) as connection:
        book(connection)
        own = {"window.volume": 0.5}
        connection.execute(update(Screen).where(Screen.id == 2).values(settings=own))
        refresh(connection, "eva", NOW)
        contents = [find_desired(connection, number) for number in (1, 2)]
        assert [found and found.content["settings"] for found in contents] == [{}, own]


def test_a_show_that_can_never_play_is_refused_and_the_old_one_stays(engine: Engine) -> None:
    fill_wall(engine, 2, NOW)
    with writing(engine) as connection:
        playlist, ads = book(connection)
        refresh(connection, "eva", NOW)
    with writing(engine) as connection:
        pending = add_creative(connection, "new", approval="pending")
    with trying(engine) as connection:
        publish_revision(connection, playlist, [{"creative": pending}])
        with pytest.raises(ShowError) as caught:
            refresh(connection, "eva", NOW)
    assert str(caught.value) == (
        "2 screens would have nothing to show (Screen 1 and Screen 2). None of the ads that are "
        "booked may be shown. New: It waits for approval."
    )
    with engine.connect() as connection:
        found = find_desired(connection, 1)
        assert found is not None
        assert (found.version, len(found.content["playlist"]["ads"])) == (1, len(ads))


def test_a_rejection_is_possible_and_screens_without_anything_else_keep_what_they_have(
    engine: Engine,
) -> None:
    fill_wall(engine, 1, NOW)
    with writing(engine) as connection:
        _playlist, ads = book(connection, count=1)
        refresh(connection, "eva", NOW)
        set_approval(connection, ads[0], "rejected")
        outcome = refresh(connection, "tom", NOW, keep_empty=True)
        assert [one.is_new for one in outcome.refused] == [True]
        # It is told once; another change elsewhere is not held up by it.
        assert [one.is_new for one in refresh(connection, "tom", NOW).refused] == [False]
        found = find_desired(connection, 1)
        assert found is not None
        assert (found.version, found.is_empty) == (1, True)
        set_approval(connection, ads[0], "approved")
        assert len(refresh(connection, "tom", NOW).recovered) == 1
        found = find_desired(connection, 1)
        assert found is not None
        assert (found.version, found.is_empty) == (1, False)


def test_days_that_pass_end_ads(engine: Engine) -> None:
    fill_wall(engine, 1, NOW)
    with writing(engine) as connection:
        ads = [
            add_creative(connection, "tea"),
            add_creative(connection, "milk", last_day=NOW.date()),
        ]
        playlist = add_playlist(connection, [{"creative": uid} for uid in ads])
        add_booking(connection, BookingPlan(playlist), "eva", NOW)
        refresh(connection, "eva", NOW)
    # It is 11:00 in Berlin.
    for hours, expected in ((12, ["tea", "milk"]), (14, ["tea"])):
        renew(engine, NOW + timedelta(hours=hours))
        with engine.connect() as connection:
            found = find_desired(connection, 1)
            assert found is not None
            assert [ad["id"] for ad in found.content["playlist"]["ads"]] == expected
    assert found.made_by == "hub"


def test_a_preview_stores_nothing(engine: Engine) -> None:
    fill_wall(engine, 3, NOW)
    with trying(engine) as connection:
        book(connection)
        assert len(preview(connection, NOW).changed) == 3
    with engine.connect() as connection:
        assert versions(connection) == []
        assert preview(connection, NOW).changed == ()


def test_an_ad_that_waits_is_named_once_for_all_screens(engine: Engine) -> None:
    fill_wall(engine, 5, NOW)
    with writing(engine) as connection:
        ads = [add_creative(connection, "tea"), add_creative(connection, "milk", approval="draft")]
        playlist = add_playlist(connection, [{"creative": uid} for uid in ads])
        add_booking(connection, BookingPlan(playlist), "eva", NOW)
        outcome = refresh(connection, "eva", NOW)
    assert [(left.name, left.why) for left in outcome.left_out] == [("Milk", "draft")]


def test_many_screens_take_few_queries_and_little_time(engine: Engine) -> None:
    fill_wall(engine, 300, NOW)
    with writing(engine) as connection:
        playlist, ads = book(connection, count=50)
        add_booking(connection, BookingPlan(playlist, "tag", "window", priority=5), "eva", NOW)
        statements = 0

        def count(*_arguments: object) -> None:
            nonlocal statements
            statements += 1

        event.listen(engine, "before_cursor_execute", count)
        began = time.thread_time()
        assert len(refresh(connection, "eva", NOW).changed) == 300
        first_s = time.thread_time() - began
        publish_revision(connection, playlist, [{"creative": uid} for uid in ads[1:]])
        assert len(refresh(connection, "eva", NOW).changed) == 300
        again_s = time.thread_time() - began - first_s
        event.remove(engine, "before_cursor_execute", count)
    assert statements < 30
    # For 1,000 screens each takes a third of a second on two cores.
    assert max(first_s, again_s) < 10

"""What screens are to show, as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from db.engine import writing
from db.hub.screens.registry import create_screen, retire_screen
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.desired import (
    NewDocument,
    Reported,
    find_desired,
    hold_plan,
    mark_empty,
    note_report,
    read_plan,
    serial_of,
    serials_of,
    store_documents,
    touch,
)
from db.hub.tables.library import Creative
from db.hub.tables.screens import KioskKey
from db.hub.tables.shows import PlaylistPlan
from tests.helpers.hub_screens import NOW, PLACE
from tests.helpers.hub_shows import (
    add_creative,
    add_playlist,
    add_version,
    publish_revision,
    set_approval,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def test_a_plan_has_the_newest_published_playlist_and_the_newest_approved_version(
    engine: Engine,
) -> None:
    with writing(engine) as connection:
        hold_plan(connection)
        tea = add_creative(connection, "tea", first_day=NOW.date(), brand_at_s=[1.0])
        add_version(connection, tea, b"second", approval="approved", moods=["happy"])
        add_version(connection, tea, b"third!", approval="pending")
        milk = add_creative(connection, "milk", approval="rejected")
        playlist = add_playlist(connection, [{"creative": milk}])
        publish_revision(connection, playlist, [{"creative": tea}])
        publish_revision(connection, playlist, [], at=None)
        add_booking(connection, BookingPlan(playlist), "eva", NOW)
        plan = read_plan(connection)
        assert plan.bodies == {playlist: {"ads": [{"creative": tea}]}}
        assert [booking.plan.playlist for booking in plan.bookings] == [playlist]
        found = plan.creatives[tea]
        assert found.approved is not None
        assert (found.newest, found.approved.size, found.approved.moods) == (
            "pending",
            len(b"second"),
            ("happy",),
        )
        assert (plan.creatives[milk].approved, plan.creatives[milk].newest) == (None, "rejected")


def test_what_is_archived_or_retired_is_left_out_of_a_plan(engine: Engine) -> None:
    with writing(engine) as connection:
        screen = create_screen(connection, PLACE, NOW)
        other = create_screen(connection, PLACE, NOW)
        tea = add_creative(connection, "tea")
        playlist = add_playlist(connection, [{"creative": tea}])
        add_booking(connection, BookingPlan(playlist), "eva", NOW)
        retire_screen(connection, screen.uid, NOW)
        assert [one.screen.id for one in read_plan(connection).screens] == [other.id]
        assert read_plan(connection, [screen.id]).screens == []
        connection.execute(update(Creative).values(archived_at=NOW))
        connection.execute(update(PlaylistPlan).values(archived_at=NOW))
        plan = read_plan(connection)
        assert plan.creatives[tea].is_archived
        assert (plan.bookings, plan.bodies) == ([], {})
        set_approval(connection, tea, "rejected")
        assert read_plan(connection).creatives[tea].approved is None


def test_documents_become_versions_and_a_touch_only_moves_the_serial(engine: Engine) -> None:
    with writing(engine) as connection:
        one, other = (create_screen(connection, PLACE, NOW).id for _ in range(2))
        assert find_desired(connection, one) is None
        touch(connection, [one], NOW)
        found = find_desired(connection, one)
        assert found is not None
        assert (found.version, found.serial, found.content) == (0, 1, {})
        content = {"playlist": None, "media": [], "settings": {}}
        documents = [NewDocument(screen, content, "d" * 64) for screen in (one, other)]
        store_documents(connection, documents, "eva", NOW)
        assert serials_of(connection, [one, other, 99]) == {one: 2, other: 1}
        touch(connection, [one, other], NOW)
        assert serials_of(connection, [one, other]) == {one: 3, other: 2}
        found = find_desired(connection, one)
        assert found is not None
        assert (found.version, found.content, found.made_by) == (1, content, "eva")
        assert read_plan(connection).screens[0].digest == "d" * 64
        mark_empty(connection, [one], NOW, is_empty=True)
        found = find_desired(connection, one)
        assert found is not None
        assert (found.is_empty, found.serial) == (True, 3)


def test_a_kiosk_reports_only_versions_that_there_are(engine: Engine) -> None:
    with writing(engine) as connection:
        screen = create_screen(connection, PLACE, NOW).id
        assert not note_report(connection, screen, Reported(1, "applied"), NOW)
        store_documents(connection, [NewDocument(screen, {}, "d" * 64)], "eva", NOW)
        assert note_report(connection, screen, Reported(1, "fetching", "", 0.25), NOW)
        found = find_desired(connection, screen)
        assert found is not None
        assert (found.state, found.progress, found.is_applied) == ("fetching", 0.25, False)
        assert note_report(connection, screen, Reported(1, "applied"), NOW)
        found = find_desired(connection, screen)
        assert found is not None
        assert (found.is_applied, found.reported_at) == (True, NOW)
        assert not note_report(connection, screen, Reported(2, "applied"), NOW)


@pytest.mark.parametrize("is_revoked", [False, True])
def test_a_key_that_was_revoked_has_no_serial(engine: Engine, is_revoked: bool) -> None:
    with writing(engine) as connection:
        screen = create_screen(connection, PLACE, NOW).id
        key = connection.execute(
            KioskKey.__table__.insert().values(
                kiosk="a" * 32,
                screen_id=screen,
                key_sha256="b" * 64,
                created_at=NOW,
                created_by="eva",
                revoked_at=NOW if is_revoked else None,
            )
        ).inserted_primary_key[0]
        assert serial_of(connection, key) == (None if is_revoked else (0, 0))
        touch(connection, [screen], NOW)
        assert serial_of(connection, key) == (None if is_revoked else (1, 0))

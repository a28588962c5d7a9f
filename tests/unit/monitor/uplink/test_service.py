"""The kiosk's thread for its hub: joins, sends, survives other databases, and ends in time."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import deque
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from db.engine import make_ready, open_database
from db.read.rollups import store_roll_ups
from db.schema import Origin, Session, Uplink
from db.transfer.uplink import UplinkStore
from db.upkeep.quarantine import quarantine
from db.write.lock import lock_file
from monitor.backoff import Backoff
from monitor.uplink import service
from monitor.uplink.client import HubClient
from monitor.uplink.joining import Applicant, enter, facts_of_machine
from monitor.uplink.key_file import (
    HubKey,
    KeyFileError,
    delete_key,
    key_path,
    lock_path_of,
    read_key,
    write_key,
)
from monitor.uplink.pace import Pace
from monitor.uplink.service import UplinkService, Wishes
from tests.helpers.fake_hub import serving
from tests.helpers.kiosk_health import make_health
from tests.helpers.making import Make
from tests.helpers.waiting import Stopwatch, wait_until


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(service, "TICK_S", 0.02)
    monkeypatch.setattr(service, "POLL_S", 0.02)
    monkeypatch.setattr(service, "CLOSE_S", 120.0)  # for a machine that is busy


@pytest.fixture
def address(hub):
    with serving(hub) as address:
        yield address


def is_done(one):
    return one.status.state == "joined" and one.status.waiting == 0


def join(engine, database, hub, address):
    """Join as the command does; return the key."""
    store = UplinkStore(engine)
    applicant = Applicant(store, HubClient(address), facts_of_machine("Foyer", "sums"))
    joined = applicant.join(hub.code())
    key = HubKey(
        hub=address,
        kiosk=applicant.kiosk,
        key=joined.key,
        screen=joined.screen,
        name=joined.name,
        site=joined.site,
    )
    return enter(store, key_path(database), key)


@pytest.fixture
def run(engine, database, address):
    """Start the service of a kiosk; it is stopped at the end."""
    running = []

    def start(wishes=Wishes(), health=lambda _min_viewers: None, announce=lambda _code: None):  # noqa: B008
        one = UplinkService(engine, database, wishes, health, announce)
        one.prepare()
        one.start()
        running.append(one)
        return one

    yield start
    for one in running:
        one.stop()


def sessions(engine):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Session))


def test_a_kiosk_that_has_joined_sends_what_it_records_and_how_it_is(
    run, engine, database, hub, address
):
    join(engine, database, hub, address)
    path = key_path(database)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    Make().write_rolled(engine)
    one = run(health=lambda least: make_health(viewers=least))
    wait_until(lambda: hub.envelopes and is_done(one))
    status = one.status
    assert (status.state, status.screen, status.hub) == ("joined", "Lobby", address)
    assert status.last_contact is not None
    assert hub.envelopes[0].health["viewers"] == 5
    assert sessions(hub.engine) == 1
    assert read_key(path).sent == hub.envelopes[0].last > 0
    # The key itself is nowhere in the database.
    one.stop()
    engine.dispose()
    assert all(read_key(path).key.encode() not in file.read_bytes() for file in files(database))


def files(database):
    return [one for one in database.parent.glob("kiosk.db*") if not one.name.endswith(".json")]


def test_what_the_kiosk_recorded_last_is_sent_as_it_ends(run, engine, database, hub, address):
    join(engine, database, hub, address)
    one = run()
    wait_until(lambda: hub.envelopes)
    Make().write_rolled(engine)
    one.stop()
    assert sessions(hub.engine) == 1


def test_a_kiosk_shows_a_code_until_it_is_accepted(run, database, hub, address):
    codes = []
    one = run(Wishes(hub=address, upload="sums", min_viewers=7), announce=codes.append)
    wait_until(lambda: codes)
    assert one.status.state == "pairing"
    assert codes == [one.status.code]
    hub.accept(codes[0])
    wait_until(lambda: one.status.state == "joined")
    key = read_key(key_path(database))
    assert (key.hub, key.upload, key.min_viewers, key.name) == (address, "sums", 7, "Lobby")
    wait_until(lambda: read_key(key_path(database)).entered)


def test_an_expired_code_is_replaced(run, hub, address):
    codes = []
    hub.replies["pairings/claim"] = deque([(202, None, {}), (410, {}, {})])
    run(Wishes(hub=address), announce=codes.append)
    wait_until(lambda: len(codes) == 2)
    assert codes[0] != codes[1]


def test_a_hub_that_is_away_is_said_once_and_found_later(run, database, hub, caplog, monkeypatch):
    monkeypatch.setattr(service, "Backoff", lambda *_limits, **_more: Backoff(0.02, 0.02))
    one = run(Wishes(hub="http://127.0.0.1:9"))
    wait_until(lambda: one.status.problem)
    time.sleep(0.2)
    assert "cannot be reached" in one.status.problem
    assert caplog.text.count("Nothing is sent to the hub now") == 1


def test_a_kiosk_that_runs_notices_that_it_was_joined_and_that_it_left(
    run, engine, database, hub, address
):
    one = run()
    time.sleep(0.1)
    assert one.status.state == "off"
    assert hub.asked == []
    join(engine, database, hub, address)
    wait_until(lambda: one.status.state == "joined")
    delete_key(key_path(database))
    wait_until(lambda: one.status.state == "off")


@pytest.mark.parametrize("kept", ["nothing", "older"])
def test_another_database_beside_the_key_begins_an_epoch(
    run, engine, database, hub, address, kept, caplog
):
    join(engine, database, hub, address)
    Make().write_rolled(engine)
    one = run()
    wait_until(lambda: hub.envelopes and is_done(one))
    one.stop()
    engine.dispose()
    path = key_path(database)
    if kept == "nothing":
        for file in files(database):
            file.unlink()
    else:
        # As if the database of this moment was a backup, and much was sent since.
        write_key(path, read_key(path).model_copy(update={"sent": 1_000}))
    before = read_key(path)
    again = open_database(str(database))
    try:
        other = UplinkService(again, database, Wishes(), lambda _least: None)
        other.prepare()
        with again.connect() as connection:
            own = connection.execute(select(Origin).where(Origin.is_here)).one()
            assert connection.scalar(select(Uplink.screen)) == before.screen
        assert own.kiosk == before.kiosk
        assert own.base >= before.sent
        assert ("replaced" if kept == "nothing" else "restored") in caplog.text
        Make().write_rolled(again)
        store_roll_ups(again)
        other.start()
        wait_until(lambda: sessions(hub.engine) == 2)
        wait_until(lambda: is_done(other))
        other.stop()
        # And that is that: the next start finds the database which sent last.
        caplog.clear()
        last = UplinkService(again, database, Wishes(), lambda _least: None)
        last.prepare()
        assert caplog.text == ""
    finally:
        again.dispose()


def test_a_database_that_is_replaced_while_the_kiosk_runs_begins_an_epoch(
    run, engine, database, hub, address, monkeypatch
):
    due, asked = [True], []

    def is_due(_pace, _now_s, changed):
        asked.append(changed)
        return due[0]

    monkeypatch.setattr(Pace, "is_due", is_due)
    join(engine, database, hub, address)
    Make().write_rolled(engine)
    one = run()
    wait_until(lambda: sessions(hub.engine) == 1 and is_done(one))
    due[0] = False
    seen = len(asked)
    wait_until(lambda: len(asked) > seen + 1, what="the end of what was sent meanwhile")
    # As the session does with a damaged file.
    engine.dispose()
    quarantine(database)
    make_ready(engine, patience_s=0.0)
    due[0] = True
    wait_until(lambda: UplinkStore(engine).next_envelope(None, 1) is not None)
    Make().write_rolled(engine)
    wait_until(lambda: sessions(hub.engine) == 2)
    assert len({envelope.epoch for envelope in hub.envelopes}) == 2


def test_settings_change_what_is_sent(run, engine, database, hub, address):
    join(engine, database, hub, address)
    one = run(Wishes(upload="cells", min_viewers=9))
    wait_until(lambda: one.status.state == "joined")
    with engine.connect() as connection:
        row = connection.execute(select(Uplink.upload, Uplink.min_viewers)).one()
        until = connection.scalar(select(Uplink.cells_until))
    assert tuple(row) == ("cells", 9)
    # The viewers of this hour were sent one by one.
    assert until > datetime.now(UTC)
    assert read_key(key_path(database)).upload == "cells"


def test_two_kiosks_with_one_database_do_not_both_send(run, engine, database, hub, address):
    join(engine, database, hub, address)
    first = run()
    wait_until(lambda: first.status.state == "joined")
    second = run()
    time.sleep(0.2)
    assert second.status.state == "off"


def test_a_key_that_others_can_read_is_not_used(tmp_path):
    path = tmp_path / "kiosk.db.hub.json"
    key = HubKey(hub="https://hub", kiosk="a" * 32, key="k" * 43, screen="5" * 32, name="Lobby")
    write_key(path, key)
    assert read_key(path) == key
    assert "kkk" not in repr(key)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(KeyFileError, match="damaged"):
        read_key(path)
    delete_key(path)
    delete_key(path)
    assert read_key(path) is None


def test_a_hub_that_hangs_does_not_hold_up_the_end(
    run, engine, database, hub, address, monkeypatch
):
    join(engine, database, hub, address)
    one = run()
    wait_until(lambda: hub.envelopes)
    receive, going_on = hub.receive, threading.Event()

    def slowly(*arguments):
        assert going_on.wait(60)
        return receive(*arguments)

    monkeypatch.setattr(hub, "receive", slowly)
    monkeypatch.setattr(service, "CLOSE_S", 0.1)
    watch = Stopwatch()
    one.stop()
    assert watch.seconds < 30
    going_on.set()
    wait_until(lambda: not is_running())


def is_running():
    return "uplink" in {thread.name for thread in threading.enumerate()}


def test_the_database_stays_locked_for_a_thread_that_hangs_as_it_begins(
    run, engine, database, hub, address, monkeypatch
):
    join(engine, database, hub, address)
    one = run()
    wait_until(lambda: one.status.state == "joined")
    one.stop()
    resume, hangs, going_on = UplinkService._resume, threading.Event(), threading.Event()

    def hang(*arguments):
        hangs.set()
        assert going_on.wait(60)
        return resume(*arguments)

    other = UplinkService(engine, database, Wishes(), lambda _least: None)
    monkeypatch.setattr(UplinkService, "_resume", hang)
    other.start()
    assert hangs.wait(60)
    monkeypatch.setattr(service, "CLOSE_S", 0.1)
    other.stop()
    assert lock_file(lock_path_of(database), os.O_RDWR) is None
    going_on.set()
    wait_until(lambda: not is_running())
    other.stop()
    assert not lock_path_of(database).exists()


@pytest.mark.logs_errors
def test_a_kiosk_that_lost_its_key_comes_back_under_another_id(run, engine, database, hub, address):
    before = join(engine, database, hub, address)
    delete_key(key_path(database))
    after = join(engine, database, hub, address)
    assert after.kiosk != before.kiosk
    # With its key, also a revoked one, it is the same kiosk.
    applicant = Applicant(
        UplinkStore(engine), HubClient(address), facts_of_machine("Foyer", "sums"), after.key
    )
    applicant.join(hub.code())
    assert applicant.kiosk == after.kiosk
    Make().write_rolled(engine)
    one = run()
    wait_until(lambda: one.status.state == "revoked")

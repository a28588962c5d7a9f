"""Codes and keys: each once, in time, and not by guessing."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from db.engine import writing
from db.hub.digests import key_digest
from db.hub.screens import pairing
from db.hub.screens.pairing import Applicant, Joined, KnownKioskError, LockedOutError, PairingError
from db.hub.screens.registry import Place, create_screen, retire_screen
from db.hub.tables.people import AuditEntry, FailedAttempt
from db.hub.tables.screens import KioskKey, Pairing, Screen

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
KIOSK, OTHER = "a" * 32, "b" * 32
HERE, THERE = "192.0.2.1", "192.0.2.2"
FACTS = {"host": "lobby-1"}
PLACE = Place("Lobby", site="Bonn", time_zone="Europe/Berlin")


@pytest.fixture
def screen(engine):
    """The row of a screen."""
    with writing(engine) as connection:
        return create_screen(connection, PLACE, NOW).id


def call(engine, function, *arguments):
    with writing(engine) as connection:
        return function(connection, *arguments)


def ask(engine, kiosk=KIOSK, address=HERE, now=NOW):
    return call(engine, pairing.ask, Applicant(kiosk, FACTS, address), now)


def join(engine, code, kiosk=KIOSK, address=HERE, now=NOW):
    return call(engine, pairing.join, code, Applicant(kiosk, FACTS, address), now)


def valid_keys(engine):
    query = select(KioskKey.kiosk).where(KioskKey.revoked_at.is_(None))
    with engine.connect() as connection:
        return list(connection.scalars(query))


def test_a_kiosk_that_asks_is_accepted_and_gets_its_key(engine, screen):
    asked = ask(engine)
    assert len(asked.code) == 6
    assert set(asked.code) <= set(pairing.SYMBOLS)
    assert call(engine, pairing.collect, asked.claim, NOW) == "waiting"
    [waiting] = call(engine, pairing.waiting_kiosks, NOW)
    assert (waiting.code, waiting.kiosk, waiting.facts) == (asked.code, KIOSK, FACTS)
    typed = pairing.shown_code(asked.code).lower()
    assert call(engine, pairing.accept, typed, screen, "ada", NOW) == KIOSK
    assert call(engine, pairing.waiting_kiosks, NOW) == []
    joined = call(engine, pairing.collect, asked.claim, NOW)
    assert (joined.name, joined.site) == ("Lobby", "Bonn")
    with engine.connect() as connection:
        key = connection.execute(select(KioskKey)).one()
        assert (key.kiosk, key.screen_id, key.created_by) == (KIOSK, screen, "ada")
        assert key.key_sha256 == key_digest(joined.key)
        assert joined.key not in str(key)
        actions = connection.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["kiosk.accept", "kiosk.join"]


def test_of_two_kiosks_that_come_at_once_for_a_screen_one_keeps_a_key(engine, screen):
    claims = []
    for kiosk in (KIOSK, OTHER):
        asked = ask(engine, kiosk)
        call(engine, pairing.accept, asked.code, screen, "ada", NOW)
        claims.append(asked.claim)
    with writing(engine) as connection:
        assert isinstance(pairing.collect(connection, claims[0], NOW), Joined)
        late = threading.Thread(target=call, args=(engine, pairing.collect, claims[1], NOW))
        late.start()
        late.join(0.3)
    late.join()
    assert valid_keys(engine) == [OTHER]


def test_an_answer_that_was_lost_is_given_again_until_the_key_is_used(engine, screen):
    asked = ask(engine)
    call(engine, pairing.accept, asked.code, screen, "ada", NOW)
    lost = call(engine, pairing.collect, asked.claim, NOW)
    joined = call(engine, pairing.collect, asked.claim, NOW + timedelta(seconds=3))
    assert joined.key != lost.key
    assert valid_keys(engine) == [KIOSK]
    with writing(engine) as connection:
        used = update(KioskKey).where(KioskKey.key_sha256 == key_digest(joined.key))
        connection.execute(used.values(last_seen_at=NOW + timedelta(seconds=4)))
    assert call(engine, pairing.collect, asked.claim, NOW + timedelta(seconds=6)) == "gone"
    assert valid_keys(engine) == [KIOSK]


def test_a_code_of_a_screen_joins_once(engine, screen):
    code, expires_at = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    assert expires_at == NOW + pairing.LIFETIME
    assert join(engine, f" {code[:3].lower()} {code[3:]}").name == "Lobby"
    assert join(engine, code, OTHER) is None
    assert valid_keys(engine) == [KIOSK]


def test_a_new_code_of_a_screen_makes_the_one_before_void(engine, screen):
    before, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    assert join(engine, before) is None
    assert isinstance(join(engine, code), Joined)


def test_codes_expire_after_ten_minutes(engine, screen):
    asked = ask(engine)
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    late = NOW + timedelta(minutes=10)
    assert call(engine, pairing.collect, asked.claim, late) == "gone"
    assert call(engine, pairing.waiting_kiosks, late) == []
    with pytest.raises(PairingError, match="Type the one"):
        call(engine, pairing.accept, asked.code, screen, "ada", late)
    assert join(engine, code, now=late) is None
    # What has expired is deleted.
    ask(engine, now=late)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Pairing)) == 1


def test_the_code_that_a_kiosk_shows_lets_nobody_else_in(engine, screen):
    asked = ask(engine)
    call(engine, pairing.accept, asked.code, screen, "ada", NOW)
    assert join(engine, asked.code, OTHER) is None
    with pytest.raises(PairingError):
        call(engine, pairing.accept, asked.code, screen, "ada", NOW)
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    with pytest.raises(PairingError):
        call(engine, pairing.accept, code, screen, "ada", NOW)


def test_a_screen_that_does_not_exist_takes_no_kiosk(engine):
    asked = ask(engine)
    with pytest.raises(PairingError, match="no screen with the number 7 in use"):
        call(engine, pairing.accept, asked.code, 7, "ada", NOW)
    with pytest.raises(PairingError, match="no screen with the number 7 in use"):
        call(engine, pairing.code_for_screen, 7, "ada", NOW)


def test_a_retired_screen_takes_no_kiosk(engine, screen):
    asked, late = ask(engine), ask(engine, OTHER)
    call(engine, pairing.accept, asked.code, screen, "ada", NOW)
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    with engine.connect() as connection:
        uid = connection.scalar(select(Screen.uid))
    call(engine, retire_screen, uid, NOW)
    assert call(engine, pairing.collect, asked.claim, NOW) == "gone"
    assert join(engine, code) is None
    with pytest.raises(PairingError, match="in use"):
        call(engine, pairing.accept, late.code, screen, "ada", NOW)


def test_a_machine_that_replaces_another_takes_its_screen_over(engine, screen):
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    join(engine, code)
    asked = ask(engine, OTHER)
    call(engine, pairing.accept, asked.code, screen, "ada", NOW)
    # The one before works until the new one has its key.
    assert valid_keys(engine) == [KIOSK]
    call(engine, pairing.collect, asked.claim, NOW)
    assert valid_keys(engine) == [OTHER]


def test_a_key_is_revoked_once_and_a_kiosk_leaves_by_itself(engine, screen):
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    joined = join(engine, code)
    assert call(engine, pairing.leave, "another key", NOW) is False
    assert call(engine, pairing.leave, joined.key, NOW) is True
    assert valid_keys(engine) == []
    assert call(engine, pairing.leave, joined.key, NOW) is False
    with engine.connect() as connection:
        key_id = connection.scalar(select(KioskKey.id))
    assert call(engine, pairing.revoke, key_id, "ada", NOW) is False


def test_ten_wrong_codes_lock_an_address_out_for_ten_minutes(engine, screen):
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    for second in range(10):
        assert join(engine, "222222", now=NOW + timedelta(seconds=second)) is None
    with pytest.raises(LockedOutError) as error:
        join(engine, code, now=NOW + timedelta(minutes=9))
    assert error.value.retry_after_s == 60
    # Others go on.
    assert isinstance(join(engine, code, address=THERE, now=NOW + timedelta(minutes=9)), Joined)
    assert join(engine, "222222", now=NOW + timedelta(minutes=10, seconds=1)) is None


def test_a_hundred_wrong_codes_from_many_addresses_lock_all_out(engine, screen):
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    for number in range(100):
        assert join(engine, "222222", address=f"198.51.100.{number}") is None
    with pytest.raises(LockedOutError):
        join(engine, code, address=THERE)


def test_addresses_of_one_network_of_version_6_count_as_one(engine):
    for number in range(10):
        assert join(engine, "222222", address=f"2001:db8::{number + 1:x}") is None
    with pytest.raises(LockedOutError):
        join(engine, "222222", address="2001:db8::ffff:1")
    assert join(engine, "222222", address="2001:db8:0:1::1") is None


def test_guesses_at_the_same_moment_count_together(engine):
    outcomes = Counter()

    def guess():
        try:
            outcomes[join(engine, "222222")] += 1
        except LockedOutError:
            outcomes["locked out"] += 1

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {None: 10, "locked out": 6}
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(FailedAttempt)) == 10


def test_one_address_cannot_make_any_number_of_codes(engine):
    for _ in range(pairing.MAX_WAITING):
        ask(engine)
    with pytest.raises(LockedOutError) as error:
        ask(engine, now=NOW + timedelta(minutes=4))
    assert error.value.retry_after_s == 360
    ask(engine, address=THERE)
    ask(engine, now=NOW + pairing.LIFETIME)


def test_nobody_joins_in_the_name_of_another_kiosk(engine, screen):
    first, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    own = join(engine, first).key
    code, _ = call(engine, pairing.code_for_screen, screen, "ada", NOW)
    for key in (None, "another key", key_digest(own)):
        forger = Applicant(KIOSK, FACTS, HERE, key)
        with pytest.raises(KnownKioskError):
            call(engine, pairing.ask, forger, NOW)
        with pytest.raises(KnownKioskError):
            call(engine, pairing.join, code, forger, NOW)
    # The code is still valid, and the kiosk itself may use it, also once its key was revoked.
    call(engine, pairing.leave, own, NOW)
    assert call(engine, pairing.join, code, Applicant(KIOSK, FACTS, HERE, own), NOW) is not None

"""How a screen is in one word."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.engine import open_database
from db.hub.screens.registry import Place, ScreenInfo
from db.hub.screens.wall import AlertInfo, ScreenNow
from monitor.hub.screens.wall import Choice, Snapshot, Wall, age_words, entry, tile_of
from tests.helpers.hub_screens import NOW, PLACE, a_health

HEARD = NOW - timedelta(seconds=50)
SCREEN = ScreenNow(
    ScreenInfo(1, "ab" * 16, PLACE, NOW, None), True, HEARD, HEARD, 0.1, a_health(), ()
)
NEVER = {"contact_at": None, "received_at": None, "health": None}
ALERT = AlertInfo("cd" * 16, "disk", NOW, None, "1 GB of 64 GB are free")
NIGHT = timedelta(hours=12)


def tile(now=NOW, min_viewers=5, **changes):
    return tile_of(replace(SCREEN, **changes), now, min_viewers)


def test_a_screen_without_complaints_is_ok():
    seen = tile()
    assert (seen.condition, seen.reasons) == ("ok", ())
    assert (seen.ad, seen.viewers, seen.contact) == ("Summer", "12", "just now")


@pytest.mark.parametrize(
    ("changes", "condition", "reason"),
    [
        ({"health": a_health(camera="lost")}, "warns", "camera lost"),
        ({"health": a_health(state="paused")}, "warns", "paused"),
        ({"health": a_health(session_kind="demo")}, "warns", "demonstration"),
        ({"health": a_health(notice_shown=False)}, "warns", "notice not shown"),
        ({"alerts": (ALERT,)}, "warns", "1 open alert"),
        ({"alerts": (replace(ALERT, kind="not_applied"),)}, "warns", "playlist not applied"),
        ({"has_kiosk": False}, "warns", "its kiosk's key was revoked"),
        ({"contact_at": NOW - timedelta(minutes=3)}, "silent", "no contact for 3 min"),
        (NEVER, "never seen", "its kiosk has not run yet"),
        (NEVER | {"contact_at": HEARD}, "never seen", "its kiosk has not run yet"),
        (NEVER | {"has_kiosk": False}, "never seen", "no kiosk"),
    ],
)
def test_what_is_not_well_has_a_word_and_a_reason(changes, condition, reason):
    seen = tile(**changes)
    assert seen.condition == condition
    assert seen.reasons[0].startswith(reason)


def test_dark_at_night_is_no_fault():
    night = NOW + NIGHT
    assert tile(night).condition == "closed now"
    always = replace(SCREEN.screen, place=replace(PLACE, opening=()))
    assert tile(night, screen=always).condition == "silent"
    lost_zone = replace(SCREEN.screen, place=replace(PLACE, time_zone="Mars/Olympus"))
    assert tile(night, screen=lost_zone).condition == "silent"


def test_without_a_camera_nobody_needs_a_notice():
    assert tile(health=a_health(notice_shown=False, measuring=False)).condition == "ok"


@pytest.mark.parametrize(
    ("viewers", "words"),
    [(0, "none"), (1, "fewer than 5"), (4, "fewer than 5"), (5, "5"),
     (None, "unknown"), ("many", "unknown"), (True, "unknown")],
)  # fmt: skip
def test_few_viewers_are_not_told(viewers, words):
    assert tile(health=a_health(viewers=viewers)).viewers == words


def test_of_a_silent_screen_nothing_is_known_now():
    seen = tile(NOW + timedelta(minutes=5))
    assert (seen.ad, seen.viewers, seen.contact) == (None, "unknown", "5 min ago")


JUNK = st.sampled_from([None, True, -1, 0.5, float("nan"), float("inf"), "", "lost", [], [{}], {}])
ANYTHING = JUNK | st.dictionaries(st.sampled_from([*a_health(), "name", "state"]), JUNK, max_size=3)


@given(st.dictionaries(st.sampled_from(list(a_health())), ANYTHING))
def test_whatever_a_kiosk_says_the_wall_is_shown(health):
    seen = tile(health=health)
    assert seen.ad is None or isinstance(seen.ad, str)
    kind = float
    assert entry(health, kind, "temperature_c") is None or isinstance(
        health["temperature_c"], int | float
    )


def test_screens_are_chosen_by_place_and_condition():
    here = tile()
    other = tile(
        screen=replace(SCREEN.screen, place=Place("Door", site="Side Street", tags=("window",))),
        **NEVER,
    )
    snapshot = Snapshot((here, other))

    def chosen(**choice):
        return [tile for tile in snapshot.tiles if Choice(**choice).takes(tile)]

    assert chosen() == [here, other]
    assert chosen(site="Main Street") == chosen(group="North") == chosen(tag="food") == [here]
    assert chosen(tag="window") == [here, other]
    assert chosen(tag="window", condition="never seen") == [other]
    assert chosen(tag="wind") == []
    assert snapshot.counts(Choice(tag="window", condition="ok")) == {
        "silent": 0, "warns": 0, "never seen": 1, "closed now": 0, "ok": 1
    }  # fmt: skip


class Slow:
    """A database whose next connection waits until it is told to go on."""

    def __init__(self, engine):
        self.engine = engine
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.count = 0

    def connect(self):
        self.count += 1
        self.asked.set()
        assert self.go_on.wait(60)
        return self.engine.connect()


@pytest.fixture
def slow(tmp_path):
    engine = open_database(str(tmp_path / "hub.db"))
    yield Slow(engine)
    engine.dispose()


def test_one_reads_while_the_others_get_the_last_snapshot(slow, monkeypatch):
    wall = Wall(lambda: slow, 5)
    slow.go_on.set()
    first = wall.snapshot()
    assert wall.snapshot() is first
    assert slow.count == 1
    monkeypatch.setattr("monitor.hub.screens.wall.SNAPSHOT_S", -1.0)
    slow.go_on.clear()
    slow.asked.clear()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(wall.snapshot)
        assert slow.asked.wait(60)
        assert wall.snapshot() is first
        slow.go_on.set()
        assert reading.result(60) is not first
    assert slow.count == 2


def test_a_change_while_somebody_reads_is_not_missed(slow):
    wall = Wall(lambda: slow, 5)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(wall.snapshot)
        assert slow.asked.wait(60)
        wall.forget()
        slow.go_on.set()
        before = reading.result(60)
    assert wall.snapshot() is not before


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_ages_grow(first, second):
    units = {"min": 60, "h": 3600, "days": 86400}

    def seconds(age):
        words = age_words(timedelta(seconds=age)).replace(",", "").split()
        return 0 if words[0] == "just" else int(words[0]) * units[words[1]]

    one, other = sorted((first, second))
    assert seconds(one) <= seconds(other)
    assert 0 <= one - seconds(one) < 86400

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.errors import AdsError
from ads.show.playback import KEPT_NS, PlaybackLog, PlaybackPosition


@dataclass
class Reference:
    """A slow, obvious playback log: stretches in which a play ran, and when it was on."""

    on: dict[int, list[int | None]] = field(default_factory=dict)
    ran: dict[int, list[tuple[int, int | None]]] = field(default_factory=dict)

    def at(self, t_ns: int) -> PlaybackPosition | None:
        for number, (start, end) in self.on.items():
            if start <= t_ns and (end is None or t_ns < end):
                ran = sum(
                    max(0, (t_ns if stop is None else min(t_ns, stop)) - begin)
                    for begin, stop in self.ran[number]
                )
                runs = any(
                    begin <= t_ns and (stop is None or t_ns < stop)
                    for begin, stop in self.ran[number]
                )
                return PlaybackPosition(number, ran / 1e6, runs)
        return None


steps = st.lists(
    st.tuples(st.sampled_from(["start", "pause", "resume", "end"]), st.integers(0, 5_000_000_000)),
    max_size=40,
)


@settings(deadline=None)
@given(steps, st.lists(st.integers(-10, 200_000_000_000), max_size=20))
def test_log_agrees_with_a_plain_account_of_what_was_shown(moves, asked):
    log, reference = PlaybackLog(), Reference()
    now, number, is_open, running = 0, 0, False, False
    instants = set(asked)
    for move, wait in moves:
        now += wait
        if move == "start" and not is_open:
            number += 1
            log.start(number, now)
            reference.on[number], reference.ran[number] = [now, None], [(now, None)]
            is_open = running = True
        elif move == "end" and is_open:
            log.end(now)
            reference.on[number][1] = now
            if running:
                reference.ran[number][-1] = (reference.ran[number][-1][0], now)
            is_open = False
        elif move == "pause" and is_open:
            log.pause(now)
            if running:
                reference.ran[number][-1] = (reference.ran[number][-1][0], now)
            running = False
        elif move == "resume" and is_open:
            log.resume(now)
            if not running:
                reference.ran[number].append((now, None))
            running = True
        instants.update((now - 1, now, now + 1))
    for instant in instants:
        assert log.at(instant) == reference.at(instant)


def test_position_rises_with_the_clock_and_stands_still_in_a_pause():
    log = PlaybackLog()
    log.start(7, at_ns=1_000)
    log.pause(at_ns=2_001_000)
    log.resume(at_ns=9_001_000)
    assert log.at(1_001_000) == PlaybackPosition(7, 1.0)
    assert log.at(5_000_000) == PlaybackPosition(7, 2.0, running=False)
    assert log.at(9_501_000) == PlaybackPosition(7, 2.5)


def test_an_instant_at_which_plays_meet_belongs_to_the_later_one():
    log = PlaybackLog()
    log.start(1, at_ns=0)
    log.end(at_ns=10)
    log.start(2, at_ns=10)
    assert log.at(9).play_number == 1
    assert log.at(10) == PlaybackPosition(2, 0.0)
    assert log.at(-1) is None


def test_a_play_without_length_is_never_found():
    log = PlaybackLog()
    log.start(1, at_ns=5)
    log.end(at_ns=5)
    assert log.at(5) is None


def test_plays_of_more_than_ten_minutes_ago_are_forgotten():
    log = PlaybackLog()
    second = 1_000_000_000
    for number in range(1, 2001):
        log.start(number, number * second)
        log.end((number + 1) * second)
    assert log.at(1390 * second) is None
    assert log.at(1450 * second) == PlaybackPosition(1450, 0.0)
    assert len(log._plays) <= KEPT_NS // second + 2


def test_pauses_within_one_endless_play_do_not_pile_up():
    log = PlaybackLog()
    second = 1_000_000_000
    log.start(1, 0)
    for minute in range(1000):
        log.pause((60 * minute + 30) * second)
        log.resume((60 * minute + 60) * second)
    assert len(log._plays[0].segments) < 30
    assert log.at(60_000 * second) == PlaybackPosition(1, 30_000_000.0)


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([("pause", 1)], "No play is open"),
        ([("resume", 1)], "No play is open"),
        ([("end", 1)], "No play is open"),
        ([("start", 1), ("end", 2), ("end", 3)], "No play is open"),
        ([("start", 5), ("pause", 4)], "must not go back in time: got 4 ns after 5 ns"),
        ([("start", 5), ("end", 9), ("start", 8)], "must not go back in time"),
        ([("start", 1), ("start", 2)], "while play 1 is open"),
    ],
)
def test_entries_that_make_no_sense_are_refused(calls, message):
    log = PlaybackLog()

    def enter(name: str, at_ns: int) -> None:
        log.start(1, at_ns) if name == "start" else getattr(log, name)(at_ns)

    for name, at_ns in calls[:-1]:
        enter(name, at_ns)
    with pytest.raises(AdsError, match=message):
        enter(*calls[-1])


def test_readers_in_other_threads_see_whole_entries():
    log = PlaybackLog()
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for t in (500, 1500, 2500):
                position = log.at(t)
                # Play n starts at 1000 n, and is found as if it went on until its end is entered.
                if (
                    position is not None
                    and position.position_ms != (t - 1000 * position.play_number) / 1e6
                ):
                    wrong.append(position)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1000):
        log.start(number, 1000 * number)
        log.end(1000 * number + 1000)
    done.set()
    reader.join(60)
    assert not wrong


def test_the_position_stays_within_what_the_picture_stands_for():
    log = PlaybackLog()
    log.start(1, at_ns=0)
    log.show(0, 0, 0, 40_000_000)
    log.show(42_000_000, 42_000_000, 40_000_000, 80_000_000)
    assert log.at(30_000_000).position_ms == 30.0
    # The second picture was 2 ms late, and the third never came.
    assert log.at(41_000_000).position_ms == pytest.approx(40, abs=1e-5)
    assert log.at(41_000_000).position_ms < 40
    assert log.at(50_000_000).position_ms == 50.0
    assert log.at(500_000_000).position_ms == pytest.approx(80, abs=1e-5)
    # A late picture stands for its own place, not for that of the clock.
    log.show(510_000_000, 510_000_000, 120_000_000, 160_000_000)
    assert log.at(515_000_000).position_ms == pytest.approx(160, abs=1e-5)


def test_a_jump_and_a_start_in_the_middle_are_kept():
    log = PlaybackLog()
    log.start(1, at_ns=5, position_ns=500_000_000)
    assert log.at(5).position_ms == 500.0
    log.pause(at_ns=1_000_005)
    log.show(2_000_005, 90_000_000, 80_000_000, 120_000_000)
    assert log.at(9_000_005) == PlaybackPosition(1, 90.0, running=False)
    log.resume(at_ns=9_000_005)
    assert log.at(10_000_005) == PlaybackPosition(1, 91.0)
    assert log.at(90_000_005).position_ms == pytest.approx(120, abs=1e-5)


def test_a_picture_is_seen_from_when_it_was_painted():
    log = PlaybackLog()
    log.start(1, at_ns=0)
    log.show(0, 0, 0, 40_000_000)
    log.painted(12_000_000)
    # Nothing else of this play was ever seen before.
    assert log.at(5_000_000) == PlaybackPosition(1, 5.0)
    log.show(40_000_000, 40_000_000, 40_000_000, 80_000_000)
    assert log.at(45_000_000).position_ms == 45.0
    log.painted(48_000_000)
    assert log.at(45_000_000).position_ms == pytest.approx(40, abs=1e-5)
    assert log.at(50_000_000).position_ms == 50.0
    # Known already; and a pause or an end closes the account.
    log.painted(60_000_000)
    assert log.at(50_000_000).position_ms == 50.0
    log.show(80_000_000, 80_000_000, 80_000_000, 120_000_000)
    log.pause(85_000_000)
    log.painted(90_000_000)
    assert log.at(82_000_000).position_ms == 82.0
    log.end(95_000_000)
    log.painted(99_000_000)
    assert log.at(94_000_000) == PlaybackPosition(1, 85.0, running=False)
    with pytest.raises(AdsError, match="must not go back in time"):
        log.painted(98_000_000)


def test_pictures_need_an_open_play_and_do_not_pile_up():
    log = PlaybackLog()
    with pytest.raises(AdsError, match="No play is open"):
        log.show(0, 0, 0, 1)
    log.start(1, 0)
    for frame in range(60_000):
        log.show(
            40_000_000 * frame, 40_000_000 * frame, 40_000_000 * frame, 40_000_000 * (frame + 1)
        )
    assert len(log._plays[0].segments) < KEPT_NS // 40_000_000 + 10
    assert log.at(40_000_000 * 59_000 + 7_000_000).position_ms == 40.0 * 59_000 + 7
    assert log.at(0) is None

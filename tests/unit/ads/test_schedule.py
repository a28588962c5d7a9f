from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.errors import AdsError
from ads.playback import Play, PlaybackLog, PlayEnd
from ads.playlist import Ad, Hours
from ads.policy import SequentialPolicy
from ads.schedule import HOUR_NS, Rotation, VirtualShow, may_play

SECOND_NS = 1_000_000_000
FRIDAY = datetime(2026, 11, 20, tzinfo=timezone.utc)


def ad(name: str, duration_s: float = 1.0, **more: object) -> Ad:
    return Ad(name, Path(f"/media/{name}.jpg"), name, "image", duration_s, "0" * 64, **more)  # type: ignore[arg-type]


class Notes:
    def __init__(self) -> None:
        self.plays: list[Play] = []
        self.ends: list[PlayEnd] = []

    def play_started(self, play: Play) -> None:
        self.plays.append(play)

    def play_ended(self, end: PlayEnd) -> None:
        self.ends.append(end)

    def table(self) -> list[tuple[object, ...]]:
        ends = {end.number: (end.ended_ns, end.outcome, end.shown_ms) for end in self.ends}
        return [(play.number, play.ad.ad_id, play.started_ns, *ends[play.number]) for play in self.plays]


@pytest.mark.parametrize(
    ("days", "hours", "hour", "allowed"),
    [
        ((), (), 3, True),
        (("fri",), (), 3, True),
        (("sat",), (), 3, False),
        ((), (Hours(480, 720),), 8, True),
        ((), (Hours(480, 720),), 7.99, False),
        ((), (Hours(480, 720),), 12, False),
        ((), (Hours(480, 720), Hours(780, 800)), 13, True),
        (("fri",), (Hours(1320, 120),), 22, True),
        (("fri",), (Hours(1320, 120),), 24 + 1.99, True),
        (("fri",), (Hours(1320, 120),), 24 + 2, False),
        (("fri",), (Hours(1320, 120),), 1, False),
        (("sat",), (Hours(1320, 120),), 24 + 1, False),
        ((), (Hours(0, 1440),), 23.99, True),
    ],
)
def test_days_and_hours(days, hours, hour, allowed):
    assert may_play(ad("a", days=days, hours=hours), FRIDAY + timedelta(hours=hour)) is allowed


def test_limit_per_hour_holds_in_every_stretch_of_an_hour():
    rotation = Rotation([ad("a", max_per_hour=2), ad("b")], SequentialPolicy(), None)
    starts: list[int] = []
    for minute in range(300):
        now = minute * 60 * SECOND_NS
        choice = rotation.choose(now, None)
        rotation.started(choice.ad, now)
        if choice.ad.ad_id == "a":
            starts.append(now)
    assert len(starts) == 10
    assert all(later - first >= HOUR_NS for first, later in zip(starts, starts[2:], strict=False))


def test_rotation_refuses_nonsense():
    with pytest.raises(AdsError, match="at least one ad"):
        Rotation([], SequentialPolicy(), None)
    with pytest.raises(AdsError, match=r"loops must be at least 1.*got 0"):
        Rotation([ad("a")], SequentialPolicy(), 0)


def run(ads: list[Ad], instants: list[int], stop_ns: int, **more: object) -> tuple[Notes, VirtualShow, PlaybackLog]:
    notes, log = Notes(), PlaybackLog()
    show = VirtualShow(ads, SequentialPolicy(), log, notes, **more)  # type: ignore[arg-type]
    for instant in instants:
        show.advance(instant)
    show.stop(stop_ns)
    return notes, show, log


def test_plays_follow_each_other_at_their_exact_times():
    notes, show, log = run([ad("a", 1.5), ad("b", 0.7)], [0, 33_366_667, 5 * SECOND_NS], 5 * SECOND_NS)
    assert notes.table() == [
        (1, "a", 0, 1_500_000_000, "finished", 1500.0),
        (2, "b", 1_500_000_000, 2_200_000_000, "finished", 700.0),
        (3, "a", 2_200_000_000, 3_700_000_000, "finished", 1500.0),
        (4, "b", 3_700_000_000, 4_400_000_000, "finished", 700.0),
        (5, "a", 4_400_000_000, 5_000_000_000, "stopped", 600.0),
    ]
    assert log.at(1_600_000_000).position_ms == 100.0
    assert log.at(5_000_000_000) is None
    assert not show.finished


@given(st.lists(st.integers(1, 900_000_000), min_size=1, max_size=40))
def test_plays_do_not_depend_on_how_often_the_show_is_advanced(waits):
    instants = [0]
    for wait in waits:
        instants.append(instants[-1] + wait)
    ads = [ad("a", 0.4), ad("b", 1.1), ad("c", 0.25)]
    fine = sorted({*instants, *range(0, instants[-1], 50_000_000)})
    coarse_notes = run(ads, instants, instants[-1] + 1)[0]
    assert coarse_notes.table() == run(ads, fine, instants[-1] + 1)[0].table()


def test_a_show_with_loops_finishes():
    notes, show, _ = run([ad("a"), ad("b")], [0, 10 * SECOND_NS], 20 * SECOND_NS, loops=2)
    assert [row[1:2] + row[4:5] for row in notes.table()] == [(name, "finished") for name in ("a", "b", "a", "b")]
    assert show.finished
    assert notes.ends[-1].ended_ns == 4 * SECOND_NS


def test_a_play_that_would_begin_at_the_very_end_is_not_made():
    notes, show, _ = run([ad("a")], [0, SECOND_NS // 2], 2 * SECOND_NS)
    assert [row[4] for row in notes.table()] == ["finished", "finished"]
    assert not show.finished


def test_hours_count_where_the_wall_clock_is_known():
    ads = [ad("day", hours=(Hours(480, 720),)), ad("always")]
    start = FRIDAY.replace(hour=11, minute=59, second=58)
    notes, *_ = run(ads, [0, 3 * SECOND_NS], 6 * SECOND_NS, wall_start=start)
    assert [play.ad.ad_id for play in notes.plays] == ["day", "always", "always", "always", "always", "always"]
    notes, *_ = run(ads, [0], 4 * SECOND_NS)
    assert [play.ad.ad_id for play in notes.plays] == ["day", "always", "day", "always"]


def test_show_waits_while_nothing_may_play():
    start = FRIDAY.replace(hour=7, minute=59, second=58)
    notes, show, log = run(
        [ad("day", hours=(Hours(480, 720),))], [0, SECOND_NS, 3 * SECOND_NS], 4 * SECOND_NS, wall_start=start
    )
    assert [play.started_ns for play in notes.plays] == [3 * SECOND_NS]
    assert log.at(SECOND_NS) is None
    show.stop(9 * SECOND_NS)
    show.advance(9 * SECOND_NS)
    assert len(notes.ends) == 1


def test_the_listener_hears_of_a_play_before_the_log_knows_it(make_ad):
    """Another thread that finds a play in the log relies on the listener knowing it."""
    log = PlaybackLog()

    known = []

    class Early:
        def play_started(self, play):
            assert log.at(play.started_ns) is None
            known.append(play.number)

        def play_ended(self, end):
            pass

    show = VirtualShow([make_ad(Path("one.png"), duration_s=1.0)], SequentialPolicy(), log, Early())
    show.advance(0)
    show.advance(1_500_000_000)
    assert known == [1, 2]
    assert log.at(1_500_000_000).play_number == 2
    show.stop(1_600_000_000)

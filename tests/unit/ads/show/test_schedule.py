from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.errors import AdsError
from ads.playlists.playlist import DAYS, Ad, Hours
from ads.policies.audience import Audience
from ads.policies.base import Situation
from ads.policies.fixed import SequentialPolicy
from ads.show.playback import Play, PlaybackLog, PlayEnd
from ads.show.schedule import HOUR_NS, MINUTE_NS, Rotation, VirtualShow

SECOND_NS = 1_000_000_000
FRIDAY = datetime(2026, 11, 20, tzinfo=UTC)


def ad(name: str, duration_s: float = 1.0, **more: object) -> Ad:
    path = Path(f"/media/{name}.jpg")
    return Ad(name, path, name, "image", duration_s, "0" * 64, **more)  # type: ignore[arg-type]


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
        return [
            (play.number, play.ad.ad_id, play.started_ns, *ends[play.number]) for play in self.plays
        ]


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


def drive(rotation: Rotation, instants: range, local: datetime | None = None) -> list[str]:
    """Ids of what starts at each of these instants, "-" for nothing."""
    shown = []
    for now in instants:
        choice = rotation.choose(now, local)
        if choice is not None:
            rotation.started(choice.ad, now)
        shown.append("-" if choice is None else choice.ad.ad_id)
    return shown


def test_limit_holds_over_a_reload_and_over_a_restart():
    minutes = range(0, 20 * MINUTE_NS, MINUTE_NS)
    rotation = Rotation([ad("a", max_per_hour=2), ad("b")], SequentialPolicy(), None)
    assert drive(rotation, minutes[:3]) == ["a", "b", "a"]
    rotation.replace([ad("a", max_per_hour=2), ad("b", max_per_hour=3), ad("c", max_per_hour=1)])
    # `b` has a limit only now; its start from before counts.
    assert drive(rotation, minutes[3:8]) == ["b", "c", "b", "-", "-"]

    again = Rotation([ad("a", max_per_hour=2), ad("b", max_per_hour=1)], SequentialPolicy(), None)
    again.seed({"a": [-10 * MINUTE_NS, -70 * MINUTE_NS], "b": [-59 * MINUTE_NS], "gone": [-1]})
    assert drive(again, minutes[:3]) == ["a", "b", "-"]


def test_rounds_go_on_over_a_reload():
    rotation = Rotation([ad("a"), ad("b")], SequentialPolicy(), 2)
    assert drive(rotation, range(3)) == ["a", "b", "a"]
    rotation.replace([ad("a"), ad("b"), ad("c")])
    assert drive(rotation, range(3, 6)) == ["b", "c", "-"]
    assert rotation.complete
    with pytest.raises(AdsError, match="at least one ad"):
        rotation.replace([])


def test_only_the_highest_priority_that_may_play_is_shown():
    ads = [
        ad("low"),
        ad("high", priority=5, max_per_hour=1),
        ad("high too", priority=5, hours=(Hours(480, 720),)),
    ]
    rotation = Rotation(ads, SequentialPolicy(), None)
    nine, one = FRIDAY.replace(hour=9), FRIDAY.replace(hour=13)
    assert drive(rotation, range(3), nine) == ["high", "high too", "high too"]
    assert drive(rotation, range(3, 5), one) == ["low", "low"]
    assert rotation.choose(5, nine, without=["high too"]).ad.ad_id == "low"


def test_a_takeover_keeps_everything_else_away():
    ads = [ad("a", priority=9), ad("now", takeover=True, hours=(Hours(600, 601),), max_per_hour=2)]
    rotation = Rotation(ads, SequentialPolicy(), None)
    ten = FRIDAY.replace(hour=10)
    assert not rotation.interrupts(ads[0], 0, FRIDAY)
    assert rotation.interrupts(ads[0], 0, ten)
    assert not rotation.interrupts(ads[1], 0, ten)
    assert not rotation.interrupts(ads[0], 0, ten, without=["now"])
    assert drive(rotation, range(4), ten) == ["now", "now", "a", "a"]


def test_a_round_counts_the_ads_that_failed():
    rotation = Rotation([ad("a"), ad("b"), ad("c")], SequentialPolicy(), 1)
    shown = [rotation.choose(0, None).ad.ad_id]
    while (choice := rotation.choose(0, None, without=["a"])) is not None:
        shown.append(choice.ad.ad_id)
    assert shown == ["a", "b", "c"]


def test_the_policy_is_told_the_situation():
    class Curious(SequentialPolicy):
        def choose(self, candidates, situation):
            self.asked = situation
            return super().choose(candidates, situation)

    policy = Curious()
    seen = Audience(2, 1, "sad")
    Rotation([ad("a")], policy, None).choose(7, FRIDAY, audience=seen)
    assert policy.asked == Situation(7, FRIDAY, seen)
    show = VirtualShow(
        [ad("a")], policy, PlaybackLog(), Notes(), wall_start=FRIDAY, audience=lambda at_ns: seen
    )
    show.advance(1_500_000_000)
    assert policy.asked == Situation(1_500_000_000, FRIDAY + timedelta(seconds=1.5), seen)


def test_rotation_refuses_nonsense():
    with pytest.raises(AdsError, match="at least one ad"):
        Rotation([], SequentialPolicy(), None)
    with pytest.raises(AdsError, match=r"loops must be at least 1.*got 0"):
        Rotation([ad("a")], SequentialPolicy(), 0)


def run(
    ads: list[Ad], instants: list[int], stop_ns: int, **more: object
) -> tuple[Notes, VirtualShow, PlaybackLog]:
    notes, log = Notes(), PlaybackLog()
    show = VirtualShow(ads, SequentialPolicy(), log, notes, **more)  # type: ignore[arg-type]
    for instant in instants:
        show.advance(instant)
    show.stop(stop_ns)
    return notes, show, log


def test_plays_follow_each_other_at_their_exact_times():
    notes, show, log = run(
        [ad("a", 1.5), ad("b", 0.7)], [0, 33_366_667, 5 * SECOND_NS], 5 * SECOND_NS
    )
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


@settings(deadline=None)
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
    assert [row[1:2] + row[4:5] for row in notes.table()] == [
        (name, "finished") for name in ("a", "b", "a", "b")
    ]
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
    assert [play.ad.ad_id for play in notes.plays] == [
        "day",
        "always",
        "always",
        "always",
        "always",
        "always",
    ]
    notes, *_ = run(ads, [0], 4 * SECOND_NS)
    assert [play.ad.ad_id for play in notes.plays] == ["day", "always", "day", "always"]


def test_show_waits_while_nothing_may_play():
    start = FRIDAY.replace(hour=7, minute=59, second=58)
    notes, show, log = run(
        [ad("day", hours=(Hours(480, 720),))],
        [0, SECOND_NS, 3 * SECOND_NS],
        4 * SECOND_NS,
        wall_start=start,
    )
    # It begins with the hour, not with the call that finds it begun.
    assert [play.started_ns for play in notes.plays] == [2 * SECOND_NS, 3 * SECOND_NS]
    assert log.at(SECOND_NS) is None
    show.stop(9 * SECOND_NS)
    show.advance(9 * SECOND_NS)
    assert len(notes.ends) == 2


def test_show_waits_for_a_limit_and_goes_on_the_moment_it_is_free():
    notes, *_ = run([ad("a", 10.0, max_per_hour=2)], [0], 2 * HOUR_NS)
    starts = [play.started_ns for play in notes.plays]
    assert starts == [0, 10 * SECOND_NS, HOUR_NS, HOUR_NS + 10 * SECOND_NS]


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


def test_a_takeover_cuts_off_what_is_on_at_its_instant():
    start = FRIDAY.replace(hour=11, minute=59, second=55)
    ads = [ad("a", 8.0), ad("lunch", 4.0, takeover=True, hours=(Hours(720, 721),), max_per_hour=2)]
    fine = sorted({*range(0, 30 * SECOND_NS, 333_333_333), 30 * SECOND_NS})
    for instants in ([0, 30 * SECOND_NS], fine):
        notes, *_ = run(ads, instants, 30 * SECOND_NS, wall_start=start)
        assert [
            (row[1], row[2] / SECOND_NS, row[3] / SECOND_NS, row[4]) for row in notes.table()
        ] == [
            ("a", 0, 5, "skipped"),
            ("lunch", 5, 9, "finished"),
            ("lunch", 9, 13, "finished"),
            ("a", 13, 21, "finished"),
            ("a", 21, 29, "finished"),
            ("a", 29, 30, "stopped"),
        ]


def test_a_takeover_comes_back_when_its_limit_is_free():
    ads = [ad("a", 700.0), ad("now", 5.0, takeover=True, max_per_hour=1)]
    notes, *_ = run(ads, [0], 2 * HOUR_NS)
    assert [play.started_ns for play in notes.plays if play.ad.takeover] == [0, HOUR_NS]
    cut = notes.table()[6]
    assert cut[1:5] == ("a", 3505 * SECOND_NS, HOUR_NS, "skipped")


def test_no_takeover_cuts_off_the_last_play_of_the_last_round():
    start = FRIDAY.replace(hour=11, minute=59, second=55)
    ads = [ad("a", 8.0), ad("lunch", 4.0, takeover=True, hours=(Hours(720, 721),))]
    notes, show, _ = run(ads, [0, 30 * SECOND_NS], 30 * SECOND_NS, wall_start=start, loops=1)
    assert [(row[1], row[4]) for row in notes.table()] == [("a", "finished")]
    assert show.finished


def test_nothing_is_shown_while_a_play_washes_out():
    notes, _, log = run(
        [ad("a", 2.0), ad("b", 1.0)], [0, 12 * SECOND_NS], 12 * SECOND_NS, wash_out_s=2.5
    )
    assert [(row[1], row[2] / 1e9, row[3] / 1e9) for row in notes.table()] == [
        ("a", 0, 2), ("b", 4.5, 5.5), ("a", 8, 10),
    ]  # fmt: skip
    assert log.at(3 * SECOND_NS) is None
    with pytest.raises(AdsError, match="wash-out: expected seconds of at least 0, received -1"):
        VirtualShow([ad("a")], SequentialPolicy(), log, notes, wash_out_s=-1)


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("day", "hours", "minutes"),
    [
        # Clocks go from 01:59:59 to 03:00:00: the hour from 2 to 3 does not occur, and the day has
        # 23 hours.
        (datetime(2026, 3, 29, tzinfo=BERLIN), Hours(120, 180), 0),
        (datetime(2026, 3, 29, tzinfo=BERLIN), Hours(60, 240), 120),
        (datetime(2026, 3, 29, tzinfo=BERLIN), Hours(0, 1440), 23 * 60),
        # From 02:59:59 back to 02:00:00: it occurs twice.
        (datetime(2026, 10, 25, tzinfo=BERLIN), Hours(120, 180), 120),
        (datetime(2026, 10, 25, tzinfo=BERLIN), Hours(60, 240), 240),
        (datetime(2026, 10, 25, tzinfo=BERLIN), Hours(0, 1440), 25 * 60),
    ],
)
def test_hours_are_those_of_the_clocks_when_these_are_put_forward_or_back(day, hours, minutes):
    day_name = DAYS[day.weekday()]
    notes, *_ = run(
        [ad("a", 60.0, days=(day_name,), hours=(hours,))],
        [0, 30 * HOUR_NS],
        30 * HOUR_NS,
        wall_start=day,
    )
    assert len(notes.plays) == minutes
    assert sum(end.shown_ms for end in notes.ends) == minutes * 60_000


def test_a_show_needs_the_zone_of_its_start():
    with pytest.raises(AdsError, match="with its zone, received 2026-11-20 08:00:00"):
        VirtualShow(
            [ad("a")],
            SequentialPolicy(),
            PlaybackLog(),
            Notes(),
            wall_start=datetime(2026, 11, 20, 8),  # noqa: DTZ001
        )


MORNING_HOURS, EVENING_HOURS = (Hours(480, 720),), (Hours(720, 1320),)


def test_an_ad_listed_for_other_times_is_one_candidate_with_one_hourly_limit():
    """Started twice before noon, it has used up its evening's limit until an hour has passed."""
    ads = [
        ad("a", hours=MORNING_HOURS, max_per_hour=9),
        ad("b"),
        ad("a", hours=EVENING_HOURS, max_per_hour=2),
    ]
    rotation = Rotation(ads, SequentialPolicy(), None)
    chosen = []
    for minute in range(0, 120, 10):
        at_ns = minute * MINUTE_NS
        local = FRIDAY + timedelta(hours=11, minutes=40 + minute)
        choice = rotation.choose(at_ns, local)
        assert choice.context["candidates"].keys() <= {"a", "b"}
        rotation.started(choice.ad, at_ns)
        chosen.append((choice.ad.ad_id, choice.ad.max_per_hour))
    assert chosen == [
        ("a", 9), ("b", None), ("a", 2), ("b", None), ("b", None), ("b", None), ("a", 2),
        ("b", None), ("a", 2), ("b", None), ("b", None), ("b", None),
    ]  # fmt: skip


def test_an_exhausted_listing_is_not_replaced_by_another_of_its_ad():
    ads = [ad("a", priority=5, max_per_hour=1), ad("a"), ad("b")]
    rotation = Rotation(ads, SequentialPolicy(), None)
    rotation.started(ads[0], 0)
    assert not rotation.allows(ads[0], SECOND_NS, None)
    assert not rotation.allows(ads[1], SECOND_NS, None)
    assert rotation.choose(SECOND_NS, None).ad.ad_id == "b"


def test_an_ad_does_not_cut_itself_off():
    ads = [ad("a"), ad("b"), ad("a", hours=MORNING_HOURS, takeover=True)]
    rotation = Rotation(ads, SequentialPolicy(), None)
    night, morning = FRIDAY, FRIDAY + timedelta(hours=9)
    assert not rotation.interrupts(ads[0], 0, morning)
    assert rotation.interrupts(ads[1], 0, morning)
    assert not rotation.interrupts(ads[1], 0, night)
    assert not rotation.allows(ads[0], 0, morning)
    assert rotation.allows(ads[0], 0, night)
    assert rotation.choose(0, morning).ad is ads[2]


@given(
    st.lists(
        st.builds(
            ad,
            st.sampled_from("abc"),
            hours=st.sampled_from([(), MORNING_HOURS, EVENING_HOURS, (Hours(600, 780),)]),
            max_per_hour=st.sampled_from([None, 1, 3]),
            priority=st.sampled_from([0, 4]),
            takeover=st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 23 * 60),
)
@settings(max_examples=50)
def test_whatever_is_listed_no_ad_is_twice_among_the_candidates(ads, minute):
    class Noting(SequentialPolicy):
        def _choose(self, candidates, situation):
            ids = [one.ad_id for one in candidates]
            assert len(ids) == len(set(ids))
            return super()._choose(candidates, situation)

    wall_start = FRIDAY + timedelta(minutes=minute)
    notes = Notes()
    show = VirtualShow(ads, Noting(), PlaybackLog(), notes, wall_start=wall_start)
    for step in range(30):
        show.advance(step * 7 * MINUTE_NS // 10)
    show.stop(21 * MINUTE_NS)
    for play in notes.plays:
        earlier = [
            one.started_ns
            for one in notes.plays
            if one.ad.ad_id == play.ad.ad_id
            and play.started_ns - HOUR_NS < one.started_ns < play.started_ns
        ]
        assert play.ad.max_per_hour is None or len(earlier) < play.ad.max_per_hour

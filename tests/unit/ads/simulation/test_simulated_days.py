"""Whole days of random playlists under every policy, checked against independent rules."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ads.playlists.playlist import DAYS, Ad, Hours, Playlist
from ads.policies import POLICY_NAMES, make_policy
from ads.policies.audience import Audience
from ads.policies.settings import PolicySettings
from ads.show.forecast import forecast
from ads.show.playback import Play, PlaybackLog, PlayEnd
from ads.show.schedule import HOUR_NS, MINUTE_NS, VirtualShow
from detector.emotion.labels import EMOTIONS

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
DAY_NS = 24 * HOUR_NS

minute = st.integers(0, 95).map(lambda quarter: 15 * quarter)
stretch = (
    st.tuples(minute, minute).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: Hours(*pair))
)
day_long = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def playlists(draw, takeovers: bool = True):
    return [
        Ad(
            f"ad-{number}",
            Path(f"/media/{number}.jpg"),
            f"Ad {number}",
            "image",
            draw(st.sampled_from([45.0, 60.0, 93.7, 240.0])),
            "0" * 64,
            weight=draw(st.sampled_from([0.5, 1.0, 1.0, 2.0, 5.0])),
            moods=draw(st.sampled_from([(), ("sad",), ("happy", "neutral")])),
            days=draw(st.sampled_from([(), (), ("mon", "wed"), ("tue",)])),
            hours=tuple(
                draw(
                    st.sampled_from([0, 0, 1, 2]).flatmap(
                        lambda n: st.lists(stretch, min_size=n, max_size=n)
                    )
                )
            ),
            max_per_hour=draw(st.sampled_from([None, None, 1, 3, 10])),
            priority=draw(st.sampled_from([0, 0, 0, 2, 9])) if takeovers else 0,
            takeover=takeovers and draw(st.integers(0, 5)) == 0,
        )
        for number in range(draw(st.integers(1, 6)))
    ]


def allowed_minutes(ad: Ad) -> set[int]:
    """The minutes of the week, from Monday 00:00 on, in which an ad may start."""
    days = [DAYS.index(day) for day in ad.days or DAYS]
    minutes = set()
    for day in days:
        for start, end in ad.hours or (Hours(0, 1440),):
            length = (end - start) % 1440 or 1440
            minutes.update((1440 * day + start + past) % (7 * 1440) for past in range(length))
    return minutes


class Rules:
    """What may start when, given what has started."""

    def __init__(self, ads: list[Ad]) -> None:
        self.ads = ads
        self.minutes = {ad.ad_id: allowed_minutes(ad) for ad in ads}
        self.starts: dict[str, list[int]] = defaultdict(list)

    def allowed(self, at_ns: int) -> list[Ad]:
        now = at_ns // MINUTE_NS % (7 * 1440)
        return [
            ad
            for ad in self.ads
            if now in self.minutes[ad.ad_id]
            and sum(at_ns - HOUR_NS < start <= at_ns for start in self.starts[ad.ad_id])
            < (ad.max_per_hour or 1e9)
        ]

    def instants(self, first_ns: int, last_ns: int) -> list[int]:
        """All instants strictly between two at which something may change."""
        minutes = range((first_ns // MINUTE_NS + 1) * MINUTE_NS, last_ns, MINUTE_NS)
        frees = [start + HOUR_NS for starts in self.starts.values() for start in starts[-10:]]
        return [*minutes, *(free for free in frees if first_ns < free < last_ns)]


class Notes:
    def __init__(self) -> None:
        self.plays: list[tuple[Play, PlayEnd]] = []

    def play_started(self, play: Play) -> None:
        self.begun = play

    def play_ended(self, end: PlayEnd) -> None:
        self.plays.append((self.begun, end))


@day_long
@given(playlists(), st.sampled_from(POLICY_NAMES), st.integers(0, 99), st.integers(0, 6))
def test_no_cap_no_hour_no_priority_is_ever_broken(ads, name, seed, weekday):
    generator = np.random.default_rng(seed)

    def audience(at_ns: int) -> Audience | None:
        viewers = int(generator.integers(-1, 5))
        return (
            None
            if viewers < 0
            else Audience(viewers, 0, EMOTIONS[generator.integers(7)] if viewers else None)
        )

    notes = Notes()
    begin_ns = weekday * DAY_NS
    show = VirtualShow(
        ads,
        make_policy(name, PolicySettings(seed=seed)),
        PlaybackLog(),
        notes,
        wall_start=MONDAY,
        audience=audience,
    )
    show.advance(begin_ns)
    show.stop(begin_ns + DAY_NS)

    rules = Rules(ads)
    free_ns = begin_ns
    for play, end in notes.plays:
        if play.started_ns > free_ns:
            assert not rules.allowed(free_ns)
            assert not any(
                rules.allowed(at_ns) for at_ns in rules.instants(free_ns, play.started_ns)
            )
        allowed = rules.allowed(play.started_ns)
        assert play.ad in allowed
        rank = max((ad.takeover, ad.priority) for ad in allowed)
        assert (play.ad.takeover, play.ad.priority) == rank
        rules.starts[play.ad.ad_id].append(play.started_ns)
        if not play.ad.takeover:
            for at_ns in rules.instants(play.started_ns, end.ended_ns):
                assert not any(ad.takeover for ad in rules.allowed(at_ns))
        if end.outcome == "skipped":
            assert any(ad.takeover for ad in rules.allowed(end.ended_ns))
        free_ns = end.ended_ns
    for ad in ads:
        starts = rules.starts[ad.ad_id]
        limit = ad.max_per_hour or len(starts) + 1
        assert all(
            later - first >= HOUR_NS for first, later in zip(starts, starts[limit:], strict=False)
        )
    # The screen is dark only while nothing may play.
    if free_ns < begin_ns + DAY_NS:
        assert not any(
            rules.allowed(at_ns) for at_ns in [free_ns, *rules.instants(free_ns, begin_ns + DAY_NS)]
        )


@day_long
@given(playlists(takeovers=False), st.integers(0, 6))
def test_shares_of_a_day_are_those_of_the_weights(ads, weekday):
    """Within 2 %, or within one play for an ad that is owed only a few."""
    coming = forecast(
        Playlist(Path("/media/p.yaml"), tuple(ads)),
        make_policy("weighted"),
        MONDAY + timedelta(days=weekday),
        24,
    )
    shown_s = sum(voice.shown_s for voice in coming.shares)
    longest_s = max(ad.duration_s for ad in ads)
    for voice in coming.shares:
        due_s = voice.due * shown_s
        assert abs(voice.shown_s - due_s) <= max(0.02 * due_s, longest_s)


def test_shares_of_an_hour_are_those_of_the_weights():
    ads = [
        Ad(name, Path(f"/media/{name}.jpg"), name, "image", seconds, "0" * 64, weight=weight)
        for name, seconds, weight in (
            ("a", 8.0, 4.0),
            ("b", 15.0, 2.0),
            ("c", 6.0, 1.0),
            ("d", 10.0, 1.0),
        )
    ]
    coming = forecast(
        Playlist(Path("/media/p.yaml"), tuple(ads)), make_policy("weighted"), MONDAY, 1
    )
    # An hour holds 240 of the longest play: one of them is 0.4 %.
    assert [voice.share for voice in coming.shares] == pytest.approx(
        [0.5, 0.25, 0.125, 0.125], abs=0.005
    )

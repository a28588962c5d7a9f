from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ads.errors import AdsError
from ads.playlists.playlist import Ad, Hours, Playlist
from ads.policies import make_policy
from ads.show.forecast import forecast
from ads.show.timetable import may_play

MORNING = datetime(2026, 11, 20, 7, 59, 50, tzinfo=UTC)


def ad(name: str, duration_s: float, **more: object) -> Ad:
    path = Path(f"/media/{name}.jpg")
    return Ad(name, path, name, "image", duration_s, "0" * 64, **more)  # type: ignore[arg-type]


def coming(
    *ads: Ad, at: datetime = MORNING, zone: str | None = "UTC", hours: float = 1.0, **more: float
):
    playlist = Playlist(Path("/media/p.yaml"), ads, timezone=zone)
    return forecast(playlist, make_policy("sequential"), at, hours, **more)


def test_plays_come_with_their_times_reasons_and_shares():
    found = coming(ad("a", 20.0), ad("b", 10.0, weight=3.0), hours=1 / 60)
    assert [(f"{play.at:%H:%M:%S}", play.ad.ad_id, play.shown_s) for play in found.plays] == [
        ("07:59:50", "a", 20), ("08:00:10", "b", 10), ("08:00:20", "a", 20), ("08:00:40", "b", 10),
    ]  # fmt: skip
    assert {(play.reason, play.probability) for play in found.plays} == {
        ("next in the playlist", 1.0)
    }
    assert [play.share for play in found.plays] == pytest.approx([1, 1 / 3, 4 / 5, 1 / 3])
    assert [play.due for play in found.plays] == [0.25, 0.75, 0.25, 0.75]
    assert [(voice.ad.ad_id, voice.plays, voice.shown_s, voice.due) for voice in found.shares] == [
        ("a", 2, 40, 0.25), ("b", 2, 20, 0.75),
    ]  # fmt: skip
    assert (found.begin, f"{found.end:%H:%M:%S}", found.idle) == (MORNING, "08:00:50", ())


def test_what_is_due_follows_who_may_play():
    """`b` shares only the time in which it may play."""
    found = coming(
        ad("a", 30.0),
        ad("b", 30.0, hours=(Hours(510, 540),)),
        at=MORNING.replace(second=0, minute=0),
    )
    before = [play.ad.ad_id for play in found.plays if play.at.hour == 7 and play.at.minute < 30]
    assert set(before) == {"a"}
    assert found.shares[1].shown_s == 0
    found = coming(
        ad("a", 30.0),
        ad("b", 30.0, hours=(Hours(510, 540),)),
        at=MORNING.replace(second=0, minute=0, hour=8),
    )
    assert [voice.due for voice in found.shares] == [0.75, 0.25]
    assert [voice.share for voice in found.shares] == pytest.approx([0.75, 0.25], abs=0.01)


def test_times_in_which_nothing_may_play_are_told():
    only = ad("a", 15.0, hours=(Hours(480, 481),), max_per_hour=2)
    found = coming(only, hours=0.5)
    assert [f"{play.at:%H:%M:%S}" for play in found.plays] == ["08:00:00", "08:00:15"]
    assert [(f"{begin:%H:%M:%S}", f"{end:%H:%M:%S}") for begin, end in found.idle] == [
        ("07:59:50", "08:00:00"), ("08:00:30", "08:29:50"),
    ]  # fmt: skip
    nothing = coming(ad("a", 15.0, days=("mon",)))
    assert (nothing.plays, nothing.shares[0].share, nothing.shares[0].due) == ((), 0, 0)
    assert nothing.idle == ((nothing.begin, nothing.end),)


def test_a_wash_out_is_no_idle_time():
    found = coming(ad("a", 15.0), hours=1 / 60, wash_out_s=5.0)
    assert [f"{play.at:%H:%M:%S}" for play in found.plays] == ["07:59:50", "08:00:10", "08:00:30"]
    assert found.idle == ()


def test_times_are_those_of_the_venue():
    at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    found = coming(ad("a", 1800.0), at=at, zone="Europe/Berlin", hours=1.5)
    # The night in which the hour from 2 to 3 comes twice.
    assert [f"{play.at:%H:%M %Z}" for play in found.plays] == [
        "02:30 CEST",
        "02:00 CET",
        "02:30 CET",
    ]
    assert found.begin.tzinfo == ZoneInfo("Europe/Berlin")
    assert found.end == datetime(2026, 10, 25, 2, tzinfo=UTC)


@pytest.mark.parametrize("hours", [0, -1, 169, float("nan")])
def test_hours_out_of_range_are_refused(hours):
    with pytest.raises(AdsError, match="expected hours above 0 and at most 168, received"):
        coming(ad("a", 1.0), hours=hours)


def test_a_forecast_of_too_many_plays_ends_early_and_says_so(monkeypatch):
    ads = [ad("a", 20.0), ad("b", 40.0)]
    whole = coming(*ads, hours=0.5)
    assert not whole.is_cut
    monkeypatch.setattr("ads.show.forecast.MAX_STEPS", 10)
    cut = coming(*ads, hours=0.5)
    assert cut.is_cut
    assert cut.wanted_end == whole.end
    assert cut.plays == whole.plays[: len(cut.plays)]
    assert 5 <= len(cut.plays) <= 8
    assert (cut.end - cut.begin).total_seconds() == sum(play.shown_s for play in cut.plays)


def test_the_times_of_many_ads_are_looked_up_once_a_minute(monkeypatch):
    """Not for every ad at every play: 20,000 ads would take half a minute for an hour."""
    asked = []

    def counted(one, local):
        asked.append(one)
        return may_play(one, local)

    monkeypatch.setattr("ads.show.timetable.may_play", counted)
    times = [{"hours": (Hours(0, 1440),)}, {"last_day": MORNING.date()}, {}]
    found = coming(*(ad(str(number), 5.0, **times[number % 3]) for number in range(300)))
    assert len(found.plays) == 720
    assert len(asked) <= 3 * 62


def test_an_ad_listed_for_other_times_has_one_share_by_the_weight_that_counts_then():
    noon = MORNING.replace(hour=11, minute=30, second=0)
    found = coming(
        ad("a", 30.0, hours=(Hours(480, 720),)),
        ad("b", 30.0),
        ad("a", 30.0, hours=(Hours(720, 1320),), weight=3.0),
        at=noon,
    )
    assert [voice.ad.ad_id for voice in found.shares] == ["a", "b"]
    assert [voice.plays for voice in found.shares] == [60, 60]
    # Half of the time by 1 to 1, the other half by 3 to 1.
    assert [voice.due for voice in found.shares] == pytest.approx([5 / 8, 3 / 8])
    assert {(play.at.hour, play.ad.weight) for play in found.plays if play.ad.ad_id == "a"} == {
        (11, 1.0), (12, 3.0),
    }  # fmt: skip

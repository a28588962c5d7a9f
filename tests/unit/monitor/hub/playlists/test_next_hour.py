"""The next hour of a playlist, and why; which show a screen gets is tested in `test_resolution`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ads.policies import POLICY_NAMES, make_policy
from ads.policies.base import Situation
from db.hub.shows.desired import ApprovedVersion, PlannedCreative
from db.hub.shows.playlists import PlaylistInfo
from monitor.hub.playlists import next_hour
from monitor.hub.playlists.next_hour import hour_of, reason_words
from monitor.hub.playlists.view import rows_of, shown_alone
from monitor.languages import speaking

MONDAY = datetime(2026, 11, 30, 11, 30, tzinfo=UTC)
PLAYLIST = PlaylistInfo(1, "f" * 32, "Usual", MONDAY, "eva", None)


def creative(name, approval="approved", length_s=None):
    version = ApprovedVersion(
        name.encode().hex().ljust(64, "0"), 10, ".png" if length_s is None else ".mp4",
        "image" if length_s is None else "video", length_s, None, (), (), None, None,
    )  # fmt: skip
    return PlannedCreative(
        name, name, name.title(), False, version if approval == "approved" else None, approval
    )


KNOWN = {
    **{name: creative(name) for name in ("tea", "coffee", "cake")},
    "clip": creative("clip", length_s=20.0),
    "late": creative("late", "pending"),
}


def hour(*ads, begin=MONDAY, settings=None, **head):
    body = {**head, "ads": [ad if isinstance(ad, dict) else {"creative": ad} for ad in ads]}
    show = shown_alone(body, KNOWN, PLAYLIST, begin)
    return hour_of(show, KNOWN, begin, settings)


def absent(found):
    return {one.name: one.why for one in found.absent}


def test_the_plays_of_an_hour_have_their_reasons():
    found = hour("tea", "clip")
    assert [(f"{play.at:%H:%M:%S}", play.ad.name) for play in found.coming.plays[:3]] == [
        ("11:30:00", "Tea"), ("11:30:08", "Clip"), ("11:30:28", "Tea"),
    ]  # fmt: skip
    assert {play.reason for play in found.coming.plays} == {"next in the playlist"}
    assert not found.by_chance
    assert found.absent == []


def test_each_ad_that_is_not_shown_has_its_reason():
    found = hour(
        "tea",
        {"creative": "coffee", "hours": ["08:00-10:00"], "days": ["mon"]},
        {"creative": "cake", "from": "2026-12-05"},
        "late",
    )
    assert absent(found) == {
        "Coffee": "It plays only Mon, 08:00-10:00.",
        "Cake": "It starts on 2026-12-05.",
        "Late": "It waits for approval.",
    }


def test_who_comes_first_is_named():
    found = hour("tea", {"creative": "cake", "priority": 5})
    assert absent(found) == {"Tea": "Cake has the higher priority (5 instead of 0)."}
    found = hour("tea", {"creative": "cake", "takeover": True})
    assert absent(found) == {"Tea": "Cake is a takeover: while it may play, others wait."}


def test_a_limit_that_is_reached_is_named():
    found = hour("tea", {"creative": "cake", "max_per_hour": 2})
    notes = {voice.share.ad.name: voice.note for voice in found.voices}
    assert notes == {"Tea": "", "Cake": "Its limit of 2 an hour is reached at 11:30."}


def test_an_ad_whose_turn_does_not_come():
    found = hour({"creative": "tea", "duration_s": 7200}, "cake")
    assert absent(found)["Cake"].startswith("Its turn does not come within the hour")


def test_the_settings_of_the_screen_come_first():
    assert hour("tea", "cake", policy="weighted").policy == "weighted"
    assert hour("tea", "cake", policy="weighted", settings={"ads.policy": "mood"}).policy == "mood"


def test_the_chances_of_a_mood_are_those_of_the_policy():
    found = hour({"creative": "tea", "moods": ["happy"]}, "cake", policy="mood")
    chances = {column.mood: column.by_name for column in found.chances}
    assert chances[None] == pytest.approx({"Tea": 0.5, "Cake": 0.5})
    assert chances["happy"]["Tea"] > 0.9
    assert chances["sad"]["Tea"] < 0.5
    assert all(sum(column.by_name.values()) == pytest.approx(1) for column in found.chances)
    assert len(hour("tea", "cake", policy="learn").chances) == 1
    assert found.by_chance


def test_an_ad_listed_for_other_times_is_one():
    morning, noon = ({"creative": "tea", "hours": [h]} for h in ("08:00-12:00", "12:00-18:00"))
    found = hour(morning, "cake", noon | {"weight": 3}, policy="weighted")
    assert [voice.share.ad.name for voice in found.voices] == ["Tea", "Cake"]
    assert found.voices[0].share.due == pytest.approx(5 / 8, abs=0.01)


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_every_reason_that_a_forecast_gives_has_words(policy):
    with speaking("de"):
        for ads in (["tea", "cake", "coffee"], ["tea"]):
            reasons = {play.reason for play in hour(*ads, policy=policy).coming.plays}
            for reason in reasons:
                known = [one for one in next_hour._REASONS if reason.startswith(one)]
                assert known, reason
                assert reason_words(reason)


def test_shares_are_those_of_the_rank():
    body = {
        "policy": "weighted",
        "ads": [
            {"creative": "tea", "weight": 3}, {"creative": "cake"}, {"creative": "late"},
            {"creative": "coffee", "priority": 5},
        ],
    }  # fmt: skip
    rows = rows_of(body, KNOWN, PLAYLIST, MONDAY)
    assert [row.share for row in rows] == [0.75, 0.25, 0, 1]
    assert [row.problem for row in rows] == ["", "", "It waits for approval.", ""]
    by_time = rows_of({"ads": [{"creative": "clip"}, {"creative": "tea"}]}, KNOWN, PLAYLIST, MONDAY)
    assert [row.share for row in by_time] == pytest.approx([20 / 28, 8 / 28])


def test_the_first_play_is_what_the_policy_chooses():
    """The forecast runs the policy itself."""
    found = hour("tea", "cake", "coffee", policy="shuffle", settings={"ads.seed": 7})
    first = found.coming.plays[0]
    again = make_policy("shuffle", next_hour.PolicySettings(seed=7)).choose(
        [voice.share.ad for voice in found.voices], Situation(0, MONDAY)
    )
    assert first.ad == again.ad
    assert found.coming.end - found.coming.begin == timedelta(hours=1)

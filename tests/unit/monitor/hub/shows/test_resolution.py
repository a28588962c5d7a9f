"""What a screen is to show."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from ads.playlists.playlist_file import Entry, PlaylistHead
from db.hub.shows.bookings import BookingInfo, BookingPlan
from db.hub.shows.desired import ApprovedVersion, PlannedCreative
from monitor.hub.shows.resolution import desired_show
from tests.helpers.hub_screens import NOW

if TYPE_CHECKING:
    from monitor.hub.shows.resolution import Show

YESTERDAY = date(2026, 3, 1)


def creative(name: str, newest: str = "approved", **changes: Any) -> PlannedCreative:
    facts: dict[str, Any] = {"sha256": name[0] * 64, "size": 100, "ending": ".mp4"}
    facts |= {"kind": "video", "length_s": 10.0, "duration_s": None, "brand_at_s": (), "moods": ()}
    facts |= {"first_day": None, "last_day": None}
    ad_id = changes.pop("ad_id", name)
    archived = changes.pop("is_archived", False)
    version = ApprovedVersion(**facts | changes) if newest == "approved" else None
    return PlannedCreative(f"u-{name}", ad_id, name.title(), archived, version, newest)


def booking(playlist: str, **plan: Any) -> BookingInfo:
    booked = BookingPlan(playlist, **plan)
    return BookingInfo(1, f"b-{playlist}", booked, playlist.title(), "", NOW, "eva")


def resolve(
    bookings: list[BookingInfo], bodies: dict[str, Any], *creatives: PlannedCreative
) -> Show:
    known = {one.uid: one for one in creatives}
    return desired_show(bookings, bodies, known, "Europe/Berlin", ended=YESTERDAY)


def test_without_a_booking_a_screen_keeps_its_local_playlist() -> None:
    show = resolve([], {})
    assert (show.playlist, show.media, show.problem) == (None, (), "")
    # A playlist that was booked but never published shows nothing yet.
    assert resolve([booking("usual")], {}).playlist is None


def test_an_ad_has_the_keys_of_a_playlist_file() -> None:
    body = {
        "cross_fade_s": 0.5,
        "filler": "#203040",
        "volume": 0.5,
        "policy": "mood",
        "guard_rails": {"holdout": 0.2},
        "ads": [
            {"creative": "u-coffee", "weight": 2, "max_per_hour": 6, "volume": 0.25},
            {"creative": "u-tea", "moods": ["happy"], "priority": 3, "hours": "08:00-12:00"},
        ],
    }
    coffee = creative("coffee", brand_at_s=(1.0, 12.0), moods=("sad",))
    tea = creative("tea", kind="image", ending=".png", length_s=None, moods=("sad",))
    show = resolve([booking("usual")], {"usual": body}, coffee, tea)
    assert show.playlist == {
        "timezone": "Europe/Berlin",
        "cross_fade_s": 0.5,
        "filler": "#203040",
        "ads": [
            {"id": "coffee", "name": "Coffee", "file": "c" * 64 + ".mp4", "weight": 2}
            | {"max_per_hour": 6, "volume": 0.25, "moods": ["sad"], "brand_at_s": [1.0]},
            {"id": "tea", "name": "Tea", "file": "t" * 64 + ".png", "volume": 0.5}
            | {"moods": ["happy"], "priority": 3, "hours": ["08:00-12:00"], "duration_s": 8.0},
        ],
    }
    assert [entry["sha256"][0] for entry in show.media] == ["c", "t"]
    assert show.settings == {"ads.policy": "mood", "ads.holdout": 0.2}
    entries = show.playlist["ads"]
    PlaylistHead.model_validate(show.playlist)
    assert [Entry.model_validate(entry).ad_id for entry in entries] == ["coffee", "tea"]


def test_times_of_playlist_version_and_booking_count_together() -> None:
    ads = [{"creative": "u-coffee", "from": "2026-03-05", "hours": ["06:00-10:00"]}]
    version = creative("coffee", last_day=date(2026, 3, 20))
    night = booking("usual", days=("fri", "sat"), hours=("08:00-22:00",))
    show = resolve([night], {"usual": {"ads": ads}}, version)
    assert show.playlist is not None
    [entry] = show.playlist["ads"]
    assert (entry["from"], entry["until"]) == ("2026-03-05", "2026-03-20")
    assert (entry["days"], entry["hours"]) == (["fri", "sat"], ["08:00-10:00"])


def test_a_booking_gives_its_priority_and_takeover_and_0_leaves_the_ads_own() -> None:
    ads = [{"creative": "u-coffee", "priority": 2}]
    bodies = {"usual": {"ads": ads}, "sale": {"ads": ads}}
    sale = booking("sale", priority=7, takeover=True, hours=("12:00-13:00",))
    show = resolve([booking("usual"), sale], bodies, creative("coffee"))
    assert show.playlist is not None
    ranks = [(ad["priority"], ad.get("takeover", False)) for ad in show.playlist["ads"]]
    assert ranks == [(2, False), (7, True)]
    assert len(show.media) == 1


def test_the_policy_is_that_of_the_usual_programme() -> None:
    bodies = {
        "sale": {"ads": [{"creative": "u-tea"}], "policy": "shuffle", "cross_fade_s": 2.0},
        "usual": {"ads": [{"creative": "u-coffee"}], "policy": "learn"},
    }
    bookings = [booking("sale", priority=9), booking("usual")]
    show = resolve(bookings, bodies, creative("coffee"), creative("tea"))
    assert show.settings == {"ads.policy": "learn"}
    assert show.playlist is not None
    assert "cross_fade_s" not in show.playlist


def test_the_same_booking_twice_lists_an_ad_once() -> None:
    bodies = {"usual": {"ads": [{"creative": "u-coffee"}]}}
    show = resolve([booking("usual"), booking("usual")], bodies, creative("coffee"))
    assert show.playlist is not None
    assert len(show.playlist["ads"]) == 1


@pytest.mark.parametrize(
    ("ad", "known", "words"),
    [
        ({}, creative("other"), "It is no longer in the library."),
        ({}, creative("coffee", is_archived=True), "It is archived."),
        ({}, creative("coffee", "pending"), "It waits for approval."),
        ({}, creative("coffee", "rejected"), "It was rejected."),
        ({}, creative("coffee", ""), "It has no approved version."),
        ({"days": ["mon"]}, creative("coffee"), "nothing in common"),
        ({}, creative("coffee", last_day=YESTERDAY), "It ended on 1 Mar."),
        ({"weight": -1}, creative("coffee"), "The playlist is wrong: weight: "),
        ({"hours": "25:00-26:00"}, creative("coffee"), "The playlist is wrong: hours: expected"),
    ],
)
def test_what_is_not_shown_is_listed_with_its_reason(
    ad: dict[str, Any], known: PlannedCreative, words: str
) -> None:
    ads = [{"creative": "u-coffee", **ad}, {"creative": "u-tea"}]
    weekend = booking("usual", days=("sat", "sun"))
    show = resolve([weekend], {"usual": {"ads": ads}}, known, creative("tea"))
    assert show.playlist is not None
    assert [entry["id"] for entry in show.playlist["ads"]] == ["tea"]
    [left] = show.left_out
    assert (left.creative, left.playlist) == ("u-coffee", "Usual")
    assert words in left.words
    assert show.problem == ""


def test_two_ads_of_one_id_are_not_mixed_up() -> None:
    bodies = {"usual": {"ads": [{"creative": "u-coffee"}, {"creative": "u-tea"}]}}
    other = creative("tea", ad_id="coffee")
    show = resolve([booking("usual")], bodies, creative("coffee"), other)
    assert [left.words for left in show.left_out] == ["The ad Coffee has the same id."]


def test_a_show_that_can_never_play_is_refused_in_words() -> None:
    ads = [{"creative": f"u-{name}"} for name in ("coffee", "tea", "milk", "juice")]
    known = [creative(name, "pending") for name in ("coffee", "tea", "milk", "juice")]
    show = resolve([booking("usual")], {"usual": {"ads": ads}}, *known)
    assert show.playlist is None
    assert show.problem == (
        "None of the ads that are booked may be shown. Coffee: It waits for approval. Tea: It "
        "waits for approval. Milk: It waits for approval. And 1 more."
    )
    empty = resolve([booking("usual")], {"usual": {"ads": []}})
    assert empty.problem == "The playlists that are booked have no ads."


def test_a_show_that_no_kiosk_would_take_is_refused() -> None:
    ads = [{"creative": "u-coffee", "weight": number + 1} for number in range(1_000)]
    long = creative(
        "coffee", ad_id="c" * 200, brand_at_s=tuple(number / 16 for number in range(160))
    )
    show = resolve([booking("usual")], {"usual": {"ads": ads}}, long)
    assert show.problem == "The playlists that are booked have too many ads for one screen."


def test_a_picture_as_the_filler_is_sent_with_the_ads() -> None:
    body = {"ads": [{"creative": "u-coffee"}], "filler": "u-logo"}
    logo = creative("logo", kind="image", ending=".png")
    show = resolve([booking("usual")], {"usual": body}, creative("coffee"), logo)
    assert show.playlist is not None
    assert show.playlist["filler"] == "l" * 64 + ".png"
    assert [entry["sha256"][0] for entry in show.media] == ["c", "l"]
    missing = resolve([booking("usual")], {"usual": body}, creative("coffee"))
    assert missing.playlist is not None
    assert "filler" not in missing.playlist
    assert [left.words for left in missing.left_out] == ["It is no longer in the library."]

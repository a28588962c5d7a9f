"""What differs between two states of a playlist."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.hub.playlists.diff import PLACE, as_notes, compare, from_notes

NAMES = {"a": "Tea", "b": "Coffee", "c": "Cake"}
ADS = st.lists(
    st.builds(
        lambda creative, **more: {"creative": creative, **more},
        st.sampled_from("abcd"),
        weight=st.sampled_from([1.5, 2]),
    ),
    max_size=6,
)


def body(*ads, **settings):
    return {**settings, "ads": [ad if isinstance(ad, dict) else {"creative": ad} for ad in ads]}


def said(before, after):
    return [one.sentence for one in compare(before, after, NAMES)]


def test_changes_are_said_in_words():
    hours = {"creative": "b", "hours": ["08:00-12:00"]}
    assert said(body("a", hours, "c"), body("c", "a", "b")) == [
        "Cake moved from 3 to 1",
        "Coffee: hours 08:00-12:00 → all day",
    ]
    assert said(body("a"), body("a", {"creative": "b", "weight": 2})) == [
        "Coffee was added at place 2"
    ]
    assert said(body("a", "b"), body("b")) == ["Tea was removed from place 1"]
    assert said(body(), body(policy="mood", guard_rails={"holdout": 0.2}, mute=True)) == [
        "sound: on → off",
        "Order: as the screen is set → By mood",
        "Hold-out: as usual → 0.2",
    ]


def test_of_two_entries_of_an_ad_the_one_that_is_gone_is_named():
    morning, evening = (
        {"creative": "a", "hours": [span]} for span in ("08:00-9:00", "18:00-19:00")
    )
    assert said(body(morning, evening), body(evening)) == ["Tea (2) was removed from place 1"]
    assert said(body(morning), body(morning, evening)) == ["Tea (2) was added at place 2"]


def test_only_what_was_moved_is_said_to_have_moved():
    assert said(body(*"abcd"), body(*"dabc")) == ["d moved from 4 to 1"]
    assert said(body(*"abcd"), body(*"bcda")) == ["Tea moved from 1 to 4"]


@given(ADS, ADS)
def test_equal_lists_do_not_differ_and_others_do(old, new):
    found = compare({"ads": old}, {"ads": new}, NAMES)
    assert bool(found) == (old != new)
    assert len({(one.ad, one.key) for one in found}) == len(found), "one entry for each"
    assert from_notes(*as_notes(found)) == found or {*from_notes(*as_notes(found))} == {*found}
    added = sum(one.key == PLACE and one.before is None for one in found)
    removed = sum(one.key == PLACE and one.after is None for one in found)
    assert len(old) + added - removed == len(new)

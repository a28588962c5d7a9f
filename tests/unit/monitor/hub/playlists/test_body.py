"""What people type about an ad or a list, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.playlists.playlist import DAYS
from ads.playlists.playlist_file import Entry
from ads.policies import POLICY_NAMES
from detector.emotion.labels import EMOTIONS
from monitor.hub.forms import FormError
from monitor.hub.playlists.body import (
    AD_FIELDS,
    bounds,
    check_body,
    form_of_ad,
    form_of_settings,
    read_ad,
    read_settings,
)
from monitor.hub.playlists.vocabulary import POLICY_WORDS

TEXTS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "2,5", "1e9", "nan", "inf", "-1", "08:00-12:00", "22:00-02:00, 8:00-9:00"]
    ),
    st.sampled_from(["2026-12-01", "2026-02-30", "yes", "no", "cover", "#123", "navy"]),
    st.text(max_size=6),
)


@given(
    st.fixed_dictionaries(dict.fromkeys(AD_FIELDS, TEXTS)),
    st.lists(st.sampled_from([*DAYS, "someday"])),
    st.lists(st.sampled_from([*EMOTIONS, "odd"])),
)
def test_whatever_is_typed_is_refused_by_field_or_read_as_a_playlist_file_has_it(form, days, moods):
    problems: dict[str, str] = {}
    try:
        read = read_ad({**form, "days": days, "moods": moods}, "c" * 32)
    except FormError as error:
        problems = error.problems
    assert set(problems) <= set(AD_FIELDS)
    assert all("received" in why for why in problems.values())
    if problems:
        return
    Entry.model_validate(
        {key: value for key, value in read.items() if key != "creative"} | {"file": "a.mp4"}
    )
    assert read_ad(form_of_ad(read), "c" * 32) == read
    assert check_body({"ads": [read]}) == {"ads": [read]}


def test_what_says_nothing_is_left_out():
    assert read_ad({"weight": "1", "priority": "0", "takeover": "", "days": list(DAYS)}, "c") == {
        "creative": "c"
    }


def test_a_comma_is_a_decimal_point_too():
    assert read_ad({"weight": "2,5", "max_per_hour": "3"}, "c") == {
        "creative": "c", "weight": 2.5, "max_per_hour": 3,
    }  # fmt: skip


def test_an_end_before_the_start_is_a_mistake_of_the_end():
    with pytest.raises(FormError) as caught:
        read_ad({"from": "2026-12-31", "until": "2026-12-01"}, "c")
    assert list(caught.value.problems) == ["until"]


@pytest.mark.parametrize(
    ("form", "problems"),
    [
        ({"cross_fade_s": "4"}, {"cross_fade_s"}),
        ({"holdout": "1.5", "floor": "x", "wash_out_s": "61", "min_audience": "0"},
         {"holdout", "floor", "wash_out_s", "min_audience"}),
        ({"filler": "picture.png"}, {"filler"}),
        ({"filler": "nav"}, {"filler"}),
        ({"filler_picture": "e" * 32}, {"filler_picture"}),
        ({"policy": "random"}, {"policy"}),
        ({"volume": "2", "mute": "perhaps", "fit": "odd"}, {"volume", "mute", "fit"}),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_by_field(form, problems):
    with pytest.raises(FormError) as caught:
        read_settings(form, ["d" * 32])
    assert set(caught.value.problems) == problems


def test_settings_come_back_as_they_were_typed():
    form = {
        "policy": "learn", "holdout": "0.2", "floor": "0.1", "min_audience": "2",
        "wash_out_s": "1.5", "cross_fade_s": "0.5", "filler_picture": "d" * 32, "fit": "blur",
        "volume": "0.5", "mute": "yes", "blocked": ["tea"],
    }  # fmt: skip
    read = read_settings(form, ["d" * 32])
    assert form_of_settings(read) == form | {"filler": ""}
    assert check_body({**read, "ads": []}) == {**read, "ads": []}


def test_bounds_are_those_of_the_models():
    assert bounds("cross_fade_s") == (0, 3)
    assert bounds("weight") == (0, 1e6)
    assert bounds("holdout") == (0, 1)
    assert bounds("max_per_hour") == (1, None)


def test_every_policy_has_its_words():
    assert set(POLICY_WORDS) == set(POLICY_NAMES)

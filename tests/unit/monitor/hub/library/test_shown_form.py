"""How an ad is to be shown, as somebody typed it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest
from werkzeug.datastructures import MultiDict

from db.hub.library.contents import Decision, Shown, Version
from monitor.hub.forms import FormError
from monitor.hub.library.shown_form import numbers_text, read_shown
from tests.helpers.library import a_file

EMPTY = {"duration_s": "", "brand_at_s": "", "first_day": "", "last_day": ""}
CLIP = a_file("a", kind="video").media
VERSION = Version(1, 1, "a.mp4", CLIP, Shown(), datetime(2026, 3, 1), "Ed", Decision("pending"))  # noqa: DTZ001


def read(**form):
    return read_shown(MultiDict(EMPTY | form), VERSION)


def test_a_form_is_read():
    assert read() == Shown()
    shown = read(
        duration_s="7.5",
        brand_at_s=" 7, 2.5,2.5,",
        mood=["sad", "happy"],
        first_day="2026-06-01",
        last_day="2026-06-01",
    )
    day = date(2026, 6, 1)
    assert shown == Shown(7.5, (2.5, 7.0), ("happy", "sad"), day, day)
    assert read(brand_at_s="2,5; 7").brand_at_s == (2.5, 7.0)
    assert numbers_text(shown.brand_at_s) == "2.5, 7"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"duration_s": "soon"}, "duration_s"),
        ({"duration_s": "0"}, "duration_s"),
        ({"duration_s": "nan"}, "duration_s"),
        ({"duration_s": "1, 2"}, "duration_s"),
        ({"duration_s": "90000"}, "duration_s"),
        ({"brand_at_s": "1, x"}, "brand_at_s"),
        ({"brand_at_s": "-1"}, "brand_at_s"),
        ({"brand_at_s": "inf"}, "brand_at_s"),
        ({"brand_at_s": "10.5"}, "brand_at_s"),
        ({"brand_at_s": "6", "duration_s": "5"}, "brand_at_s"),
        ({"mood": ["bored"]}, "moods"),
        ({"first_day": "tomorrow"}, "first_day"),
        ({"last_day": "2026-02-30"}, "last_day"),
        ({"first_day": "2026-06-02", "last_day": "2026-06-01"}, "last_day"),
    ],
)
def test_what_cannot_be_used_is_said_by_field(form, field):
    with pytest.raises(FormError) as error:
        read(**form)
    assert list(error.value.problems) == [field]


def test_an_agency_changes_dates_only():
    version = replace(VERSION, shown=Shown(3.0, (1.0,), ("sad",)))
    form = MultiDict({"duration_s": "9", "mood": "happy", "last_day": "2026-06-01"})
    shown = read_shown(form, version, dates_only=True)
    assert shown == Shown(3.0, (1.0,), ("sad",), None, date(2026, 6, 1))

"""Names and places from forms."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.hub.screens.registry import Place
from monitor.hub.forms import FormError
from monitor.hub.screens.place_form import FIELDS, form_of, read_place
from tests.helpers.hub_screens import PLACE

FORM = {
    "name": "  Till  3 ",
    "site": "Main Street",
    "group": "North",
    "tags": "food, window,, food",
    "venue_type": " retail.grocery",
    "time_zone": "Europe/Berlin",
    "opening": "08:00-20:00",
}


def test_a_form_becomes_a_place_and_a_place_a_form():
    assert read_place(FORM) == PLACE
    assert read_place(form_of(PLACE)) == PLACE
    assert read_place({"name": "Door", "time_zone": "UTC"}) == Place("Door")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("name", " ", "Give the screen a name"),
        ("name", "x" * 81, "at most 80 characters"),
        ("tags", "x" * 41, "at most 40"),
        ("tags", ",".join(map(str, range(21))), "at most 20"),
        ("opening", "8 to 20", "08:00-12:00"),
        ("opening", "08:00-20:00, 25:00-26:00", "two different times"),
        ("time_zone", "", "Europe/Berlin"),
        ("time_zone", "Mars/Olympus", "Europe/Berlin"),
        ("venue_type", "shop", "retail.grocery"),
    ],
)
def test_each_field_says_what_is_wrong_with_it(name, value, words):
    with pytest.raises(FormError) as caught:
        read_place(FORM | {name: value})
    assert list(caught.value.problems) == [name]
    assert words in caught.value.problems[name]


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=100)))
def test_whatever_is_typed_is_a_place_or_a_problem(form):
    with suppress(FormError):
        place = read_place(form)
        assert read_place(form_of(place)) == place

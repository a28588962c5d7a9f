from __future__ import annotations

import copy
import json
import pickle
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.languages import (
    LazyText,
    gettext,
    language,
    languages,
    later,
    lazy,
    listed,
    long_date,
    ngettext,
    nlazy,
    numeral,
    plazy,
    set_language,
    short_date,
    speaking,
)
from monitor.languages.words import word


def test_english_comes_first_and_each_language_names_itself() -> None:
    assert list(languages().items())[:2] == [("en", "English"), ("de", "Deutsch")]


def test_a_text_is_in_the_language_of_the_moment() -> None:
    assert gettext("Log out") == "Log out"
    with speaking("de"):
        assert gettext("Log out") == "Abmelden"
        assert gettext("Log out %(name)s", name="Eva") == "Eva abmelden"
        with speaking("en"):
            assert gettext("Log out") == "Log out"
        assert language() == "de"
    assert language() == "en"


def test_an_unknown_language_is_english() -> None:
    with speaking("de"):
        set_language("../de")
        assert language() == "en"


def test_a_text_that_no_catalogue_has_stays_english() -> None:
    with speaking("de"):
        assert gettext("Not in any catalogue: %(n)s%%", n=3) == "Not in any catalogue: 3%"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 things"), (1, "1 thing"), (1200, "1.200 things")]
)
def test_a_plural_shows_its_number(count: int, text: str) -> None:
    with speaking("de"):
        assert ngettext("%(num)s thing", "%(num)s things", count) == text


def test_a_lazy_text_is_english_for_programs_and_translated_where_it_is_shown() -> None:
    text = lazy("Log out %(name)s", name=lazy("Screens"))
    with speaking("de"):
        assert text == "Log out Screens"
        assert json.dumps(text) == '"Log out Screens"'
        assert str(text) == f"{text}" == "%s" % text == "Bildschirme abmelden"  # noqa: UP031
    assert str(text) == "Log out Screens"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda text: pickle.loads(pickle.dumps(text))])  # noqa: S301
def test_a_copy_of_a_lazy_text_is_one(copied: object) -> None:
    text = copied(lazy("Log out %(name)s", name="Eva"))  # type: ignore[operator]
    assert isinstance(text, LazyText)
    with speaking("de"):
        assert str(text) == "Eva abmelden"


def test_a_lazy_text_about_a_number_of_things() -> None:
    one, many = (nlazy("%(num)s thing", "%(num)s things", count) for count in (1, 2))
    assert [one, many] == ["1 thing", "2 things"]
    assert str(copy.deepcopy(many)) == "2 things"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_have_the_separators_of_the_language(number: float) -> None:
    text = f"{number:,.2f}"
    assert numeral(text) == text
    with speaking("de"):
        assert numeral(text).replace(".", "").replace(",", ".") == text.replace(",", "")


def test_dates_and_lists() -> None:
    day, names = date(2026, 9, 2), ["a", "b", "c"]
    assert (long_date(day), short_date(day), listed(names)) == (
        "2 September 2026",
        "2 Sep",
        "a, b and c",
    )
    with speaking("de"):
        assert (long_date(day), short_date(day), listed(names)) == (
            "2. September 2026",
            "2. Sept.",
            "a, b und c",
        )


def test_words_for_values_are_translated_and_unknown_values_stay() -> None:
    with speaking("de"):
        assert [word("warns"), word("camera_lost")] == ["Warnung", "Kamera weg"]
        assert word("lens_fogged") == "lens fogged"


def test_a_text_with_another_meaning_and_a_number_that_is_written_later() -> None:
    text = lazy("Log out %(name)s", name=later(numeral, "0.5"))
    with speaking("de"):
        assert str(text) == "0,5 abmelden"
        assert str(plazy("measure", "surprise")) == "Überraschung"
        assert str(lazy("surprise")) == "überrascht"
    assert text == str(text) == "Log out 0.5"

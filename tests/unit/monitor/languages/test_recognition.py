"""Stored English sentences are found among the catalogue's texts, and only these."""

from __future__ import annotations

import pytest

from detector.texts import LazyText
from monitor.languages import lazy, nlazy, speaking
from monitor.languages.recognition import translated, translated_value


@pytest.mark.parametrize(
    ("stored", "german"),
    [
        ("the sensor is not ready yet", "die Messung ist noch nicht bereit"),
        (
            "Nobody is measured (the sensor died 3 times in a minute): check the camera and its "
            "cable.",
            "Niemand wird gemessen (die Messung ist 3-mal in einer Minute abgestürzt): Prüfen Sie "
            "die Kamera und ihr Kabel.",
        ),
        (
            "Only 1.5 GB of 1,200 GB are free: delete files, or keep readings for a shorter time "
            "(`--retention`).",
            "Nur 1,5 GB von 1.200 GB sind frei: Löschen Sie Dateien, oder bewahren Sie Messwerte "
            "kürzer auf (`--retention`).",
        ),
        ("The camera 0 gave no picture for 1.7 s.", "Kamera 0: seit 1,7 s kein Bild."),
        ("1 record is lost. 1,200 records wait: it broke", None),
        ("", ""),
    ],
)
def test_a_stored_sentence_is_translated_with_its_values(stored: str, german: str | None) -> None:
    if german is None:
        german = "1 Datensatz ist verloren. 1.200 Datensätze warten: it broke"
    with speaking("de"):
        assert translated(stored) == german
    assert translated(stored) == stored


def test_what_no_catalogue_has_stays() -> None:
    for text in (
        "The lens of Till 3 is fogged: wipe it with a cloth in the morning.",
        "A battery ran out at 12.5%, and 3 fans with it from 5 to 7.",
        "Summer from Berlin in the North is text.",
    ):
        with speaking("de"):
            assert translated(text) == text
    with speaking("de"):
        assert translated(None) == ""


def test_an_unknown_sentence_does_not_hide_those_beside_it() -> None:
    with speaking("de"):
        text = translated("Something of a newer version. Given up after three days.")
    assert text == "Something of a newer version. Nach drei Tagen aufgegeben."


def test_a_refusal_in_an_alert_is_translated_though_its_full_stop_is_missing() -> None:
    stored = (
        "The kiosk cannot show version 12 (The disk is full; free some space on the kiosk). It "
        "goes on with what it showed before."
    )
    with speaking("de"):
        assert translated(stored) == (
            "Der Kiosk kann die Version 12 nicht zeigen (Die Festplatte ist voll. Schaffen Sie Platz "
            "auf dem Kiosk). Er zeigt weiter, was er vorher zeigte."
        )


def test_names_are_never_translated() -> None:
    with speaking("de"):
        assert translated("The ad Screens.") == "Der Spot Screens."
        assert translated_value("version", "1.2") == "1.2"


def test_moments_percentages_and_durations_have_the_words_of_the_language() -> None:
    with speaking("de"):
        assert translated_value("last", "2026-03-02 09:58 UTC") == "2. März 2026, 09:58 UTC"
        assert translated_value("share", "45%") == "45\N{NO-BREAK SPACE}%"
        assert translated_value("day", "2026-03-02") == "2. März 2026"
        assert translated_value("duration", "3 minutes") == "3 Minuten"
        assert translated_value("expected", "'a', 'b' or 'c'") == "'a', 'b' oder 'c'"


@pytest.mark.parametrize(
    "text",
    [
        lazy("Only %(free)s GB of %(total)s GB are free: delete files, or keep readings for a "
             "shorter time (`--retention`).", free="1.5", total="64"),
        nlazy("%(num)s record is lost.", "%(num)s records are lost.", 1),
        nlazy("%(num)s record is lost.", "%(num)s records are lost.", 2_000),
        lazy("The %(source)s hangs: %(why)s.", source="camera 0", why="internal error, see the log"),
    ],
)  # fmt: skip
def test_a_text_reads_the_same_before_and_after_it_was_stored(text: LazyText) -> None:
    stored = str.__str__(text)
    with speaking("de"):
        assert translated(stored) == str(text) != stored

"""The sign: what it says, its QR code, its sizes, and what it refuses."""

from __future__ import annotations

import cv2
import pytest

from monitor.languages import language_codes, speaking
from monitor.legal import sign
from monitor.legal.errors import SignError
from monitor.legal.recipients import Recipient
from monitor.legal.sign import EXAMPLES, SHEETS, print_sign
from monitor.settings.models import RunSettings
from monitor.settings.sources import all_settings
from tests.helpers.reading_pdfs import picture, size_mm, texts


def with_(settings, **changes):
    return settings.model_copy(update=changes)


def said(settings, found=(), code="en"):
    with speaking(code):
        made = sign._texts(settings, found, code)
    return " ".join(sentence for sentences in made["facts"].values() for sentence in sentences)


@pytest.fixture(scope="module")
def bilingual(settings):
    return print_sign(
        with_(
            settings,
            notice_languages=("en", "de"),
            notice_officer="dpo@corner-shop.example\n0113 4960000\n",
        )
    )


@pytest.mark.usefixtures("weasyprint")
def test_a_sign_says_who_measures_what_and_for_how_long(bilingual):
    [text] = texts(bilingual.pdf)
    for words in (
        "A camera here reads facial expressions",
        "AI system for emotion recognition",
        "No picture is kept",
        "deleted after 90 days",
        "The readings stay on the computer of this screen.",
        "Corner Shop Ltd, 12 High Street, Leeds",
        "privacy@corner-shop.example",
        "dpo@corner-shop.example 0113 4960000",
        "You have the right to access",
        "Hier liest eine Kamera Gesichtsausdrücke",
        "nach 90 Tagen gelöscht",
        "Sie haben das Recht auf Auskunft",
        "Responsible · Verantwortlich",
    ):
        assert words in text


@pytest.mark.usefixtures("weasyprint")
def test_its_code_leads_to_the_page(bilingual):
    found, *_ = cv2.QRCodeDetector().detectAndDecode(picture(bilingual.pdf))
    assert found == "https://corner-shop.example/privacy"


@pytest.mark.usefixtures("weasyprint")
def test_it_is_one_a4_page_that_can_be_read_from_near_two_metres(bilingual):
    assert size_mm(bilingual.pdf) == (210, 297)
    assert bilingual.languages == ("en", "de")
    assert bilingual.readable_m >= 1.9


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
@pytest.mark.parametrize("sheet", SHEETS)
def test_every_sheet_has_one_page_and_a_code_that_is_read(settings, sheet):
    made = print_sign(settings, sheet)
    paper = SHEETS[sheet]
    assert size_mm(made.pdf) == (round(paper.width_mm), round(paper.height_mm))
    assert len(texts(made.pdf)) == 1
    assert made.readable_m >= (2.0 if sheet != "a5" else 1.4)
    assert cv2.QRCodeDetector().detectAndDecode(picture(made.pdf))[0].endswith("/privacy")


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
def test_hostile_words_are_only_words(settings):
    markup = '<script>alert(1)</script> {{ 7 * 7 }} "><img src=x> ' + "W" * 120
    made = print_sign(
        with_(
            settings,
            notice_responsible=markup,
            notice_contact="\u202emoc.live\u202c \x1b[2J \u0000",
            notice_officer="متجر الزاوية שלום",
        )
    )
    [text] = texts(made.pdf)
    assert '<script>alert(1)</script> {{ 7 * 7 }} "><img src=x>' in text
    assert "\\u202emoc.live\\u202c \\x1b[2J \\x00" in text
    assert picture(made.pdf).shape[0] > 0
    assert b"/JavaScript" not in made.pdf


@pytest.mark.usefixtures("weasyprint")
def test_too_much_text_for_the_sheet_is_refused(settings, monkeypatch):
    monkeypatch.setattr(sign, "MIN_CAPITAL_MM", 6.3)  # one size to try
    with pytest.raises(SignError, match=r"does not fit on A5.*received en, and.*--paper a3"):
        print_sign(with_(settings, notice_responsible="Shop " * 900), "a5")


def test_all_languages_say_everything(settings):
    found = [
        Recipient("hub.example", gets, None) for gets in ("sums", "cells", "state", "readings")
    ]
    for days in (0, 1, 90):
        for measure_hours in ((), ("09:00-20:00",)):
            changed = with_(settings, retention_days=days, measure_hours=measure_hours)
            spoken = {code: said(changed, found, code) for code in language_codes()}
            assert len(set(spoken.values())) == len(language_codes())
            for text in spoken.values():
                assert text.count("hub.example") == 4
                assert ("09:00\N{EN DASH}20:00" in text) == bool(measure_hours)
                assert str(days) in text or not days


def test_settings_without_a_time_limit_say_so(settings):
    assert "without a time limit" in said(with_(settings, retention_days=0))


def test_what_leaves_the_shop_is_said(settings):
    broker = with_(settings, mqtt="mqtt://user:secret@203.0.113.5/shop")
    text = said(broker, sign.recipients(broker))
    assert "go to 203.0.113.5" in text
    assert "secret" not in text
    assert "stay on the computer" not in text


def test_every_setting_that_is_named_exists(settings):
    for key, example in EXAMPLES.items():
        assert key in all_settings()
        name = all_settings()[key].path[0]
        with pytest.raises(SignError) as refused:
            print_sign(with_(settings, **{name: " "}))
        assert key in str(refused.value)
        assert f'{all_settings()[key].option} "{example}"' in str(refused.value)
    with pytest.raises(SignError, match=r"notice\.responsible, notice\.contact and notice\.url"):
        print_sign(RunSettings())


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://shop.example",
        "http://",
        "http://[",
        "x" * 400,
        "shop.example/\udcff",
        "shop.example/\u202eyvacirp",
        "ask at the till",
        "shop.example/our privacy",
        "privacy",
        "shop..example",
        "shop.example:99999",
    ],
)
def test_addresses_that_are_no_web_page_are_refused(settings, url):
    with pytest.raises(SignError, match=r"Invalid notice\.url: expected the address of a web page"):
        print_sign(with_(settings, notice_url=url))


def test_a_language_without_texts_is_refused(settings):
    with pytest.raises(SignError, match="no texts in fr: expected --notice-language with some of"):
        print_sign(with_(settings, notice_languages=("en", "fr")))


def test_without_a_camera_there_is_nothing_to_tell(settings):
    with pytest.raises(SignError, match="nobody is measured"):
        print_sign(with_(settings, camera=False))


@pytest.mark.parametrize("gets", ["sums", "cells", "state"])
def test_a_sign_says_that_the_state_of_the_moment_is_sent(gets):
    sentence = sign._sent(Recipient("203.0.113.7", gets, is_encrypted=True))
    assert "at the moment" in sentence
    assert "203.0.113.7" in sentence

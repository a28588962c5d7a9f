from __future__ import annotations

import string
from typing import get_args

import pytest

from detector.emotions import EMOTIONS
from detector.types import WITHHELD_REASONS
from monitor.pipeline.live import SensorState
from monitor.ui.texts import LANGUAGES, TEXTS, texts_for, withheld_text


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_with_the_same_fields(language):
    english, texts = TEXTS["en"], TEXTS[language]
    assert set(texts) == set(english)
    for key, text in texts.items():
        assert text.strip()
        assert fields(text) == fields(english[key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_emotion_and_state_has_a_word(language):
    assert all(f"emotion_{name}" in TEXTS[language] for name in EMOTIONS)
    assert all(f"state_{state}" in TEXTS[language] for state in get_args(SensorState))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_short_text_of_its_own(language):
    words = [withheld_text(TEXTS[language], reason) for reason in WITHHELD_REASONS]
    assert len({*words, TEXTS[language]["static"]}) == len(WITHHELD_REASONS) + 1
    assert all(0 < len(word) <= 14 for word in words)
    assert withheld_text(TEXTS["en"], "too small") == "too small"
    assert withheld_text(TEXTS["de"], "too small") == "zu klein"


@pytest.mark.parametrize("code", ["de", "DE", "de_AT.UTF-8", "de-CH", " de "])
def test_a_region_does_not_matter(code):
    assert texts_for(code) is TEXTS["de"]


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match=r"expected one of en, de, received 'tlh'"):
        texts_for("tlh")

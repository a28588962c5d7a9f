from __future__ import annotations

import re
from typing import get_args

import pytest

from detector.emotion.labels import EMOTIONS
from detector.errors import SourceFault
from detector.types import WITHHELD_REASONS
from monitor.sensor.live import SensorHealth, SensorState
from monitor.ui import texts as texts_module
from monitor.ui.screen_saver import Method
from monitor.ui.texts import (
    FOLDER,
    MINUS,
    LanguageError,
    default_language,
    fields,
    hint_text,
    known_language,
    languages,
    number_text,
    percent_text,
    signed_text,
    state_text,
    texts_for,
    withheld_text,
)

ENGLISH = texts_for("en")


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_text_with_the_same_fields(language):
    texts = texts_for(language)
    assert set(texts) == set(ENGLISH)
    for key, text in texts.items():
        assert text.strip()
        assert fields(text) == fields(ENGLISH[key]), key


@pytest.mark.parametrize("language", languages())
def test_every_emotion_state_and_method_has_a_word(language):
    texts = texts_for(language)
    assert all(f"emotion_{name}" in texts for name in EMOTIONS)
    assert all(f"state_{state}" in texts for state in get_args(SensorState))
    assert all(f"panel_saver_{method}" in texts for method in get_args(Method))


@pytest.mark.parametrize("language", languages())
def test_every_fault_that_lasts_has_words_of_its_own_that_fit(language):
    texts = texts_for(language)
    causes = [cause for cause in get_args(SourceFault) if cause != "format_changed"]
    words = [state_text(texts, SensorHealth("blind", cause=cause)) for cause in causes]
    assert len(set(words)) == len(causes)
    assert all(0 < len(word) <= 26 for word in [*words, texts["state_reconnecting"]])
    assert all(hint_text(texts, SensorHealth("blind", cause=cause)) for cause in causes)
    assert (
        state_text(texts, SensorHealth("restarting", cause="sensor_stuck"))
        == texts["state_restarting"]
    )
    assert state_text(texts, SensorHealth("running")) == texts["state_running"]


@pytest.mark.parametrize("language", languages())
def test_every_reason_has_a_short_text_of_its_own(language):
    texts = texts_for(language)
    words = [withheld_text(texts, reason) for reason in WITHHELD_REASONS]
    assert len({*words, texts["static"]}) == len(WITHHELD_REASONS) + 1
    assert all(0 < len(word) <= 14 for word in words)


def test_a_reason_in_both_languages():
    assert withheld_text(texts_for("en"), "too small") == "too small"
    assert withheld_text(texts_for("de"), "too small") == "zu klein"


def test_every_text_is_used_somewhere():
    code = "\n".join(path.read_text("utf-8") for path in FOLDER.parent.glob("**/*.py"))
    families = (
        "emotion_",
        "state_",
        "fault_",
        "hint_",
        "withheld_",
        "help_",
        "key_",
        "panel_hub_",
        "panel_saver_",
        "picker_",
        "setup_",
    )
    unused = [
        key
        for key in ENGLISH
        if not re.search(rf"[\"']{key}[\"']", code) and not key.startswith(families)
    ]
    assert unused == []


@pytest.mark.parametrize("code", ["de", "DE", "de_AT.UTF-8", "de-CH", " de "])
def test_a_region_does_not_matter(code):
    assert known_language(code) == "de"
    assert texts_for(code) == texts_for("de")


def test_an_unknown_language_is_refused():
    with pytest.raises(LanguageError, match=r"expected one of de, en, received 'tlh'.* tlh\.yaml"):
        texts_for("tlh")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_GB", "LC_MESSAGES": "de"}, "de"),
        ({"LANG": "de_DE", "LC_ALL": ""}, "de"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
    ],
)
def test_the_system_chooses_the_language_where_nobody_does(environ, expected):
    assert default_language(environ) == expected


def test_numbers_have_the_point_of_the_language():
    english, german = texts_for("en"), texts_for("de")
    assert number_text(english, 29.64) == "29.6"
    assert number_text(german, 29.64) == "29,6"
    assert number_text(german, 29.64, 0) == "30"
    assert [number_text(texts, 1234.5) for texts in (english, german)] == ["1,234.5", "1.234,5"]
    assert [signed_text(texts, 0.216) for texts in (english, german)] == ["+0.22", "+0,22"]
    assert [signed_text(english, value) for value in (-0.5, -0.001)] == [f"{MINUS}0.50", "0.00"]
    assert percent_text(english, 0.634) == "63%"
    assert percent_text(german, 0.012, 1) == "1,2\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize("language", languages())
def test_a_line_never_breaks_between_a_number_and_its_unit(language):
    unit = re.compile(r"\} (s|ms|GB|%|d|T|frames/s|Bilder/s)\b")
    assert [key for key, text in texts_for(language).items() if unit.search(text)] == []


# --- another language is one more file ------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A folder of its own with a small pattern, and no memory of what other tests have read."""
    (tmp_path / "en.yaml").write_text('hello: "Hello {name}"\nswitch: "on"\n')
    yield tmp_path
    texts_module.texts_for.cache_clear()


def write(folder, content, name="fr"):
    (folder / f"{name}.yaml").write_text(content, "utf-8")


def test_a_third_language_takes_one_file(folder):
    write(folder, 'switch: "allumé"\nhello: "Bonjour {name}"  # in any order\n')
    assert languages(folder) == ("en", "fr")
    assert texts_for("fr_CA", folder)["hello"].format(name="Zoé") == "Bonjour Zoé"
    assert default_language({"LANG": "fr_FR"}, folder) == "fr"


def test_words_that_yaml_takes_for_other_things_stay_texts(folder):
    write(folder, "hello: {name}\n".replace("{", "'{").replace("}", "}'") + "switch: on\n")
    assert texts_for("fr", folder)["switch"] == "on"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('switch: "allumé"\n', "received no hello; add"),
        ('hello: "Bonjour {name}"\nswitch: "a"\ncheese: "b"\n', "received the unknown cheese"),
        (
            'hello: "Bonjour"\nswitch: "a"\n',
            r"text hello in .*fr.yaml is wrong: expected .*\(\{name\}\)",
        ),
        ('hello: "Bonjour {nom}"\nswitch: "a"\n', "text hello"),
        ('hello: "Bonjour {name}"\nswitch: "{x}"\n', r"text switch .*\(none\)"),
        ('hello: "Bonjour {name"\nswitch: "a"\n', "line 1: the braces of 'hello' are wrong"),
        (
            'hello: "Bonjour {name!r}"\nswitch: "a"\n',
            "line 1: the braces of 'hello' are wrong: expected one plain word",
        ),
        ('hello: "Bonjour {name.upper}"\nswitch: "a"\n', "one plain word"),
        ('hello: "Bonjour {name}"\nswitch: ""\n', "line 2: expected `key: text`"),
        ('hello: "Bonjour {name}"\nswitch: [a]\n', "line 2: expected `key: text`"),
        ('hello: "Bonjour {name}"\nswitch: "a"\nswitch: "b"\n', "line 3: expected each key once"),
        ("- hello\n", "expected lines `key: text`"),
        ("", "expected lines `key: text`"),
        ("hello: [", "cannot be read: expected UTF-8 and YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_sentence(folder, content, complaint):
    write(folder, content)
    with pytest.raises(LanguageError, match=complaint) as refused:
        texts_for("fr", folder)
    assert "\n" not in str(refused.value)


def test_a_file_in_another_encoding_is_refused(folder):
    (folder / "fr.yaml").write_bytes(b"hello: Bonjour {name}\nswitch: allum\xe9\n")
    with pytest.raises(LanguageError, match="expected UTF-8"):
        texts_for("fr", folder)

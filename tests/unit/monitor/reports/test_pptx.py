"""The report as slides: native charts, nothing beyond the edge, the same bytes every time."""

from __future__ import annotations

import io
import time

import pptx
import pytest

from ads.media.thumbnails import Thumbnail
from monitor.languages import speaking
from monitor.reports import pptx as slides
from monitor.reports.document import build_report
from monitor.reports.thumbnails import SAMPLES, Thumbnails
from tests.helpers.german import english_in

NAMES = ("final_final_3_" * 12, "<b>Sommer & Co</b>", "ชาเย็น", "a\x07b\x00", "🔥", "=1+1", "G", "H")
HAPPY = (0.05, 0.0, 0.0, 0.8, 0.05, 0.0, 0.1)


@pytest.fixture(scope="module")
def document(maker):
    made = maker(length=60.0, site="W" * 150)
    for number, name in enumerate(NAMES):
        play = made.play(made.ad(f"ad-{number}", 4.0, name=name), number * 6.0, 4.0)
        for viewer in range(1, 4):
            for step in range(8):
                made.reading(play, viewer, number * 6.0 + step / 2, step / 2, HAPPY)
    document = build_report(made.data())
    for ad, action in zip(document["ads"], ["keep", "stop", "keep_testing"] * 2, strict=False):
        ad["advice"] = {"action": action, "reason": "why " * 99, "viewers_needed": 12}
    return document


def opened(content: bytes):
    return pptx.Presentation(io.BytesIO(content))


@pytest.fixture(scope="module")
def deck(document):
    return opened(slides.render_pptx(document))


def texts(slide) -> str:
    return "\n".join(s.text_frame.text for s in slide.shapes if s.has_text_frame)


def test_it_says_what_to_do_after_the_title(deck):
    assert texts(deck.slides[1]).startswith("What to do")
    assert all(word in texts(deck.slides[1]) for word in ("Keep", "Stop", "Keep testing", "2 ads"))
    assert "about 12 more viewers needed" not in texts(deck.slides[0])


def test_charts_are_native_and_described(deck):
    frames = [shape for slide in deck.slides for shape in slide.shapes if shape.has_chart]
    # The ranking, the faces, and six ads.
    assert len(frames) == 2 + slides.DETAILED
    assert all(frame._element.nvGraphicFramePr.cNvPr.get("descr") for frame in frames)
    assert len(list(frames[0].chart.plots[0].categories)) == len(NAMES)
    assert [series.name for series in frames[1].chart.plots[0].series] == [
        "happy", "surprise", "negative", "neutral",
    ]  # fmt: skip


def test_every_slide_has_a_title_and_nothing_lies_beyond_its_edge(deck):
    for slide in deck.slides:
        assert slide.shapes.title.text_frame.text
        for shape in slide.shapes:
            assert shape.left >= 0
            assert shape.top >= 0
            assert shape.left + shape.width <= deck.slide_width
            assert shape.top + shape.height <= deck.slide_height


def test_long_names_are_cut_with_an_ellipsis(deck):
    said = [line for slide in deck.slides for line in texts(slide).split("\n")]
    assert not any("final_final_3_" * 12 in line for line in said)
    assert any(line.startswith("final_final_3_") and line.endswith("…") for line in said)


def test_a_picture_of_the_ad_is_on_its_slide(document):
    jpeg = (SAMPLES / "brume.jpg").read_bytes()
    film = Thumbnails((Thumbnail(0.5, jpeg, 160, 90),))
    deck = opened(slides.render_pptx(document, {0: film}))
    assert sum(hasattr(shape, "image") for slide in deck.slides for shape in slide.shapes) == 1


def test_the_same_document_gives_the_same_bytes_at_another_time(document, monkeypatch):
    first = slides.render_pptx(document)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2e9))
    assert slides.render_pptx(document) == first


def test_a_session_without_ads_has_slides_too(maker):
    deck = opened(slides.render_pptx(build_report(maker().data())))
    assert [slide.shapes.title.text_frame.text for slide in deck.slides][1:] == [
        "What happened",
        "How these figures are made",
    ]


def test_the_slides_speak_the_language(document):
    with speaking("de"):
        deck = opened(slides.render_pptx(document))
    assert texts(deck.slides[1]).startswith("Was zu tun ist")
    assert "es fehlen etwa 12 Betrachter" in texts(deck.slides[1])
    assert "Wie diese Zahlen entstehen" in texts(deck.slides[-1])


def test_german_slides_have_no_english_word(maker):
    made = maker(length=60.0, site="Halle")
    for number, name in enumerate(("Eistee", "Kuchen")):
        play = made.play(made.ad(f"spot-{number}", 4.0, name=name), number * 6.0, 4.0)
        for viewer in range(1, 8):
            for step in range(8):
                at = number * 6.0 + step / 2
                made.reading(play, viewer, at, step / 2, (0.1, 0.0, 0.0, 0.8, 0.0, 0.0, 0.1))
    with speaking("de"):
        deck = opened(slides.render_pptx(build_report(made.data())))
    english = {texts(slide): english_in(texts(slide)) for slide in deck.slides}
    assert {text: words for text, words in english.items() if words} == {}

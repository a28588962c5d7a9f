"""The impact assessment and the technical file: true to settings and card, in all languages."""

from __future__ import annotations

import re
from datetime import date

import pytest

from db.schema import Base
from detector.emotion.model_card import ModelCard
from monitor.languages import language_codes, speaking
from monitor.legal import facts
from monitor.legal.assessment import impact_assessment
from monitor.legal.formats import to_markdown
from monitor.legal.paper import Heading, Items, Question, Table, Text
from monitor.legal.technical_file import CONDITIONS, technical_file
from monitor.settings.models import SECTIONS
from monitor.settings.sources import all_settings
from training.evaluation import robustness

TODAY = date(2026, 11, 29)
PAPERS = (impact_assessment, technical_file)

CHANGED = {
    "policy": "mood",
    "mqtt": "mqtt://user:secret@203.0.113.5/shop",
    "hub": "https://203.0.113.7",
    "upload": "cells",
    "console": True,
    "console_host": "192.168.1.5",
    "measure_hours": ("09:00-20:00",),
    "min_viewers": 5,
    "retention_days": 14,
    "source": "rtsp://admin:secret@203.0.113.9/stream",
    "site": "Shop 12",
}


def filled(fill, settings, card, code="en"):
    with speaking(code):
        return fill(settings, card, TODAY)


def text_of(paper):
    return to_markdown(paper).decode().replace("\\", "")


def shape(paper):
    """What must be the same in every language: kinds of blocks, sizes of tables and lists."""
    sizes = []
    for block in paper.blocks:
        size = (
            [len(row) for row in block.rows]
            if isinstance(block, Table)
            else len(block.items)
            if isinstance(block, Items)
            else None
        )
        sizes.append((type(block).__name__, size))
    return sizes


def words(paper):
    found = [paper.title, paper.about]
    for block in paper.blocks:
        if isinstance(block, Heading | Text | Question):
            found.append(block.text)
        elif isinstance(block, Items):
            found += block.items
        else:
            found += [cell for row in (block.head, *block.rows) for cell in row]
    return found


@pytest.fixture(params=[{}, CHANGED], ids=["as by default", "changed"])
def either(request, settings):
    return settings.model_copy(update=request.param)


@pytest.mark.parametrize("fill", PAPERS)
def test_every_language_says_the_same_and_everything(fill, either, card):
    english = filled(fill, either, card)
    assert english.questions >= 8
    for code in language_codes():
        paper = filled(fill, either, card, code)
        assert paper.language == code
        assert shape(paper) == shape(english)
        assert all(isinstance(one, str) for one in words(paper))
        if code != "en":
            sentences = {one for one in words(english) if len(one.split()) > 4}
            quoted = {*card.limits, *card.licences, card.training["device"]}
            quoted.add(either.notice_responsible)
            assert sentences & set(words(paper)) <= quoted


@pytest.mark.parametrize("fill", PAPERS)
def test_every_setting_that_is_named_exists(fill, either, card):
    text = text_of(filled(fill, either, card))
    named = set(re.findall(rf"\b(?:{'|'.join(SECTIONS)})\.[a-z_]+\b", text)) - {"run.log"}
    assert len(named) >= 8
    assert named <= set(all_settings())


@pytest.mark.parametrize("fill", PAPERS)
@pytest.mark.parametrize("code", language_codes())
def test_no_password_is_in_a_paper(fill, code, settings, card):
    changed = settings.model_copy(update=CHANGED)
    text = text_of(filled(fill, changed, card, code))
    assert "203.0.113.9" in text
    assert "secret" not in text


def test_no_password_with_a_space_is_in_a_paper(settings, card):
    changed = settings.model_copy(update={"database": "postgresql://me:my secret@203.0.113.9/shop"})
    text = text_of(filled(impact_assessment, changed, card))
    assert "me:***@203.0.113.9/shop" in text.replace("\\", "")
    assert "secret" not in text


def test_a_paper_does_not_round_what_is_set(settings, card):
    changed = settings.model_copy(update={"readings_per_second": 2.5})
    assert "at most 2.5 a second" in text_of(filled(impact_assessment, changed, card))


def test_the_assessment_has_the_settings_of_this_kiosk(settings, card):
    changed = settings.model_copy(update=CHANGED)
    text = text_of(filled(impact_assessment, changed, card))
    for said in (
        "Shop 12, 29 November 2026",
        "Corner Shop Ltd, 12 High Street, Leeds",
        "| Deletion of single readings | 14 days |",
        "| Hours | 09:00\N{EN DASH}20:00 |",
        "figures of fewer than 5 viewers",
        "| 203.0.113.7 | sums over several viewers, by ad, hour and second, and the state of the "
        "moment | encrypted |",
        "| 203.0.113.5 | the state of the moment",
        "not encrypted",
        "pages in the browser to its network",
        "Only the group counts, from 1 viewer on",
        "| Only sums over several viewers go to a hub | on |",
        "Article 35(7)(d)",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "all readings stay on the kiosk's machine"),
        ({"retention_days": 0}, "| Deletion of single readings | off |"),
        ({"headless": True}, "none, because the kiosk has no window"),
        ({"notice": "required"}, "alone before measuring begins"),
        ({"camera": False}, "off: nobody is measured"),
        ({"console": True}, "pages in the browser on its own machine"),
        ({"fullscreen": True}, "faces are not shown on the screen | on |"),
        ({"overlay": True, "fullscreen": True}, "faces are not shown on the screen | off |"),
        ({"hub": "http://203.0.113.7"}, "| Only sums over several viewers go to a hub | off |"),
    ],
)
def test_each_setting_changes_what_the_assessment_says(changes, said, settings, card):
    assert said in text_of(filled(impact_assessment, settings.model_copy(update=changes), card))


def test_an_address_of_several_lines_stays_one_cell(settings, card):
    lines = settings.model_copy(update={"notice_responsible": "Shop\n12 High Street\n"})
    assert "| Shop, 12 High Street |" in text_of(filled(impact_assessment, lines, card))


def test_what_is_stored_about_people_is_in_the_schema():
    assert set(facts.ABOUT_PEOPLE) < set(Base.metadata.tables)


def test_the_technical_file_has_the_figures_of_the_card(settings, card):
    text = text_of(filled(technical_file, settings, card))
    for name, score in card.scores.items():
        assert f"| {name} | " in text
        assert f"| {score['n']:,} | {100 * score['accuracy']:.1f}% |" in text
    for measured in card.conditions.values():
        for entry in measured:
            assert f"{entry['value']:g}: {100 * entry['accuracy']:.1f}%" in text
    for limit in (*card.limits, *card.licences):
        assert limit in text
    assert card.sha256 in text


def test_other_figures_change_it(settings, card):
    changed = card.model_copy(
        update={
            "name": "other-1",
            "scores": {"Test set": {"n": 12, "accuracy": 0.123, "used_for": "test"}},
            "conditions": {"rain_mm": [{"value": 2.5, "n": 7, "accuracy": 0.5}]},
        }
    )
    text = text_of(filled(technical_file, settings, changed))
    assert "model other-1" in text
    assert "| Test set | test | 12 | 12.3% |" in text
    assert "| rain mm | 7 | 2.5: 50.0% |" in text
    assert "87.9%" not in text


def test_a_card_with_nothing_measured_says_so(settings):
    card = ModelCard(
        name="own",
        labels=("happy", "sad"),
        input_side_px=48,
        crop_scale=1.0,
        crop_raise=0.0,
        temperature=1.0,
        uncertain_below=0.5,
        sha256="0" * 64,
    )
    text = text_of(filled(technical_file, settings, card))
    for said in ("no scores", "no figures by label", "no figures by condition"):
        assert said in text


def test_the_conditions_of_training_have_words():
    assert set(robustness.CONDITIONS) <= set(CONDITIONS)


def test_the_articles_are_named(settings, card):
    text = text_of(filled(technical_file, settings, card))
    for article in (
        *("Article 5(1)(f)", "Article 50(3)", "Annex III, point 1(c)", "Article 11", "Annex IV"),
        *("Article 14", "Article 12", "Article 9", "Article 47", "Article 72", "not legal advice"),
    ):
        assert article in text
    for point in range(1, 10):
        assert f"(Annex IV, point {point}" in text

"""The report as a workbook: numbers as numbers, names as text, the same bytes every time."""

from __future__ import annotations

import io

import openpyxl
import pytest

from monitor.languages import speaking
from monitor.reports.document import build_report
from monitor.reports.xlsx import render_xlsx
from tests.helpers.german import english_in

NAMES = ("=cmd|'/c calc'!A1", "http://example.org/x", "+1", "a\x07b\x00", "@SUM(A1)", "0123")
HAPPY = (0.05, 0.0, 0.0, 0.8, 0.05, 0.0, 0.1)


@pytest.fixture(scope="module")
def document(maker):
    made = maker(length=60.0, site="=Shop")
    for number, name in enumerate(NAMES):
        play = made.play(made.ad(f"ad-{number}", 4.0, name=name), number * 6.0, 4.0)
        for viewer in range(1, 4):
            for step in range(8):
                made.reading(play, viewer, number * 6.0 + step / 2, step / 2, HAPPY)
    made.gap(40.0, 45.5, "camera_lost", "=1+1")
    document = build_report(made.data())
    document["ads"][0]["advice"] = {"action": "keep", "reason": "=why", "viewers_needed": 12}
    return document


@pytest.fixture(scope="module")
def book(document):
    return openpyxl.load_workbook(io.BytesIO(render_xlsx(document)))


def test_it_has_a_sheet_for_each_part(book):
    assert book.sheetnames == ["Overview", "Ads", "Seconds", "Pairs", "Gaps"]
    assert [len(book[name]._charts) for name in ("Overview", "Seconds")] == [2, 5]


def test_no_name_becomes_a_formula_or_a_link(book):
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    assert not any(cell.hyperlink for cell in cells)
    names = {book["Ads"].cell(row, 1).value for row in range(2, 2 + len(NAMES))}
    assert names == {"=cmd|'/c calc'!A1", "http://example.org/x", "+1", "ab", "@SUM(A1)", "0123"}


def test_figures_are_those_of_the_document(book, document):
    head = [cell.value for cell in book["Ads"][1]]
    rows = {row[0].value: dict(zip(head, (cell.value for cell in row), strict=True))
            for row in book["Ads"].iter_rows(min_row=2)}  # fmt: skip
    for ad in document["ads"][:3]:
        row = rows[ad["name"]]
        assert row["Valence"] == pytest.approx(ad["valence_corrected_mean"])
        assert row["Happy"] == pytest.approx(ad["shares"]["happy"])
        assert row["Viewers"] == ad["opportunities"]
    assert rows["=cmd|'/c calc'!A1"]["What to do"] == "Keep"
    assert book["Seconds"].max_row == 1 + sum(len(ad["timeline"]) for ad in document["ads"])
    assert book["Gaps"].cell(2, 3).value == pytest.approx(5.5)


def test_times_are_in_the_zone_of_the_report(document):
    shown = document | {"report": document["report"] | {"timezone": "Asia/Bangkok"}}
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(shown)))
    assert book["Overview"]["B3"].value.hour == 9 + 7
    assert book["Overview"]["B5"].value == "Asia/Bangkok (UTC+07:00)"


def test_the_same_document_gives_the_same_bytes(document):
    assert render_xlsx(document) == render_xlsx(document)


def test_a_session_without_ads_has_a_workbook_too(maker):
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(build_report(maker().data()))))
    assert book["Ads"].max_row == 1


def test_the_workbook_speaks_the_language(document):
    with speaking("de"):
        book = openpyxl.load_workbook(io.BytesIO(render_xlsx(document)))
    assert book.sheetnames[:2] == ["Überblick", "Spots"]
    heads = [cell.value for cell in book["Spots"][1]]
    assert heads[:4] == ["Spot", "Was zu tun ist", "Valenz", "von"]
    assert len(set(heads)) == len(heads)
    assert [cell.value for cell in book["Paare"][1]][:2] == ["Erster Spot", "Zweiter Spot"]


def test_a_german_workbook_has_no_english_word(maker):
    made = maker(length=60.0, site="Halle")
    play = made.play(made.ad("spot-1", 4.0, name="Eistee"), 0.0, 4.0)
    for viewer in range(1, 8):
        made.reading(play, viewer, viewer / 4, viewer / 4, HAPPY)
    made.gap(40.0, 45.5, "camera_lost", "The camera 0 gave no picture for 1.7 s.")
    with speaking("de"):
        german = openpyxl.load_workbook(io.BytesIO(render_xlsx(build_report(made.data()))))
    cells = [cell.value for sheet in german for row in sheet.iter_rows() for cell in row]
    texts = {*german.sheetnames, *(value for value in cells if isinstance(value, str))}
    assert "Kamera 0: seit 1,7 s kein Bild." in texts
    english = {text: english_in(text) for text in texts}
    assert {text: words for text, words in english.items() if words} == {}

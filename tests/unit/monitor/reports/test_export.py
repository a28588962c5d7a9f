"""Reports as files: what is in them, and that a file is there completely or not at all."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.analytics.errors import ReportError, ReportWriteError, UnknownFormatError
from monitor.languages import speaking
from monitor.reports import export, tables
from monitor.reports.document import build_report

PLAIN = ("html", "json", "csv", "parquet", "xlsx", "pptx")


@pytest.fixture
def report(any_session):
    data = any_session.data()
    return build_report(data, min_viewers=3), data


@pytest.mark.parametrize("kind", PLAIN)
def test_two_reports_of_the_same_data_are_the_same_bytes(maker, tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    made = maker()
    play = made.play(made.ad("tea", 3.0), 0.0, 3.0)
    for k in range(40):
        made.reading(play, k % 4, k * 0.07, k * 0.07, (0.1, 0, 0, k / 50, 0, 0, 0.9 - k / 50))
    written = [
        export.write_report(build_report(made.data()), kind, tmp_path / name, data=made.data())
        for name in ("a", "b")
    ]
    assert written[0].read_bytes() == written[1].read_bytes()
    assert written[0].stat().st_size > 400


def test_json_file_is_the_document(report, tmp_path):
    out = export.write_report(report[0], "json", tmp_path / "new" / "folder" / "r.json")
    assert json.loads(out.read_text(encoding="utf-8")) == report[0]


@pytest.mark.parametrize("language", ["en", "de"])
def test_programs_read_english_and_people_their_language(any_session, language):
    data = any_session.data()
    with speaking(language):
        document = build_report(data, min_viewers=3)
        files = {
            form: export.report_bytes(document, form, data=data, language="de")
            for form in ("json", "csv", "html")
        }
    plain = build_report(data, min_viewers=3)
    for form in ("json", "csv"):
        assert files[form] == export.report_bytes(plain, form, data=data)
    assert b'<html lang="de">' in files["html"]
    assert "Bericht zur Werbewirkung" in files["html"].decode()


def test_no_sentence_of_a_german_page_is_english(any_session):
    document = build_report(any_session.data(), min_viewers=3)
    pages = [export.report_bytes(document, "html", language=code).decode() for code in ("en", "de")]
    texts = [set(re.findall(r">([^<>{}]+)<", page)) for page in pages]
    same = {text.strip() for text in set.intersection(*texts)}
    assert not {text for text in same if len(re.findall(r"[A-Za-z]{2,}", text)) > 3}


@pytest.mark.parametrize("table", tables.TABLES)
def test_csv_file_is_the_table(report, tmp_path, table):
    document, data = report
    out = export.write_report(document, "csv", tmp_path / "r.csv", table=table, data=data)
    found = tables.table_of(table, document, data)
    # Excel reads a file without the mark in the encoding of its own country.
    assert out.read_bytes().startswith(codecs.BOM_UTF8) is (table != "ad_plays")
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(found.columns)
    assert len(rows) == len(list(found.rows())) + 1


def test_seconds_are_the_usual_table(report):
    document, data = report
    header = export.report_bytes(document, "csv", data=data).decode("utf-8-sig").splitlines()[0]
    assert header.split(",") == list(tables.COLUMNS["seconds"])


def test_parquet_file_is_the_table(report):
    parquet = pytest.importorskip("pyarrow.parquet")
    document, data = report
    content = export.report_bytes(document, "parquet", table="ads", data=data)
    assert parquet.read_table(io.BytesIO(content)).num_rows == len(document["ads"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_need_the_data(report, kind):
    with pytest.raises(ReportError, match=f"expected it for {kind}, received none"):
        export.report_bytes(report[0], kind)


def test_csv_of_emotions_that_are_withheld_has_empty_cells(maker):
    made = maker()
    play = made.play(made.ad("tea", 2.0), 0.0, 2.0)
    for position in (0.2, 0.6, 1.2):
        made.reading(play, 1, position, position, withheld="too blurred")
    document = build_report(made.data())
    for table in ("seconds", "timeline", "ads"):
        text = export.report_bytes(document, "csv", table=table, data=made.data()).decode()
        for row in csv.DictReader(io.StringIO(text)):
            emotional = [
                key
                for key in row
                if "valence" in key or key.startswith("p_") or key == "expressiveness"
            ]
            assert len(emotional) >= 8
            assert {row[key] for key in emotional} == {""}
            assert float(row.get("attention") or row["attraction_ratio"]) == 1.0


def test_unknown_format(report, tmp_path):
    with pytest.raises(
        UnknownFormatError,
        match="expected one of html, json, csv, parquet, pdf, xlsx, pptx, received 'docx'",
    ):
        export.write_report(report[0], "docx", tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_written(report, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        ReportWriteError, match=r"Cannot write the report to .*choose another file with -o"
    ):
        export.write_report(report[0], "json", tmp_path / "file" / "r.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ReportError):
        export.write_text("x", tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_failure_leaves_the_older_report(tmp_path, monkeypatch):
    out = tmp_path / "r.json"
    export.write_text("old", out)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportWriteError, match="No space left on device"):
        export.write_text("new", out)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_nothing_slow_is_imported_before_it_is_needed():
    code = (
        "import sys, monitor.reports.export, monitor.reports.html, monitor.reports.pdf;"
        "import monitor.reports.pptx, monitor.reports.xlsx;"
        "names = ('matplotlib', 'scipy', 'jinja2', 'pyarrow', 'weasyprint', 'av', 'pptx', 'xlsxwriter');"
        "print([m for m in names if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("r.html", "r.html"),
        ("{date}/{site} {session}.pdf", "2026-03-01/Shop 12_3, Köln 7.pdf"),
        ("{session}-{time}.json", "7-09-05.json"),
    ],
)
def test_a_name_tells_of_the_session(tmp_path, pattern, name):
    began = datetime(2026, 3, 1, 9, 5, tzinfo=ZoneInfo("Europe/Berlin"))
    found = export.report_path(tmp_path / pattern, session=7, site="Shop 12/3: Köln", began=began)
    assert found.relative_to(tmp_path).as_posix() == name.replace(",", "_")


@pytest.mark.parametrize("pattern", ["{sesion}.html", "{}.html", "{session:5}.html", "a}.html"])
def test_other_braces_are_refused_with_the_words_that_exist(pattern):
    with pytest.raises(ReportError, match=r"\{session\}, \{date\}, \{time\}, \{site\}, received"):
        export.report_path(Path(pattern), session=1, site="s", began=datetime.now(UTC))


def test_an_older_report_is_kept_unless_it_may_be_replaced(tmp_path):
    facts = {"session": 1, "site": "s", "began": datetime.now(UTC)}
    for taken in ("r.html", "r-2.html"):
        (tmp_path / taken).touch()
    assert export.report_path(tmp_path / "r.html", **facts).name == "r-3.html"
    assert export.report_path(tmp_path / "r.html", **facts, overwrite=True).name == "r.html"

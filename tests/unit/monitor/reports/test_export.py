"""Reports as files: what is in them, and that a file is there completely or not at all."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest

from monitor.reports import export
from monitor.reports.errors import ReportError, ReportWriteError, UnknownFormatError
from monitor.reports.metrics import EMOTIONS
from monitor.reports.session_report import build_report


@pytest.mark.parametrize("kind", export.FORMATS)
def test_two_reports_of_the_same_data_are_the_same_bytes(maker, tmp_path, kind):
    made = maker()
    play = made.play(made.ad("tea", 3.0), 0.0, 3.0)
    for k in range(40):
        made.reading(play, k % 4, k * 0.07, k * 0.07, (0.1, 0, 0, k / 50, 0, 0, 0.9 - k / 50))
    first = export.write_report(made.data(), kind, tmp_path / "a")
    second = export.write_report(made.data(), kind, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size > 400


def test_json_file_is_the_document(any_session, tmp_path):
    out = export.write_report(any_session.data(), "json", tmp_path / "new" / "folder" / "r.json", min_viewers=3)
    assert json.loads(out.read_text(encoding="utf-8")) == build_report(any_session.data(), min_viewers=3)


def test_csv_is_tidy(maker, tmp_path):
    made = maker()
    play = made.play(made.ad("tea", 2.0, name='Tee, "gut" & ja'), 0.0, 2.0)
    made.reading(play, 1, 0.5, 0.5, (0.1, 0, 0, 0.6, 0, 0, 0.3))
    out = export.write_report(made.data(), "csv", tmp_path / "r.csv")
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(export.TIMELINE_COLUMNS)
    assert [row["second"] for row in rows] == ["0", "1"]
    seen, unseen = rows
    assert (seen["session_id"], seen["ad_id"], seen["ad_version"], seen["ad_name"]) == (
        "7",
        "tea",
        "",
        'Tee, "gut" & ja',
    )
    assert (seen["n"], float(seen["valence"]), seen["valence_low"]) == ("1", 0.5, "")
    assert [float(seen[f"p_{emotion}"]) for emotion in EMOTIONS] == [0.1, 0, 0, 0.6, 0, 0, 0.3]
    assert unseen["n"] == "0"
    assert [unseen[column] for column in ("valence", "attention", "p_happy")] == ["", "", ""]


def test_csv_of_emotions_that_are_withheld_has_empty_cells(maker, tmp_path):
    made = maker()
    play = made.play(made.ad("tea", 2.0), 0.0, 2.0)
    for position in (0.2, 0.6, 1.2):
        made.reading(play, 1, position, position, withheld="too blurred")
    document = build_report(made.data())
    for write, name in ((export.write_csv, "a.csv"), (export.write_summary_csv, "b.csv")):
        with write(document, tmp_path / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                emotional = [key for key in row if "valence" in key or key.startswith("p_") or key == "expressiveness"]
                assert len(emotional) >= 10
                assert {row[key] for key in emotional} == {""}
                assert float(row.get("attention") or row["attraction_ratio"]) == 1.0


def test_summary_csv_has_a_row_per_ad(any_session, tmp_path):
    document = build_report(any_session.data())
    out = export.write_summary_csv(document, tmp_path / "ads.csv")
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ad_id"] for row in rows] == ["one", "two", "three", "unseen"]
    assert float(rows[0]["mean_valence"]) == document["ads"][0]["mean_valence"]
    assert float(rows[1]["p_sad"]) == document["ads"][1]["mean_probabilities"]["sad"]
    assert rows[-1]["opportunities"] == "0"
    assert rows[-1]["mean_valence"] == ""


def test_unknown_format(any_session, tmp_path):
    with pytest.raises(UnknownFormatError, match="expected one of html, json, csv, received 'docx'"):
        export.write_report(any_session.data(), "docx", tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_written(any_session, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportWriteError, match=r"Cannot write the report to .*choose another file with -o"):
        export.write_report(any_session.data(), "json", tmp_path / "file" / "r.json")
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
        "import sys, monitor.reports.export, monitor.reports.html;"
        "print([m for m in ('matplotlib', 'scipy', 'jinja2', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_figure_leaves_no_global_state_behind():
    code = (
        "import sys; from monitor.reports.figures import *; from matplotlib import rcParams; before = rcParams.copy();"
        "ad_figure({'timeline': [], 'duration_s': 2.0, 'moments': [], 'brand_at_s': []}, WIDE, reach=(-1, 1), prefix='');"
        "print('matplotlib.pyplot' in sys.modules, before == rcParams.copy())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]

"""Every figure of a report, and every column of its tables, is explained in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detector.emotion.labels import EMOTIONS
from monitor.reports.document import build_report
from monitor.reports.tables import COLUMNS, TABLES

DOCS = Path(__file__).parents[4] / "docs"
EXPLANATIONS = ("explanation/metrics.md", "explanation/comparisons.md")
IDENTITY = {
    "sha256",
    "id",
    "kind",
    "site",
    "source",
    "model",
    "model_sha256",
    "program_version",
    "end_reason",
    "second",
    "value",
}
"""What a thing is called, not how something was measured."""


def test_every_key_is_documented(any_session):
    text = "".join((DOCS / page).read_text(encoding="utf-8") for page in EXPLANATIONS)
    known = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]+)`", text))))
    report = build_report(any_session.data())
    keys = set().union(
        *(ad.keys() for ad in report["ads"]),
        report["ads"][0]["timeline"][0],
        *(ad_moment for ad in report["ads"] for ad_moment in ad["moments"]),
        report["session"],
        report["quality"],
        report["gaps"][0],
    )
    described = {"name", "file", "duration_s", "brand_at_s", "started_at", "ended_at", "ad_id"}
    assert keys - IDENTITY - described - known == set()


@pytest.mark.parametrize("table", TABLES)
def test_the_columns_of_the_tables_are_documented(table):
    text = re.sub(r"\s+", " ", (DOCS / "reference/report-files.md").read_text(encoding="utf-8"))
    named = [
        f"p_{EMOTIONS[0]} … p_{EMOTIONS[-1]}" if name == f"p_{EMOTIONS[0]}" else name
        for name in COLUMNS[table]
    ]
    shown = [name for name in named if not name.startswith("p_") or "…" in name]
    assert f"| `{table}` |" in text
    assert f"`{', '.join(shown)}`" in text

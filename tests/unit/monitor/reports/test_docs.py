"""Every figure of the document is explained in `docs/metrics.md`."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.reports import export
from monitor.reports.session_report import build_report

DOCS = Path(__file__).parents[4] / "docs" / "metrics.md"
IDENTITY = {"id", "kind", "site", "source", "model", "model_sha256", "program_version", "end_reason", "second", "value"}
"""What a thing is called, not how something was measured."""


def test_every_key_is_documented(any_session):
    text = DOCS.read_text(encoding="utf-8")
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


def test_the_columns_of_the_csv_are_documented():
    text = re.sub(r"\s+", " ", DOCS.read_text(encoding="utf-8"))
    assert ", ".join(export.TIMELINE_COLUMNS[:10]) in text

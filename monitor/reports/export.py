"""The report as files for other programs: JSON, and tidy CSV. A file is there completely or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.reports.errors import ReportWriteError, UnknownFormatError
from monitor.reports.metrics import EMOTIONS
from monitor.reports.session_report import build_report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.reports.report_data import ReportData

FORMATS = ("html", "json", "csv")

TIMELINE_COLUMNS = (
    "session_id",
    "ad_id",
    "ad_version",
    "ad_name",
    "second",
    "n",
    "valence",
    "valence_low",
    "valence_high",
    "attention",
    *(f"p_{emotion}" for emotion in EMOTIONS),
)
"""Columns of `--format csv`: one row per ad and second."""

SUMMARY_COLUMNS = (
    "session_id",
    "ad_id",
    "ad_version",
    "ad_name",
    "plays",
    "shown_s",
    "opportunities",
    "watchers",
    "conversion",
    "mean_dwell_s",
    "attention_s",
    "attraction_ratio",
    "dominant_emotion",
    "mean_valence",
    "mean_valence_low",
    "mean_valence_high",
    "peak_valence",
    "expressiveness",
    "impact",
    *(f"p_{emotion}" for emotion in EMOTIONS),
)
"""Columns of the summary: one row per ad."""


def write_report(data: ReportData, format: str, out: Path, *, min_viewers: int = 1) -> Path:  # noqa: A002 - the option's name
    """Builds the report of one session and writes it in one format.

    Args:
        data: From `report_data.load_report_data`.
        format: One of `FORMATS`; `csv` is the timeline, one row per ad and second.
        out: The file; its folder is made when it is missing, an older file is replaced.
        min_viewers: Figures about fewer viewers than this are withheld.

    Returns:
        The absolute path of the file.

    Raises:
        UnknownFormatError: There is no such format.
        ReportWriteError: The file cannot be written.
        ReportError: `min_viewers` is less than 1.
    """
    if format not in FORMATS:
        raise UnknownFormatError(f"Unknown report format: expected one of {', '.join(FORMATS)}, received {format!r}.")
    document = build_report(data, min_viewers=min_viewers)
    if format == "json":
        return write_json(document, out)
    if format == "csv":
        return write_csv(document, out)
    return write_html(document, out)


def to_json(document: dict[str, Any]) -> str:
    """Returns the document as JSON text, keys in their order, ending with a line feed."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def to_csv(document: dict[str, Any]) -> str:
    """Returns the timelines as CSV with `TIMELINE_COLUMNS`; what is not known is an empty field."""
    session_id = document["session"]["id"]
    rows = [
        [session_id, ad["ad_id"], ad["version"], ad["name"]]
        + [second[key] for key in ("second", "n", "valence", "valence_low", "valence_high", "attention")]
        + _emotions(second["probabilities"])
        for ad in document["ads"]
        for second in ad["timeline"]
    ]
    return _csv_text(TIMELINE_COLUMNS, rows)


def to_summary_csv(document: dict[str, Any]) -> str:
    """Returns the figures per ad as CSV with `SUMMARY_COLUMNS`; what is not known is an empty field."""
    plain = SUMMARY_COLUMNS[4 : -len(EMOTIONS)]
    rows = [
        [document["session"]["id"], ad["ad_id"], ad["version"], ad["name"]]
        + [ad[key] for key in plain]
        + _emotions(ad["mean_probabilities"])
        for ad in document["ads"]
    ]
    return _csv_text(SUMMARY_COLUMNS, rows)


def write_json(document: dict[str, Any], out: Path) -> Path:
    """Writes the document as JSON; see `write_text` for the errors."""
    return write_text(to_json(document), out)


def write_csv(document: dict[str, Any], out: Path) -> Path:
    """Writes the timelines as CSV; see `write_text` for the errors."""
    return write_text(to_csv(document), out)


def write_summary_csv(document: dict[str, Any], out: Path) -> Path:
    """Writes the figures per ad as CSV; see `write_text` for the errors."""
    return write_text(to_summary_csv(document), out)


def write_html(document: dict[str, Any], out: Path) -> Path:
    """Writes the page; see `write_text` for the errors."""
    from monitor.reports.html import render_html  # noqa: PLC0415 - draws figures, slow to import

    return write_text(render_html(document), out)


def write_text(text: str, out: Path) -> Path:
    """Writes a UTF-8 file; see `write_bytes` for the errors."""
    return write_bytes(text.encode("utf-8"), out)


def write_bytes(content: bytes, out: Path) -> Path:
    """Writes a file in one step: a reader, or a crash, never meets half a report.

    Returns:
        The absolute path of the file.

    Raises:
        ReportWriteError: The file cannot be written; an older one is left as it was.
    """
    target = Path(out).absolute()
    # Beside the target, because a rename is only atomic within one file system.
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ReportWriteError(
            f"Cannot write the report to {target}: {error.strerror or error}; choose another file with -o."
        ) from error
    return target


def _emotions(probabilities: dict[str, float | None] | None) -> list[float | None]:
    return [None] * len(EMOTIONS) if probabilities is None else [probabilities[emotion] for emotion in EMOTIONS]


def _csv_text(columns: Iterable[str], rows: Iterable[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()

"""The report as a file in one of the formats, complete or not at all."""

from __future__ import annotations

import importlib
import re
import string
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.names import printable_json
from monitor import languages
from monitor.analytics.errors import ReportError, ReportWriteError, UnknownFormatError
from monitor.languages import speaking
from monitor.reports import FORMATS, TABLES
from monitor.reports.tables import table_of, to_csv, to_parquet
from monitor.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from monitor.analytics.report_data import ReportData
    from monitor.reports.thumbnails import Thumbnails


def write_report(document: dict[str, Any], format: str, out: Path, **options: Any) -> Path:  # noqa: A002
    """Write a report to a file; arguments, result and errors are those of the two calls."""
    return write_bytes(report_bytes(document, format, **options), out)


def report_bytes(
    document: dict[str, Any],
    format: str,  # noqa: A002 - the option's name
    *,
    table: str = TABLES[0],
    data: ReportData | None = None,
    thumbnails: Mapping[int, Thumbnails] | None = None,
    language: str | None = None,
) -> bytes:
    """Return a report in one of `FORMATS`, in a language, by default that of the moment.

    JSON, CSV and Parquet are English. CSV and Parquet need one of `TABLES`, and the data that the
    report was made of. HTML, PDF and PPTX take pictures of the ads by place in `document["ads"]`.

    Raises:
        UnknownFormatError: There is no such format.
        UnknownTableError: There is no such table.
        PdfUnavailableError: PDFs cannot be made on this machine.
        ReportError: CSV or Parquet without the data.
    """
    if format in {"csv", "parquet"}:
        return _table_bytes(document, format, table, data)
    with speaking(language or languages.language()):
        return _document_bytes(document, format, thumbnails)


def _document_bytes(
    document: dict[str, Any],
    format: str,  # noqa: A002
    thumbnails: Mapping[int, Thumbnails] | None,
) -> bytes:
    makers: dict[str, Callable[[], str | bytes]] = {
        "json": lambda: to_json(document),
        "html": lambda: _maker("html")(document, thumbnails),
        "pdf": lambda: _maker("pdf")(document, thumbnails),
        "xlsx": lambda: _maker("xlsx")(document),
        "pptx": lambda: _maker("pptx")(document, thumbnails),
    }
    if format in makers:
        content = makers[format]()
        return content.encode() if isinstance(content, str) else content
    raise UnknownFormatError(
        f"Unknown report format: expected one of {', '.join(FORMATS)}, received {format!r}."
    )


def _maker(format: str) -> Callable[..., str | bytes]:  # noqa: A002
    """Return `render_FORMAT` of the module of that name; they are slow to import."""
    module = importlib.import_module(f"monitor.reports.{format}")
    maker: Callable[..., str | bytes] = getattr(module, f"render_{format}")
    return maker


def _table_bytes(
    document: dict[str, Any],
    format: str,  # noqa: A002
    table: str,
    data: ReportData | None,
) -> bytes:
    if data is None:
        raise ReportError(
            "A table needs the data that the report was made of: expected it for "
            f"{format}, received none."
        )
    rows = table_of(table, document, data)
    if format == "csv":
        # Spreadsheets recognise UTF-8 by its mark; the reader of `ad_plays` does not accept one.
        return to_csv(rows).encode("utf-8" if table == "ad_plays" else "utf-8-sig")
    return to_parquet(rows, document["report"]["version"])


def to_json(document: dict[str, Any]) -> str:
    """Return the document as JSON text, keys in their order, ending with a line feed."""
    return printable_json(document, indent=2) + "\n"


def report_path(
    pattern: Path, *, session: int | str, site: str, began: datetime, overwrite: bool = False
) -> Path:
    """Fill in the name of a report.

    Args:
        pattern: A path that may hold `{session}`, `{date}`, `{time}` and `{site}`.
        session: Its number, or those of several, such as `3-7`.
        began: When the session began, in the time zone of the report.
        overwrite: If false and the file exists, add a number, as in `report-2.html`.

    Raises:
        ReportError: The path holds something else in braces.
    """
    values = {
        "session": str(session),
        "date": f"{began:%Y-%m-%d}",
        "time": f"{began:%H-%M}",
        "site": re.sub(r"[^\w. -]", "_", site).strip(". ") or "_",
    }
    try:
        parts = [*string.Formatter().parse(str(pattern))]
    except ValueError:
        parts = [("", str(pattern), "", "")]
    names = {name for _, name, _, _ in parts if name is not None}
    if names - values.keys() or any(form or turn for _, _, form, turn in parts):
        known = ", ".join(f"{{{name}}}" for name in values)
        raise ReportError(
            f"Invalid name of a report: expected braces only in {known}, received {pattern}."
        )
    path = Path("".join(text + ("" if name is None else values[name]) for text, name, *_ in parts))
    if overwrite or not path.exists():
        return path
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(other for other in numbered if not other.exists())


def write_text(text: str, out: Path) -> Path:
    """Write a UTF-8 file as `write_bytes` does."""
    return write_bytes(text.encode("utf-8"), out)


def write_bytes(content: bytes, out: Path) -> Path:
    """Write a file atomically: neither a reader nor a crash leaves half a report.

    Returns:
        The absolute path of the file.

    Raises:
        ReportWriteError: The file cannot be written; an older one is left as it was.
    """
    target = Path(out).absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
    except OSError as error:
        raise ReportWriteError(
            f"Cannot write the report to {target}: {error.strerror or error}; choose another file "
            "with -o."
        ) from error
    return target

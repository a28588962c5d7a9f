"""Read outcomes, such as sales by the hour, from a CSV file of whatever cash register.

Separators, decimal signs, byte order marks and orders of columns differ; what cannot be told apart
is refused with the line and with what settles it, never guessed.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from db.read.experiments import OutcomeInfo
from monitor.analytics.errors import OutcomeFileError
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from monitor.languages import LazyText

COLUMNS = ("time", "site", "value", "name")
TIME_FORMATS = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M%z",
    "%Y-%m-%d %H:%M:%S%z",
    "%Y-%m-%dT%H:%M%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%d",
    "%d.%m.%Y",
)
"""Times that mean the same to everybody; others need `OutcomeForm.time_format`."""

MAX_BYTES = 200_000_000
SEPARATORS = {";": "semicolon", "\t": "tab", ",": "comma"}


@dataclass(frozen=True, slots=True)
class OutcomeForm:
    """How a file of outcomes is to be read, where it does not say so itself.

    Attributes:
        site: Of lines without a site.
        name: Of lines without a name; None: the file's stem.
        columns: The file's own names for `COLUMNS`.
        timezone: IANA name of the zone of times without an offset; None: the machine's.
        time_format: As `strptime` reads it; None: `TIME_FORMATS`.
        decimal: "point" or "comma"; None: found out.
        lasts_s: How long each figure covers, 0 for a moment; None: the commonest step between the
            times of a site if at least four of five steps are multiples of it, else 0.
    """

    site: str | None = None
    name: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    time_format: str | None = None
    decimal: str | None = None
    lasts_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not read, counted from 1, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class OutcomeFile:
    """What a file held.

    Attributes:
        rows: Each name, site and time once, in order.
        refused: Lines left out.
        repeated: Lines that replaced an earlier line of the same name, site and time.
        separator: "comma", "semicolon" or "tab".
        decimal: "point" or "comma".
    """

    rows: tuple[OutcomeInfo, ...]
    refused: tuple[Refused, ...]
    repeated: int
    separator: str
    decimal: str


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str
    site: str
    time: str
    value: str


def read_outcomes(path: Path, form: OutcomeForm | None = None) -> OutcomeFile:
    """Read a file of at most `MAX_BYTES`; see `parse_outcomes`."""
    return parse_outcomes(_content(path), str(path), form)


def parse_outcomes(content: bytes, file: str, form: OutcomeForm | None = None) -> OutcomeFile:
    """Read the content of a file of outcomes.

    Args:
        content: CSV in UTF-8 or, failing that, Windows-1252. Its first line may name the columns;
            without names they are time and value, or time, site, value and perhaps name.
        file: What people call it.
        form: What it does not say itself.

    Raises:
        OutcomeFileError: Nothing in it can be read, or it does not say what its columns are.
    """
    form = form or OutcomeForm()
    text = _text(content)
    if "\0" in text:
        raise OutcomeFileError(
            lazy(
                "%(file)s is not text: expected a CSV file; export the table from its spreadsheet "
                "as CSV.",
                file=file,
            )
        )
    separator = _separator(text)
    name = form.name or PurePath(file).stem
    lines, refused = _lines(text, separator, form.columns, form.site, name)
    if not lines:
        raise OutcomeFileError(_nothing(file, refused))
    decimal = form.decimal or _decimal([line.value for line in lines], separator)
    zone = None if form.timezone is None else ZoneInfo(form.timezone)
    found: dict[tuple[str, str, datetime], float] = {}
    locals_seen: Counter[tuple[str, str, str]] = Counter()
    repeated = 0
    for line in lines:
        try:
            key = (line.name, line.site, line.time)
            at = _moment(line.time, form.time_format, zone, again=bool(locals_seen[key]))
            locals_seen[key] += 1
            value = _number(line.value, decimal)
        except ValueError as error:
            refused.append(Refused(line.number, error.args[0]))
            continue
        except (OverflowError, OSError):
            why = lazy("expected a time of our days, received %(text)s", text=repr(line.time))
            refused.append(Refused(line.number, why))
            continue
        repeated += (line.name, line.site, at) in found
        found[line.name, line.site, at] = value
    if not found:
        raise OutcomeFileError(_nothing(file, refused))
    steps = _lengths(found, form.lasts_s)
    rows = tuple(
        OutcomeInfo(name, site, at, steps[name, site], value)
        for (name, site, at), value in sorted(found.items())
    )
    order = sorted(refused, key=lambda each: each.line)
    return OutcomeFile(rows, tuple(order), repeated, SEPARATORS[separator], decimal)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise OutcomeFileError(
                f"{path} is larger than {MAX_BYTES // 1_000_000} MB; split it into parts."
            )
        return path.read_bytes()
    except OSError as error:
        raise OutcomeFileError(
            f"{path} cannot be read ({error.strerror}); check the path and its permissions."
        ) from error


def _text(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _separator(text: str) -> str:
    """Return the separator that cuts most lines alike, semicolon before tab before comma."""
    head = [line for line in text.splitlines()[:50] if line.strip()]
    return max(SEPARATORS, key=lambda sign: (sum(sign in line for line in head), sign != ","))


def _nothing(file: str, refused: Sequence[Refused]) -> LazyText:
    nothing = lazy(
        "%(file)s holds no outcome that can be read: expected lines of time, site and value.",
        file=file,
    )
    if not refused:
        return nothing
    line, why = refused[0].line, refused[0].why
    return lazy("%(nothing)s Line %(line)s: %(why)s.", nothing=nothing, line=line, why=why)


def _lines(
    text: str, separator: str, own: Mapping[str, str], site: str | None, name: str
) -> tuple[list[_Line], list[Refused]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    places: dict[str, int] | None = None
    lines: list[_Line] = []
    refused: list[Refused] = []
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if places is None:
                places, is_header = _places(row, own)
                if is_header:
                    continue
            if len(row) <= max(places.values()):
                why = lazy(
                    "expected at least %(least)s fields, received %(fields)s",
                    least=max(places.values()) + 1,
                    fields=len(row),
                )
                refused.append(Refused(reader.line_num, why))
                continue
            given = {key: row[place] for key, place in places.items()}
            where = given.get("site") or site
            if not where:
                why = lazy("expected a site: name one, or add a column")
                refused.append(Refused(reader.line_num, why))
                continue
            lines.append(
                _Line(
                    reader.line_num,
                    given.get("name") or name,
                    where,
                    given["time"],
                    given["value"],
                )
            )
    except csv.Error as error:
        refused.append(Refused(reader.line_num, lazy("not CSV (%(error)s)", error=str(error))))
    return lines, refused


def _places(first: Sequence[str], own: Mapping[str, str]) -> tuple[dict[str, int], bool]:
    """Return where the columns are, and whether the first line is their names."""
    names = [cell.casefold() for cell in first]
    wanted = {key: own.get(key, key).casefold() for key in COLUMNS}
    places = {key: names.index(name) for key, name in wanted.items() if name in names}
    if {"time", "value"} <= places.keys():
        return places, True
    missing = [own[key] for key in own if key not in places]
    has_number = any(re.search(r"\d", cell) for cell in first)
    if missing or not has_number:
        lacking = ", ".join(missing or [key for key in ("time", "value") if key not in places])
        raise OutcomeFileError(
            lazy(
                "The first line names no column %(lacking)s: expected time, site and value, "
                "received %(received)s; say which columns have the time and the value.",
                lacking=lacking,
                received=", ".join(first),
            )
        )
    order = ("time", "value") if len(first) == 2 else ("time", "site", "value", "name")
    return {key: place for place, key in enumerate(order) if place < len(first)}, False


def _decimal(values: Iterable[str], separator: str) -> str:
    """Return the decimal sign that fits all values."""
    signs = Counter[str]()
    unsure = ""
    for value in values:
        marks = re.findall(r"[.,]", value)
        if not marks:
            continue
        last = marks[-1]
        tail = len(re.sub(r"\D", "", value.rpartition(last)[2]))
        if len(set(marks)) == 2 or (marks.count(last) == 1 and tail != 3):
            signs[last] += 1
        elif marks.count(last) > 1:
            signs["," if last == "." else "."] += 1
        else:
            unsure = unsure or value
    if len(signs) == 2:
        raise OutcomeFileError(
            lazy(
                "Some values have a decimal comma and some a decimal point: expected one of them; "
                "name the decimal sign, and lines with the other are refused."
            )
        )
    if signs:
        return "comma" if "," in signs else "point"
    if unsure and (separator == ";" or "," in unsure):
        raise OutcomeFileError(
            lazy(
                "The value %(value)s may have a decimal sign or a sign for thousands; name the "
                "decimal sign.",
                value=unsure,
            )
        )
    return "point"


def _number(text: str, decimal: str) -> float:
    plain = re.sub(r"[\s'\u00a0\u202f]", "", text)
    plain = re.sub(r"^[^\d+\-.,]+|[^\d.,]+$", "", plain)
    sign, thousands = (",", ".") if decimal == "comma" else (".", ",")
    pattern = rf"[+-]?(\d+|\d{{1,3}}(\{thousands}\d{{3}})+)?(\{sign}\d+)?"
    if not re.fullmatch(pattern, plain) or not re.search(r"\d", plain):
        raise ValueError(
            lazy("expected a number with a decimal comma, received %(text)s", text=repr(text))
            if decimal == "comma"
            else lazy("expected a number with a decimal point, received %(text)s", text=repr(text))
        )
    value = float(plain.replace(thousands, "").replace(sign, "."))
    if not math.isfinite(value):
        raise ValueError(lazy("expected a finite number, received %(text)s", text=repr(text)))
    return value


def _moment(text: str, time_format: str | None, zone: ZoneInfo | None, *, again: bool) -> datetime:
    """Return a time in UTC; of two equal local times when clocks go back the second is later."""
    clean = re.sub(r"Z$", "+00:00", text)
    for form in TIME_FORMATS if time_format is None else (time_format,):
        try:
            local = datetime.strptime(clean, form)  # noqa: DTZ007 (its zone follows)
        except ValueError:
            continue
        break
    else:
        raise ValueError(
            lazy("expected %(form)s, received %(text)s", form=time_format, text=repr(text))
            if time_format
            else lazy(
                "expected a time such as 2026-03-01 09:00 or 01.03.2026 09:00, received %(text)s; "
                "say how times are written",
                text=repr(text),
            )
        )
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    local = local.replace(fold=int(again))
    aware = local.astimezone() if zone is None else local.replace(tzinfo=zone)
    at = aware.astimezone(UTC)
    if at.astimezone(aware.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise ValueError(
            lazy(
                "expected a time that clocks show, received %(text)s (clocks skip it)",
                text=repr(text),
            )
        )
    return at


def _lengths(
    found: Iterable[tuple[str, str, datetime]], lasts_s: float | None
) -> dict[tuple[str, str], float]:
    times: dict[tuple[str, str], list[datetime]] = {}
    for name, site, at in found:
        times.setdefault((name, site), []).append(at)
    if lasts_s is not None:
        return dict.fromkeys(times, lasts_s)
    return {key: _step(sorted(moments)) for key, moments in times.items()}


def _step(moments: Sequence[datetime]) -> float:
    steps = Counter(later - earlier for earlier, later in pairwise(moments))
    if not steps:
        return 0.0
    commonest, _ = min(steps.most_common(), key=lambda each: (-each[1], each[0]))
    fitting = sum(count for step, count in steps.items() if step % commonest == timedelta(0))
    is_grid = fitting >= 0.8 * steps.total() and commonest >= timedelta(minutes=5)
    return commonest.total_seconds() if is_grid else 0.0

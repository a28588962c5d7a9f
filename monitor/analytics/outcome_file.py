"""Read outcomes, such as sales by the hour, from a CSV file of whatever cash register.

Separators, decimal signs, byte order marks and orders of columns differ; what cannot be told apart
is refused with the line and the option that settles it, never guessed.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from db.read.experiments import OutcomeInfo
from monitor.analytics.errors import OutcomeFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

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
"""Times that mean the same to everybody; others need `time_format`."""

MAX_BYTES = 200_000_000
SEPARATORS = {";": "semicolon", "\t": "tab", ",": "comma"}


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


def read_outcomes(
    path: Path,
    *,
    site: str | None = None,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    timezone: str | None = None,
    time_format: str | None = None,
    decimal: str | None = None,
    lasts_s: float | None = None,
) -> OutcomeFile:
    """Read a file of outcomes.

    Args:
        path: CSV in UTF-8 or, failing that, Windows-1252. Its first line may name the columns;
            without names they are time and value, or time, site, value and perhaps name.
        site: Of lines without a site.
        name: Of lines without a name; None: the file's stem.
        columns: The file's own names for `COLUMNS`.
        timezone: IANA name of the zone of times without an offset; None: the machine's.
        time_format: As `strptime` reads it; None: `TIME_FORMATS`.
        decimal: "point" or "comma"; None: found out.
        lasts_s: How long each figure covers, 0 for a moment; None: the commonest step between the
            times of a site if at least four of five steps are multiples of it, else 0.

    Raises:
        OutcomeFileError: Nothing in it can be read, or it does not say what its columns are.
    """
    text = _text(path)
    separator = _separator(text)
    lines, refused = _lines(text, separator, columns or {}, site, name or path.stem)
    if not lines:
        raise OutcomeFileError(_nothing(path, refused))
    decimal = decimal or _decimal([line.value for line in lines], separator)
    zone = None if timezone is None else ZoneInfo(timezone)
    found: dict[tuple[str, str, datetime], float] = {}
    locals_seen: Counter[tuple[str, str, str]] = Counter()
    repeated = 0
    for line in lines:
        try:
            key = (line.name, line.site, line.time)
            at = _moment(line.time, time_format, zone, again=bool(locals_seen[key]))
            locals_seen[key] += 1
            value = _number(line.value, decimal)
        except ValueError as error:
            refused.append(Refused(line.number, str(error)))
            continue
        except (OverflowError, OSError):
            refused.append(
                Refused(line.number, f"expected a time of our days, received {line.time!r}")
            )
            continue
        repeated += (line.name, line.site, at) in found
        found[line.name, line.site, at] = value
    if not found:
        raise OutcomeFileError(_nothing(path, refused))
    steps = _lengths(found, lasts_s)
    rows = tuple(
        OutcomeInfo(name, site, at, steps[name, site], value)
        for (name, site, at), value in sorted(found.items())
    )
    order = sorted(refused, key=lambda each: each.line)
    return OutcomeFile(rows, tuple(order), repeated, SEPARATORS[separator], decimal)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise OutcomeFileError(
                f"{path} is larger than {MAX_BYTES // 1_000_000} MB; split it into parts."
            )
        raw = path.read_bytes()
    except OSError as error:
        raise OutcomeFileError(
            f"{path} cannot be read ({error.strerror}); check the path and its permissions."
        ) from error
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


def _nothing(path: Path, refused: Sequence[Refused]) -> str:
    first = f" Line {refused[0].line}: {refused[0].why}." if refused else ""
    return (
        f"{path} holds no outcome that can be read: expected lines of time, site and value.{first}"
    )


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
                refused.append(
                    Refused(
                        reader.line_num,
                        f"expected at least {max(places.values()) + 1} fields, received {len(row)}",
                    )
                )
                continue
            given = {key: row[place] for key, place in places.items()}
            where = given.get("site") or site
            if not where:
                refused.append(Refused(reader.line_num, "expected a site; add a column or --site"))
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
        refused.append(Refused(reader.line_num, f"not CSV ({error})"))
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
            f"The first line names no column {lacking}: expected time, site and value, received "
            f"{', '.join(first)}; say which is which, for example --columns time=Date,value=Total."
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
            "Some values have a decimal comma and some a decimal point: expected one of them; say "
            "which with --decimal comma or --decimal point, and lines with the other are refused."
        )
    if signs:
        return "comma" if "," in signs else "point"
    if unsure and (separator == ";" or "," in unsure):
        raise OutcomeFileError(
            f"The value {unsure} may have a decimal sign or a sign for thousands; say which with "
            "--decimal comma or --decimal point."
        )
    return "point"


def _number(text: str, decimal: str) -> float:
    plain = re.sub(r"[\s'\u00a0\u202f]", "", text)
    plain = re.sub(r"^[^\d+\-.,]+|[^\d.,]+$", "", plain)
    sign, thousands = (",", ".") if decimal == "comma" else (".", ",")
    pattern = rf"[+-]?(\d+|\d{{1,3}}(\{thousands}\d{{3}})+)?(\{sign}\d+)?"
    if not re.fullmatch(pattern, plain) or not re.search(r"\d", plain):
        raise ValueError(f"expected a number with a decimal {decimal}, received {text!r}")
    value = float(plain.replace(thousands, "").replace(sign, "."))
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, received {text!r}")
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
        expected = time_format or "a time such as 2026-03-01 09:00 or 01.03.2026 09:00"
        hint = "" if time_format else "; for another order use --time-format"
        raise ValueError(f"expected {expected}, received {text!r}{hint}")
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    local = local.replace(fold=int(again))
    aware = local.astimezone() if zone is None else local.replace(tzinfo=zone)
    at = aware.astimezone(UTC)
    if at.astimezone(aware.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise ValueError(f"expected a time that clocks show, received {text!r} (clocks skip it)")
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

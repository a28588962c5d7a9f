"""How numbers, times and lists are written on the page; what is not known is a dash, never 0."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN = "\N{EN DASH}"
"""Shown for a figure that is not known."""

# Not strftime: the window system may have set another language for the whole process.
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def signed(value: float | None, digits: int = 2) -> str:
    """`+0.21`, with a real minus sign; zero has no sign."""
    if value is None:
        return UNKNOWN
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        return text[1:]
    return text.replace("-", "\N{MINUS SIGN}")


def decimal(value: float | None, digits: int = 2) -> str:
    """`0.21`."""
    return UNKNOWN if value is None else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 0) -> str:
    """`21%` of a share."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f}%"


def whole(value: int | None) -> str:
    """`12,345`."""
    return UNKNOWN if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """`7.5 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def day(text: str | None) -> str:
    """`2 November 2026` of a time in the document."""
    moment = moment_of(text)
    return UNKNOWN if moment is None else f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def clock(text: str | None) -> str:
    """`14:03:07` of a time in the document."""
    moment = moment_of(text)
    return UNKNOWN if moment is None else f"{moment:%H:%M:%S}"


def utc_text(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC with microseconds and `Z`; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment_of(text: str | None) -> datetime | None:
    """The moment that a time in the document means."""
    if text is None:
        return None
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def points(value: float | None) -> str:
    """`12 points` of a difference between two shares."""
    return UNKNOWN if value is None else f"{100 * value:.0f} points".replace("-", "\N{MINUS SIGN}")


def spans(seconds: Iterable[int]) -> str:
    """Writes rising seconds shortly: `0-3, 7`, with an en dash."""
    runs: list[list[int]] = []
    for second in seconds:
        if runs and second == runs[-1][1] + 1:
            runs[-1][1] = second
        else:
            runs.append([second, second])
    return ", ".join(f"{a}" if a == b else f"{a}\N{EN DASH}{b}" for a, b in runs)


def listed(names: list[str]) -> str:
    """`a, b and c`; of more than three names the rest is counted."""
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} other ads"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def counted(count: int, one: str, many: str = "") -> str:
    """`1 viewer`, `1,200 viewers`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"

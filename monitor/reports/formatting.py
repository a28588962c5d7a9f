"""Numbers, times and lists as pages and reports write them, in the current language.

Not known is a dash, never 0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor import languages
from monitor.languages import _, long_date, numeral, short_date

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN = "\N{EN DASH}"
"""Shown for a figure that is not known."""


def signed(value: float | None, digits: int = 2) -> str:
    """Write `+0.21`, with a real minus sign; zero has no sign."""
    if value is None:
        return UNKNOWN
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        text = text[1:]
    return numeral(text).replace("-", "\N{MINUS SIGN}")


def decimal(value: float | None, digits: int = 2) -> str:
    """Write `0.21`."""
    if value is None:
        return UNKNOWN
    return numeral(f"{value:.{digits}f}").replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 0) -> str:
    """Write a share as `21%`."""
    if value is None:
        return UNKNOWN
    return _("%(number)s%%", number=numeral(f"{100 * value:.{digits}f}"))


def whole(value: int | None) -> str:
    """Write `12,345`."""
    return UNKNOWN if value is None else numeral(f"{value:,}")


def duration(seconds: float | None) -> str:
    """Write `7.5 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 59.95:
        return numeral(f"{seconds:.1f} s")
    total = round(seconds)
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    minutes = round(seconds / 60)
    return numeral(f"{minutes // 60:,} h {minutes % 60:02d} min")


def day(text: str | None) -> str:
    """Write the day of a time in the document as `2 November 2026`."""
    moment = moment_of(text)
    return UNKNOWN if moment is None else long_date(moment)


def clock(text: str | None) -> str:
    """Write a time in the document as `14:03:07`."""
    moment = moment_of(text)
    return UNKNOWN if moment is None else f"{moment:%H:%M:%S}"


def short_day(text: str | None) -> str:
    """Write the day of a time in the document as `2 Nov`."""
    moment = moment_of(text)
    return UNKNOWN if moment is None else short_date(moment)


def short(text: str, most: int) -> str:
    """Cut a text that is longer than `most` characters, with an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def utc_text(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC with microseconds and `Z`; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment_of(text: str | None) -> datetime | None:
    """Parse a time in the document."""
    return None if text is None else datetime.fromisoformat(text)


def points(value: float | None) -> str:
    """Write a difference between two shares as `12 points`."""
    if value is None:
        return UNKNOWN
    number = f"{100 * value:.0f}".replace("-", "\N{MINUS SIGN}")
    return _("%(number)s points", number=number)


def spans(seconds: Iterable[int]) -> str:
    """Write rising seconds as `0-3, 7`, with an en dash."""
    runs: list[list[int]] = []
    for second in seconds:
        if runs and second == runs[-1][1] + 1:
            runs[-1][1] = second
        else:
            runs.append([second, second])
    return ", ".join(f"{a}" if a == b else f"{a}\N{EN DASH}{b}" for a, b in runs)


def listed(names: list[str]) -> str:
    """Write `a, b and c`; of more than three names the rest is counted."""
    if len(names) > 3:
        names = [*names[:2], _("%(count)s other ads", count=len(names) - 2)]
    return languages.listed(names)


def counted(count: int, one: str, many: str = "") -> str:
    """Write `1 viewer`, `1,200 viewers`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"

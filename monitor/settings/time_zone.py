"""The site's time zone by its name, which a report repeats wherever it is read."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, tzinfo


def local_zone() -> ZoneInfo:
    """Return the zone of $TZ, else that of /etc/localtime or /etc/timezone; UTC if none has a name.

    A fixed offset would be wrong for the other half of the year, so it is not taken from the clock.
    """
    if "TZ" in os.environ:
        names = [os.environ["TZ"].lstrip(":")]
    else:
        try:
            listed = Path("/etc/timezone").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            listed = ""
        names = [os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2], listed]
    for name in filter(None, names):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone; raise a `ValueError` that says what was expected."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            lazy(
                "expected the name of a time zone such as Europe/Berlin, received %(name)s",
                name=repr(name),
            )
        ) from None


def zone_or_utc(name: str) -> ZoneInfo:
    """Return a time zone; UTC for one that this machine does not know."""
    try:
        return zone_named(name)
    except ValueError:
        return ZoneInfo("UTC")


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names of all time zones of this machine, sorted; reads a folder once."""
    return tuple(sorted(available_timezones()))


def common_zone(names: Iterable[str | None]) -> ZoneInfo:
    """Return the zone if all names are the same, else the machine's.

    The names come from sessions: one may be missing (`None`), or unknown to this machine.
    """
    found = set(names)
    name = found.pop() if len(found) == 1 else None
    try:
        return local_zone() if name is None else zone_named(name)
    except ValueError:
        return local_zone()


class SessionZones:
    """The zones in which the hours and days of sessions are counted: each session's own.

    Where the name is missing or unknown to this machine, that is the machine's.

    Args:
        names: Of the sessions' zones, by session.
        chosen: A zone for all of them instead.

    Attributes:
        common: The zone of all sessions; `None` if theirs differ.
    """

    def __init__(self, names: Mapping[int, str | None], chosen: tzinfo | None = None) -> None:
        zones = {name: common_zone([name]) for name in set(names.values())}
        keys = {zone.key for zone in zones.values()}
        self.common: tzinfo | None = chosen
        if chosen is None and len(keys) < 2:
            self.common = next(iter(zones.values()), None) or local_zone()
        self._own = {session: zones[name] for session, name in names.items()}

    def local(self, at: datetime, session: int) -> datetime:
        """Return a moment of a session in its local time."""
        return at.astimezone(self.common or self._own[session])


def local_time(at: datetime, *names: str | None) -> datetime:
    """Return a moment in the first zone that is not `None`, else in the machine's."""
    name = next(filter(None, names), None)
    return at.astimezone(None if name is None else ZoneInfo(name))


def zone_words(zone: ZoneInfo, at: datetime) -> str:
    """Return the name of a zone with its offset from UTC at a moment."""
    if zone.key in {"UTC", "Etc/UTC"}:
        return "UTC"
    offset = at.astimezone(zone).strftime("%z")
    return f"{zone.key.replace('_', ' ')} (UTC{offset[:3]}:{offset[3:5]})"

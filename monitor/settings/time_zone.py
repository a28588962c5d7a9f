"""The machine's time zone by its name, which a report repeats wherever it is read."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


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

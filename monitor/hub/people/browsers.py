"""What a browser calls itself, in words that people know."""

from __future__ import annotations

import re

_BROWSERS = (  # The first one that fits: most name others, too.
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox|FxiOS", "Firefox"),
    ("Chrome|CriOS", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh|Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_words(agent: str) -> str:
    """Return `Firefox, Linux`, or the begin of what the browser calls itself; empty for nothing."""
    names = (_first(_BROWSERS, agent), _first(_SYSTEMS, agent))
    return ", ".join(name for name in names if name) or agent[:60]


def _first(choices: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for mark, name in choices if re.search(rf"\b(?:{mark})", agent)), "")

"""The text of an autostart file, which desktops read at login (Desktop Entry Specification 1.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from monitor.kiosk.service.plan import DESCRIPTION, PLAIN, printable

if TYPE_CHECKING:
    from monitor.kiosk.service.plan import Plan

ENTRY_NAME = "ad-monitor.desktop"
RESERVED = re.compile(r'(["`$\\])')


def autostart_entry(plan: Plan) -> str:
    """Return a file for the user's `autostart` folder."""
    command = plan.command
    if plan.environment:
        command = [
            "env",
            *(f"{name}={value}" for name, value in plan.environment.items()),
            *command,
        ]
    lines = [
        "[Desktop Entry]",
        "Type=Application",
        f"Name={DESCRIPTION}",
        "Comment=Shows the ads and measures how they are received",
        f"Exec={' '.join(quoted(argument) for argument in command)}",
        f"Path={_value(str(plan.folder))}",
        "Terminal=false",
        "X-GNOME-Autostart-enabled=true",
    ]
    return "\n".join(lines) + "\n"


def quoted(argument: str) -> str:
    """Return an argument as `Exec=` takes it.

    Raises:
        SetupError: It has unprintable characters.
    """
    escaped = printable(argument).replace("%", "%%")
    if PLAIN.fullmatch(argument):
        return escaped
    # Quoting comes first and the rules for any value second, so that a backslash before a quote
    # stands doubled.
    inner = RESERVED.sub(r"\\\1", escaped)
    return _value(f'"{inner}"')


def _value(text: str) -> str:
    return text.replace("\\", "\\\\")

"""What to start with the machine, for systemd and desktops alike."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from monitor.errors import SetupError
from monitor.logs import default_log
from monitor.settings.paths import APPLICATION, default_database, sqlite_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DESCRIPTION = "Ad-reaction monitor"

PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
"""What needs no quotes, neither for systemd nor for desktops."""

WITHOUT_DESKTOP = ("eglfs", "linuxfb", "vkkhrdisplay", "vnc", "offscreen", "minimal")
"""Qt platforms that need no desktop session."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A kiosk to start with the machine.

    Attributes:
        options: Checked options of `ad-monitor run`.
        folder: Absolute folder in which relative paths among the options begin.
        environment: Additional variables, such as `QT_QPA_PLATFORM`.
        headless: Whether there is no window.
        database: URL or path as given; `None` for the default.
        written: Other files to write: a report, a log.
        spool: Folder for waiting records as given; `None` for the default.
    """

    options: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    headless: bool = False
    database: str | None = None
    written: Sequence[Path] = ()
    spool: Path | None = None

    @property
    def command(self) -> list[str]:
        """The command of the kiosk under its supervisor."""
        options = list(self.options)
        supervised = options if "--supervised" in options else ["--supervised", *options]
        return [*program_command(), "run", *supervised]

    @property
    def needs_desktop(self) -> bool:
        """Whether a desktop session must exist first."""
        platform = self.environment.get("QT_QPA_PLATFORM", "").split(":")[0]
        return not self.headless and platform not in WITHOUT_DESKTOP

    def writable_folders(self, *, own_places: bool) -> list[Path]:
        """Return folders that the kiosk writes to, with the user's own folders if wanted."""
        folders = []
        if own_places:
            folders += [
                Path(platformdirs.user_data_dir(APPLICATION)),
                Path(platformdirs.user_config_dir(APPLICATION)),
                default_log().parent,
                # Shared by Qt, fontconfig and the drivers of the graphics card.
                Path(platformdirs.user_cache_dir()),
            ]
        database = sqlite_file(
            self.database or (default_database() if own_places else "sqlite://server")
        )
        named = [*self.written, *([] if database is None else [database])]
        folders += [(self.folder / file).parent for file in named]
        folders += [] if self.spool is None else [self.folder / self.spool]
        return sorted(set(folders))


def program_command() -> list[str]:
    """Return the command of this program as installed here."""
    script = Path(sys.executable).parent / "ad-monitor"
    return [str(script)] if script.is_file() else [sys.executable, "-m", "monitor"]


def printable(text: str) -> str:
    """Return a text that fits into one line of a file.

    Raises:
        SetupError: It has unprintable characters.
    """
    if not text.isprintable():
        raise SetupError(
            f"Invalid {text!r}: expected printable characters, because it is written into one line."
        )
    return text

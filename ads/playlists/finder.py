"""Find the files that a playlist names, even if their names are spelt differently on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from detector.names import plain_name

if TYPE_CHECKING:
    from pathlib import Path


class MediaFinder:
    """Finds files below a folder by their names in a playlist.

    A name with composed accents finds a file that macOS wrote with decomposed ones, and vice versa.
    A name that is not UTF-8 is found by its shown form, such as `caf\\udce9.mp4`. As Windows and
    macOS ignore case, a name in other capitals finds a file if only one file matches.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[Path, tuple[dict[str, str], dict[str, list[str]]]] = {}

    def find(self, name: str) -> Path:
        """Return the path of a name, as written if no file has it."""
        written = self._folder / name
        if os.path.lexists(written):
            return written
        found = self._folder
        for part in written.relative_to(self._folder).parts:
            spelt = part if os.path.lexists(found / part) else self._spelling(found, part)
            if spelt is None:
                return written
            found /= spelt
        return found

    def _spelling(self, folder: Path, name: str) -> str | None:
        if folder not in self._listings:
            try:
                names = sorted(entry.name for entry in folder.iterdir())
            except OSError:
                names = []
            plain: dict[str, str] = {}
            folded: dict[str, list[str]] = {}
            for one in names:
                plain.setdefault(plain_name(one), one)
                folded.setdefault(plain_name(one).casefold(), []).append(one)
            self._listings[folder] = plain, folded
        plain, folded = self._listings[folder]
        alike = folded.get(plain_name(name).casefold(), [])
        return plain.get(plain_name(name), alike[0] if len(alike) == 1 else None)

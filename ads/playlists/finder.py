"""Find the files that a playlist names, although their names may be spelt in other ways."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from detector.names import plain_name

if TYPE_CHECKING:
    from pathlib import Path


class MediaFinder:
    """Finds files below a folder by their names in a playlist.

    A name with composed accents finds the file that macOS wrote with accents apart, and the other
    way round. A name that is not UTF-8 is found by its shown form, such as `caf\\udce9.mp4`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[Path, dict[str, str]] = {}

    def find(self, name: str) -> Path:
        """Return the path of a name; as written if nothing has that name."""
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
            self._listings[folder] = {plain_name(one): one for one in names}
        return self._listings[folder].get(plain_name(name))

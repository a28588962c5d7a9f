"""A folder as a playlist: its media files are the ads.

Tested in `test_playlist.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ads.errors import PlaylistError
from ads.media.types import KNOWN_ENDINGS, why_no_media
from ads.playlists.playlist import SkippedAd
from ads.playlists.playlist_file import Entry, id_of
from detector.names import is_system_file, plain_name
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def media_in(folder: Path) -> list[Path]:
    """Return a folder's media files in natural order; may raise `OSError`.

    Hidden files and those of operating systems are left out, see `is_system_file`.
    """
    visible = [file for file in folder.iterdir() if not is_system_file(file.name)]
    media = [file for file in visible if file.suffix.lower() in KNOWN_ENDINGS and file.is_file()]
    return sorted(media, key=lambda file: natural_key(file.name))


def read_folder(folder: Path) -> tuple[list[Entry], list[Path], list[SkippedAd]]:
    """Return the ads in a folder, their files, and the entries that are no ads."""
    try:
        files = media_in(folder)
        others = _others_in(folder, files)
    except OSError as error:
        raise PlaylistError(
            lazy(
                "The folder %(folder)s cannot be read (%(why)s); check its permissions.",
                folder=folder,
                why=error.strerror,
            )
        ) from error
    if not files:
        found = f" {others_sentence(folder, others)}" if others else ""
        raise PlaylistError(
            lazy(
                "The folder %(folder)s holds no media; expected files ending in "
                "%(endings)s.%(more)s",
                folder=folder,
                endings=", ".join(sorted(KNOWN_ENDINGS)),
                more=found,
            )
        )
    ids = [id_of(file.name) for file in files]
    names = [plain_name(file.name) for file in files]
    # Files with the same stem keep their endings; two spellings of one name get numbers.
    uses = Counter(ids)
    ids = [one if uses[one] == 1 else name for one, name in zip(ids, names, strict=True)]
    entries, taken = [], Counter[str]()
    for one, name in zip(ids, names, strict=True):
        taken[one] += 1
        number = f" ({taken[one]})" if taken[one] > 1 else ""
        entries.append(Entry.model_construct(id=one + number, file=name))
    return entries, files, others


def _others_in(folder: Path, media: Iterable[Path]) -> list[SkippedAd]:
    """Return the entries of a folder that are not media, each with the reason."""
    known = set(media)
    found = []
    for path in sorted(folder.iterdir(), key=lambda one: natural_key(one.name)):
        reason: str
        if path in known or is_system_file(path.name):
            continue
        if path.is_dir():
            reason = lazy(
                "%(path)s is a folder; ads lie in the playlist's folder itself.", path=path
            )
        elif not path.is_file():
            reason = lazy("%(path)s is not a file; expected a media file there.", path=path)
        else:
            reason = why_no_media(path)
        found.append(SkippedAd(plain_name(path.name), path, reason, is_ad=False))
    return found


def others_sentence(folder: Path, others: Sequence[SkippedAd]) -> str:
    """Return a sentence that names the first entries that a folder's playlist leaves out."""
    names = ", ".join(other.ad_id for other in others[:5])
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    what = "1 entry" if len(others) == 1 else f"{len(others)} entries"
    return (
        f"Left out of the folder {folder}: {what} of no known kind of media: {names}{more}; "
        "`ad-monitor playlist check` tells why."
    )


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key by which `spot2` comes before `spot10`."""
    parts = filter(None, re.split(r"(\d+)", name.casefold()))
    key = [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
    return key, name

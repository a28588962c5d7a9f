"""Load a playlist from a file or a folder; broken media are left out, mistakes are errors."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ads.errors import MediaError, MissingMediaError, PlaylistError, UnreadMediaError
from ads.media.decode import MAX_DURATION_S, probe_all
from ads.media.digests import READER, TimeLimit
from ads.playlists.finder import MediaFinder
from ads.playlists.folder import others_sentence, read_folder
from ads.playlists.playlist import DAYS, Ad, Filler, Playlist, SkippedAd, parse_hours
from ads.playlists.playlist_file import (
    SHOWN_KEYS,
    Entry,
    PlaylistHead,
    colour_of,
    id_of,
    read_playlist_file,
)
from ads.playlists.yaml_file import shortened
from detector.emotion.labels import EMOTIONS
from detector.texts import later, lazy

if TYPE_CHECKING:
    from ads.media.types import MediaInfo

logger = logging.getLogger(__name__)

DEFAULT_IMAGE_DURATION_S = 8.0
"""How long a still picture from a folder is shown: a usual slot on such screens. An animation
repeats for at least as long, in whole rounds."""

MAX_WARNINGS = 20
"""Skipped ads that the log names; `playlist check` lists all of them."""

MediaCheck = Callable[[Sequence[tuple[Path, str]]], "list[MediaInfo | MediaError]"]
"""Probes media files, each given with its SHA-256."""


def load_playlist(
    path: Path,
    check: MediaCheck = probe_all,
    *,
    limit: TimeLimit | None = None,
    max_hashed_bytes: int | None = None,
) -> Playlist:
    """Load a YAML file, or a folder in the natural order of names, and probe its media files.

    The result has at least one ad; files that are missing or cannot be decoded are in `skipped`.

    Args:
        limit: When to leave out files that have not been read yet (`SkippedAd.is_pending`).
        max_hashed_bytes: Larger files get no digest, unless it is already known.

    Raises:
        LoadingStoppedError: The limit says to stop.
        PlaylistError: The path does not exist, breaks the format, or nothing in it can be played.
    """
    path = Path(path).expanduser().absolute()
    others: list[SkippedAd] = []
    if _is_folder(path):
        folder, head, (entries, files, others) = path, PlaylistHead(), read_folder(path)
    else:
        head, entries = read_playlist_file(path)
        folder = _media_folder(path, head.media_root)
        files = [folder / entry.file for entry in entries]
    _refuse_other_files(path, entries)
    ads: list[Ad] = []
    # In order, and each once: an ad may be listed several times.
    skipped: dict[SkippedAd, None] = {}

    def skip(entry: Entry, file: Path, reason: MediaError) -> None:
        is_pending = isinstance(reason, UnreadMediaError)
        left_out = SkippedAd(entry.ad_id, file, reason.args[0], is_pending)
        skipped[left_out] = None

    filler, filler_entry = _filler(head)
    if filler_entry is not None:
        entries = [filler_entry, *entries]
        files = [folder / filler_entry.file, *files]
    digests = _digests(folder, files, limit or TimeLimit(), max_hashed_bytes)
    for entry, (file, info, digest) in zip(entries, _probed(digests, check), strict=True):
        if isinstance(info, MediaError):
            skip(entry, file, info)
            continue
        if entry is not filler_entry:
            ads.append(make_ad(path, file, entry, head, info, digest))
        elif info.kind == "image":
            filler = Filler(make_ad(path, file, entry, head, info, digest))
        else:
            skip(
                entry,
                file,
                MediaError(lazy("%(file)s moves; expected a still picture.", file=file)),
            )
    pictures = [] if filler is None or filler.picture is None else [filler.picture]
    for remark in dict.fromkeys((ad.ad_id, text) for ad in pictures + ads for text in ad.remarks):
        logger.warning("Ad %s: %s", *remark)
    _warn_of([*skipped])
    if others:
        logger.warning("%s", others_sentence(path, others))
    if not ads:
        raise PlaylistError(
            lazy(
                "Nothing in the playlist %(path)s can be played; expected at least one "
                "working file. %(why)s",
                path=path,
                why=later(_reasons, [*skipped, *others][:3]),
            )
        )
    left_out = (*skipped, *others)
    return Playlist(path, tuple(ads), left_out, head.timezone, head.cross_fade_s, filler)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise PlaylistError(
            lazy(
                "The playlist %(path)s cannot be looked up (%(why)s); check its path.",
                path=shortened(str(path)),
                why=error.strerror,
            )
        ) from error


def _reasons(ads: Sequence[SkippedAd]) -> str:
    return " ".join(f"[{ad.ad_id}] {ad.reason}" for ad in ads)


def _filler(head: PlaylistHead) -> tuple[Filler | None, Entry | None]:
    """Return the filler, black until its picture is probed, and the entry of that picture."""
    if not head.filler:
        return None, None
    colour = colour_of(head.filler)
    if colour is not None:
        return Filler(colour=colour), None
    return Filler(), Entry(id="filler", file=head.filler, duration_s=MAX_DURATION_S)


def _media_folder(path: Path, media_root: str | None) -> Path:
    """Return the folder that the paths in a playlist are relative to."""
    if media_root is None:
        return path.parent
    try:
        folder = (path.parent / Path(media_root).expanduser()).absolute()
        if folder.is_dir():
            return folder
    except (OSError, RuntimeError, ValueError):
        logger.debug("The media root %r cannot be used", media_root, exc_info=True)
    raise PlaylistError(
        lazy(
            "The playlist %(path)s has an invalid 'media_root': expected a folder "
            "that exists, absolute or relative to the playlist's own, got "
            "%(media_root)s.",
            path=path,
            media_root=repr(media_root),
        )
    )


def _warn_of(skipped: Sequence[SkippedAd]) -> None:
    """Log the skipped ads: the first `MAX_WARNINGS` by name, the others as a number."""
    for when, ads in (
        ("", [ad for ad in skipped if not ad.is_pending]),
        (" for now", [ad for ad in skipped if ad.is_pending]),
    ):
        for ad in ads[:MAX_WARNINGS]:
            logger.warning("Ad %s is left out%s: %s", ad.ad_id, when, ad.reason)
        if len(ads) > MAX_WARNINGS:
            logger.warning("%d more ads are left out%s", len(ads) - MAX_WARNINGS, when)


def _refuse_other_files(path: Path, entries: Iterable[Entry]) -> None:
    """Refuse an id that is listed again with another file: it would be two ads."""
    places: dict[str, tuple[int, PurePath]] = {}
    for place, entry in enumerate(entries, start=1):
        first, file = places.setdefault(entry.ad_id, (place, PurePath(entry.file)))
        if file != PurePath(entry.file):
            raise PlaylistError(
                lazy(
                    "Ads %(first)s and %(place)s in the playlist %(path)s have the same id "
                    "%(ad)s but different files; give each ad its own 'id', or list the same "
                    "file for the same ad at other times.",
                    first=first,
                    place=place,
                    path=path,
                    ad=repr(entry.ad_id),
                )
            )


def _digests(
    folder: Path, files: Sequence[Path], limit: TimeLimit, max_bytes: int | None
) -> list[tuple[Path, str | MediaError]]:
    """Return each file's path, as spelt on disk, with its SHA-256 or why there is none."""

    def read(paths: Iterable[Path]) -> dict[Path, str | MediaError]:
        # Each file once, however many ads show it.
        different = list(dict.fromkeys(paths))
        return dict(zip(different, READER.read(folder, different, limit, max_bytes), strict=True))

    answers = read(files)
    finder = MediaFinder(folder)
    # Other spellings are sought only for files known to be missing: the disk of the rest may hang.
    missing = [path for path, one in answers.items() if isinstance(one, MissingMediaError)]
    spelt = {path: finder.find(str(path.relative_to(folder))) for path in missing}
    answers |= read(found for path, found in spelt.items() if found != path)
    places = [spelt.get(path, path) for path in files]
    return [(place, answers[place]) for place in places]


def _probed(
    digests: Sequence[tuple[Path, str | MediaError]], check: MediaCheck
) -> list[tuple[Path, MediaInfo | MediaError, str]]:
    """Return each file with what it holds or why it cannot be played, and its SHA-256."""
    readable = [(file, digest) for file, digest in digests if isinstance(digest, str)]
    found = iter(check(readable))
    return [
        (file, next(found), digest) if isinstance(digest, str) else (file, digest, "")
        for file, digest in digests
    ]


def make_ad(  # noqa: PLR0917 (an ad is made of all of these)
    path: Path, file: Path, entry: Entry, head: PlaylistHead, info: MediaInfo, digest: str
) -> Ad:
    """Return the ad of an entry whose file was probed.

    Raises:
        PlaylistError: A still picture has no duration, or a brand moment lies behind the end.
    """
    duration_s = entry.duration_s or _own_duration_s(info)
    where = lazy("Ad %(ad)s in the playlist %(path)s", ad=repr(entry.ad_id), path=path)
    if duration_s is None:
        if path != file.parent:
            raise PlaylistError(
                lazy(
                    "%(where)s is a still picture without 'duration_s'; say how many seconds "
                    "to show it.",
                    where=where,
                )
            )
        duration_s = DEFAULT_IMAGE_DURATION_S
    late = [second for second in entry.brand_at_s if second > duration_s]
    if late:
        raise PlaylistError(
            lazy(
                "%(where)s has an invalid 'brand_at_s': expected seconds within its "
                "%(duration)s s, got %(value)s.",
                where=where,
                duration=f"{duration_s:g}",
                value=f"{late[0]:g}",
            )
        )
    same = {
        *("weight", "max_per_hour", "priority", "takeover", "price_per_thousand_s"),
        *("first_day", "last_day"),
    }
    shown = {
        **head.model_dump(include=SHOWN_KEYS, exclude_none=True),
        **entry.model_dump(include=SHOWN_KEYS, exclude_none=True),
    }
    name = entry.name or re.sub(r"[\s_]+", " ", id_of(file.name)).strip()
    return Ad(
        entry.ad_id,
        file,
        name or id_of(file.name),
        info.kind,
        duration_s,
        digest,
        info.has_sound,
        info.width,
        info.height,
        moods=tuple(mood for mood in EMOTIONS if mood in entry.moods),
        days=tuple(day for day in DAYS if day in entry.days),
        hours=parse_hours(entry.hours),
        brand_at_s=tuple(sorted(entry.brand_at_s)),
        fit=shown.get("fit", "contain"),
        volume=0.0 if shown.get("mute") else shown.get("volume", 1.0),
        remarks=info.remarks,
        **entry.model_dump(include=same),
    )


def _own_duration_s(info: MediaInfo) -> float | None:
    """Return the duration of an ad that states none; None for a still picture."""
    if info.kind != "animation" or info.duration_s is None:
        return info.duration_s
    # Most animations last a second or two and repeat for ever.
    rounds = math.ceil(DEFAULT_IMAGE_DURATION_S / info.duration_s - 1e-9)
    return max(1, rounds) * info.duration_s

"""Finds the media of the ads of a report and takes pictures from them.

The database keeps of a media file its name and its SHA-256, not its folder. So a file is looked for
by its name in the folders that the caller names and among the bundled samples, and taken only if
its content is the very content that was shown: pictures of another version of an ad would tell a
wrong story.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ads.sample
from ads.errors import AdsError
from ads.media.thumbnails import film_strip, stills_at
from ads.playlists.playlist import sha256_of
from monitor.reports.films import Film, StillPicture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ads.media.thumbnails import Still

logger = logging.getLogger(__name__)

STRIP_HEIGHT_PX = 96
MOMENT_HEIGHT_PX = 144
"""Shown smaller, at about 200 pixels of width, so that they stay sharp on dense screens."""

SAMPLES = Path(ads.sample.__file__).parent


def film_strips(document: dict[str, Any], folders: Iterable[Path] = ()) -> dict[int, Film]:
    """Takes pictures from the media of the ads of a report.

    Args:
        document: From `monitor.reports.session_report.build_report`.
        folders: Where the media may be, such as the folder of the playlist; searched in order, then
            the bundled samples.

    Returns:
        For each ad, by its place in `document["ads"]`, its pictures, or why there are none.
    """
    places = [*folders, SAMPLES]
    return {index: _film(ad, places) for index, ad in enumerate(document["ads"])}


def _film(ad: dict[str, Any], folders: Sequence[Path]) -> Film:
    name = Path(ad["file"]).name
    try:
        candidates = list(_named(ad["file"], folders))
        found = next((path for path in candidates if sha256_of(path) == ad["sha256"]), None)
        if found is None and candidates:
            return Film(
                missing=f"The file {name} has changed since this ad was shown, so there are no pictures of it."
            )
        if found is None:
            return Film(
                missing=f"The file {name} was not found, so there are no pictures of this ad."
            )
        return _pictures(ad, found)
    except (AdsError, OSError) as error:
        logger.info("No pictures of %s: %s", name, error)
        return Film(
            missing=f"The file {name} could not be read, so there are no pictures of this ad."
        )


def _named(file: str, folders: Iterable[Path]) -> Iterator[Path]:
    """The files that may be the ad's: of its name, and in one of the folders."""
    for folder in folders:
        path = folder / Path(file).name
        if path.is_file():
            yield path


def _pictures(ad: dict[str, Any], path: Path) -> Film:
    length_s, kind = ad["duration_s"], ad["kind"]
    strip = film_strip(path, length_s, kind, height_px=STRIP_HEIGHT_PX)
    seconds = sorted({moment["second"] for moment in ad["moments"]})
    # From the middle of the second, of the last one from the middle of what the ad has of it.
    middles = {
        (second + min(second + 1.0, max(length_s, second + 0.1))) / 2: second for second in seconds
    }
    stills = stills_at(path, kind, list(middles), MOMENT_HEIGHT_PX)
    return Film(
        tuple(map(_plain, strip)), {middles[still.second]: _plain(still) for still in stills}
    )


def _plain(still: Still) -> StillPicture:
    return StillPicture(still.second, still.jpeg, still.width, still.height)

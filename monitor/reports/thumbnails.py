"""Pictures of the ads of a report, taken from their media files.

The database stores the name and the SHA-256 of a media file, not its folder. So the file is
searched by name in the given folders and among the bundled samples, and used only if its content is
what was shown: pictures of another version would mislead.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ads.sample
from ads.errors import AdsError
from ads.media.thumbnails import thumbnails, thumbnails_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ads.media.thumbnails import Thumbnail

logger = logging.getLogger(__name__)

SAMPLES = Path(ads.sample.__file__).parent


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Pictures of one ad: a strip of equally long stretches, and one by second of each moment.

    `missing` says why there are none, as a sentence.
    """

    strip: Sequence[Thumbnail] = ()
    moments: Mapping[int, Thumbnail] = field(default_factory=dict)
    missing: str = ""


def find_thumbnails(
    document: dict[str, Any], folders: Iterable[Path] = ()
) -> dict[int, Thumbnails]:
    """Return pictures by place in `document["ads"]`, from media in the folders or the samples."""
    places = [*folders, SAMPLES]
    return {place: _thumbnails(ad, places) for place, ad in enumerate(document["ads"])}


def _thumbnails(ad: dict[str, Any], folders: Sequence[Path]) -> Thumbnails:
    name = Path(ad["file"]).name
    try:
        candidates = [path for folder in folders if (path := folder / name).is_file()]
        found = next((path for path in candidates if _sha256(path) == ad["sha256"]), None)
        if found is not None:
            return _pictures(ad, found)
        problem = "has changed since this ad was shown" if candidates else "was not found"
    except (AdsError, OSError) as error:
        logger.info("No pictures of %s: %s", name, error)
        problem = "could not be read"
    return Thumbnails(missing=f"The file {name} {problem}, so there are no pictures of this ad.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pictures(ad: dict[str, Any], path: Path) -> Thumbnails:
    length_s, kind = ad["duration_s"], ad["kind"]
    # Higher than shown, to stay sharp on dense screens.
    strip = thumbnails(path, length_s, kind, height_px=96)
    seconds = sorted({moment["second"] for moment in ad["moments"]})
    # The middle of each second; the last second may be shorter than 1 s.
    middles = {
        (second + min(second + 1.0, max(length_s, second + 0.1))) / 2: second for second in seconds
    }
    stills = thumbnails_at(path, kind, list(middles), 144)
    return Thumbnails(strip, {middles[still.second]: still for still in stills})

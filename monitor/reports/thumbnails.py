"""Pictures and scenes of the ads of a report, taken from their media files.

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
from ads.errors import AdsError, MediaError
from ads.media.scenes import scenes_of
from ads.media.thumbnails import thumbnails, thumbnails_at
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ads.media.thumbnails import Thumbnail
    from db.read.sessions import AdInfo
    from monitor.languages import LazyText

logger = logging.getLogger(__name__)

SAMPLES = Path(ads.sample.__file__).parent


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Pictures of one ad: a strip of equally long stretches, one by second of each moment, and one
    from the middle of each scene, by its place in the ad's `scenes`.

    `missing` says why there are none, as a sentence.
    """

    strip: Sequence[Thumbnail] = ()
    moments: Mapping[int, Thumbnail] = field(default_factory=dict)
    scenes: Mapping[int, Thumbnail] = field(default_factory=dict)
    missing: str = ""


def find_thumbnails(
    document: dict[str, Any], folders: Iterable[Path] = ()
) -> dict[int, Thumbnails]:
    """Return pictures by place in `document["ads"]`, from media in the folders or the samples."""
    places = [*folders, SAMPLES]
    return {place: _thumbnails(ad, places) for place, ad in enumerate(document["ads"])}


def find_scenes(
    ads: Iterable[AdInfo], folders: Iterable[Path] = ()
) -> dict[str, list[float] | str]:
    """Return where the scenes of videos begin, by SHA-256, in seconds; or why it is not known.

    See `ads.media.scenes`; media are searched in the folders and the samples.
    """
    places = [*folders, SAMPLES]
    found: dict[str, list[float] | str] = {}
    files: dict[str, Path] = {}
    for ad in ads:
        path, problem = _media_file(ad.file, ad.sha256, places)
        if path is None:
            found[ad.sha256] = _WRONG_FILE[problem](Path(ad.file).name)
        else:
            files[ad.sha256] = path
    answers = scenes_of([(path, digest) for digest, path in files.items()])
    for (digest, path), answer in zip(files.items(), answers, strict=True):
        unreadable = _WRONG_FILE["unreadable"](path.name)
        found[digest] = unreadable if isinstance(answer, MediaError) else answer
    return found


def _thumbnails(ad: dict[str, Any], folders: Sequence[Path]) -> Thumbnails:
    name = Path(ad["file"]).name
    path, problem = _media_file(ad["file"], ad["sha256"], folders)
    try:
        if path is not None:
            return _pictures(ad, path)
    except (AdsError, OSError) as error:
        logger.info("No pictures of %s: %s", name, error)
        problem = "unreadable"
    return Thumbnails(missing=str(_NO_PICTURES[problem](name)))


_WRONG_FILE: dict[str, Callable[[str], LazyText]] = {
    "unreadable": lambda name: lazy("the file %(name)s could not be read", name=name),
    "changed": lambda name: lazy(
        "the file %(name)s has changed since this ad was shown", name=name
    ),
    "missing": lambda name: lazy("the file %(name)s was not found", name=name),
}

_NO_PICTURES: dict[str, Callable[[str], LazyText]] = {
    "unreadable": lambda name: lazy(
        "The file %(name)s could not be read, so there are no pictures of this ad.", name=name
    ),
    "changed": lambda name: lazy(
        "The file %(name)s has changed since this ad was shown, so there are no pictures of this "
        "ad.",
        name=name,
    ),
    "missing": lambda name: lazy(
        "The file %(name)s was not found, so there are no pictures of this ad.", name=name
    ),
}


def _media_file(name: str, sha256: str, folders: Iterable[Path]) -> tuple[Path | None, str]:
    """Return the file that was shown, by its name in some folders, or what is wrong with it.

    That is a key of `_WRONG_FILE`, or empty.
    """
    name = Path(name).name
    try:
        candidates = [path for folder in folders if (path := folder / name).is_file()]
        found = next((path for path in candidates if _sha256(path) == sha256), None)
    except OSError as error:
        logger.info("Cannot read %s: %s", name, error)
        return None, "unreadable"
    if found is not None:
        return found, ""
    return None, "changed" if candidates else "missing"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pictures(ad: dict[str, Any], path: Path) -> Thumbnails:
    length_s, kind = ad["duration_s"], ad["kind"]
    # Higher than shown, to stay sharp on dense screens.
    strip = thumbnails(path, length_s, kind, height_px=96)
    seconds = sorted({moment["second"] for moment in ad["key_moments"]})
    # The middle of each second; the last second may be shorter than 1 s.
    moments = {
        (second + min(second + 1.0, max(length_s, second + 0.1))) / 2: second for second in seconds
    }
    scenes = {
        (scene["start_s"] + scene["end_s"]) / 2: place
        for place, scene in enumerate(ad.get("scenes") or ())
    }
    stills = thumbnails_at(path, kind, [*moments, *scenes], 144)
    return Thumbnails(
        strip,
        {moments[still.second]: still for still in stills if still.second in moments},
        {scenes[still.second]: still for still in stills if still.second in scenes},
    )

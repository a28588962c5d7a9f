"""Look into media files and decode their frames, scaled to fit the place where they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ads.errors import MediaError
from ads.media.clips import probe_clip, video_frames
from ads.media.picture_file import begins_like_picture
from ads.media.pictures import animation_frames, image_frames, probe_picture
from ads.media.types import PICTURE_ENDINGS, MediaInfo, require_media_file
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ads.media.types import MediaFrame, MediaKind, Size

MAX_DURATION_S = 24 * 3600.0
"""A medium that claims to be longer would hold the screen for days or years."""


def probe(path: Path) -> MediaInfo:
    """Decode a file's first frame; `MediaError` if missing, unknown, too large or broken."""
    require_media_file(path)
    found = _probe_by_content(path)
    if found.duration_s is not None and found.duration_s > MAX_DURATION_S:
        raise MediaError(
            lazy(
                "%(path)s claims to last %(hours)s hours; expected at most %(limit)s, so "
                "cut it or convert it again.",
                path=path,
                hours=f"{found.duration_s / 3600:.0f}",
                limit=f"{MAX_DURATION_S / 3600:.0f}",
            )
        )
    return found


def _probe_by_content(path: Path) -> MediaInfo:
    """Probe a file by its content: other players accept files under a wrong ending, too."""
    if begins_like_picture(path):
        return probe_picture(path)
    if path.suffix.lower() not in PICTURE_ENDINGS:
        return probe_clip(path)
    try:
        return probe_picture(path)
    except MediaError as error:
        try:
            return probe_clip(path)
        except MediaError:
            raise error from None


def probe_all(files: Sequence[tuple[Path, str]]) -> list[MediaInfo | MediaError]:
    """Probe files, given with their SHA-256, in this process; return each finding or error."""

    def probed(path: Path) -> MediaInfo | MediaError:
        try:
            return probe(path)
        except MediaError as error:
            return error

    return [probed(path) for path, _ in files]


def frames(
    path: Path,
    kind: MediaKind,
    viewport: Callable[[], Size],
    *,
    loop: bool = False,
    wanted_ns: Callable[[], int] | None = None,
    start_ns: int = 0,
) -> Iterator[MediaFrame]:
    """Decode the frames of a media file in order, from the one seen at a position on.

    The first frame of a file is at position 0. Close the iterator to release the file.

    Args:
        kind: As found by `probe`.
        viewport: Returns the size that each frame is to fit.
        loop: Whether an animation repeats, as often as its file says.
        wanted_ns: Returns the position of the show, so that late frames can be left out.
        start_ns: The position at which to begin, at least 0.

    `MediaError` once the file cannot be decoded any further.
    """
    if kind == "image":
        return image_frames(path, viewport)
    if kind == "animation":
        return animation_frames(path, viewport, loop=loop, wanted_ns=wanted_ns, start_ns=start_ns)
    return video_frames(path, viewport, wanted_ns=wanted_ns, start_ns=start_ns)

"""What people see of an ad before they show it: a still, a strip of stills along its time, HDR."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from ads.errors import MediaError
from ads.media.clip_file import open_clip, video_stream
from ads.media.decode import frames
from ads.media.thumbnails import even_positions, thumbnails_at
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ads.media.types import MediaInfo

STILL_PX = 480
STRIP_PX = 72
"""Heights of the pictures; the first one is that of stills at most."""

STRIP_STILLS = 10

_HDR_TRANSFERS = {16, 18}
"""PQ and HLG, as in ITU-T H.273."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A still of an ad and, for what moves, stills beside each other at even distances.

    Both are JPEGs.
    """

    still: bytes
    strip: bytes | None = None
    is_hdr: bool = False


def make_preview(path: Path, info: MediaInfo, *, brief: bool = False) -> Preview:
    """Decode the stills of an ad.

    Args:
        path: Of the file.
        info: As `ads.media.decode.probe` found it.
        brief: Only its first picture, which costs least.

    Raises:
        MediaError: No picture of it can be decoded.
    """
    is_hdr = info.kind == "video" and _is_hdr(path)
    if info.duration_s is None or brief:
        still = thumbnails_at(path, info.kind, [0.0], _height(info))[0]
        return Preview(still.jpeg, None, is_hdr)
    positions = even_positions(info.duration_s, info.duration_s / STRIP_STILLS, STRIP_STILLS)
    stills = _stills(path, info, positions)
    # The first picture is often black.
    return Preview(stills[len(stills) // 3], _strip(stills, len(positions)), is_hdr)


def _stills(path: Path, info: MediaInfo, positions: Sequence[float]) -> list[bytes]:
    """Return a JPEG for each position, until the file breaks off."""
    if info.kind != "video" or positions[-1] < 20:
        return [one.jpeg for one in thumbnails_at(path, info.kind, positions, _height(info))]
    found: list[bytes] = []
    for position in positions:
        start_ns = round(position * 1e9)
        source = frames(path, info.kind, lambda: (1600, _height(info)), start_ns=start_ns)
        try:
            with closing(source):  # type: ignore[type-var]
                rgb = next(source).rgb
        except (MediaError, StopIteration):
            break
        found.append(_jpeg(Image.fromarray(rgb)))
    if not found:
        raise MediaError(lazy("%(path)s shows no picture; replace the file.", path=path))
    return found


def _height(info: MediaInfo) -> int:
    """Return the height of a still, which is not larger than the ad."""
    return min(STILL_PX, info.height)


def _strip(stills: Sequence[bytes], count: int) -> bytes:
    """Set stills beside each other; those that lack stay black."""
    pictures = [Image.open(io.BytesIO(still)) for still in stills]
    width = max(1, round(pictures[0].width * STRIP_PX / pictures[0].height))
    strip = Image.new("RGB", (width * count, STRIP_PX))
    for place, picture in enumerate(pictures):
        strip.paste(picture.resize((width, STRIP_PX)), (place * width, 0))
    return _jpeg(strip)


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=70, optimize=True)
    return file.getvalue()


def _is_hdr(path: Path) -> bool:
    with open_clip(path) as container:
        return video_stream(path, container).codec_context.color_trc in _HDR_TRANSFERS

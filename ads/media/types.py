"""Media files and frames: known kinds, limits, and what every decoder needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Literal, get_args

from ads.errors import MediaError, MissingMediaError
from detector.texts import LazyText, lazy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MediaKind = Literal["image", "animation", "video"]
"""A still picture, a picture with several frames and their own timing, or a clip."""

Size = tuple[int, int]
"""Width and height in pixels."""

Fit = Literal["contain", "cover", "blur"]
"""How a picture is fitted to a screen of another shape: whole with black beside it, filling the
screen with its edges cut off, or whole on an enlarged and blurred copy of itself."""

FITS: tuple[Fit, ...] = get_args(Fit)

PICTURE_ENDINGS = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif"),
        *(".webp", ".avif", ".heic", ".heif", ".hif", ".bmp", ".dib", ".tif", ".tiff"),
    }
)
KNOWN_ENDINGS = PICTURE_ENDINGS | {
    *(".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".divx", ".mpg", ".mpeg", ".mpe"),
    *(".m2v", ".vob", ".ts", ".mts", ".m2ts", ".m2t", ".wmv", ".asf", ".flv", ".f4v", ".3gp"),
    *(".3g2", ".ogv", ".ogm", ".mxf"),
}
"""Endings of playable files, in lower case; those not in `PICTURE_ENDINGS` are of clips."""

_UNPLAYABLE: dict[str, Callable[[Path], LazyText]] = {
    **dict.fromkeys(
        [".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"],
        lambda path: lazy(
            "%(path)s is the raw picture of a camera; develop it to JPEG.", path=path
        ),
    ),
    **dict.fromkeys(
        (
            *(".psd", ".psb", ".xcf", ".ai", ".eps", ".svg", ".svgz", ".cdr", ".pdf", ".indd"),
            *(".tga", ".ico", ".jxl", ".jp2", ".exr"),
        ),
        lambda path: lazy(
            "%(path)s is a drawing or picture of a kind that cannot be shown; export it as PNG.",
            path=path,
        ),
    ),
    **dict.fromkeys(
        [".ppt", ".pptx", ".pps", ".ppsx", ".odp", ".key"],
        lambda path: lazy(
            "%(path)s is a presentation; export it as an MP4 video or as PNG pictures.", path=path
        ),
    ),
    **dict.fromkeys(
        [".rm", ".rmvb", ".swf", ".dv", ".y4m", ".h264", ".h265", ".hevc", ".264", ".265"],
        lambda path: lazy(
            "%(path)s is a video of a kind that cannot be played; convert it to MP4.", path=path
        ),
    ),
    **dict.fromkeys(
        [".mp3", ".m4a", ".aac", ".wav", ".ogg", ".flac", ".wma"],
        lambda path: lazy(
            "%(path)s is sound without a picture; make an MP4 video of it.", path=path
        ),
    ),
}
"""Says of other files beside ads what they are and how to make them playable, by ending."""

MAX_PIXELS = 80_000_000
"""Beyond any screen, yet within a small machine's memory; a tiny file can claim more."""

MAX_MEDIA_BYTES = 4_000_000_000
"""An hour at 8 Mbit/s; each file is read through at the start."""

GROUND = (255, 255, 255)
"""What shows through the transparent parts of pictures and clips: white, as in a browser."""

LATE_NS = 100_000_000
"""A frame later than this is only converted if it turns out to be the one to show."""

MAX_STEP_NS = 500_000_000
"""When decoding cannot keep up, a frame is still shown for every such stretch of the clip."""

ENDLESS_NS = (1 << 63) - 1
"""`until_ns` of the last picture of a file, which stays for as long as the ad does."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a media file holds. Its size is as seen: turned upright, with square pixels.

    A still picture has no duration and no rate; a clip may not state its mean rate. The duration of
    an animation is that of one round. Each of the remarks is a sentence about a fault with which
    the file still plays.
    """

    kind: MediaKind
    width: int
    height: int
    duration_s: float | None = None
    has_sound: bool = False
    frames_per_second: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class MediaFrame:
    """One frame, ready to be shown.

    Attributes:
        position_ns: When it is due, from the start of the media.
        rgb: `(height, width, 3)` uint8, C-contiguous.
        until_ns: When the next picture is due, even if left out; `ENDLESS_NS` for the last one.
        left_out: How many pictures before it were left out because they were late.
        backdrop: A small blurred copy in the screen's shape, to enlarge behind it; None for black.
    """

    position_ns: int
    rgb: NDArray[np.uint8]
    until_ns: int = ENDLESS_NS
    left_out: int = 0
    backdrop: NDArray[np.uint8] | None = None


def fit(size: Size, viewport: Size) -> Size:
    """Return the largest size of the same shape that fits a viewport, at least 1 x 1 pixel."""
    scale = min(Fraction(viewport[0], size[0]), Fraction(viewport[1], size[1]))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def require_media_file(path: Path) -> None:
    """Raise a `MediaError` for an unknown ending; see `require_file`."""
    if path.suffix.lower() not in KNOWN_ENDINGS:
        raise MediaError(why_no_media(path))
    require_file(path)


def why_no_media(path: Path) -> str:
    """Explain what a file with an ending not in `KNOWN_ENDINGS` is, and what to do about it."""
    found = _UNPLAYABLE.get(path.suffix.lower())
    if found is not None:
        return found(path)
    named = (
        lazy("the ending %(ending)s", ending=path.suffix)
        if path.suffix
        else lazy("a name without an ending")
    )
    return lazy(
        "%(path)s is of no known kind: expected a picture such as .jpg or .png, "
        "or a video such as .mp4, received %(what)s.",
        path=path,
        what=named,
    )


def require_file(path: Path) -> None:
    """Raise a `MediaError` unless it is a regular file of 1 to `MAX_MEDIA_BYTES` bytes."""
    try:
        if not path.is_file():
            if path.exists():
                raise MediaError(
                    lazy("%(path)s is not a file; expected a media file there.", path=path)
                )
            raise MissingMediaError(
                lazy("%(path)s does not exist; expected a media file there.", path=path)
            )
        size = path.stat().st_size
        if size == 0:
            raise MediaError(lazy("%(path)s is empty; copy the file again.", path=path))
        if size > MAX_MEDIA_BYTES:
            raise MediaError(
                lazy(
                    "%(path)s is too large to be an ad: expected at most %(limit)s GB, got "
                    "%(size)s GB; cut it, or convert it at a lower rate.",
                    path=path,
                    limit=f"{MAX_MEDIA_BYTES / 1000000000.0:g}",
                    size=f"{size / 1000000000.0:.1f}",
                )
            )
    except OSError as error:
        raise MediaError(
            lazy(
                "%(path)s cannot be read (%(why)s); check the file and its permissions.",
                path=path,
                why=error.strerror,
            )
        ) from error


def open_unblocked(path: Path, buffering: int = -1) -> IO[bytes]:
    """Open a file to read; a pipe that has taken its place cannot block the caller."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering)


def require_sane_size(path: Path, size: Size) -> None:
    """Raise a `MediaError` for a picture of more than `MAX_PIXELS`."""
    if size[0] * size[1] > MAX_PIXELS:
        raise MediaError(
            lazy(
                "%(path)s claims %(width)s x %(height)s pixels; expected at most "
                "%(limit)s million pixels, so make it smaller.",
                path=path,
                width=size[0],
                height=size[1],
                limit=MAX_PIXELS // 1000000,
            )
        )


def reason(error: BaseException) -> str:
    """Return a library's error text as part of a sentence."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")

"""What can go wrong between a camera and a reading."""

from __future__ import annotations

from typing import Literal

SourceFault = Literal[
    "camera_lost",
    "camera_busy",
    "stream_stalled",
    "camera_frozen",
    "camera_black",
    "camera_covered",
    "format_changed",
]
"""Why a live source gives nothing that can be measured; stable names, kept as causes of gaps.

* `camera_lost`: no pictures: unplugged, gone, or the connection was closed.
* `camera_busy`: another program uses the device.
* `stream_stalled`: the connection stands, but no data comes.
* `camera_frozen`: the same picture again and again, bit for bit.
* `camera_black`: nothing in the picture is bright enough.
* `camera_covered`: the picture has light, but no detail.
* `format_changed`: the size of the pictures changed; measuring goes on at once.
"""


class DetectorError(Exception):
    """Base of every error of this package; the message is one sentence that says what to do."""


class SourceError(DetectorError):
    """A video source failed.

    Args:
        message: One sentence for a person.
        cause: Its stable name. Defaults to `camera_lost`.
    """

    def __init__(self, message: str, cause: SourceFault = "camera_lost") -> None:
        super().__init__(message)
        self.cause = cause


class SourceOpenError(SourceError):
    """A camera, file or stream could not be opened, or holds no picture."""


class PictureDecodeError(SourceOpenError):
    """Bytes are no picture, or one that may not or cannot be decoded.

    Args:
        message: One sentence for a person.
        code: Names the reason for programs: `not_a_picture`, `too_many_pixels`, `too_many_scans`,
            `damaged`.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class SourceLostError(SourceError):
    """A source that had delivered frames stopped before its end."""


class ModelLoadError(DetectorError):
    """A model file is missing, is not a model of this kind, or does not match its card."""


class ZonesError(DetectorError):
    """A zones file cannot be read, breaks its format, or leaves nothing to measure."""

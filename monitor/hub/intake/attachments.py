"""What kiosks send back for commands: pictures of the painted ad, and bundles of logs."""

from __future__ import annotations

import warnings
from io import BytesIO

import zstandard
from PIL import Image

from monitor.errors import MonitorError

MAX_PIXELS = 50_000_000
"""Of a picture: more than a screen of 8K has."""

MAX_LOG_BYTES = 256 << 20
"""Of a bundle of logs, unpacked."""

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}


class AttachmentError(MonitorError):
    """What a kiosk sent is not what it says, or not what it was asked for."""


def check_attachment(kind: str, media_type: str, content: bytes) -> None:
    """Check what came for a command, by its header; nothing is unpacked.

    Args:
        kind: Of the command.
        media_type: As the kiosk says.
        content: What it sent.

    Raises:
        AttachmentError: Nothing of this kind was asked for, or it is something else.
    """
    expected = {"picture": tuple(_FORMATS), "logs": ("application/zstd",)}.get(kind, ())
    if media_type not in expected:
        raise AttachmentError(
            f"The command {kind} brings {' or '.join(expected) or 'nothing'}, received "
            f"{media_type}."
        )
    if media_type == "application/zstd":
        _check_logs(content)
    else:
        _check_picture(_FORMATS[media_type], content)


def _check_picture(expected: str, content: bytes) -> None:
    try:
        with warnings.catch_warnings():
            # Of Pillow's own, larger limit.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(content), formats=[expected]) as picture:
                width, height = picture.size
                is_moving = getattr(picture, "is_animated", False)
                picture.verify()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise AttachmentError(f"Expected a picture in the format {expected}.") from error
    if width * height > MAX_PIXELS or is_moving:
        raise AttachmentError(
            f"Expected one picture of at most {MAX_PIXELS // 1_000_000} million pixels, received "
            f"{width} x {height}{' that moves' if is_moving else ''}."
        )


def _check_logs(content: bytes) -> None:
    try:
        frame = zstandard.get_frame_parameters(content)
    except zstandard.ZstdError as error:
        raise AttachmentError("Expected logs packed with zstd.") from error
    size = frame.content_size
    if size != zstandard.CONTENTSIZE_UNKNOWN and size > MAX_LOG_BYTES:
        raise AttachmentError(
            f"Expected at most {MAX_LOG_BYTES >> 20} MB of logs, received {size >> 20} MB."
        )

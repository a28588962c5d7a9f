"""What can go wrong between a camera and a reading."""

from __future__ import annotations


class DetectorError(Exception):
    """Base of every error of this package; the message is one sentence that says what to do."""


class SourceError(DetectorError):
    """A video source failed."""


class SourceOpenError(SourceError):
    """A camera, file or stream could not be opened, or holds no picture."""


class PictureDecodeError(SourceOpenError):
    """Bytes are no picture, or one that may not or cannot be decoded.

    Args:
        message: One sentence for a person.
        code: Names the reason for programs: `not_a_picture`, `too_many_pixels`, `too_many_scans`, `damaged`.
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

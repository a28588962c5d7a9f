"""What can go wrong between a camera and a reading."""

from __future__ import annotations


class DetectorError(Exception):
    """Base of every error of this package; the message is one sentence that says what to do."""


class SourceError(DetectorError):
    """A video source failed."""


class SourceOpenError(SourceError):
    """A camera, file or stream could not be opened, or holds no picture."""


class SourceLostError(SourceError):
    """A source that had delivered frames stopped before its end."""


class ModelLoadError(DetectorError):
    """A model file is missing, is not a model of this kind, or does not match its card."""


class ZonesError(DetectorError):
    """A zones file cannot be read, breaks its format, or leaves nothing to measure."""

"""What can go wrong between a camera and a reading."""

from __future__ import annotations

import importlib
from typing import Any, Literal

SourceFault = Literal[
    "camera_lost",
    "camera_busy",
    "stream_stalled",
    "camera_frozen",
    "camera_black",
    "camera_covered",
    "format_changed",
]
"""Why a live source delivers nothing to measure. Stable names, recorded as causes of gaps.

`camera_lost` covers a closed connection; `stream_stalled` is an open one without data. Measuring
continues at once after `format_changed`, a new picture size.
"""


class DetectorError(Exception):
    """Base of every error of this package; the message is one sentence that says what to do."""


class SourceError(DetectorError):
    """A video source failed; `cause` is the stable name."""

    def __init__(self, message: str, cause: SourceFault = "camera_lost") -> None:
        super().__init__(message)
        self.cause = cause


class SourceOpenError(SourceError):
    """A camera, file or stream cannot be opened, or contains no picture."""


class PictureDecodeError(SourceOpenError):
    """Bytes are not a picture, or a picture that must not or cannot be decoded.

    `code`: `not_a_picture`, `too_many_pixels`, `too_many_scans`, `damaged` or, where a process
    limits the cost, `too_costly`.
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


_EXTRAS = {
    "tensorflow": "TensorFlow",
    "keras": "TensorFlow",
    "cleanlab": "cleanlab",
    "sklearn": "scikit-learn",
}
"""Modules that only an extra installs, with the names of their libraries."""


class MissingExtraError(DetectorError):
    """A library of the `training` extra (or `gpu`, for TensorFlow) is not installed."""

    def __init__(self, library: str = "TensorFlow") -> None:
        super().__init__(
            f"This command needs {library}, which is not installed; install it with "
            "`make train-setup` or `pip install 'ad-reaction-monitor[training]'`."
        )


def lacks_extra(error: BaseException) -> bool:
    """Return whether an import failed because an extra is not installed."""
    return isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS


def import_extra(module: str) -> Any:
    """Import a library of an optional extra, or raise `MissingExtraError`."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if lacks_extra(error):
            raise MissingExtraError(_EXTRAS[str(error.name)]) from error
        raise


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error, without its full stop, as part of a sentence."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")

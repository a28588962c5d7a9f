"""What can go wrong between a playlist and a picture on the screen."""

from __future__ import annotations


class AdsError(Exception):
    """Base of every error of this package; the message is one sentence that says what to do."""


class PlaylistError(AdsError):
    """A playlist cannot be read, breaks its format, or holds nothing that can be played.

    `others` are the first mistakes of further ads, one sentence each.
    """

    def __init__(self, message: str, others: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.others = others


class MediaError(AdsError):
    """A media file is missing, is not what its name says, or breaks off while it is decoded."""


class MissingMediaError(MediaError):
    """There is nothing under the name of a media file."""


class UnreadMediaError(MediaError):
    """A media file that has not been read yet; it may well be in order."""


class LoadingStoppedError(AdsError):
    """A playlist was not loaded to its end, because the program is stopping."""

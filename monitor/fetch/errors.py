"""Why a picture was not fetched."""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

from monitor.errors import PictureError
from monitor.languages import lazy

FetchCode: TypeAlias = Literal[
    "url",  # misspelt, or spelt in a way that programs read differently
    "scheme",  # neither http nor https
    "port",  # not allowed by the policy
    "address_not_public",  # the host is, or its name leads to, an address that is not allowed
    "unreachable",  # no such host, or it does not answer, or it broke off
    "certificate",  # the host could not prove its name
    "answer",  # breaks the rules of HTTP, or is packed in a way that is not taken
    "not_found",  # an answer, but not with the picture
    "redirects",  # too many, or one that may not be followed
    "too_large",
    "too_slow",
]


class FetchError(PictureError):
    """A picture was not fetched; `code` names the reason, is stable, and meant for programs."""

    def __init__(self, code: FetchCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Deadline:
    """The end of a time in seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, more than 0.

        Raises:
            FetchError: The time is over (`too_slow`).
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.over()
        return left

    def over(self) -> FetchError:
        """Return the error to raise when the time is over."""
        return FetchError(
            "too_slow",
            lazy(
                "The picture did not arrive in time: expected it within %(seconds)s s.",
                seconds=f"{self._seconds:g}",
            ),
        )

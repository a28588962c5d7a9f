"""How much fetching one picture may cost."""

from __future__ import annotations

import time
from dataclasses import dataclass

from monitor.web.fetch.errors import TooSlowError


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one picture may cost.

    Attributes:
        seconds: For everything together, from the look-up of the first name to the last byte.
        content_bytes: Of the picture.
        header_bytes: Of each answer's header.
        redirects: That are followed.
    """

    seconds: float = 10.0
    content_bytes: int = 30 << 20
    header_bytes: int = 64 << 10
    redirects: int = 5


class Deadline:
    """The end of the time for everything together.

    Args:
        seconds: From now on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, more than 0.

        Raises:
            TooSlowError: The time is over.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.over()
        return left

    def over(self) -> TooSlowError:
        """The error to raise when the time is over."""
        return TooSlowError(
            f"The picture did not arrive in time: expected it within {self._seconds:g} s."
        )

"""Growing pauses between attempts, never quite the same, without an end."""

from __future__ import annotations

import random

JITTER = 0.2
"""Share by which a pause is shortened at most: many screens of one venue must not ask one server at the same instant."""


class Backoff:
    """How long to wait before the next attempt: twice as long as before, up to a limit.

    Args:
        first_s: The first pause, above 0.
        longest_s: The longest pause, at least the first one.
        draws: Gives the jitter. Defaults to a generator of its own.

    Raises:
        ValueError: The limits are not in this order.
    """

    def __init__(
        self, first_s: float, longest_s: float, draws: random.Random | None = None
    ) -> None:
        if not 0 < first_s <= longest_s:
            raise ValueError(
                f"Invalid pauses: expected 0 < first_s <= longest_s, received {first_s} and {longest_s}."
            )
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s
        self._draws = draws or random.Random()  # noqa: S311 (no secret)

    def pause_s(self) -> float:
        """The pause before the next attempt."""
        pause_s = self._next_s * (1 - JITTER * self._draws.random())
        self._next_s = min(2 * self._next_s, self._longest_s)
        return pause_s

    def reset(self) -> None:
        """Begin anew with the first pause."""
        self._next_s = self._first_s

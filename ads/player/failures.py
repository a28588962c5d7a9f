"""What could not be played: which ads to avoid, when to retry them and when to give up."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ads.errors import MediaError
from ads.player.decoder import HangingMediaError
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from ads.playlists.playlist import Ad
    from ads.policies.base import Choice

logger = logging.getLogger(__name__)

RETRY_NS = 60_000_000_000
"""When to retry if every ad that may play now has failed while others wait for their hours."""

KEPT_FAILURES = 20
"""How many failures the operator can look up."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An ad that could not be shown, or not to its end: when (local time), and why."""

    at: datetime
    ad_id: str
    sentence: str


class Failures:
    """Remember failed ads, so that the show neither repeats them at once nor gives up too early."""

    def __init__(self, wall_clock: Callable[[], datetime]) -> None:
        self._wall_clock = wall_clock
        self.recent: deque[Failure] = deque(maxlen=KEPT_FAILURES)
        # Choices that failed before their turn, to be reported when it would have come.
        self.unplayed: list[tuple[Choice, MediaError]] = []
        # Ads that failed for good without a successful play in between.
        self._failed_ids: set[str] = set()
        # Ads that failed since the last play began; they must not follow at once.
        self.avoided_ids: set[str] = set()
        # Ads that this machine is too slow for, and that have been warned about.
        self._slow_ids: set[str] = set()
        self._retry_ns: int | None = None
        self._fatal: MediaError | None = None

    def record(self, ad: Ad, error: MediaError) -> None:
        self.recent.append(Failure(self._wall_clock(), ad.ad_id, str(error)))
        self.avoided_ids.add(ad.ad_id)
        if not isinstance(error, HangingMediaError):
            # A hanging disk may recover, so only other errors are final.
            self._failed_ids.add(ad.ad_id)

    def warn_slow(self, ad: Ad, what: str) -> None:
        """Log once for each ad that it is late or jerky; being slow is no failure."""
        if ad.ad_id not in self._slow_ids:
            self._slow_ids.add(ad.ad_id)
            logger.warning(
                "Ad %s %s: this machine is too slow for the file, or too busy; convert it to "
                "H.264 in 1920x1080 pixels, or make the picture smaller",
                ad.ad_id,
                what,
            )

    def on_play_started(self) -> None:
        self.avoided_ids.clear()
        self._retry_ns = None

    def on_play_succeeded(self) -> None:
        """End the row of failures; the unplayed choices, which were to follow, begin the next."""
        self._failed_ids = {
            choice.ad.ad_id
            for choice, error in self.unplayed
            if not isinstance(error, HangingMediaError)
        }

    def on_playlist_replaced(self) -> None:
        """Forgive everything: the new playlist may have fixed it."""
        self._failed_ids.clear()
        self.avoided_ids.clear()

    def raise_if_fatal(self) -> None:
        """Raise the `MediaError` of `give_up_if_all_failed` again."""
        if self._fatal is not None:
            raise self._fatal

    def give_up_if_all_failed(self, ad_ids: AbstractSet[str]) -> None:
        """Raise a `MediaError` if every ad of the playlist has failed, one after the other."""
        if ad_ids <= self._failed_ids:
            self._fatal = MediaError(
                lazy(
                    "None of the ads can be played (%(ads)s); check the media files of the "
                    "playlist.",
                    ads=", ".join(sorted(self._failed_ids)),
                )
            )
            raise self._fatal

    def retry_in_time(self, now_ns: int) -> None:
        """Give avoided ads another chance `RETRY_NS` after nothing else could follow."""
        if not self.avoided_ids:
            return
        if self._retry_ns is None:
            self._retry_ns = now_ns + RETRY_NS
        elif now_ns >= self._retry_ns:
            self._retry_ns = None
            self.avoided_ids.clear()

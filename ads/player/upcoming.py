"""The ad that comes next: chosen and opened before its turn, replaced if it fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ads.player.timeline import PATIENCE_NS, Showing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ads.player.decoder import FrameDecoder
    from ads.player.failures import Failures
    from ads.player.timeline import Timeline
    from ads.playlists.playlist import Ad
    from ads.policies.audience import Audience
    from ads.show.schedule import Rotation

logger = logging.getLogger(__name__)

FIRST_PATIENCE_NS = 10_000_000_000
"""`PATIENCE_NS` while nothing is on the screen: a machine that has just started is slow."""


class Upcoming:
    """Choose and open the next ad.

    Attributes:
        showing: The next ad; None until it is chosen.
    """

    def __init__(
        self,
        timeline: Timeline,
        rotation: Rotation,
        decoder: FrameDecoder,
        failures: Failures,
        *,
        wall_clock: Callable[[], datetime],
        audience: Callable[[int], Audience | None] | None,
    ) -> None:
        self.showing: Showing | None = None
        self._timeline = timeline
        self._rotation = rotation
        self._decoder = decoder
        self._failures = failures
        self._wall_clock = wall_clock
        self._audience = audience

    @property
    def is_ready(self) -> bool:
        """Whether it has a picture; also if no ad follows, so there is nothing to wait for."""
        return self.showing is None or self.is_running or self.showing.buffer.is_ready

    @property
    def is_running(self) -> bool:
        """Whether it already runs beside the present one, in a cross-fade."""
        return self.showing is not None and self.showing.course is not None

    @property
    def is_takeover(self) -> bool:
        """Whether it is a takeover."""
        return self.showing is not None and self.showing.ad.takeover

    def is_half_faded_at(self, now_ns: int) -> bool:
        """Return whether it makes up half of what is seen, or more: its play begins then."""
        showing = self.showing
        return showing is not None and self.is_running and showing.opacity_at(now_ns) >= 0.5

    def prepare(self, now_ns: int) -> None:
        """Choose and open an ad, unless that is done; replace one that cannot be shown."""
        local = self._wall_clock()
        while True:
            if self.showing is None:
                audience = None if self._audience is None else self._audience(now_ns)
                avoided = self._failures.avoided_ids
                choice = self._rotation.choose(now_ns, local, avoided, audience)
                if choice is None:
                    return
                self.showing = Showing(choice, self._decoder.load(choice.ad), now_ns)
            showing = self.showing
            error = showing.buffer.error
            if not self.is_running:
                is_dark = self._timeline.showing is None
                error = showing.error_at(now_ns, FIRST_PATIENCE_NS if is_dark else PATIENCE_NS)
            if error is not None:
                logger.warning("Ad %s cannot be played: %s", showing.ad.ad_id, error)
                self._failures.record(showing.ad, error)
                self._failures.unplayed.append((showing.choice, error))
            elif self.is_running or self._rotation.allows(showing.ad, now_ns, local):
                return
            # It failed, or its hours have ended since it was chosen.
            self.drop()

    def prepare_takeover(self, now_ns: int) -> bool:
        """Return whether a takeover must cut off the ad on the screen; choose and open it then."""
        showing = self._timeline.showing
        if showing is None or self._timeline.is_paused or not self._rotation.takeovers:
            return False
        avoided = self._failures.avoided_ids
        if not self._rotation.interrupts(showing.ad, now_ns, self._wall_clock(), avoided):
            return False
        if not self.is_takeover:
            self.drop()
        self.prepare(now_ns)
        return self.is_takeover

    def restart(self, now_ns: int) -> None:
        """Open it again at its start if it already runs."""
        if self.showing is not None and self.is_running:
            choice = self.showing.choice
            self.drop()
            self.showing = Showing(choice, self._decoder.load(choice.ad), now_ns)

    def keep_if_in(self, ads: Sequence[Ad]) -> None:
        """Drop it if a new playlist lacks it."""
        if self.showing is not None and self.showing.ad not in ads:
            self.drop()

    def take(self) -> Showing | None:
        """Hand it over, to be put on the screen."""
        showing, self.showing = self.showing, None
        return showing

    def drop(self) -> None:
        """Close it; `prepare` chooses another one."""
        if self.showing is not None:
            self.showing.buffer.close()
            self.showing = None

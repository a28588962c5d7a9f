"""From one ad to the next: prepared ahead, switched by a cut, a cross-fade or after a rest."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ads.errors import AdsError, MediaError
from ads.player.timeline import PATIENCE_NS, Course, Showing, Timeline
from ads.playlists.playlist import MAX_CROSS_FADE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from ads.media.types import Fit
    from ads.player.decoder import FrameDecoder
    from ads.player.failures import Failures
    from ads.player.sound import PlaySound
    from ads.policies.audience import Audience
    from ads.show.playback import Outcome
    from ads.show.schedule import Rotation

logger = logging.getLogger(__name__)

PREPARE_AHEAD_NS = 4_000_000_000
"""Choose and open the next ad this long before the present one ends: time for a slow disk or for a
substitute, yet late enough for a policy that looks at the audience."""

FIRST_PATIENCE_NS = 10_000_000_000
"""`PATIENCE_NS` while nothing is on the screen: a machine that has just started is slow."""

CUE_AHEAD_NS = 1_000_000_000
"""Announce the sound of the next ad this long before: enough to start a slow sound device."""

BLEND_STEPS = 64
"""A cross-fade is repainted in at least this many steps; the eye does not see finer ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """The picture to paint over another one during a cross-fade: see `Picture`.

    The opacity is at most about 0.5: the moment counts for the play of the picture below.
    """

    rgb: NDArray[np.uint8]
    opacity: float
    fit: Fit = "contain"
    backdrop: NDArray[np.uint8] | None = None

    def resembles(self, other: Blend | None) -> bool:
        """Return whether another blend looks the same."""
        if other is None or self.rgb is not other.rgb:
            return False
        return abs(self.opacity - other.opacity) * BLEND_STEPS < 1


class Transition:
    """Prepare the next ad, and switch to it from the one on the screen.

    `leaving` fades out after its play has ended; nothing is shown until `rest_until_ns`.
    """

    def __init__(
        self,
        timeline: Timeline,
        rotation: Rotation,
        decoder: FrameDecoder,
        failures: Failures,
        sound: PlaySound,
        *,
        wall_clock: Callable[[], datetime],
        audience: Callable[[int], Audience | None] | None,
        cross_fade_s: float,
        wash_out_s: float,
    ) -> None:
        if not 0 <= wash_out_s < math.inf:
            raise AdsError(f"The wash-out must last 0 seconds or more, got {wash_out_s}.")
        self.next: Showing | None = None
        self.leaving: Showing | None = None
        self.skip_requested = False
        self.rest_until_ns: int | None = None
        self.is_finished = False
        self._timeline = timeline
        self._rotation = rotation
        self._decoder = decoder
        self._failures = failures
        self._sound = sound
        self._wall_clock = wall_clock
        self._audience = audience
        self._wash_out_ns = round(wash_out_s * 1e9)
        self.set_cross_fade(cross_fade_s)

    def set_cross_fade(self, seconds: float) -> None:
        """Let ads overlap for so long from the next one on; `AdsError` if it is out of range."""
        if not 0 <= seconds <= MAX_CROSS_FADE_S:
            raise AdsError(
                f"The cross-fade must last 0 to {MAX_CROSS_FADE_S:.0f} seconds, got {seconds}."
            )
        self._cross_fade_ns = 0 if self._wash_out_ns else round(seconds * 1e9)

    def advance(self, now_ns: int) -> None:
        """Switch ads when it is time; near the end of one, prepare the next, its fade and sound."""
        outcome, error = self._ending(now_ns)
        showing = self._timeline.showing
        if outcome is not None or showing is None:
            self._switch(now_ns, outcome, error)
        elif showing.left_ns(now_ns) <= PREPARE_AHEAD_NS:
            self.prepare(now_ns)
            if self.next is not None and not self._timeline.is_paused:
                self._fade_in(now_ns, showing, self.next)
                self._cue(now_ns, showing, self.next)

    def prepare(self, now_ns: int) -> None:
        """Choose and open the next ad, unless that is done; replace one that cannot be shown."""
        local = self._wall_clock()
        while True:
            if self.next is None:
                audience = None if self._audience is None else self._audience(now_ns)
                avoided = self._failures.avoided_ids
                choice = self._rotation.choose(now_ns, local, avoided, audience)
                if choice is None:
                    return
                self.next = Showing(choice, self._decoder.load(choice.ad), now_ns)
            following = self.next
            error = following.buffer.error
            if not following.is_moving:
                is_dark = self._timeline.showing is None
                error = following.error_at(now_ns, FIRST_PATIENCE_NS if is_dark else PATIENCE_NS)
            if following.is_slow:
                self._failures.warn_slow(following.ad, "is shown late")
            if error is not None:
                logger.warning("Ad %s cannot be played: %s", following.ad.ad_id, error)
                self._failures.record(following.ad, error)
                self._failures.unplayed.append((following.choice, error))
            elif following.is_moving or self._rotation.allows(
                following.ad, now_ns, local, self._failures.avoided_ids
            ):
                return
            # It failed, or its hours or its block have ended since it was chosen.
            self.drop_next()

    def end_play(self, now_ns: int, outcome: Outcome, error: MediaError | None = None) -> None:
        showing = self._timeline.showing
        if showing is None:
            return
        self.skip_requested = False
        self._drop_leaving()
        if outcome == "finished" and self.next is not None and self.next.is_moving:
            self.leaving = showing
        else:
            showing.buffer.close()
        if showing.is_slow or showing.buffer.is_jerky:
            self._failures.warn_slow(showing.ad, "is shown at a lower rate")
        if error is None:
            self._failures.on_play_succeeded()
        else:
            logger.warning("Ad %s broke off: %s", showing.ad.ad_id, error)
        self._timeline.end(now_ns, outcome, error)

    def restart(self, now_ns: int) -> None:
        """Undo a fade and a cue, because the ad on the screen jumps to another place."""
        self._drop_leaving()
        following = self.next
        if following is not None and following.is_moving:
            following.buffer.close()
            buffer = self._decoder.load(following.ad)
            self.next = Showing(following.choice, buffer, now_ns)
        elif following is not None and following.is_cued:
            following.is_cued = False
            self._sound.stop()

    def set_running(self, now_ns: int, *, running: bool) -> None:
        for showing in (self.next, self.leaving):
            if showing is not None:
                showing.set_running(now_ns, running=running)

    def blend_at(self, now_ns: int) -> Blend | None:
        """Return what lies over the picture on the screen during a cross-fade."""
        if self._timeline.showing is None:
            return None
        if self.leaving is not None:
            over, opacity = self.leaving, 1.0 - self._timeline.showing.opacity_at(now_ns)
        elif self.next is not None and self.next.is_moving:
            over, opacity = self.next, self.next.opacity_at(now_ns)
        else:
            return None
        over.take_due(now_ns)
        if over.frame is None or opacity <= 0:
            self._drop_leaving()
            return None
        return Blend(over.frame.rgb, opacity, over.ad.fit, over.frame.backdrop)

    def drop_next(self) -> None:
        """Close the next ad; `prepare` chooses another one."""
        if self.next is not None:
            self.next.buffer.close()
            self.next = None

    def _ending(self, now_ns: int) -> tuple[Outcome | None, MediaError | None]:
        """Return how the play on the screen is to end now, and its error; None if it goes on."""
        showing, following = self._timeline.showing, self.next
        if showing is None:
            return None, None
        if self.skip_requested or self._must_give_way(now_ns, showing):
            return "skipped", None
        if self._timeline.is_paused:
            return None, None
        is_half_faded = (
            following is not None and following.is_moving and following.opacity_at(now_ns) >= 0.5
        )
        if is_half_faded or showing.left_ns(now_ns) <= 0:
            return "finished", None
        error = showing.error_at(now_ns, PATIENCE_NS)
        return None if error is None else "failed", error

    def _must_give_way(self, now_ns: int, showing: Showing) -> bool:
        """Return whether a takeover must cut off the ad on the screen; choose and open it then."""
        if self._timeline.is_paused or not self._rotation.takeovers:
            return False
        avoided = self._failures.avoided_ids
        if not self._rotation.interrupts(showing.ad, now_ns, self._wall_clock(), avoided):
            return False
        if self.next is not None and not self.next.ad.takeover:
            self.drop_next()
        self.prepare(now_ns)
        return self.next is not None and self.next.ad.takeover

    def _switch(self, now_ns: int, outcome: Outcome | None, error: MediaError | None) -> None:
        """Begin the next play once its ad is ready, and end the present one at that instant."""
        if error is not None and self._timeline.showing is not None:
            self._failures.record(self._timeline.showing.ad, error)
        self.prepare(now_ns)
        following = self.next
        is_cut_off = outcome == "skipped" and following is not None and following.ad.takeover
        if outcome and self._wash_out_ns and following is not None and not is_cut_off:
            self.end_play(now_ns, outcome, error)
            self.rest_until_ns = now_ns + self._wash_out_ns
            self._sound.stop()
        if self.rest_until_ns is not None and now_ns < self.rest_until_ns:
            return
        if following is not None and not (following.is_moving or following.buffer.is_ready):
            # The old picture stays: better than none.
            return
        self.rest_until_ns = None
        if outcome is not None:
            self.end_play(now_ns, outcome, error)
        for choice, reason in self._failures.unplayed:
            self._timeline.record_unplayed(now_ns, choice, reason)
        self._failures.unplayed.clear()
        self._failures.give_up_if_all_failed(self._rotation.ad_ids)
        self.next = None
        if following is None:
            self._sound.stop()
            self.is_finished = self._rotation.complete
            self._failures.retry_in_time(now_ns)
            return
        if self.leaving is None:
            following.fade_ns = 0
        self._failures.on_play_started()
        self._rotation.started(following.ad, now_ns)
        self._timeline.begin(now_ns, following)

    def _fade_in(self, now_ns: int, showing: Showing, following: Showing) -> None:
        """Let the next ad run beside the present one once it is time."""
        if not self._cross_fade_ns or following.is_moving:
            return
        left_ns = showing.left_ns(now_ns)
        # A fade takes at most half of an ad.
        shorter_ns = min(showing.ad.duration_ns, following.ad.duration_ns)
        fade_ns = min(self._cross_fade_ns, shorter_ns // 2)
        if 0 < left_ns <= fade_ns and following.buffer.is_ready:
            self._drop_leaving()
            following.course = Course(now_ns, 0, running=True)
            following.fade_ns = left_ns

    def _cue(self, now_ns: int, showing: Showing, following: Showing) -> None:
        """Announce the sound of the next ad, or its silence, a little ahead."""
        if following.is_cued or self._wash_out_ns:
            return
        left_ns, position_ns = showing.left_ns(now_ns), 0
        if following.is_moving:
            # The sound changes in the middle of the fade.
            position_ns = following.fade_ns // 2
            left_ns = position_ns - following.position_at(now_ns)
        elif self._cross_fade_ns:
            return
        if left_ns <= CUE_AHEAD_NS and following.buffer.is_ready:
            following.is_cued = True
            self._sound.cue(following.ad, position_ns, left_ns)

    def _drop_leaving(self) -> None:
        if self.leaving is not None:
            self.leaving.buffer.close()
            self.leaving = None

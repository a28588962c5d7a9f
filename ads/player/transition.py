"""From one ad to the next: when to switch, by a cut, a cross-fade, or a cut after a rest."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ads.errors import AdsError
from ads.player.timeline import PATIENCE_NS, Course, Showing
from ads.playlists.playlist import MAX_CROSS_FADE_S

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ads.errors import MediaError
    from ads.player.failures import Failures
    from ads.player.sound import PlaySound
    from ads.player.timeline import Timeline
    from ads.player.upcoming import Upcoming
    from ads.show.playback import Outcome
    from ads.show.schedule import Rotation

logger = logging.getLogger(__name__)

PREPARE_AHEAD_NS = 4_000_000_000
"""Choose and open the next ad this long before the present one ends: time for a slow disk or for a
substitute, yet late enough for a policy that looks at the audience."""

CUE_AHEAD_NS = 1_000_000_000
"""Announce the sound of the next ad this long before: enough to start a slow sound device."""

BLEND_STEPS = 64
"""A cross-fade is repainted in at least this many steps; the eye does not see finer ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """The picture to paint over another one during a cross-fade.

    Attributes:
        rgb: `(height, width, 3)` uint8, C-contiguous; fits the viewport without distortion.
            Read-only.
        opacity: Above 0, at most about 0.5: the picture below belongs to the play that the moment
            counts for.
    """

    rgb: NDArray[np.uint8]
    opacity: float

    def resembles(self, other: Blend | None) -> bool:
        """Return whether another blend looks the same."""
        if other is None or self.rgb is not other.rgb:
            return False
        return abs(self.opacity - other.opacity) * BLEND_STEPS < 1


class Transition:
    """Switch from the ad on the screen to the next one.

    Attributes:
        leaving: The ad that fades out after its play has ended.
        skip_requested: Whether to switch as soon as the next ad is ready.
        rest_until_ns: Until when nothing is shown because of the wash-out; None outside of a rest.
        is_finished: Whether all rounds are done and the last play has ended.
    """

    def __init__(
        self,
        timeline: Timeline,
        upcoming: Upcoming,
        rotation: Rotation,
        failures: Failures,
        sound: PlaySound,
        *,
        cross_fade_s: float,
        wash_out_s: float,
    ) -> None:
        if not 0 <= cross_fade_s <= MAX_CROSS_FADE_S:
            raise AdsError(
                f"The cross-fade must last 0 to {MAX_CROSS_FADE_S:.0f} seconds, got {cross_fade_s}."
            )
        if not 0 <= wash_out_s < math.inf:
            raise AdsError(f"The wash-out must last 0 seconds or more, got {wash_out_s}.")
        self.leaving: Showing | None = None
        self.skip_requested = False
        self.rest_until_ns: int | None = None
        self.is_finished = False
        self._timeline = timeline
        self._upcoming = upcoming
        self._rotation = rotation
        self._failures = failures
        self._sound = sound
        self._wash_out_ns = round(wash_out_s * 1e9)
        self._cross_fade_ns = 0 if self._wash_out_ns else round(cross_fade_s * 1e9)

    def advance(self, now_ns: int) -> None:
        """Switch ads when it is time; near the end of one, prepare the next, its fade and sound.

        Raises:
            MediaError: Every ad of the playlist failed, one after the other.
        """
        outcome, error = self._ending(now_ns)
        showing = self._timeline.showing
        if outcome is not None or showing is None:
            self._switch(now_ns, outcome, error)
        elif showing.left_ns(now_ns) <= PREPARE_AHEAD_NS:
            self._upcoming.prepare(now_ns)
            following = self._upcoming.showing
            if following is not None and not self._timeline.is_paused:
                self._fade_in(now_ns, showing, following)
                self._cue(now_ns, showing, following)

    def end_play(self, now_ns: int, outcome: Outcome, error: MediaError | None = None) -> None:
        """End the play on the screen, if there is one."""
        showing = self._timeline.showing
        if showing is None:
            return
        self.skip_requested = False
        self._drop_leaving()
        if outcome == "finished" and self._upcoming.is_running:
            self.leaving = showing
        else:
            showing.buffer.close()
        if error is None:
            self._failures.on_play_succeeded()
        else:
            logger.warning("Ad %s broke off: %s", showing.ad.ad_id, error)
        self._timeline.end(now_ns, outcome, error)

    def restart(self, now_ns: int) -> None:
        """Undo a fade and a cue, because the ad on the screen jumps to another place."""
        self._drop_leaving()
        self._upcoming.restart(now_ns)
        following = self._upcoming.showing
        if following is not None and following.is_cued:
            following.is_cued = False
            self._sound.stop()

    def set_running(self, now_ns: int, *, running: bool) -> None:
        """Pause or resume the ads that fade in and out."""
        for showing in (self._upcoming.showing, self.leaving):
            if showing is not None:
                showing.set_running(now_ns, running=running)

    def blend_at(self, now_ns: int) -> Blend | None:
        """Return what lies over the picture on the screen during a cross-fade."""
        showing, following = self._timeline.showing, self._upcoming.showing
        if showing is None:
            return None
        if self.leaving is not None:
            over, opacity = self.leaving, 1.0 - showing.opacity_at(now_ns)
        elif following is not None and following.course is not None:
            over, opacity = following, following.opacity_at(now_ns)
        else:
            return None
        over.take_due(now_ns)
        if over.frame is None or opacity <= 0:
            self._drop_leaving()
            return None
        return Blend(over.frame.rgb, opacity)

    def _ending(self, now_ns: int) -> tuple[Outcome | None, MediaError | None]:
        """Return how the play on the screen is to end now, and its error; None if it goes on."""
        showing = self._timeline.showing
        if showing is None:
            return None, None
        if self.skip_requested or self._upcoming.prepare_takeover(now_ns):
            return "skipped", None
        if self._timeline.is_paused:
            return None, None
        if showing.left_ns(now_ns) <= 0 or self._upcoming.is_half_faded_at(now_ns):
            return "finished", None
        error = showing.error_at(now_ns, PATIENCE_NS)
        return None if error is None else "failed", error

    def _switch(self, now_ns: int, outcome: Outcome | None, error: MediaError | None) -> None:
        """Begin the next play once its ad is ready, and end the present one at that instant."""
        if error is not None and self._timeline.showing is not None:
            self._failures.record(self._timeline.showing.ad, error)
        upcoming = self._upcoming
        upcoming.prepare(now_ns)
        is_cut_off = outcome == "skipped" and upcoming.is_takeover
        has_next = upcoming.showing is not None
        if outcome is not None and self._wash_out_ns and has_next and not is_cut_off:
            self.end_play(now_ns, outcome, error)
            self.rest_until_ns = now_ns + self._wash_out_ns
            self._sound.stop()
        if self.rest_until_ns is not None and now_ns < self.rest_until_ns:
            return
        if not upcoming.is_ready:
            # The old picture stays: better than none.
            return
        self.rest_until_ns = None
        if outcome is not None:
            self.end_play(now_ns, outcome, error)
        for choice, reason in self._failures.unplayed:
            self._timeline.record_unplayed(now_ns, choice, reason)
        self._failures.unplayed.clear()
        self._failures.give_up_if_all_failed(self._rotation.ad_ids)
        following = upcoming.take()
        if following is not None:
            if self.leaving is None:
                following.fade_ns = 0
            self._failures.on_play_started()
            self._rotation.started(following.ad, now_ns)
            self._timeline.begin(now_ns, following)
        else:
            self._sound.stop()
            self.is_finished = self._rotation.complete
            self._failures.retry_in_time(now_ns)

    def _fade_in(self, now_ns: int, showing: Showing, following: Showing) -> None:
        """Let the next ad run beside the present one once it is time."""
        if not self._cross_fade_ns or following.course is not None:
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
        if following.course is not None:
            # The sound changes in the middle of the fade.
            position_ns = following.fade_ns // 2
            left_ns = position_ns - following.position_at(now_ns)
        elif self._cross_fade_ns:
            return
        if left_ns <= CUE_AHEAD_NS and following.buffer.is_ready:
            following.is_cued = True
            path = following.ad.path if following.ad.has_sound else None
            self._sound.cue(path, position_ns, left_ns)

    def _drop_leaving(self) -> None:
        if self.leaving is not None:
            self.leaving.buffer.close()
            self.leaving = None

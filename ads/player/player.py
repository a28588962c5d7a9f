"""Play ads in real time: which picture is due now, what comes next, and what was shown when.

The player has no timer and no window: its owner calls `AdPlayer.advance` often and paints what it
returns. Every decision follows from the given clock, so a test can drive it by hand.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import TYPE_CHECKING

from ads.errors import AdsError
from ads.player.decoder import FrameDecoder
from ads.player.failures import Failure, Failures
from ads.player.filler import FillerScreen
from ads.player.sound import PlaySound, SoundOutput
from ads.player.timeline import Timeline
from ads.player.transition import Blend, Transition
from ads.show.schedule import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ads.media.types import Fit, Size
    from ads.playlists.playlist import Ad, Filler
    from ads.policies.audience import Audience
    from ads.policies.base import Choice, Policy
    from ads.show.blocks import BlockSchedule
    from ads.show.playback import Outcome, Play, PlaybackListener, PlaybackLog


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What to paint now, and its place in a play; play 0 is the filler.

    `rgb` is `(height, width, 3)` uint8, C-contiguous, read-only, and fits the viewport, or fills it
    if `fit` is "cover". `backdrop`, smaller, lies behind it. `blend` is to be painted over both,
    with the bars beside it.
    """

    rgb: NDArray[np.uint8]
    play_number: int
    position_ms: float
    blend: Blend | None = None
    fit: Fit = "contain"
    backdrop: NDArray[np.uint8] | None = None


class AdPlayer:
    """Show one ad after the other without black between them.

    The next ad is decoded before the present one ends, and a play ends when the next picture is
    handed out: both at the same instant. If the next ad is late, the last picture and its play
    stay; an ad without a picture for `PATIENCE_NS` has failed.

    In a cross-fade, both ads run; play and sound change in its middle. A skip is a cut.

    A picture counts as seen when it is handed out, or when `painted` reports it. While no ad may
    play, nothing is shown and every call looks again. A takeover cuts in as soon as it is ready.

    Methods are thread-safe but meant for one thread; they call the listener and the sound. A pause
    lasts until `resume`, even over a skip: the next ad then stands at its first picture.

    Args:
        ads: At least one.
        clock: The time in nanoseconds; must not go back.
        wall_clock: The venue's local time; by default the machine's.
        loops: Rounds through the playlist, at least 1; None to play forever.
        viewport: Width and height in pixels that pictures are to fit.
        cross_fade_s: How long consecutive ads overlap, 0 to 3; 0 for cuts.
        wash_out_s: Seconds without a picture after each ad, at least 0. Disables cross-fades; a
            takeover does not wait.
        audience: Who is in front of the screen when the next ad is chosen; None if not measured.
        blocks: Of an experiment, by the wall clock.
        filler: Shown in a wash-out, and while no ad may play.
    """

    def __init__(
        self,
        ads: Sequence[Ad],
        policy: Policy,
        log: PlaybackLog,
        listener: PlaybackListener,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        wall_clock: Callable[[], datetime] | None = None,
        loops: int | None = None,
        sound: SoundOutput | None = None,
        viewport: tuple[int, int] = (1280, 720),
        cross_fade_s: float = 0.0,
        wash_out_s: float = 0.0,
        audience: Callable[[int], Audience | None] | None = None,
        blocks: BlockSchedule | None = None,
        filler: Filler | None = None,
    ) -> None:
        self._rotation = Rotation(ads, policy, loops, blocks)
        self._log = log
        self._clock = clock
        self._sound = PlaySound(sound)
        self._decoder = FrameDecoder(_clamp(viewport))
        wall_clock = wall_clock or _local_now
        self._failures = Failures(wall_clock)
        self._timeline = Timeline(log, listener, self._decoder, self._sound)
        self._transition = Transition(
            self._timeline,
            self._rotation,
            self._decoder,
            self._failures,
            self._sound,
            wall_clock=wall_clock,
            audience=audience,
            cross_fade_s=cross_fade_s,
            wash_out_s=wash_out_s,
        )
        self._filler_screen = FillerScreen(self._decoder)
        self._filler = filler
        self._control = RLock()
        self._is_started = False
        self._is_stopped = False
        self._last_picture: Picture | None = None

    def __enter__(self) -> AdPlayer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def current(self) -> Play | None:
        """The play on the screen, None between plays."""
        return self._timeline.play

    @property
    def next_choice(self) -> Choice | None:
        """What plays next and why; None until it is chosen, a few seconds before its turn."""
        following = self._transition.next
        return None if following is None else following.choice

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The newest failures, oldest first."""
        with self._control:
            return tuple(self._failures.recent)

    @property
    def dropped_frames(self) -> int:
        """Pictures never handed out because a newer one was due at the same time."""
        return self._timeline.dropped_frames

    @property
    def paused(self) -> bool:
        """Whether the show is paused."""
        return self._timeline.is_paused

    @property
    def picture(self) -> Picture | None:
        """The newest picture that was handed out; `None` while nothing of the show is shown."""
        return None if self.current is None and not self.filling else self._last_picture

    @property
    def resting(self) -> bool:
        """Whether nothing is shown because of the wash-out between two ads."""
        return self._transition.rest_until_ns is not None

    @property
    def filling(self) -> bool:
        """Whether the filler is on the screen."""
        return self._filler_screen.is_shown

    @property
    def position_ms(self) -> float:
        """The position in the present ad in milliseconds, as in the log; 0 if nothing is shown."""
        position = None if self.current is None else self._log.at(self._clock())
        return 0.0 if position is None else position.position_ms

    @property
    def finished(self) -> bool:
        """Whether all loops are done and the last play has ended."""
        return self._transition.is_finished

    def start(self) -> None:
        """Begin to decode the first ad; `AdsError` if started before."""
        with self._control:
            if self._is_started or self._is_stopped:
                raise AdsError("A player can be started only once; make a new one.")
            self._is_started = True
            self._filler_screen.replace(self._filler)
            self._transition.prepare(self._clock())

    def advance(self) -> Picture | None:
        """Move the show to the present instant; return a new picture if one is due.

        Raises:
            MediaError: Every ad of the playlist failed in a row; raised by every further call too.
            AdsError: The decoder crashed.
        """
        with self._control:
            if not self._is_started or self._is_stopped:
                return None
            self._failures.raise_if_fatal()
            self._decoder.raise_if_crashed()
            if self._timeline.showing is None and self.paused:
                return None
            now_ns = self._clock()
            if self._timeline.is_seek_ready():
                self._transition.restart(now_ns)
                self._timeline.finish_seek(now_ns)
            self._transition.advance(now_ns)
            filling = self._due_filler()
            picture = self._due_picture(now_ns) or filling
            self._last_picture = picture or self._last_picture
            return picture

    def painted(self, picture: Picture) -> None:
        """Report that the newest picture of `advance` is on the screen now, and only now."""
        with self._control:
            play = self.current
            is_newest = picture is self._last_picture
            if is_newest and play is not None and picture.play_number == play.number:
                self._log.painted(self._clock())

    def pause(self) -> None:
        """Pause picture, sound and position until `resume`; no-op if already paused."""
        self._set_running(running=False)

    def resume(self) -> None:
        """Continue after `pause`; no-op if not paused."""
        self._set_running(running=True)

    def skip(self) -> None:
        """End the present play, or a rest, as soon as the next ad is ready."""
        with self._control:
            if self._is_stopped:
                return
            if self.current is None:
                self._transition.rest_until_ns = None
                return
            self._transition.skip_requested = True
            self._transition.prepare(self._clock())

    def seek(self, position_ms: float) -> None:
        """Jump to a position, clamped to the ad, once its picture is ready; ends a cross-fade."""
        with self._control:
            if not self._is_stopped:
                self._timeline.seek(round(position_ms * 1e6))

    def replace(
        self, ads: Sequence[Ad], filler: Filler | None = None, cross_fade_s: float | None = None
    ) -> None:
        """Switch playlists once the present ad ends; `AdsError` if the new one has no ad.

        Without `cross_fade_s` ads go on to overlap as before.
        """
        with self._control:
            self._rotation.replace(ads)
            if cross_fade_s is not None:
                self._transition.set_cross_fade(cross_fade_s)
            self._filler = filler
            if self._is_started and not self._is_stopped:
                self._filler_screen.replace(filler)
            self._failures.on_playlist_replaced()
            if self._transition.next is not None and self._transition.next.ad not in ads:
                self._transition.drop_next()

    def finish(self) -> None:
        """End the show with the present ad: `finished` is true from then on."""
        with self._control:
            self._rotation.finish()
            self._transition.drop_next()

    def seed(self, starts: Mapping[str, Iterable[int]]) -> None:
        """Count the starts of an earlier run against the hourly limits; see `Rotation.seed`."""
        with self._control:
            self._rotation.seed(starts)

    def stop(self, outcome: Outcome = "stopped") -> None:
        """End the present play with an outcome, silence the sound, join the threads. Idempotent."""
        with self._control:
            if self._is_stopped:
                return
            self._is_stopped = True
            self._transition.end_play(self._clock(), outcome)
            self._sound.stop()
            self._transition.next = None
            self._failures.unplayed.clear()
            self._decoder.stop()

    def set_viewport(self, width: int, height: int) -> None:
        """Set the size in pixels that pictures are to fit; a still picture is decoded again."""
        self._decoder.set_viewport(_clamp((width, height)))

    def wait_ready(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the decode threads; return whether they are idle."""
        return self._decoder.wait_idle(timeout)

    def _set_running(self, *, running: bool) -> None:
        with self._control:
            if self._is_stopped or self._timeline.is_paused != running:
                return
            self._timeline.is_paused = not running
            if self._timeline.showing is not None:
                now_ns = self._clock()
                self._transition.set_running(now_ns, running=running)
                self._timeline.set_running(now_ns, running=running)

    def _due_picture(self, now_ns: int) -> Picture | None:
        is_new = self._timeline.take_due(now_ns)
        blend = self._transition.blend_at(now_ns)
        showing, play = self._timeline.showing, self.current
        if showing is None or play is None or showing.frame is None:
            return None
        painted = None if self._last_picture is None else self._last_picture.blend
        is_same = blend is painted if blend is None else blend.resembles(painted)
        if is_same and not is_new:
            return None
        frame = showing.frame
        at_ms = frame.position_ns / 1e6
        return Picture(frame.rgb, play.number, at_ms, blend, play.ad.fit, frame.backdrop)

    def _due_filler(self) -> Picture | None:
        screen = self._filler_screen
        if self.current is not None or self.finished:
            screen.is_shown = False
            return None
        frame = screen.due()
        if frame is None:
            return None
        return Picture(frame.rgb, 0, 0.0, fit=screen.fit, backdrop=frame.backdrop)


def _local_now() -> datetime:
    return datetime.now().astimezone()


def _clamp(viewport: tuple[int, int]) -> Size:
    # A window under construction may report no size. Beyond 4K, the window scales pictures up.
    return min(max(viewport[0], 16), 3840), min(max(viewport[1], 16), 2160)

"""Plays ads in real time: which picture is due now, what comes next, and what was shown when.

The player has no timer and no window. Whoever shows the pictures calls `AdPlayer.advance` often,
from one thread, and paints what it returns; all decisions follow from the clock that was passed in,
so a test can drive it by hand.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from ads.errors import AdsError, MediaError
from ads.player.decoder import Deck, FrameDecoder, HangingMediaError
from ads.show.playback import Outcome, Play, PlaybackListener, PlaybackLog, PlayEnd
from ads.show.schedule import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ads.media.decode import MediaFrame, Size
    from ads.playlists.playlist import Ad
    from ads.policies import Choice, Policy
    from ads.policies.audience import Audience

__all__ = [
    "AdPlayer",
    "Blend",
    "Failure",
    "Outcome",
    "Picture",
    "Play",
    "PlayEnd",
    "PlaybackListener",
    "PlaybackLog",
    "SoundOutput",
]

logger = logging.getLogger(__name__)

PREPARE_AHEAD_NS = 4_000_000_000
"""The next ad is chosen and opened this long before the present one ends: enough for a slow disk, or to put another ad in
the place of one that cannot be opened, and late enough for a policy that looks at the audience."""

PATIENCE_NS = 3_000_000_000
"""How long an ad may take to give its first picture, or a further one: longer means that it hangs."""

FIRST_PATIENCE_NS = 10_000_000_000
"""The same while nothing is on the screen, so that no show is held up: a machine that has just started is slow."""

LARGEST_VIEWPORT = (3840, 2160)
"""Frames are not made larger than this; whoever shows them enlarges them."""

RETRY_NS = 60_000_000_000
"""When all ads that may play now have failed, and others wait for their hours, they are tried again after this time."""

CUE_AHEAD_NS = 1_000_000_000
"""The sound of the next ad is announced this long before: enough to start a slow sound device."""

LONGEST_CROSS_FADE_S = 3.0

BLEND_STEPS = 64
"""A cross-fade moves on in so many steps at least as it is painted; finer ones are not seen."""

KEPT_FAILURES = 20
"""How many failures are kept for whoever looks after the screen."""


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """What is painted over a picture during a cross-fade.

    Attributes:
        rgb: `(height, width, 3)` uint8, C-contiguous; fits the viewport without distortion. Not to
            be modified.
        opacity: Above 0, at most about 0.5: the picture below is the one to whose play the moment
            belongs.
    """

    rgb: NDArray[np.uint8]
    opacity: float


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What to paint now.

    Attributes:
        rgb: `(height, width, 3)` uint8, C-contiguous; fits the viewport without distortion. Not to
            be modified.
        play_number: The play that it belongs to.
        position_ms: Where in the ad this picture belongs, in milliseconds from its start.
        blend: What is painted over it, together with the bars beside it; None outside of
            cross-fades.
    """

    rgb: NDArray[np.uint8]
    play_number: int
    position_ms: float
    blend: Blend | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An ad that could not be shown, or not to its end.

    Attributes:
        at: When, local wall-clock time of the venue.
        ad_id: Which ad.
        sentence: What was wrong, and what to do.
    """

    at: datetime
    ad_id: str
    sentence: str


class SoundOutput(Protocol):
    """Plays the sound of clips; called by the thread that drives the player. No method may block or raise."""

    def play(self, path: Path, position_s: float) -> None:
        """Plays the sound of a clip from a position, in place of what it plays now."""

    def cue(self, path: Path | None, position_s: float, in_s: float) -> None:
        """Announces that `play`, or for None `stop`, will be called in so many seconds, unless something comes between."""

    def pause(self) -> None:
        """Falls silent, and keeps the place."""

    def resume(self) -> None:
        """Goes on from where `pause` stopped it."""

    def stop(self) -> None:
        """Falls silent, and forgets the clip."""


@dataclass(frozen=True, slots=True)
class _Course:
    """How a position follows from the clock."""

    since_ns: int
    position_ns: int
    running: bool

    def position_at(self, now_ns: int) -> int:
        return self.position_ns + (now_ns - self.since_ns if self.running else 0)

    def turned(self, now_ns: int, *, running: bool) -> _Course:
        return _Course(now_ns, self.position_at(now_ns), running)


@dataclass(slots=True, eq=False)
class _Item:
    """An ad on its way over the screen: chosen, then faded in, shown and faded out.

    Attributes:
        choice: Why it is here.
        deck: Its frames.
        waiting_ns: Since when a picture is waited for.
        course: Its position; None until it moves.
        frame: The newest frame that was taken from the deck.
        fade_ns: How long its fade-in lasts.
        cued: Whether its sound was announced.
    """

    choice: Choice
    deck: Deck
    waiting_ns: int
    course: _Course | None = None
    frame: MediaFrame | None = None
    fade_ns: int = 0
    cued: bool = False

    @property
    def ad(self) -> Ad:
        return self.choice.ad

    def position_at(self, now_ns: int) -> int:
        return 0 if self.course is None else self.course.position_at(now_ns)

    def set_running(self, now_ns: int, *, running: bool) -> None:
        if self.course is not None:
            self.course = self.course.turned(now_ns, running=running)

    def take_due(self, now_ns: int) -> bool:
        """Takes the newest frame that is due; returns whether it is another one."""
        frame = self.deck.take_due(self.position_at(now_ns))
        if frame is not None:
            self.frame = frame
        if frame is not None or not self.deck.starved:
            self.waiting_ns = now_ns
        return frame is not None

    def opacity_at(self, now_ns: int) -> float:
        """How far it is faded in, 0 to 1."""
        return min(1.0, self.position_at(now_ns) / self.fade_ns) if self.fade_ns else 1.0


class AdPlayer:
    """Shows one ad after the other without black between them.

    The next ad is opened and its first frame decoded before the present one ends. A play ends when
    the next picture is handed out: the end of one and the start of the next are the same instant of
    the clock. If the next ad is late, the last picture stays, and so does its play; an ad that
    gives no picture for `PATIENCE_NS` has failed.

    With a cross-fade, the next ad begins to run that long before the end of the present one, and
    both pictures are blended. Every moment belongs to the play that makes up the larger part of
    what is seen: plays and sound change in the middle of the fade, so a play begins half a fade
    into its ad and ends half a fade before the ad's end. Neither fade of an ad takes more than half
    of it. A skip is a cut.

    Positions are those of the picture on the screen. Whoever can tell when a picture was painted
    reports it to `painted`; without such reports a picture counts as seen when it is handed out.

    An ad whose days, hours or limit per hour do not allow it now is left out; while none is
    allowed, nothing is shown and the player looks again with every call. A takeover cuts off the ad
    on the screen as soon as it is ready.

    All methods may be called from any thread, but are meant for one; the listener and the sound are
    called in it, from inside these methods. Pausing lasts until `resume`, also over a skip: the
    next ad then stands at its first picture.

    Args:
        ads: The playlist, at least one ad.
        policy: Chooses the next ad.
        log: Receives what is shown when, at the instants that the listener is told.
        listener: Is told of every play.
        clock: The time in nanoseconds; never goes back.
        wall_clock: The venue's local time, for days and hours; by default the machine's.
        loops: Rounds through the playlist, at least 1; None to play for ever.
        sound: Plays the sound of clips; None for silence.
        viewport: Width and height in pixels that pictures are to fit.
        cross_fade_s: How long two ads that follow each other overlap, 0 to 3 seconds; 0 for cuts.
        wash_out_s: For how many seconds nothing is shown after each ad, at least 0, so that what it
            did to people does not spill over to the next one; there are no cross-fades then. A
            takeover that cuts off an ad begins at once.
        audience: Who stands before the screen at an instant of the clock, or None where that is not
            measured; asked when the next ad is chosen.

    Raises:
        AdsError: There is no ad, fewer than one loop, or a time outside its range.

    Example:
        >>> player = AdPlayer(load_playlist(path).ads, SequentialPolicy(), PlaybackLog(), listener, loops=1)
        >>> with player:
        ...     while not player.finished:
        ...         picture = player.advance()
        ...         if picture is not None:
        ...             paint(picture.rgb)
        ...             player.painted(picture)
        ...         time.sleep(0.01)
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
    ) -> None:
        if not 0 <= cross_fade_s <= LONGEST_CROSS_FADE_S:
            raise AdsError(
                f"The cross-fade must last 0 to {LONGEST_CROSS_FADE_S:.0f} seconds, got {cross_fade_s}."
            )
        if not 0 <= wash_out_s < math.inf:
            raise AdsError(f"The wash-out must last 0 seconds or more, got {wash_out_s}.")
        self._rotation = Rotation(ads, policy, loops)
        self._ad_ids = frozenset(ad.ad_id for ad in ads)
        self._log = log
        self._listener = listener
        self._clock = clock
        self._wall_clock = _local_now if wall_clock is None else wall_clock
        self._audience = audience
        self._sound = _PlaySound(sound)
        self._decoder = FrameDecoder(_sane(viewport))
        self._wash_out_ns = round(wash_out_s * 1e9)
        self._cross_fade_ns = 0 if self._wash_out_ns else round(cross_fade_s * 1e9)
        self._control = RLock()
        self._started = False
        self._stopped = False
        self._finished = False
        self._paused = False
        self._skip = False
        self._plays = 0
        self._current: Play | None = None
        # What is on the screen, what follows, and what is on its way out; and how long the present
        # play has been shown.
        self._item: _Item | None = None
        self._next: _Item | None = None
        self._leaving: _Item | None = None
        self._shown = _Course(0, 0, running=False)
        self._seeking: Deck | None = None
        self._rest_until_ns: int | None = None
        self._handed: Picture | None = None
        self._dropped_before = 0
        # Ads that failed before their turn came; told to the listener when it would have come.
        self._stillborn: list[tuple[Choice, MediaError]] = []
        # Failures without a good play between them; and those since a play began, which are not to
        # follow at once.
        self._failed_ids: set[str] = set()
        self._avoided_ids: set[str] = set()
        self._retry_ns: int | None = None
        self._failure: MediaError | None = None
        self._failures: deque[Failure] = deque(maxlen=KEPT_FAILURES)

    def __enter__(self) -> AdPlayer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def current(self) -> Play | None:
        """The play on the screen, None between plays."""
        return self._current

    @property
    def next_choice(self) -> Choice | None:
        """What plays next and why; None until it is chosen, which is a few seconds before its turn."""
        following = self._next
        return None if following is None else following.choice

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The newest failures, at most `KEPT_FAILURES`, in the order in which they were found."""
        with self._control:
            return tuple(self._failures)

    @property
    def dropped_frames(self) -> int:
        """How many pictures were never handed out, because a newer one was due at the same time."""
        item = self._item
        return self._dropped_before + (0 if item is None else item.deck.passed_over)

    @property
    def paused(self) -> bool:
        """Whether the show stands still."""
        return self._paused

    @property
    def resting(self) -> bool:
        """Whether nothing is shown because of the wash-out between two ads."""
        return self._rest_until_ns is not None

    @property
    def position_ms(self) -> float:
        """The position in the present ad in milliseconds, as in the log; 0 when nothing is shown."""
        position = None if self._current is None else self._log.at(self._clock())
        return 0.0 if position is None else position.position_ms

    @property
    def finished(self) -> bool:
        """Whether all loops are done and the last play has ended."""
        return self._finished

    def start(self) -> None:
        """Begins to decode the first ad. The first play starts with `advance`.

        Raises:
            AdsError: The player was started before.
        """
        with self._control:
            if self._started or self._stopped:
                raise AdsError("A player can be started only once; make a new one.")
            self._started = True
            self._decoder.start()
            self._prepare(self._clock())

    def advance(self) -> Picture | None:
        """Moves the show to the present instant.

        Returns:
            The newest picture that is due, or None if it is the one that the last call returned (or
            nothing is shown).

        Raises:
            MediaError: Every ad of the playlist failed, one after the other; raised again by every
                further call.
            AdsError: The decoding broke down.
        """
        with self._control:
            if not self._started or self._stopped:
                return None
            if self._failure is not None:
                raise self._failure
            if self._decoder.crash is not None:
                raise AdsError(
                    "The decoding of ads broke down; see the log for where."
                ) from self._decoder.crash
            now_ns = self._clock()
            if self._current is None:
                self._handed = None if self._paused else self._go_on(now_ns, None)
                return self._handed
            self._finish_seek(now_ns)
            ending = self._ending(now_ns)
            if ending is None:
                if self._left_ns(now_ns) <= PREPARE_AHEAD_NS:
                    self._prepare(now_ns)
                    self._fade_in(now_ns)
                    self._cue(now_ns)
                picture = self._due_picture(now_ns)
            else:
                picture = self._go_on(now_ns, ending)
            self._handed = picture or self._handed
            return picture

    def painted(self, picture: Picture) -> None:
        """Reports that a picture is on the screen now: until this moment, the one before was seen.

        Args:
            picture: What `advance` returned; an older one than the newest changes nothing.
        """
        with self._control:
            if (
                picture is self._handed
                and self._current is not None
                and picture.play_number == self._current.number
            ):
                self._log.painted(self._clock())

    def pause(self) -> None:
        """Lets picture, sound and position stand still until `resume`; nothing changes if they do."""
        with self._control:
            if self._paused or self._stopped:
                return
            self._paused = True
            if self._current is not None:
                self._set_running(self._clock(), running=False)
                self._sound.pause()

    def resume(self) -> None:
        """Goes on after `pause`; nothing changes otherwise."""
        with self._control:
            if not self._paused or self._stopped:
                return
            self._paused = False
            if self._current is not None:
                self._set_running(self._clock(), running=True)
                self._sound.resume()

    def skip(self) -> None:
        """Ends the present play as soon as the next ad is ready, usually with the next call of `advance`."""
        with self._control:
            if self._stopped:
                return
            if self._current is None:
                self._rest_until_ns = None
                return
            self._skip = True
            self._prepare(self._clock())

    def seek(self, position_ms: float) -> None:
        """Jumps to another place of the present ad as soon as its picture is ready; until then all goes on as before.

        A cross-fade that is under way ends. Nothing happens when nothing is shown, or if the place
        cannot be decoded.

        Args:
            position_ms: Milliseconds from the start of the ad; brought into its length.
        """
        with self._control:
            if self._item is None or self._stopped:
                return
            latest_ns = max(0, self._item.ad.duration_ns - 1_000_000)
            self._drop_seek()
            self._seeking = self._decoder.load(
                self._item.ad, min(max(0, round(position_ms * 1e6)), latest_ns)
            )

    def replace(self, ads: Sequence[Ad]) -> None:
        """Goes on with another playlist. The ad on the screen is shown to its end; limits per hour go on counting.

        Args:
            ads: The playlist, at least one ad.

        Raises:
            AdsError: There is no ad; the old playlist goes on.
        """
        with self._control:
            self._rotation.replace(ads)
            self._ad_ids = frozenset(ad.ad_id for ad in ads)
            # What failed may have been put right.
            self._failed_ids.clear()
            self._avoided_ids.clear()
            if self._next is not None and self._next.ad not in ads:
                self._drop_next()

    def seed(self, starts: Mapping[str, Iterable[int]]) -> None:
        """Takes in the starts of an earlier run, so that limits per hour hold over a restart; see `Rotation.seed`."""
        with self._control:
            self._rotation.seed(starts)

    def stop(self, outcome: Outcome = "stopped") -> None:
        """Ends the present play, silences the sound, ends the decode threads and waits for them. Safe to call again.

        Args:
            outcome: How the present play ended.
        """
        with self._control:
            if self._stopped:
                return
            self._stopped = True
            if self._current is not None:
                self._end(self._clock(), outcome, None)
            self._sound.stop()
            self._next = None
            self._stillborn.clear()
            self._decoder.stop()

    def set_viewport(self, width: int, height: int) -> None:
        """Sets the size that pictures are to fit from now on; a still picture comes again in the new size.

        Args:
            width: In pixels; values outside 16 to 3840 are brought inside.
            height: In pixels; values outside 16 to 2160 are brought inside.
        """
        self._decoder.set_viewport(_sane((width, height)))

    def wait_ready(self, timeout: float) -> bool:
        """Waits until the decode threads have prepared all that they may prepare, for those who drive the clock by hand.

        Args:
            timeout: At most this many seconds.

        Returns:
            Whether that is so now.
        """
        return self._decoder.wait_idle(timeout)

    # --- where the show stands ---

    def _left_ns(self, now_ns: int) -> int:
        """Until the present ad reaches its end."""
        return (
            0 if self._item is None else self._item.ad.duration_ns - self._item.position_at(now_ns)
        )

    def _set_running(self, now_ns: int, *, running: bool) -> None:
        for item in (self._item, self._next, self._leaving):
            if item is not None:
                item.set_running(now_ns, running=running)
        self._shown = self._shown.turned(now_ns, running=running)
        (self._log.resume if running else self._log.pause)(now_ns)

    def _ending(self, now_ns: int) -> tuple[Outcome, MediaError | None] | None:
        """How the present play is to end now; None if it is to go on."""
        if self._skip or self._must_give_way(now_ns):
            return "skipped", None
        if self._item is None or self._paused:
            return None
        is_faded = (
            self._next is not None
            and self._next.course is not None
            and self._next.opacity_at(now_ns) >= 0.5
        )
        if is_faded or self._left_ns(now_ns) <= 0:
            return "finished", None
        error = self._item.deck.error
        if (
            error is None
            and now_ns - self._item.waiting_ns >= PATIENCE_NS
            and self._item.deck.starved
        ):
            error = HangingMediaError(
                f"{self._item.ad.path} gave no further picture for {PATIENCE_NS / 1e9:.0f} s; "
                "check the disk, or replace the file."
            )
        return None if error is None else ("failed", error)

    def _must_give_way(self, now_ns: int) -> bool:
        """Whether a takeover is to cut off the present ad; it is chosen and opened then."""
        item = self._item
        if (
            item is None
            or self._paused
            or not self._rotation.interrupts(item.ad, now_ns, self._wall_clock(), self._avoided_ids)
        ):
            return False
        if self._next is not None and not self._next.ad.takeover:
            self._drop_next()
        self._prepare(now_ns)
        return self._next is not None and self._next.ad.takeover

    # --- from one ad to the next ---

    def _go_on(
        self, now_ns: int, ending: tuple[Outcome, MediaError | None] | None
    ) -> Picture | None:
        """Moves on to the next ad as soon as it is ready, and ends the present play then (or if none follows)."""
        if ending is not None and ending[1] is not None and self._item is not None:
            self._note_failure(self._item.ad, ending[1])
        self._prepare(now_ns)
        cut_off = (
            ending is not None
            and ending[0] == "skipped"
            and self._next is not None
            and self._next.ad.takeover
        )
        if ending is not None and self._wash_out_ns and self._next is not None and not cut_off:
            self._end(now_ns, *ending)
            self._rest_until_ns = now_ns + self._wash_out_ns
            self._sound.stop()
        if self._rest_until_ns is not None and now_ns < self._rest_until_ns:
            return None
        if self._next is not None and self._next.course is None and not self._next.deck.ready:
            # Rather the old picture than none.
            return None if self._current is None else self._due_picture(now_ns)
        self._rest_until_ns = None
        if ending is not None:
            self._end(now_ns, *ending)
        self._tell_stillborn(now_ns)
        self._give_up_if_all_failed()
        following, self._next = self._next, None
        if following is not None:
            self._begin(now_ns, following)
            return self._due_picture(now_ns)
        self._sound.stop()
        self._finished = self._rotation.complete
        self._forgive_in_time(now_ns)
        return None

    def _prepare(self, now_ns: int) -> None:
        """Chooses and opens the next ad, if none is; an ad that fails before its turn gives way to the one after."""
        local = self._wall_clock()
        while True:
            if self._next is None:
                audience = None if self._audience is None else self._audience(now_ns)
                choice = self._rotation.choose(now_ns, local, self._avoided_ids, audience)
                if choice is None:
                    return
                self._next = _Item(choice, self._decoder.load(choice.ad), now_ns)
            error = self._failure_of_next(now_ns)
            if error is not None:
                logger.warning("Ad %s cannot be played: %s", self._next.ad.ad_id, error)
                self._note_failure(self._next.ad, error)
                self._stillborn.append((self._next.choice, error))
            elif self._next.course is not None or self._rotation.allows(
                self._next.ad, now_ns, local
            ):
                return
            # Its hours have ended since it was chosen, or it failed.
            self._drop_next()

    def _failure_of_next(self, now_ns: int) -> MediaError | None:
        item = self._next
        if item is None or item.deck.error is not None:
            return None if item is None else item.deck.error
        patience_ns = FIRST_PATIENCE_NS if self._current is None else PATIENCE_NS
        if item.course is None and item.deck.starved and now_ns - item.waiting_ns >= patience_ns:
            return HangingMediaError(
                f"{item.ad.path} gave no picture within {patience_ns / 1e9:.0f} s; make it smaller, or replace the file."
            )
        return None

    def _fade_in(self, now_ns: int) -> None:
        """Lets the next ad run beside the present one, if it is time for that and it is ready."""
        item, following = self._item, self._next
        if (
            not self._cross_fade_ns
            or item is None
            or following is None
            or following.course is not None
        ):
            return
        left_ns = self._left_ns(now_ns)
        fade_ns = min(self._cross_fade_ns, item.ad.duration_ns // 2, following.ad.duration_ns // 2)
        if 0 < left_ns <= fade_ns and following.deck.ready and not self._paused:
            self._drop_leaving()
            following.course = _Course(now_ns, 0, running=True)
            following.fade_ns = left_ns

    def _cue(self, now_ns: int) -> None:
        """Announces the sound of the next ad a little ahead, or its silence."""
        item, following = self._item, self._next
        if item is None or following is None or following.cued or self._paused or self._wash_out_ns:
            return
        left_ns, position_ns = self._left_ns(now_ns), 0
        if following.course is not None:
            # It changes in the middle of the fade.
            position_ns = following.fade_ns // 2
            left_ns = position_ns - following.position_at(now_ns)
        elif self._cross_fade_ns:
            return
        if left_ns <= CUE_AHEAD_NS and following.deck.ready:
            following.cued = True
            path = following.ad.path if following.ad.has_sound else None
            self._sound.cue(path, position_ns, left_ns)

    def _begin(self, now_ns: int, item: _Item) -> None:
        choice = item.choice
        if item.course is None:
            item.course = _Course(now_ns, 0, running=not self._paused)
        if self._leaving is None:
            item.fade_ns = 0
        item.waiting_ns = now_ns
        position_ns = item.position_at(now_ns)
        self._plays += 1
        self._current = _play(self._plays, choice, now_ns)
        self._item = item
        self._shown = _Course(now_ns, 0, running=not self._paused)
        self._avoided_ids.clear()
        self._retry_ns = None
        self._rotation.started(choice.ad, now_ns)
        # The listener first: another thread that finds the play in the log may rely on the listener
        # knowing it.
        self._listener.play_started(self._current)
        self._log.start(self._plays, now_ns, position_ns)
        if self._paused:
            self._log.pause(now_ns)
        self._log_frame(now_ns)
        if choice.ad.has_sound:
            self._sound.play(choice.ad.path, position_ns, paused=self._paused)
        else:
            self._sound.stop()

    def _end(self, now_ns: int, outcome: Outcome, error: MediaError | None) -> None:
        play, item = self._current, self._item
        if play is None or item is None:
            return
        shown_ms = self._shown.position_at(now_ns) / 1e6
        self._current = self._item = None
        self._skip = False
        self._dropped_before += item.deck.passed_over
        self._drop_seek()
        self._drop_leaving()
        if outcome == "finished" and self._next is not None and self._next.course is not None:
            self._leaving = item
        else:
            item.deck.close()
        self._log.end(now_ns)
        if error is None:
            # A good play ends a row of failures; those that were to follow it begin the next.
            self._failed_ids = {
                choice.ad.ad_id for choice, why in self._stillborn if _is_final(why)
            }
        else:
            logger.warning("Ad %s broke off: %s", play.ad.ad_id, error)
        self._listener.play_ended(
            PlayEnd(play.number, now_ns, outcome, shown_ms, None if error is None else str(error))
        )

    def _tell_stillborn(self, now_ns: int) -> None:
        """Records the plays that were to be and could not: of no length, so that nothing is credited to them."""
        for choice, error in self._stillborn:
            self._plays += 1
            play = _play(self._plays, choice, now_ns)
            self._listener.play_started(play)
            self._log.start(play.number, now_ns)
            self._log.end(now_ns)
            self._listener.play_ended(PlayEnd(play.number, now_ns, "failed", 0.0, str(error)))
        self._stillborn.clear()

    def _note_failure(self, ad: Ad, error: MediaError) -> None:
        self._failures.append(Failure(self._wall_clock(), ad.ad_id, str(error)))
        self._avoided_ids.add(ad.ad_id)
        if _is_final(error):
            self._failed_ids.add(ad.ad_id)

    def _give_up_if_all_failed(self) -> None:
        if not self._ad_ids <= self._failed_ids:
            return
        self._failure = MediaError(
            f"None of the ads can be played ({', '.join(sorted(self._failed_ids))}); "
            "check the media files of the playlist."
        )
        raise self._failure

    def _forgive_in_time(self, now_ns: int) -> None:
        """Nothing follows: if that is because what may play now has failed, it gets another chance after a while."""
        if not self._avoided_ids:
            return
        if self._retry_ns is None:
            self._retry_ns = now_ns + RETRY_NS
        elif now_ns >= self._retry_ns:
            self._retry_ns = None
            self._avoided_ids.clear()

    # --- within an ad ---

    def _due_picture(self, now_ns: int) -> Picture | None:
        item, play = self._item, self._current
        if item is None or play is None:
            return None
        is_new = item.take_due(now_ns)
        if is_new:
            self._log_frame(now_ns)
        blend = self._blend(now_ns)
        if item.frame is None or not (is_new or self._looks_different(blend)):
            return None
        return Picture(item.frame.rgb, play.number, item.frame.position_ns / 1e6, blend)

    def _log_frame(self, now_ns: int) -> None:
        item = self._item
        if item is None or item.frame is None:
            return
        # The last picture stands until the end of the ad, and no position lies beyond that.
        until_ns = max(min(item.frame.until_ns, item.ad.duration_ns), item.frame.position_ns + 1)
        self._log.show(now_ns, item.position_at(now_ns), item.frame.position_ns, until_ns)

    def _blend(self, now_ns: int) -> Blend | None:
        """What lies over the present picture during a cross-fade."""
        if self._item is None:
            return None
        if self._leaving is not None:
            over, opacity = self._leaving, 1.0 - self._item.opacity_at(now_ns)
        elif self._next is not None and self._next.course is not None:
            over, opacity = self._next, self._next.opacity_at(now_ns)
        else:
            return None
        over.take_due(now_ns)
        if over.frame is None or opacity <= 0:
            self._drop_leaving()
            return None
        return Blend(over.frame.rgb, opacity)

    def _looks_different(self, blend: Blend | None) -> bool:
        shown = None if self._handed is None else self._handed.blend
        if blend is None or shown is None:
            return blend is not shown
        return blend.rgb is not shown.rgb or abs(blend.opacity - shown.opacity) * BLEND_STEPS >= 1

    def _finish_seek(self, now_ns: int) -> None:
        item, deck = self._item, self._seeking
        if item is None or deck is None:
            return
        if deck.error is not None:
            logger.warning(
                "Ad %s cannot be shown from %.1f s on: %s",
                item.ad.ad_id,
                deck.start_ns / 1e9,
                deck.error,
            )
            self._drop_seek()
        if not deck.ready:
            return
        self._seeking = None
        self._drop_leaving()
        if self._next is not None and self._next.course is not None:
            self._next.deck.close()
            self._next = _Item(self._next.choice, self._decoder.load(self._next.ad), now_ns)
        self._dropped_before += item.deck.passed_over
        item.deck.close()
        item.deck, item.frame, item.fade_ns, item.waiting_ns = deck, None, 0, now_ns
        item.course = _Course(now_ns, deck.start_ns, running=not self._paused)
        if self._next is not None and self._next.cued:
            self._next.cued = False
            self._sound.stop()
        if item.ad.has_sound:
            self._sound.play(item.ad.path, deck.start_ns, paused=self._paused)

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.deck.close()
            self._next = None

    def _drop_seek(self) -> None:
        if self._seeking is not None:
            self._seeking.close()
            self._seeking = None

    def _drop_leaving(self) -> None:
        if self._leaving is not None:
            self._leaving.deck.close()
            self._leaving = None


class _PlaySound:
    """The sound of the present play; does nothing where there is no sound output or no sound track."""

    def __init__(self, output: SoundOutput | None) -> None:
        self._output = output
        self._held_back: tuple[Path, float] | None = None
        self._playing = False

    def play(self, path: Path, position_ns: int, *, paused: bool) -> None:
        if self._output is None:
            return
        if paused:
            # Starting and pausing at once would be heard.
            self.stop()
            self._held_back = path, position_ns / 1e9
        else:
            self._held_back = None
            self._output.play(path, position_ns / 1e9)
            self._playing = True

    def cue(self, path: Path | None, position_ns: int, in_ns: int) -> None:
        if self._output is not None and (self._playing or path is not None):
            self._output.cue(path, position_ns / 1e9, in_ns / 1e9)
            self._playing = True

    def pause(self) -> None:
        if self._output is not None and self._playing:
            self._output.pause()

    def resume(self) -> None:
        if self._output is None:
            return
        if self._held_back is not None:
            self._output.play(*self._held_back)
            self._held_back = None
            self._playing = True
        elif self._playing:
            self._output.resume()

    def stop(self) -> None:
        self._held_back = None
        if self._output is not None and self._playing:
            self._output.stop()
        self._playing = False


def _play(number: int, choice: Choice, started_ns: int) -> Play:
    return Play(
        number,
        choice.ad,
        started_ns,
        choice.reason,
        choice.probability,
        choice.held_out,
        choice.context,
    )


def _is_final(error: MediaError) -> bool:
    """Whether trying again is no use; a disk that hangs may come back."""
    return not isinstance(error, HangingMediaError)


def _local_now() -> datetime:
    return datetime.now().astimezone()


def _sane(viewport: tuple[int, int]) -> Size:
    """A window that is being built may report no size at all."""
    return min(max(viewport[0], 16), LARGEST_VIEWPORT[0]), min(
        max(viewport[1], 16), LARGEST_VIEWPORT[1]
    )

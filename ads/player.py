"""Plays ads in real time: which picture is due now, what comes next, and what was shown when.

The player has no timer and no window. Whoever shows the pictures calls `AdPlayer.advance` often, from one thread, and
paints what it returns; all decisions follow from the clock that was passed in, so a test can drive it by hand.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ads.decoder import Deck, FrameDecoder
from ads.errors import AdsError, MediaError
from ads.playback import Outcome, Play, PlaybackListener, PlaybackLog, PlayEnd
from ads.schedule import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ads.media import MediaFrame, Size
    from ads.playlist import Ad
    from ads.policy import Choice, Policy

__all__ = ["AdPlayer", "Outcome", "Picture", "Play", "PlayEnd", "PlaybackListener", "PlaybackLog", "SoundOutput"]

logger = logging.getLogger(__name__)

PREPARE_AHEAD_NS = 3_000_000_000
"""The next ad is chosen and opened this long before the present one ends: enough for a slow disk, and late enough for a
policy that looks at the audience."""

LARGEST_VIEWPORT = (3840, 2160)
"""Frames are not made larger than this; whoever shows them enlarges them."""

RETRY_NS = 60_000_000_000
"""When all ads that may play now have failed, and others wait for their hours, they are tried again after this time."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What to paint now.

    Attributes:
        rgb: `(height, width, 3)` uint8, C-contiguous; fits the viewport without distortion. Not to be modified.
        play_number: The play that it belongs to.
        position_ms: Where in the ad this picture belongs, in milliseconds from its start.
    """

    rgb: NDArray[np.uint8]
    play_number: int
    position_ms: float


class SoundOutput(Protocol):
    """Plays the sound of clips; called by the thread that drives the player. No method may block or raise."""

    def play(self, path: Path, position_s: float) -> None:
        """Plays the sound of a clip from a position, in place of what it plays now."""

    def pause(self) -> None:
        """Falls silent, and keeps the place."""

    def resume(self) -> None:
        """Goes on from where `pause` stopped it."""

    def stop(self) -> None:
        """Falls silent, and forgets the clip."""


@dataclass(frozen=True, slots=True)
class _Course:
    """How the position in the present ad follows from the clock; replaced as a whole, so any thread may read it."""

    since_ns: int
    position_ns: int
    running: bool

    def position_at(self, now_ns: int) -> int:
        return self.position_ns + (now_ns - self.since_ns if self.running else 0)


@dataclass(frozen=True, slots=True)
class _Next:
    """The ad that was chosen to follow, and its frames."""

    choice: Choice
    deck: Deck


class AdPlayer:
    """Shows one ad after the other without black between them.

    The next ad is opened and its first frame decoded before the present one ends. A play ends when the next picture is
    handed out: the end of one and the start of the next are the same instant of the clock. If the next ad is late, the
    last picture stays, and so does its play.

    An ad whose days, hours or limit per hour do not allow it now is left out; while none is allowed, nothing is shown
    and the player looks again with every call.

    All methods may be called from any thread, but are meant for one; the listener and the sound are called in it, from
    inside these methods. Pausing lasts until `resume`, also over a skip: the next ad then stands at its first picture.

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

    Raises:
        AdsError: There is no ad, or fewer than one loop.

    Example:
        >>> player = AdPlayer(load_playlist(path).ads, SequentialPolicy(), PlaybackLog(), listener, loops=1)
        >>> with player:
        ...     while not player.finished:
        ...         picture = player.advance()
        ...         if picture is not None:
        ...             paint(picture.rgb)
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
    ) -> None:
        self._rotation = Rotation(ads, policy, loops)
        self._ad_ids = frozenset(ad.ad_id for ad in ads)
        self._log = log
        self._listener = listener
        self._clock = clock
        self._wall_clock = _local_now if wall_clock is None else wall_clock
        self._sound = _PlaySound(sound)
        self._decoder = FrameDecoder(_sane(viewport))
        self._control = threading.RLock()
        self._started = False
        self._stopped = False
        self._finished = False
        self._paused = False
        self._skip = False
        self._plays = 0
        self._current: Play | None = None
        self._deck: Deck | None = None
        self._course = _Course(0, 0, running=False)
        self._next: _Next | None = None
        # Ads that failed before their turn came; told to the listener when it would have come.
        self._stillborn: list[tuple[Choice, MediaError]] = []
        # Failures without a good play between them; and those since a play began, which are not to follow at once.
        self._failed_ids: set[str] = set()
        self._avoided_ids: set[str] = set()
        self._retry_ns: int | None = None
        self._failure: MediaError | None = None

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
    def paused(self) -> bool:
        """Whether the show stands still."""
        return self._paused

    @property
    def position_ms(self) -> float:
        """The position in the present ad in milliseconds; 0 when nothing is shown."""
        course = self._course
        return 0.0 if self._current is None else course.position_at(self._clock()) / 1e6

    @property
    def finished(self) -> bool:
        """Whether all loops are done and the last play has ended."""
        return self._finished

    def start(self) -> None:
        """Starts the decode thread and prepares the first ad. The first play starts with `advance`.

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
            The newest picture that is due, or None if it is the one that the last call returned (or nothing is shown).

        Raises:
            MediaError: Every ad of the playlist failed, one after the other; raised again by every further call.
            AdsError: The decode thread broke down.
        """
        with self._control:
            if not self._started or self._stopped:
                return None
            if self._failure is not None:
                raise self._failure
            if self._decoder.crash is not None:
                raise AdsError("The decoding of ads broke down; see the log for where.") from self._decoder.crash
            now_ns = self._clock()
            if self._current is None:
                return None if self._paused else self._go_on(now_ns, None)
            ending = self._ending(now_ns)
            if ending is None:
                if self._position_ns(now_ns) + PREPARE_AHEAD_NS >= self._current.ad.duration_ns:
                    self._prepare(now_ns)
                return self._due_picture(now_ns)
            return self._go_on(now_ns, ending)

    def pause(self) -> None:
        """Lets picture, sound and position stand still until `resume`; nothing changes if they do."""
        with self._control:
            if self._paused or self._stopped:
                return
            self._paused = True
            if self._current is not None:
                now_ns = self._clock()
                self._course = _Course(now_ns, self._position_ns(now_ns), running=False)
                self._log.pause(now_ns)
                self._sound.pause()

    def resume(self) -> None:
        """Goes on after `pause`; nothing changes otherwise."""
        with self._control:
            if not self._paused or self._stopped:
                return
            self._paused = False
            if self._current is not None:
                now_ns = self._clock()
                self._course = _Course(now_ns, self._position_ns(now_ns), running=True)
                self._log.resume(now_ns)
                self._sound.resume()

    def skip(self) -> None:
        """Ends the present play as soon as the next ad is ready, usually with the next call of `advance`."""
        with self._control:
            if self._current is None or self._stopped:
                return
            self._skip = True
            self._prepare(self._clock())

    def stop(self, outcome: Outcome = "stopped") -> None:
        """Ends the present play, silences the sound, ends the decode thread and waits for it. Safe to call again.

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
        """Waits until the decode thread has prepared all that it may prepare, for those who drive the clock by hand.

        Args:
            timeout: At most this many seconds.

        Returns:
            Whether that is so now.
        """
        return self._decoder.wait_idle(timeout)

    def _position_ns(self, now_ns: int) -> int:
        return self._course.position_at(now_ns)

    def _ending(self, now_ns: int) -> tuple[Outcome, MediaError | None] | None:
        """How the present play is to end now; None if it is to go on."""
        if self._current is None or self._deck is None:
            return None
        if self._skip:
            return "skipped", None
        if self._paused:
            return None
        if self._position_ns(now_ns) >= self._current.ad.duration_ns:
            return "finished", None
        error = self._deck.error
        return None if error is None else ("failed", error)

    def _go_on(self, now_ns: int, ending: tuple[Outcome, MediaError | None] | None) -> Picture | None:
        """Moves on to the next ad as soon as it is ready, and ends the present play then (or if none follows)."""
        if ending is not None and ending[0] == "failed" and self._current is not None:
            self._note_failure(self._current.ad)
        self._prepare(now_ns)
        if self._next is not None and not self._next.deck.ready:
            # Rather the old picture than none.
            return None if self._current is None else self._due_picture(now_ns)
        if ending is not None:
            self._end(now_ns, *ending)
        self._tell_stillborn(now_ns)
        self._give_up_if_all_failed()
        following, self._next = self._next, None
        if following is not None:
            self._begin(now_ns, following)
            return self._due_picture(now_ns)
        self._finished = self._rotation.complete
        self._forgive_in_time(now_ns)
        return None

    def _prepare(self, now_ns: int) -> None:
        """Chooses and opens the next ad, if none is; an ad that fails before its turn gives way to the one after."""
        local = self._wall_clock()
        while True:
            if self._next is None:
                choice = self._rotation.choose(now_ns, local, without=self._avoided_ids)
                if choice is None:
                    return
                self._next = _Next(choice, self._decoder.load(choice.ad))
            ad = self._next.choice.ad
            error = self._next.deck.error
            if error is not None:
                logger.warning("Ad %s cannot be played: %s", ad.ad_id, error)
                self._note_failure(ad)
                self._stillborn.append((self._next.choice, error))
            elif self._rotation.allows(ad, now_ns, local):
                return
            # Its hours have ended since it was chosen, or it failed.
            self._next.deck.close()
            self._next = None

    def _begin(self, now_ns: int, following: _Next) -> None:
        choice = following.choice
        self._plays += 1
        self._current = Play(self._plays, choice.ad, now_ns, choice.reason, choice.probability)
        self._deck = following.deck
        self._avoided_ids.clear()
        self._retry_ns = None
        self._course = _Course(now_ns, 0, running=not self._paused)
        self._rotation.started(choice.ad, now_ns)
        # The listener first: another thread that finds the play in the log may rely on the listener knowing it.
        self._listener.play_started(self._current)
        self._log.start(self._plays, now_ns)
        if self._paused:
            self._log.pause(now_ns)
        if choice.ad.has_sound:
            self._sound.play(choice.ad.path, paused=self._paused)

    def _end(self, now_ns: int, outcome: Outcome, error: MediaError | None) -> None:
        play, deck = self._current, self._deck
        if play is None or deck is None:
            return
        shown_ms = self._position_ns(now_ns) / 1e6
        self._current = self._deck = None
        self._skip = False
        deck.close()
        self._sound.stop()
        self._log.end(now_ns)
        if error is None:
            # A good play ends a row of failures; those that were to follow it begin the next.
            self._failed_ids = {choice.ad.ad_id for choice, _ in self._stillborn}
        else:
            logger.warning("Ad %s broke off: %s", play.ad.ad_id, error)
        self._listener.play_ended(
            PlayEnd(play.number, now_ns, outcome, shown_ms, None if error is None else str(error))
        )

    def _tell_stillborn(self, now_ns: int) -> None:
        """Records the plays that were to be and could not: of no length, so that nothing is credited to them."""
        for choice, error in self._stillborn:
            self._plays += 1
            play = Play(self._plays, choice.ad, now_ns, choice.reason, choice.probability)
            self._listener.play_started(play)
            self._log.start(play.number, now_ns)
            self._log.end(now_ns)
            self._listener.play_ended(PlayEnd(play.number, now_ns, "failed", 0.0, str(error)))
        self._stillborn.clear()

    def _note_failure(self, ad: Ad) -> None:
        self._failed_ids.add(ad.ad_id)
        self._avoided_ids.add(ad.ad_id)

    def _give_up_if_all_failed(self) -> None:
        if self._failed_ids < self._ad_ids:
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

    def _due_picture(self, now_ns: int) -> Picture | None:
        if self._current is None or self._deck is None:
            return None
        frame: MediaFrame | None = self._deck.take_due(self._position_ns(now_ns))
        return None if frame is None else Picture(frame.rgb, self._current.number, frame.position_ns / 1e6)


class _PlaySound:
    """The sound of the present play; does nothing where there is no sound output or no sound track."""

    def __init__(self, output: SoundOutput | None) -> None:
        self._output = output
        self._held_back: Path | None = None
        self._playing = False

    def play(self, path: Path, *, paused: bool) -> None:
        if self._output is None:
            return
        if paused:
            # Starting and pausing at once would be heard.
            self._held_back = path
        else:
            self._output.play(path, 0.0)
            self._playing = True

    def pause(self) -> None:
        if self._output is not None and self._playing:
            self._output.pause()

    def resume(self) -> None:
        if self._output is None:
            return
        if self._held_back is not None:
            self._output.play(self._held_back, 0.0)
            self._held_back = None
            self._playing = True
        elif self._playing:
            self._output.resume()

    def stop(self) -> None:
        self._held_back = None
        if self._output is not None and self._playing:
            self._output.stop()
        self._playing = False


def _local_now() -> datetime:
    return datetime.now().astimezone()


def _sane(viewport: tuple[int, int]) -> Size:
    """A window that is being built may report no size at all."""
    return min(max(viewport[0], 16), LARGEST_VIEWPORT[0]), min(max(viewport[1], 16), LARGEST_VIEWPORT[1])

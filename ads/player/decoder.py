"""Decodes a little ahead of the show: one thread for each ad that is shown or about to be.

A `Deck` is an ad with its frames in waiting. Its own thread alone opens, reads and closes the
media; the show takes frames from decks and never waits for them. A file that takes for ever to open
therefore holds up nothing but itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from ads.errors import AdsError, MediaError
from ads.media.decode import MediaFrame, Size, frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ads.playlists.playlist import Ad

logger = logging.getLogger(__name__)

THREAD_NAME = "ad-decoder"

FRAMES_AHEAD = 10
"""A third of a second of usual video: rides out a busy moment of the machine."""

BYTES_AHEAD = 64 << 20
"""Bounds the frames in waiting of one deck on very large screens; two are always kept."""

JOIN_TIMEOUT_S = 5.0
"""How long stopping waits for decodes that are under way."""

STUCK_AFTER_S = 3.0
"""A thread that goes on for so long after its deck was closed hangs in the file; that file is not tried again meanwhile,
so that threads cannot pile up."""


class HangingMediaError(MediaError):
    """A media file that cannot be read at present, although it may be sound."""


class Deck:
    """An ad with its frames in waiting. Made by `FrameDecoder.load`; methods may be called from any thread.

    Attributes:
        ad: What is decoded.
        start_ns: The position at which it begins, nanoseconds.
    """

    def __init__(self, ad: Ad, start_ns: int, changed: threading.Condition) -> None:
        self.ad = ad
        self.start_ns = start_ns
        self._changed = changed
        self._waiting: deque[MediaFrame] = deque()
        self._exhausted = False
        self._error: MediaError | None = None
        self._wanted_ns = -1
        self._closed_s: float | None = None
        self._outdated = False
        self._busy = False
        self._passed_over = 0

    @property
    def ready(self) -> bool:
        """Whether a frame waits to be shown."""
        with self._changed:
            return bool(self._waiting)

    @property
    def starved(self) -> bool:
        """Whether no frame waits although more are to come."""
        with self._changed:
            return not self._waiting and not self._exhausted

    @property
    def error(self) -> MediaError | None:
        """What stopped the decoding, once the frames before it have been taken; else None."""
        with self._changed:
            return None if self._waiting else self._error

    @property
    def passed_over(self) -> int:
        """How many frames were never shown, because a newer one was due as well."""
        return self._passed_over

    def take_due(self, position_ns: int) -> MediaFrame | None:
        """Takes the newest frame that is due at a position, and drops the older ones.

        Args:
            position_ns: The position in the ad that the show has reached.

        Returns:
            The frame, or None if no frame has become due since the last call.
        """
        newest = None
        with self._changed:
            while self._waiting and self._waiting[0].position_ns <= position_ns:
                self._passed_over += newest is not None
                newest = self._waiting.popleft()
                self._passed_over += newest.left_out
            self._wanted_ns = position_ns
            if newest is not None:
                self._changed.notify_all()
        return newest

    def close(self) -> None:
        """Gives up the frames in waiting; the deck's thread closes the media and ends. Safe to call again."""
        with self._changed:
            if self._closed_s is None:
                self._closed_s = time.monotonic()
            self._waiting.clear()
            self._changed.notify_all()

    # --- the decoder's side; the caller holds the condition, except for `wanted_ns` ---

    def wanted_ns(self) -> int:
        """The position that the show has reached, -1 before its start."""
        return self._wanted_ns

    @property
    def closed(self) -> bool:
        """Whether nobody takes frames any more."""
        return self._closed_s is not None

    @property
    def idle(self) -> bool:
        """Whether its thread has nothing to do at present."""
        return not self._busy and not self.wants_more

    @property
    def stuck(self) -> bool:
        """Whether its thread ought to have ended long ago."""
        return self._closed_s is not None and time.monotonic() - self._closed_s > STUCK_AFTER_S

    @property
    def wants_more(self) -> bool:
        """Whether a further frame is to be decoded."""
        if self._closed_s is not None or self._error is not None:
            return False
        if self._outdated:
            return True
        if self._exhausted:
            return False
        held = len(self._waiting)
        return held < 2 or (
            held < FRAMES_AHEAD and (held + 1) * self._waiting[0].rgb.nbytes <= BYTES_AHEAD
        )

    def outdate(self) -> None:
        """Asks for what can be made again in another size: all that does not move, or has not begun."""
        self._outdated = self._outdated or self.ad.kind == "image" or self._wanted_ns < 0

    def begin(self) -> bool:
        """Marks the thread as busy with the next frame; returns whether it has to begin with the first one again."""
        self._busy = True
        again, self._outdated = self._outdated, False
        return again

    def store(self, frame: MediaFrame | None, error: MediaError | None, *, instead: bool) -> None:
        """Puts a frame in waiting, or notes that none follows, because of an error or because it is the end.

        Args:
            frame: The next frame; None at the end.
            error: Why it is the end, if not because all is decoded.
            instead: Whether it replaces all that waits.
        """
        if instead:
            self._waiting.clear()
        if frame is not None and not self.closed:
            self._waiting.append(frame)
        self._exhausted = frame is None
        self._error = error
        self._busy = False


class FrameDecoder:
    """Owns the decks and their threads. A context manager; `start` and `stop` are called by its owner.

    Args:
        viewport: Width and height in pixels that frames are to fit.
    """

    def __init__(self, viewport: Size) -> None:
        self._changed = threading.Condition()
        self._viewport = viewport
        self._running: dict[Deck, threading.Thread] = {}
        self._started = False
        self._stopping = False
        self._crash: BaseException | None = None

    def __enter__(self) -> FrameDecoder:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def crash(self) -> BaseException | None:
        """The error that ended a thread, which only a mistake in this program can cause; else None."""
        return self._crash

    def start(self) -> None:
        """Allows decks to be loaded."""
        if self._started:
            raise AdsError("A decoder can be started only once; make a new one.")
        self._started = True

    def load(self, ad: Ad, start_ns: int = 0) -> Deck:
        """Begins to decode an ad; returns at once.

        Args:
            ad: What to decode.
            start_ns: The position whose picture comes first, nanoseconds.
        """
        deck = Deck(ad, start_ns, self._changed)
        thread = threading.Thread(target=self._run, args=(deck,), name=THREAD_NAME, daemon=True)
        with self._changed:
            if any(other.ad.path == ad.path and other.stuck for other in self._running):
                hangs = f"{ad.path} still hangs since it was tried before; check the disk, or replace the file."
                deck.store(None, HangingMediaError(hangs), instead=False)
            elif not self._stopping:
                self._running[deck] = thread
                thread.start()
        return deck

    def set_viewport(self, viewport: Size) -> None:
        """Sets the size that frames decoded from now on are to fit; what does not move, or has not begun, is decoded
        again."""
        with self._changed:
            if viewport == self._viewport:
                return
            self._viewport = viewport
            for deck in self._running:
                deck.outdate()
            self._changed.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Waits until all decks have all the frames that they may hold.

        Args:
            timeout: At most this many seconds.

        Returns:
            Whether that is so now.
        """
        with self._changed:
            return self._changed.wait_for(lambda: all(deck.idle for deck in self._running), timeout)

    def stop(self) -> None:
        """Ends the threads, which close all media, and waits for them. Safe to call again."""
        with self._changed:
            self._stopping = True
            running = dict(self._running)
        for deck in running:
            deck.close()
        deadline = time.monotonic() + JOIN_TIMEOUT_S
        for deck, thread in running.items():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                logger.error("Decoding %s did not end within %.0f s", deck.ad.path, JOIN_TIMEOUT_S)

    def _current_viewport(self) -> Size:
        return self._viewport

    def _run(self, deck: Deck) -> None:
        source: Iterator[MediaFrame] | None = None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: deck.closed or deck.wants_more)
                    if deck.closed:
                        break
                    again = deck.begin()
                if again or source is None:
                    _close(source)
                    source = self._open(deck)
                frame, error = _next(source)
                if frame is not None and frame.position_ns >= deck.ad.duration_ns:
                    # The playlist cuts the ad here.
                    frame = None
                if frame is None:
                    _close(source)
                    source = None
                with self._changed:
                    deck.store(frame, error, instead=again)
                    self._changed.notify_all()
        except Exception as error:
            logger.exception("Decoding %s broke down", deck.ad.path)
            self._crash = error
        finally:
            _close(source)
            with self._changed:
                self._running.pop(deck, None)
                self._changed.notify_all()

    def _open(self, deck: Deck) -> Iterator[MediaFrame]:
        ad = deck.ad
        return frames(
            ad.path,
            ad.kind,
            self._current_viewport,
            loop=True,
            wanted_ns=deck.wanted_ns,
            start_ns=deck.start_ns,
        )


def _next(source: Iterator[MediaFrame]) -> tuple[MediaFrame | None, MediaError | None]:
    try:
        return next(source, None), None
    except MediaError as error:
        return None, error


def _close(source: Iterator[MediaFrame] | None) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()

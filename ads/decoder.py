"""The one thread that decodes: it prepares frames a little ahead of the show, for the present ad and for the next.

A `Deck` is an ad with its frames in waiting. The decode thread alone opens, reads and closes media; the show takes
frames from decks and never waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from ads.errors import AdsError, MediaError
from ads.media import MediaFrame, Size, frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ads.playlist import Ad

logger = logging.getLogger(__name__)

THREAD_NAME = "ad-decoder"

FRAMES_AHEAD = 10
"""A third of a second of usual video: more than a picture of the next ad takes to open."""

BYTES_AHEAD = 64 << 20
"""Bounds the frames in waiting of one deck on very large screens; two are always kept."""

JOIN_TIMEOUT_S = 5.0
"""How long stopping waits for a decode that is under way."""

_IDLE_WAIT_S = 1.0


class Deck:
    """An ad with its frames in waiting. Made by `FrameDecoder.load`; methods may be called from any thread.

    Attributes:
        ad: What is decoded.
    """

    def __init__(self, ad: Ad, changed: threading.Condition) -> None:
        self.ad = ad
        self._changed = changed
        self._waiting: deque[MediaFrame] = deque()
        self._exhausted = False
        self._error: MediaError | None = None
        self._wanted_ns = -1
        self._closed = False
        self._outdated = False

    @property
    def ready(self) -> bool:
        """Whether a frame waits to be shown."""
        with self._changed:
            return bool(self._waiting)

    @property
    def error(self) -> MediaError | None:
        """What stopped the decoding, once the frames before it have been taken; else None."""
        with self._changed:
            return None if self._waiting else self._error

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
                newest = self._waiting.popleft()
            self._wanted_ns = position_ns
            if newest is not None:
                self._changed.notify_all()
        return newest

    def close(self) -> None:
        """Gives up the frames in waiting; the decode thread closes the media. Safe to call again."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    # --- the decoder's side ---

    @property
    def closed(self) -> bool:
        """Whether nobody takes frames any more."""
        return self._closed

    def wanted_ns(self) -> int:
        """The position that the show has reached, -1 before its start."""
        return self._wanted_ns

    def wants_more(self) -> bool:
        """Whether a further frame is to be decoded."""
        with self._changed:
            if self._closed or self._error is not None:
                return False
            if self._outdated:
                return True
            if self._exhausted:
                return False
            held = len(self._waiting)
            return held < 2 or (held < FRAMES_AHEAD and (held + 1) * self._waiting[0].rgb.nbytes <= BYTES_AHEAD)

    def outdate(self) -> None:
        """Asks for the ad to be decoded again from its start."""
        with self._changed:
            self._outdated = True

    def begin_again(self) -> bool:
        """Answers a call of `outdate`: returns whether there was one since the last time."""
        with self._changed:
            outdated, self._outdated = self._outdated, False
            return outdated

    def store(self, frame: MediaFrame | None, error: MediaError | None, *, instead: bool) -> None:
        """Puts a frame in waiting, or notes that none follows, because of an error or because it is the end.

        Args:
            frame: The next frame; None at the end.
            error: Why it is the end, if not because all is decoded.
            instead: Whether it replaces all that waits.
        """
        with self._changed:
            if instead:
                self._waiting.clear()
            if frame is not None and not self._closed:
                self._waiting.append(frame)
            self._exhausted = frame is None
            self._error = error


class FrameDecoder:
    """Owns the decode thread. A context manager; `start` and `stop` are called by its owner.

    Args:
        viewport: Width and height in pixels that frames are to fit.
    """

    def __init__(self, viewport: Size) -> None:
        self._changed = threading.Condition()
        self._viewport = viewport
        self._decks: list[Deck] = []
        self._busy = False
        self._stopping = False
        self._crash: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> FrameDecoder:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def crash(self) -> BaseException | None:
        """The error that ended the thread, which only a mistake in this program can cause; else None."""
        return self._crash

    def start(self) -> None:
        """Starts the decode thread."""
        if self._thread is not None:
            raise AdsError("A decoder can be started only once; make a new one.")
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def load(self, ad: Ad) -> Deck:
        """Begins to decode an ad from its start; returns at once. Decks loaded earlier are served first."""
        deck = Deck(ad, self._changed)
        with self._changed:
            self._decks.append(deck)
            self._changed.notify_all()
        return deck

    def set_viewport(self, viewport: Size) -> None:
        """Sets the size that frames decoded from now on are to fit; what does not move, or has not
        begun, is decoded again."""
        with self._changed:
            if viewport == self._viewport:
                return
            self._viewport = viewport
            for deck in self._decks:
                if deck.ad.kind == "image" or deck.wanted_ns() < 0:
                    deck.outdate()
            self._changed.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Waits until all decks have all the frames that they may hold.

        Args:
            timeout: At most this many seconds.

        Returns:
            Whether that is so now.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._idle():
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._idle()
        return True

    def stop(self) -> None:
        """Ends the thread, which closes all media, and waits for it. Safe to call again."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(JOIN_TIMEOUT_S)
            if self._thread.is_alive():
                logger.error("The thread %s did not end within %.0f s", THREAD_NAME, JOIN_TIMEOUT_S)

    def _idle(self) -> bool:
        return self._stopping or (not self._busy and self._next_deck() is None)

    def _next_deck(self) -> Deck | None:
        return next((deck for deck in self._decks if deck.wants_more()), None)

    def _current_viewport(self) -> Size:
        return self._viewport

    def _run(self) -> None:
        opened: dict[Deck, Iterator[MediaFrame]] = {}
        try:
            while self._step(opened):
                pass
        except Exception as error:
            logger.exception("The thread %s broke down", THREAD_NAME)
            self._crash = error
        finally:
            for source in opened.values():
                _close(source)
            with self._changed:
                self._stopping = True
                for deck in self._decks:
                    deck.close()
                self._decks.clear()
                self._changed.notify_all()

    def _step(self, opened: dict[Deck, Iterator[MediaFrame]]) -> bool:
        """Decodes one frame of the deck that needs it first; returns False when it is time to end."""
        with self._changed:
            while True:
                if self._stopping:
                    return False
                closed = [deck for deck in self._decks if deck.closed]
                deck = self._next_deck()
                if deck is not None or closed:
                    break
                self._changed.wait(_IDLE_WAIT_S)
            self._decks = [kept for kept in self._decks if kept not in closed]
            self._busy = True
        for old in closed:
            _close(opened.pop(old, None))
        if deck is not None:
            self._decode_one(deck, opened)
        with self._changed:
            self._busy = False
            self._changed.notify_all()
        return True

    def _decode_one(self, deck: Deck, opened: dict[Deck, Iterator[MediaFrame]]) -> None:
        ad = deck.ad
        again = deck.begin_again()
        if again:
            _close(opened.pop(deck, None))
        if deck not in opened:
            opened[deck] = frames(ad.path, ad.kind, self._current_viewport, loop=True, wanted_ns=deck.wanted_ns)
        frame: MediaFrame | None = None
        error: MediaError | None = None
        try:
            frame = next(opened[deck], None)
        except MediaError as caught:
            error = caught
        if frame is not None and frame.position_ns >= ad.duration_ns:
            # The playlist cuts the ad here.
            frame = None
        if frame is None:
            _close(opened.pop(deck))
        deck.store(frame, error, instead=again)


def _close(source: Iterator[MediaFrame] | None) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()

"""What the people before the screen mean for the show: their mood now, for the next choice, and what a play was worth."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ads.policies.audience import Audience, Reward
from ads.show.playback import KEPT_NS
from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ads.show.playback import Play, PlaybackLog, PlayEnd
    from detector.types import AnalysedFrame

MOOD_WINDOW_NS = 3_000_000_000
"""A mood is that of the last three seconds: longer than one expression, shorter than the shortest ad."""

PRESENT_NS = 1_000_000_000
"""Whoever was seen within this is still there; a face is missed now and then."""

LONGEST_STEP_NS = 500_000_000
"""Most time that is credited between two frames with the same viewer."""


class AudienceMeter:
    """The audience of the last seconds; its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[AnalysedFrame] = deque()

    def record(self, frame: AnalysedFrame) -> None:
        """Take in the next frame."""
        with self._lock:
            self._frames.append(frame)
            while frame.captured_ns - self._frames[0].captured_ns > MOOD_WINDOW_NS:
                self._frames.popleft()

    def present(self, now_ns: int) -> Audience | None:
        """Who is there now; `None` where nothing was measured in the last second.

        The mood is the emotion with the largest mean over viewers of each viewer's mean
        probability.

        Args:
            now_ns: Now, on the clock of the frames.
        """
        with self._lock:
            frames = [
                frame for frame in self._frames if now_ns - frame.captured_ns <= MOOD_WINDOW_NS
            ]
        if not frames or now_ns - frames[-1].captured_ns > PRESENT_NS:
            return None
        attentive: dict[int, bool] = {}
        emotions: dict[int, list[tuple[float, ...]]] = {}
        for frame in frames:
            for reading in frame.readings:
                if reading.static:
                    continue
                if now_ns - frame.captured_ns <= PRESENT_NS:
                    attentive[reading.viewer] = reading.attentive
                if reading.probabilities is not None:
                    emotions.setdefault(reading.viewer, []).append(reading.probabilities)
        means = [np.mean(rows, axis=0) for viewer, rows in emotions.items() if viewer in attentive]
        mood = EMOTIONS[int(np.mean(means, axis=0).argmax())] if means else None
        return Audience(len(attentive), sum(attentive.values()), mood)


@dataclass(slots=True)
class _Account:
    """What is known of one play so far, in nanoseconds of viewers."""

    play: Play
    ended_ns: int | None = None
    seen: int = 0
    worth: float = 0.0


class RewardMeter:
    """Rates plays: attention times valence, averaged over the time in which viewers were in view.

    The reward of a play is the integral of attentive(t) x valence(t) over all viewers, divided by
    their dwell, both without the stretches in which a viewer's emotion could not be read.
    Implements `ads.show.playback.PlaybackListener`; its methods may be called from any thread.

    Args:
        log: What was on screen when.
        rated: Called once for each play that anybody saw, soon after its end, from the thread that
            brought the last frame; where no frames come, long after its end, from the thread of the
            show.
    """

    def __init__(self, log: PlaybackLog, rated: Callable[[Play, Reward], None]) -> None:
        self._log = log
        self._rated = rated
        self._lock = threading.Lock()
        self._accounts: dict[int, _Account] = {}
        self._last: dict[int, tuple[int, int]] = {}

    def play_started(self, play: Play) -> None:
        """Open an account for a play."""
        with self._lock:
            self._accounts[play.number] = _Account(play)

    def play_ended(self, end: PlayEnd) -> None:
        """Rate a play as soon as the frames of its time have come."""
        with self._lock:
            account = self._accounts.get(end.number)
            if account is not None:
                account.ended_ns = end.ended_ns
            # No frame of theirs can come any more: without a camera they would gather for months.
            over = self._take_over(end.ended_ns - KEPT_NS)
        self._rate(over)

    def record(self, frame: AnalysedFrame) -> None:
        """Credit a frame to the play that was on screen when it was captured, and rate the plays that are over."""
        now_ns = frame.captured_ns
        position = self._log.at(now_ns)
        with self._lock:
            account = (
                self._accounts.get(position.play_number)
                if position is not None and position.running
                else None
            )
            seen: dict[int, tuple[int, int]] = {}
            for reading in frame.readings:
                if reading.static or account is None:
                    continue
                number, last_ns = self._last.get(reading.viewer, (0, now_ns))
                seen[reading.viewer] = (account.play.number, now_ns)
                step_ns = (
                    min(now_ns - last_ns, LONGEST_STEP_NS) if number == account.play.number else 0
                )
                if reading.valence is not None:
                    account.seen += step_ns
                    account.worth += step_ns * reading.valence * reading.attentive
            recent = {
                viewer: at for viewer, at in self._last.items() if now_ns - at[1] <= LONGEST_STEP_NS
            }
            self._last = recent | seen
            over = self._take_over(now_ns)
        self._rate(over)

    def flush(self) -> None:
        """Rate what has ended, without waiting for further frames."""
        with self._lock:
            over = self._take_over(None)
        self._rate(over)

    def _take_over(self, now_ns: int | None) -> list[_Account]:
        """The accounts of plays that have ended, before a moment where one is given; they are closed."""
        over = [
            account
            for account in self._accounts.values()
            if account.ended_ns is not None and (now_ns is None or now_ns >= account.ended_ns)
        ]
        for account in over:
            del self._accounts[account.play.number]
        return over

    def _rate(self, accounts: list[_Account]) -> None:
        for account in accounts:
            if account.seen > 0:
                value = min(1.0, max(-1.0, account.worth / account.seen))
                self._rated(account.play, Reward(value, account.seen / 1e9))

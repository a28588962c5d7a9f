"""The audience's mood now, and what a play was worth."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ads.policies.audience import Audience, Reward
from ads.show.playback import KEPT_NS, Play, PlaybackLog, PlayEnd
from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import for_small_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from detector.emotion.prevalence import PrevalenceCalibration
    from detector.types import AnalysedFrame

MOOD_WINDOW_NS = 3_000_000_000
"""Longer than one expression, shorter than the shortest ad."""

PRESENT_NS = 1_000_000_000
"""A viewer seen within this time is still there; a face is missed now and then."""

MAX_STEP_NS = 500_000_000
"""Most time that is credited between two frames with the same viewer."""


class AudienceMeter:
    """The audience of the last seconds; thread-safe.

    `calibration` is that of the model, if its card has one.
    """

    def __init__(self, calibration: PrevalenceCalibration | None = None) -> None:
        self._calibration = calibration
        self._lock = threading.Lock()
        self._frames: deque[AnalysedFrame] = deque()

    def record(self, frame: AnalysedFrame) -> None:
        """Take in the next frame."""
        with self._lock:
            self._frames.append(frame)
            while frame.captured_ns - self._frames[0].captured_ns > MOOD_WINDOW_NS:
                self._frames.popleft()

    def present(self, now_ns: int) -> Audience | None:
        """Return who is there now; `None` if nothing was measured in the last second.

        The mood is the emotion whose mean, over viewers, of each viewer's mean is the largest, for
        probabilities as in `for_small_groups`.
        """
        with self._lock:
            frames = [one for one in self._frames if now_ns - one.captured_ns <= MOOD_WINDOW_NS]
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
        means = [
            for_small_groups(rows, self._calibration).mean(axis=0)
            for viewer, rows in emotions.items()
            if viewer in attentive
        ]
        mood = EMOTIONS[int(np.mean(means, axis=0).argmax())] if means else None
        return Audience(len(attentive), sum(attentive.values()), mood)


@dataclass(slots=True)
class _Account:
    """One play so far, in nanoseconds of viewers."""

    play: Play
    ended_ns: int | None = None
    seen: int = 0
    worth: float = 0.0


class RewardMeter:
    """Rates plays: attention times valence, averaged over the time in which viewers were in view.

    The reward of a play is the integral of attentive(t) x valence(t) over all viewers, divided by
    their dwell, both without the stretches in which a viewer's emotion could not be read.
    `rated` is called once for each play that anybody saw, from the thread that brought the first
    frame after it; where no frames come, much later from the show's thread. Thread-safe.
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
        # Without a camera no frame closes an account, and they would gather for months.
        self._rate(end.ended_ns - KEPT_NS)

    def record(self, frame: AnalysedFrame) -> None:
        """Credit a frame to the play on screen at its capture, and rate the plays that are over."""
        now_ns = frame.captured_ns
        position = self._log.at(now_ns)
        with self._lock:
            account = None
            if position is not None and position.running:
                account = self._accounts.get(position.play_number)
            recent = {who: at for who, at in self._last.items() if now_ns - at[1] <= MAX_STEP_NS}
            for reading in frame.readings:
                if reading.static or account is None:
                    continue
                number, last_ns = self._last.get(reading.viewer, (0, now_ns))
                recent[reading.viewer] = (account.play.number, now_ns)
                if reading.valence is not None and number == account.play.number:
                    step_ns = min(now_ns - last_ns, MAX_STEP_NS)
                    account.seen += step_ns
                    account.worth += step_ns * reading.valence * reading.attentive
            self._last = recent
        self._rate(now_ns)

    def flush(self) -> None:
        """Rate what has ended, without waiting for further frames."""
        self._rate(None)

    def _rate(self, until_ns: int | None) -> None:
        """Close and rate the plays that ended, before a moment if one is given."""
        with self._lock:
            over = [
                one
                for one in self._accounts.values()
                if one.ended_ns is not None and (until_ns is None or until_ns >= one.ended_ns)
            ]
            for account in over:
                del self._accounts[account.play.number]
        for account in over:
            if account.seen > 0:
                value = min(1.0, max(-1.0, account.worth / account.seen))
                self._rated(account.play, Reward(value, account.seen / 1e9))

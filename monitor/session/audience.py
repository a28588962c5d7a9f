"""The audience's mood now, and what a play was worth."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ads.policies.audience import Audience, Reward, play_reward
from ads.show.playback import KEPT_NS, Play, PlaybackLog, PlayEnd
from detector.emotion.labels import EMOTIONS, knows_valence
from detector.emotion.labels import valence as valence_of
from detector.emotion.prevalence import (
    GROUPS,
    corrected_valence,
    for_small_groups,
    group_scores,
    shares,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from detector.emotion.labels import LabelSet
    from detector.emotion.prevalence import PrevalenceCalibration
    from detector.types import AnalysedFrame, FaceReading

MOOD_WINDOW_NS = 3_000_000_000
"""Longer than one expression, shorter than the shortest ad."""

PRESENT_NS = 1_000_000_000
"""A viewer seen within this time is still there; a face is missed now and then."""

MAX_STEP_NS = 500_000_000
"""Most time that is credited between two frames with the same viewer."""


@dataclass(frozen=True, slots=True)
class AudienceFigures:
    """The audience of the last seconds in sums; those about too few viewers are `None`.

    Attributes:
        viewers: In view, without faces in pictures; `attentive` ones look at the screen.
        shares: Of the groups of expressions (`detector.emotion.prevalence`), adding up to 1;
            `None` also where the model has no calibration.
        valence: From -1 to 1; the corrected one where the model has a calibration, and `None` also
            where its labels do not give it.
    """

    viewers: int
    attentive: int | None = None
    shares: dict[str, float] | None = None
    valence: float | None = None


class AudienceMeter:
    """The audience of the last seconds; thread-safe.

    `calibration` is that of the model, if its card has one, and `labels` are its label set.
    """

    def __init__(
        self, calibration: PrevalenceCalibration | None = None, labels: LabelSet = EMOTIONS
    ) -> None:
        self._calibration = calibration
        self._labels = labels
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
        probabilities as in `for_small_groups`; none for a model without the seven emotions.
        """
        seen = self._seen(now_ns)
        if seen is None:
            return None
        attentive, emotions = seen
        if self._labels != EMOTIONS:
            return Audience(len(attentive), sum(attentive.values()))
        means = [for_small_groups(rows, self._calibration).mean(axis=0) for rows in emotions]
        mood = EMOTIONS[int(np.mean(means, axis=0).argmax())] if means else None
        return Audience(len(attentive), sum(attentive.values()), mood)

    def figures(self, now_ns: int, min_viewers: int) -> AudienceFigures | None:
        """Return the audience now in sums; `None` if nothing was measured in the last second.

        What fewer than `min_viewers` (at least 1) do or feel is withheld. Shares and valence are
        means, over viewers, of each viewer's mean.
        """
        seen = self._seen(now_ns)
        if seen is None:
            return None
        attentive, emotions = seen
        count = len(attentive)
        looking = sum(attentive.values()) if count >= min_viewers else None
        if not emotions or len(emotions) < min_viewers:
            return AudienceFigures(count, looking)
        if self._calibration is None:
            if not knows_valence(self._labels):
                return AudienceFigures(count, looking)
            plain = [valence_of(np.mean(rows, axis=0), self._labels) for rows in emotions]
            return AudienceFigures(count, looking, valence=round(float(np.mean(plain)), 3))
        scores = np.mean(
            [group_scores(rows, self._calibration).mean(axis=0) for rows in emotions], axis=0
        )
        found = dict(zip(GROUPS, shares(scores).round(3).tolist(), strict=True))
        valence = round(float(np.clip(corrected_valence(scores), -1.0, 1.0)), 3)
        return AudienceFigures(count, looking, found, valence)

    def _seen(self, now_ns: int) -> tuple[dict[int, bool], list[list[tuple[float, ...]]]] | None:
        """Return who is present and whether each looks, and the emotions read of each of them."""
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
        return attentive, [rows for viewer, rows in emotions.items() if viewer in attentive]


@dataclass(slots=True)
class _Account:
    """One play so far, in nanoseconds of viewers: in view, attentive, and with a readable emotion.

    `valence` is added up over the latter.
    """

    play: Play
    ended_ns: int | None = None
    seen: int = 0
    attentive: int = 0
    read: int = 0
    valence: float = 0.0

    def reward(self) -> Reward:
        valence = self.valence / self.read if self.read else 0.0
        return Reward(play_reward(self.attentive / self.seen, valence), self.seen / 1e9)


class RewardMeter:
    """Rates plays by `play_reward`, from the time in which viewers were in view.

    Attention counts all of that time, also where an emotion could not be read: a head that turns
    away is one of the reasons. Valence is the corrected one by the model's `calibration`, the plain
    one without it; an audience of which no emotion could be read counts as neutral.
    `rated` is called once for each play that anybody saw, from the thread that brought the first
    frame after it; where no frames come, much later from the show's thread. Thread-safe.
    """

    def __init__(
        self,
        log: PlaybackLog,
        rated: Callable[[Play, Reward], None],
        calibration: PrevalenceCalibration | None = None,
    ) -> None:
        self._log = log
        self._calibration = calibration
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
        valences = self._valences(frame.readings)
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
                if number == account.play.number:
                    step_ns = min(now_ns - last_ns, MAX_STEP_NS)
                    account.seen += step_ns
                    account.attentive += step_ns * reading.attentive
                    if (valence := valences.get(reading.viewer)) is not None:
                        account.read += step_ns
                        account.valence += step_ns * valence
            self._last = recent
        self._rate(now_ns)

    def flush(self) -> None:
        """Rate what has ended, without waiting for further frames."""
        self._rate(None)

    def _valences(self, readings: Sequence[FaceReading]) -> dict[int, float]:
        """Return the valence of each viewer whose emotion could be read."""
        if self._calibration is None:
            return {one.viewer: one.valence for one in readings if one.valence is not None}
        read = {one.viewer: one.probabilities for one in readings if one.probabilities is not None}
        if not read:
            return {}
        valences = corrected_valence(group_scores(list(read.values()), self._calibration))
        return dict(zip(read, valences.tolist(), strict=True))

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
                self._rated(account.play, account.reward())

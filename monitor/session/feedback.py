"""The loop from faces to ads: the audience for the next choice, rewards for the policy."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ads.policies import ADAPTIVE_NAMES, make_policy
from ads.policies.audience import Audience, Reward, has_same_reward
from db.errors import DatabaseError
from db.read.plays import LoggedPlay, count_starts_of_runs, logged_plays, starts_of_runs
from db.read.scope import Scope
from db.write.records import PlayRewarded
from detector.emotion.labels import EMOTIONS
from monitor.session.audience import AudienceMeter, RewardMeter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from ads.policies.base import Policy
    from ads.policies.settings import PolicySettings
    from ads.show.playback import Play, PlaybackListener, PlaybackLog, PlayEnd
    from db.write.session_writer import SessionWriter
    from detector.emotion.labels import LabelSet
    from detector.emotion.prevalence import PrevalenceCalibration
    from detector.types import AnalysedFrame
    from monitor.session.audience import AudienceFigures
    from monitor.session.clock import SessionClock

logger = logging.getLogger(__name__)

MEMORY = timedelta(days=90)
"""How far back a policy remembers: tastes change with the season."""


class Feedback:
    """Tells the policy who is there and what its plays were worth; a `PlaybackListener`.

    Readings may come from any thread; the policy is only called from the thread of the show, within
    `audience`. `then` also hears of every play; `calibration` and `labels` are those of the model.
    Without the seven emotions no play is rated, as rewards of other labels cannot be compared.
    """

    def __init__(
        self,
        policy: Policy,
        log: PlaybackLog,
        writer: SessionWriter,
        then: PlaybackListener,
        *,
        calibration: PrevalenceCalibration | None = None,
        labels: LabelSet = EMOTIONS,
    ) -> None:
        self._policy = policy
        self._writer = writer
        self._then = then
        self._present = AudienceMeter(calibration, labels)
        self._rewards = RewardMeter(log, self._rated, calibration) if labels == EMOTIONS else None
        self._lock = threading.Lock()
        self._unlearned: deque[tuple[Play, Reward]] = deque()

    def play_started(self, play: Play) -> None:
        """Note the start of a play."""
        if self._rewards is not None:
            self._rewards.play_started(play)
        self._then.play_started(play)

    def play_ended(self, end: PlayEnd) -> None:
        """Note the end of a play."""
        self._then.play_ended(end)
        if self._rewards is not None:
            self._rewards.play_ended(end)

    def record(self, frame: AnalysedFrame) -> None:
        """Take in the next frame."""
        self._present.record(frame)
        if self._rewards is not None:
            self._rewards.record(frame)

    def audience(self, now_ns: int) -> Audience | None:
        """Return who is there now, for the next choice; the policy first learns the new rewards."""
        while True:
            with self._lock:
                if not self._unlearned:
                    break
                play, reward = self._unlearned.popleft()
            self._policy.learn(play.ad.ad_id, play.context, reward)
        return self._present.present(now_ns)

    def figures(self, now_ns: int, min_viewers: int) -> AudienceFigures | None:
        """Return the audience now in sums, see `AudienceMeter.figures`; from any thread."""
        return self._present.figures(now_ns, min_viewers)

    def close(self) -> None:
        """Rate the plays that have ended and still wait for frames."""
        if self._rewards is not None:
            self._rewards.flush()

    def _rated(self, play: Play, reward: Reward) -> None:
        self._writer.submit(PlayRewarded(play.number, reward.value, reward.viewer_s))
        with self._lock:
            self._unlearned.append((play, reward))


def remembering_policy(
    name: str,
    settings: PolicySettings,
    engine: Engine,
    site: str,
    now: datetime,
    *,
    demo: bool = False,
) -> Policy:
    """Return a policy that resumes: it relearns its site's plays and keeps its hold-out.

    Unless `demo`, it learns nothing from sessions of the demo viewer, and never from rewards of
    another definition.
    """
    if name not in ADAPTIVE_NAMES:
        return make_policy(name, settings)
    # It has learnt what it can after far fewer plays, and the show has to begin within seconds.
    logged: list[LoggedPlay] = []
    with _tolerating_database_errors():
        scope = Scope(sites=(site,), since=now - MEMORY, demos=demo)
        logged = logged_plays(engine, scope, newest=5000)
    plays = [play for play in logged if play.policy == name]
    policy = make_policy(name, settings, after=plays[-1].context if plays else None)
    rated = [play for play in plays if play.reward is not None]
    if others := sum(not has_same_reward(play.context) for play in rated):
        logger.info("Ignoring %d plays rated by another definition of the reward", others)
    for play in rated:
        if play.reward is not None and play.viewer_s is not None and has_same_reward(play.context):
            policy.learn(play.ad_id, play.context, Reward(play.reward, play.viewer_s))
    return policy


def recent_starts(
    engine: Engine, site: str, clock: SessionClock, now: datetime
) -> dict[str, list[int]]:
    """Return when each ad started in the last hour, in ns: limits per hour survive a restart.

    Plays from the future, stored while the clock was wrong, do not count.
    """
    starts: dict[str, list[int]] = {}
    with _tolerating_database_errors():
        for ad_id, started_at in starts_of_runs(engine, site, now - timedelta(hours=1), now):
            ago_ns = round((clock.utc - started_at).total_seconds() * 1e9)
            starts.setdefault(ad_id, []).append(clock.ns - ago_ns)
    return starts


def plays_since(engine: Engine, site: str, since: datetime) -> int:
    """Return how many plays a site has had since a moment; 0 if the database cannot be read."""
    with _tolerating_database_errors():
        return count_starts_of_runs(engine, site, since, datetime.now(UTC))
    return 0


@contextmanager
def _tolerating_database_errors() -> Iterator[None]:
    """Start without earlier plays if the database cannot be read."""
    try:
        yield
    except DatabaseError as error:
        logger.warning("Starting without the plays of earlier sessions: %s", error)

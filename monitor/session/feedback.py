"""Closes the loop between faces and ads.

The audience goes into the next choice, and what a play was worth goes to the policy and into the
database.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from ads.policies import ADAPTIVE_NAMES, make_policy
from ads.policies.audience import Reward
from db.errors import DatabaseError
from db.read.plays import logged_plays
from db.write.records import PlayRewarded
from monitor.session.audience import AudienceMeter, RewardMeter

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from ads.policies.audience import Audience
    from ads.policies.base import Policy
    from ads.policies.settings import PolicySettings
    from ads.show.playback import Play, PlaybackListener, PlaybackLog, PlayEnd
    from db.read.plays import LoggedPlay
    from db.write.writer import SessionWriter
    from detector.types import AnalysedFrame
    from monitor.session.clock import SessionClock

logger = logging.getLogger(__name__)

MEMORY = timedelta(days=90)
"""How far back a policy remembers: tastes change with the season."""

REMEMBERED = 5000
"""Plays that a policy remembers at most: it has learnt what it can long before, and the show begins within seconds."""

CAPPED = timedelta(hours=1)
"""How far back starts count against the limits per hour."""


class Feedback:
    """Tells the policy who is there and what its plays were worth; implements `ads.show.playback.PlaybackListener`.

    Readings may come from any thread; the policy is only called from the thread that drives the
    show, within `audience`.

    Args:
        policy: Learns from the rewards.
        log: What was on screen when.
        writer: Rewards go there.
        then: Is told of every play as well.
    """

    def __init__(
        self, policy: Policy, log: PlaybackLog, writer: SessionWriter, then: PlaybackListener
    ) -> None:
        self._policy = policy
        self._writer = writer
        self._then = then
        self._present = AudienceMeter()
        self._rewards = RewardMeter(log, self._rated)
        self._lock = threading.Lock()
        self._unlearned: deque[tuple[Play, Reward]] = deque()

    def play_started(self, play: Play) -> None:
        """A play began."""
        self._rewards.play_started(play)
        self._then.play_started(play)

    def play_ended(self, end: PlayEnd) -> None:
        """A play ended."""
        self._then.play_ended(end)
        self._rewards.play_ended(end)

    def record(self, frame: AnalysedFrame) -> None:
        """Take in the readings of the next frame."""
        self._present.record(frame)
        self._rewards.record(frame)

    def audience(self, now_ns: int) -> Audience | None:
        """Who is there now, for the choice that follows; the policy learns first from what is known by now.

        Args:
            now_ns: Now, on the clock of the frames.
        """
        while True:
            with self._lock:
                if not self._unlearned:
                    break
                play, reward = self._unlearned.popleft()
            self._policy.learn(play.ad.ad_id, play.context, reward)
        return self._present.present(now_ns)

    def close(self) -> None:
        """Rate the plays that have ended and are still waiting for frames."""
        self._rewards.flush()

    def _rated(self, play: Play, reward: Reward) -> None:
        self._writer.submit(PlayRewarded(play.number, reward.value, reward.viewer_s))
        with self._lock:
            self._unlearned.append((play, reward))


def remembering_policy(
    name: str, settings: PolicySettings, engine: Engine, site: str, now: datetime
) -> Policy:
    """A policy that goes on where it stopped: it learns again from the logged plays of its site, and keeps its hold-out.

    Args:
        name: One of `ads.policies.POLICY_NAMES`.
        settings: Its guard rails.
        engine: From `open_database`.
        site: Whose plays count.
        now: Aware.
    """
    if name not in ADAPTIVE_NAMES:
        # Nothing to remember, and three months of plays are not read in vain.
        return make_policy(name, settings)
    logged = _logged(engine, now - MEMORY, site, newest=REMEMBERED)
    plays = [play for play in logged if play.policy == name]
    policy = make_policy(name, settings, after=plays[-1].context if plays else None)
    for play in plays:
        if play.reward is not None and play.viewer_s is not None and play.context:
            policy.learn(play.ad_id, play.context, Reward(play.reward, play.viewer_s))
    return policy


def recent_starts(
    engine: Engine, site: str, clock: SessionClock, now: datetime
) -> dict[str, list[int]]:
    """When ads started in the last hour, so that limits per hour hold over a restart.

    Args:
        engine: From `open_database`.
        site: Whose plays count.
        clock: Of the session that begins.
        now: Aware.

    Returns:
        By the ads' ids, instants on the session's clock.
    """
    starts: dict[str, list[int]] = {}
    for play in _logged(engine, now - CAPPED, site):
        starts.setdefault(play.ad_id, []).append(
            clock.ns - round((clock.utc - play.started_at).total_seconds() * 1e9)
        )
    return starts


def _logged(
    engine: Engine, since: datetime, site: str, newest: int | None = None
) -> list[LoggedPlay]:
    """The logged plays; none where the database cannot be read now, because the show begins all the same."""
    try:
        return logged_plays(engine, since, site, newest=newest)
    except DatabaseError as error:
        logger.warning("The show begins without what was shown before: %s", error)
        return []

"""Runs a policy against a described audience on a virtual clock, and says what better choices would have brought.

The regret of a play is the mean reward of the best ad that might have played, given what could be
seen of the audience, minus that of the ad that was chosen (Lattimore and Szepesvari, "Bandit
Algorithms", 2020, chapter 19). It is calculated from the description, not from the rewards that
were drawn, so that luck plays no part in it. A play that nobody sees has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.errors import AdsError
from ads.policies.audience import Audience, Reward
from ads.show.schedule import Rotation
from ads.simulation.audience import MOST_VIEWERS, DayPart, SimulatedAudience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad
    from ads.policies.base import Policy

SIZES = {"nobody": (0, 0), "one": (1, 1), "few": (2, 3), "many": (4, MOST_VIEWERS)}
"""Least and greatest number of viewers in a group of each size."""

ATTENTION_SPREAD = 4.0
"""Concentration of the beta distribution of a viewer's share of attention: some look all the time, some never."""

SHORTEST_LOOK = 0.25
"""A viewer is in view for at least this share of the play; every longer share is as likely."""

LOOK_AGAIN_S = 60.0
"""Where no ad may play now, the clock moves on by this."""

LONGEST_SILENCE_DAYS = 8
"""If no ad may play for so long, none ever may: the week has been through."""

_AUDIENCE, _REACTION = 101, 102
"""Keep the random numbers apart, so that every policy meets the same groups, whatever it shows them; also from those of a
policy with the same seed."""


@dataclass(frozen=True, slots=True)
class SimulatedPlay:
    """One play before a described audience.

    Attributes:
        local: When it began.
        ad_id: What was shown.
        probability: With which it was chosen.
        held_out: Whether the hold-out chose it.
        context: What the choice looked at.
        viewers: How many saw it.
        reward: What it was worth, -1 to 1; None where nobody saw it.
        viewer_s: Seconds of viewers in view behind the reward; None where nobody saw it.
        expected: The mean reward of every ad that might have played, given what could be seen of
            the audience; empty where nobody saw it.
    """

    local: datetime
    ad_id: str
    probability: float
    held_out: bool
    context: Mapping[str, Any]
    viewers: int
    reward: float | None
    viewer_s: float | None
    expected: Mapping[str, float] = field(default_factory=dict)

    @property
    def regret(self) -> float:
        """What the best ad would have brought more on average, at least 0."""
        return max(self.expected.values()) - self.expected[self.ad_id] if self.expected else 0.0


def simulate(
    policy: Policy, ads: Sequence[Ad], audience: SimulatedAudience, plays: int, seed: int
) -> list[SimulatedPlay]:
    """Lets a policy choose, shows the audience what it chose, and tells the policy what that was worth.

    Days, hours, caps and priorities of the ads are kept. The same seed brings the same groups at
    the same times before every policy, as long as all ads are of one length.

    Args:
        policy: Fresh; it is changed.
        ads: The playlist, at least one ad, each with a taste in the description.
        audience: The description.
        plays: How many, at least 1.
        seed: Of the audience, not of the policy.

    Returns:
        One entry for each play.

    Raises:
        AdsError: The description says nothing about an ad, or no ad may ever play.
    """
    if plays < 1:
        raise AdsError(f"Invalid number of plays: expected at least 1, received {plays}.")
    audience = audience.knowing(ads)
    rotation = Rotation(ads, policy, None)
    street = _Street(audience, seed)
    log: list[SimulatedPlay] = []
    now = audience.start
    silent_since = now
    while len(log) < plays:
        now, part = _open(audience, now)
        group = street.next(part)
        at_ns = round((now - audience.start).total_seconds() * 1e9)
        choice = rotation.choose(at_ns, now, audience=group.seen)
        if choice is None:
            now += timedelta(seconds=LOOK_AGAIN_S)
            if now - silent_since > timedelta(days=LONGEST_SILENCE_DAYS):
                raise AdsError(
                    "No ad of the playlist may play within a week of the hours of the described audience; change the "
                    "days and hours of the ads, or the parts of the day."
                )
            continue
        rotation.started(choice.ad, at_ns)
        reward = street.react(choice.ad, group, len(log))
        candidates = choice.context["candidates"] if group.size else ()
        log.append(
            SimulatedPlay(
                local=now,
                ad_id=choice.ad.ad_id,
                probability=choice.probability,
                held_out=choice.held_out,
                context=choice.context,
                viewers=group.size,
                reward=None if reward is None else reward.value,
                viewer_s=None if reward is None else reward.viewer_s,
                expected={
                    ad_id: audience.expected(ad_id, group.seen.mood, part) for ad_id in candidates
                },
            )
        )
        if reward is not None:
            policy.learn(choice.ad.ad_id, choice.context, reward)
        now += timedelta(seconds=choice.ad.duration_s)
        silent_since = now
    return log


def regret_curve(log: Sequence[SimulatedPlay]) -> NDArray[np.float64]:
    """The sum of the regrets up to and with each play, `(plays,)`; it never falls."""
    return np.asarray(np.cumsum([play.regret for play in log]), np.float64)


@dataclass(frozen=True, slots=True)
class _Group:
    """Those who stand before the screen, and what can be seen of them."""

    size: int
    mood: str
    seen: Audience


class _Street:
    """Brings groups past the screen, and draws how they react."""

    def __init__(self, audience: SimulatedAudience, seed: int) -> None:
        self._audience = audience
        self._seed = seed
        self._rng = np.random.default_rng([seed, _AUDIENCE])
        self._part: DayPart | None = None
        self._size, self._mood = 0, ""

    def next(self, part: DayPart) -> _Group:
        """The group at the next play: the one from before, or another."""
        stays = self._rng.random() < self._audience.stays
        if not stays or part is not self._part:
            self._part = part
            least, most = SIZES[self._draw(part.group_shares())]
            self._size = int(self._rng.integers(least, most + 1))
            self._mood = self._draw(part.mood_shares())
        attentive = int(self._rng.binomial(self._size, self._audience.attention))
        known = self._rng.random() < self._audience.mood_known
        mood = self._mood if self._size and known else None
        return _Group(self._size, self._mood, Audience(self._size, attentive, mood))

    def react(self, ad: Ad, group: _Group, number: int) -> Reward | None:
        """What a play is worth: the viewers' own rewards, weighted by the time for which each is in view."""
        if not group.size:
            return None
        rng = np.random.default_rng([self._seed, _REACTION, number])
        liking = next(liked for liked in self._audience.ads if liked.id == ad.ad_id).liking(
            group.mood
        )
        dwell_s = ad.duration_s * rng.uniform(SHORTEST_LOOK, 1.0, group.size)
        attention = _beta(rng, self._audience.attention, ATTENTION_SPREAD, group.size)
        # A valence from -1 to 1 whose mean is exactly the taste, and whose deviation is the noise
        # where that is 0.
        valence = 2 * _beta(rng, (1 + liking) / 2, self._audience.noise**-2.0 - 1, group.size) - 1
        value = float((dwell_s * attention * valence).sum() / dwell_s.sum())
        return Reward(min(1.0, max(-1.0, value)), float(dwell_s.sum()))

    def _draw(self, shares: Mapping[str, float]) -> str:
        words = list(shares)
        return words[int(self._rng.choice(len(words), p=list(shares.values())))]


def _beta(
    rng: np.random.Generator, mean: float, concentration: float, size: int
) -> NDArray[np.float64]:
    if mean in (0.0, 1.0):
        return np.full(size, mean)
    return np.asarray(rng.beta(mean * concentration, (1 - mean) * concentration, size), np.float64)


def _open(audience: SimulatedAudience, now: datetime) -> tuple[datetime, DayPart]:
    """The part of the day that it is, or the next one and its beginning."""
    parts = sorted(audience.parts, key=lambda part: part.minutes)
    minute = now.hour * 60 + now.minute
    for part in parts:
        start, end = part.minutes
        if minute < end:
            return (now if minute >= start else _at(now, start)), part
    return _at(now, parts[0].minutes[0]) + timedelta(days=1), parts[0]


def _at(now: datetime, minute: int) -> datetime:
    return now.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)

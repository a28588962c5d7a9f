"""Run a policy against a described audience on a virtual clock, and compute its regret.

The regret of a play is the mean reward of the best candidate, given what could be seen of the
audience, minus that of the chosen ad. It follows from the description, not from the rewards drawn,
so luck plays no part in it. A play that nobody sees has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.errors import AdsError
from ads.policies.audience import Audience, Reward, play_reward
from ads.show.schedule import Rotation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad
    from ads.policies.base import Policy
    from ads.simulation.audience import DayPart, SimulatedAudience

_SIZES = {"nobody": (0, 0), "one": (1, 1), "few": (2, 3), "many": (4, 8)}

# Separate streams of random numbers, so every policy meets the same groups.
_AUDIENCE, _REACTION = 101, 102


@dataclass(frozen=True, slots=True)
class SimulatedPlay:
    """One play for a described audience; see `Choice` and `Reward`.

    `expected` is the mean reward of every candidate, given what could be seen of the audience. It
    is empty, and the reward is None, if nobody saw the play.
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
        """How much more the best ad would have brought on average, at least 0."""
        return max(self.expected.values()) - self.expected[self.ad_id] if self.expected else 0.0


def simulate(
    policy: Policy, ads: Sequence[Ad], audience: SimulatedAudience, plays: int, seed: int
) -> list[SimulatedPlay]:
    """Let a policy choose, show its choices to the audience, and report the rewards to the policy.

    Days, hours, limits and priorities of the ads apply. The same seed (of the audience) brings the
    same groups at the same times for every fresh policy, as long as all ads are of one length.
    `AdsError` if the description lacks an ad, or no ad may ever play.
    """
    if plays < 1:
        raise AdsError(f"Invalid number of plays: expected at least 1, received {plays}.")
    audience.require_tastes(ads)
    rotation = Rotation(ads, policy, None)
    street = _Street(audience, seed)
    log: list[SimulatedPlay] = []
    now = silent_since = audience.start
    while len(log) < plays:
        now, part = _opening(audience, now)
        size, mood, seen = street.next_group(part)
        at_ns = round((now - audience.start).total_seconds() * 1e9)
        choice = rotation.choose(at_ns, now, audience=seen)
        if choice is None:
            now += timedelta(minutes=1)
            # All days and hours of a week have been tried.
            if now - silent_since > timedelta(days=8):
                raise AdsError(
                    "No ad of the playlist may play within a week of the hours of the described "
                    "audience; change the days and hours of the ads, or the parts of the day."
                )
            continue
        ad = choice.ad
        rotation.started(ad, at_ns)
        reward = street.react(ad, size, mood, len(log))
        candidates = choice.context["candidates"] if size else ()
        expected = {each: audience.expected(each, seen.mood, part) for each in candidates}
        value = None if reward is None else reward.value
        viewer_s = None if reward is None else reward.viewer_s
        chance = choice.probability, choice.held_out, choice.context
        log.append(SimulatedPlay(now, ad.ad_id, *chance, size, value, viewer_s, expected))
        if reward is not None:
            policy.learn(ad.ad_id, choice.context, reward)
        now += timedelta(seconds=ad.duration_s)
        silent_since = now
    return log


def regret_curve(log: Sequence[SimulatedPlay]) -> NDArray[np.float64]:
    """Return the cumulative regret after each play, `(plays,)`; it never falls."""
    return np.asarray(np.cumsum([play.regret for play in log]), np.float64)


class _Street:
    """Bring groups past the screen, and draw how they react."""

    def __init__(self, audience: SimulatedAudience, seed: int) -> None:
        self._audience = audience
        self._seed = seed
        self._rng = np.random.default_rng([seed, _AUDIENCE])
        self._part: DayPart | None = None
        self._size, self._mood = 0, ""

    def next_group(self, part: DayPart) -> tuple[int, str, Audience]:
        """Return the size and mood of the next group, which may have stayed, and what is seen."""
        stays = self._rng.random() < self._audience.stays
        if not stays or part is not self._part:
            self._part = part
            smallest, largest = _SIZES[self._draw(part.group_shares())]
            self._size = int(self._rng.integers(smallest, largest + 1))
            self._mood = self._draw(part.mood_shares())
        attentive = int(self._rng.binomial(self._size, self._audience.attention))
        is_known = self._rng.random() < self._audience.mood_known
        seen_mood = self._mood if self._size and is_known else None
        return self._size, self._mood, Audience(self._size, attentive, seen_mood)

    def react(self, ad: Ad, size: int, mood: str, number: int) -> Reward | None:
        """Return what a play is worth, from the viewers' attention and valence by time in view."""
        if not size:
            return None
        rng = np.random.default_rng([self._seed, _REACTION, number])
        liked = self._audience.liked(ad.ad_id)
        liking = liked.liking(mood)
        # In view for at least a quarter of the play; some look all the time, some never.
        dwell_s = ad.duration_s * rng.uniform(0.25, 1.0, size)
        attention = _beta(rng, self._audience.attention_to(liked), 4.0, size)
        # From -1 to 1, with the taste as its mean, and the noise as its deviation where that is 0.
        valence = 2 * _beta(rng, (1 + liking) / 2, self._audience.noise**-2.0 - 1, size) - 1
        share, mean = (dwell_s @ attention) / dwell_s.sum(), (dwell_s @ valence) / dwell_s.sum()
        return Reward(play_reward(float(share), float(mean)), float(dwell_s.sum()))

    def _draw(self, shares: Mapping[str, float]) -> str:
        words = list(shares)
        return words[int(self._rng.choice(len(words), p=list(shares.values())))]


def _beta(
    rng: np.random.Generator, mean: float, concentration: float, size: int
) -> NDArray[np.float64]:
    if mean in (0.0, 1.0):
        return np.full(size, mean)
    return np.asarray(rng.beta(mean * concentration, (1 - mean) * concentration, size), np.float64)


def _opening(audience: SimulatedAudience, now: datetime) -> tuple[datetime, DayPart]:
    """Return the present part of the day, or the next one and its beginning."""
    parts = sorted(audience.parts, key=lambda part: part.minutes)
    minute = now.hour * 60 + now.minute
    for part in parts:
        start, end = part.minutes
        if minute < end:
            return (now if minute >= start else _at(now, start)), part
    return _at(now, parts[0].minutes[0]) + timedelta(days=1), parts[0]


def _at(now: datetime, minute: int) -> datetime:
    return now.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)

"""What a policy is: it chooses one of the ads that may play now, given the situation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.errors import AdsError
from ads.policies.audience import REWARD
from ads.policies.settings import PolicySettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Audience, Reward


@dataclass(frozen=True, slots=True)
class Situation:
    """What a choice may depend on: the show's clock, the venue's time, the audience if measured."""

    at_ns: int
    local: datetime | None = None
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A policy's decision.

    Attributes:
        reason: Why, in words that a shop owner understands.
        probability: Exact, given all that happened before, including the hold-out's draw; above 0
            and at most 1. Analyses divide by it to undo the policy's preferences.
        held_out: Whether the audience was ignored in order to measure what adapting to it brings.
        context: What the choice looked at, ready for JSON: "mood" and "group" (None if not
            measured), "hour" (0 to 23, or None), "reward" (`audience.REWARD`), "candidates" (the
            probability of each, by id), and what `GuardedPolicy` adds.
    """

    ad: Ad
    reason: str
    probability: float
    held_out: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise AdsError(
                "The probability of a choice must be above 0 and at most 1, "
                f"got {self.probability}."
            )


class Policy(ABC):
    """Choose the next ad, once for each play; see `make_policy`."""

    def __init__(
        self, settings: PolicySettings | None = None, after: Mapping[str, Any] | None = None
    ) -> None:
        self._settings = settings or PolicySettings()
        self._after = after or {}

    def choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        """Choose one of the ads that may play now, in playlist order; `AdsError` if none may."""
        if not candidates:
            raise AdsError("A policy needs at least one candidate, got none.")
        return self._choose(candidates, situation)

    @abstractmethod
    def _choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice: ...

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:  # noqa: B027
        """Learn what a play was worth. All knowledge follows from these calls; most ignore them."""


def describe(situation: Situation) -> dict[str, Any]:
    """Return the part of a choice's context that every policy gives, see `Choice.context`."""
    audience, local = situation.audience, situation.local
    return {
        "mood": None if audience is None else audience.mood,
        "group": None if audience is None else audience.group_size,
        "hour": None if local is None else local.hour,
        "reward": REWARD,
    }


def by_weight(candidates: Sequence[Ad]) -> NDArray[np.float64]:
    """Return the probabilities, `(n,)`, that give ads screen time in proportion to their weights.

    Longer ads are drawn less often: expected screen time is probability times duration.
    """
    rates = np.array([ad.weight / ad.duration_s for ad in candidates])
    return np.asarray(rates / rates.sum(), np.float64)


def draw(generator: np.random.Generator, probabilities: NDArray[np.float64]) -> int:
    """Draw an index with the given probabilities, `(n,)`, which add up to 1."""
    return int(generator.choice(len(probabilities), p=probabilities))

"""What a policy is: it is given the ads that may play now and the situation, and chooses one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ads.errors import AdsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Audience, Reward


@dataclass(frozen=True, slots=True)
class Situation:
    """What a choice may depend on, apart from what was chosen before.

    Attributes:
        at_ns: When the choice is made, on the monotonic clock (a recording's on its own).
        local: Local wall-clock time of the venue with its zone; None where it is not known.
        audience: Who stands before the screen; None where nothing is measured.
    """

    at_ns: int
    local: datetime | None = None
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A policy's decision.

    Attributes:
        ad: What to show.
        reason: Why, in words that the owner of a shop understands.
        probability: The exact probability, given all that happened before, with which this ad was
            chosen from the candidates, above 0 and at most 1; a draw for the hold-out is part of
            it. An analysis divides by it to undo the policy's preferences.
        held_out: Whether it was chosen without regard to the audience so that what adaptation
            brings can be measured.
        context: What the choice looked at, ready for JSON. Every policy gives "mood" and "group"
            (as in `Audience`; None where nothing is measured), "hour" (0 to 23, or None) and
            "candidates" (the probability of each, by its id); the adaptive ones add what
            `GuardedPolicy` describes.
    """

    ad: Ad
    reason: str
    probability: float
    held_out: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise AdsError(
                f"The probability of a choice must be above 0 and at most 1, got {self.probability}."
            )


class Policy(Protocol):
    """Chooses the next ad. Called by the thread that drives the show, once for each play."""

    def choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        """Chooses one of the candidates.

        Args:
            candidates: The ads that may play now, at least one, in the order of the playlist.
            situation: What the choice may depend on.

        Raises:
            AdsError: There is no candidate.
        """

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        """Takes in what a play was worth; does nothing where the policy does not learn.

        All that a policy has learnt follows from these calls, so after a restart it is rebuilt by
        repeating them with the plays of the log.

        Args:
            ad_id: What was shown.
            context: The context of the choice that led to the play.
            reward: What it was worth.
        """


class PolicySettings(BaseModel):
    """How a policy chooses. Policies leave out of account what does not concern them.

    Attributes:
        seed: Of all draws: the same seed and the same situations give the same choices.
        holdout: Share of the adaptive policies' choices that ignore the audience, 0 to 1, in steps
            of 0.001.
        floor: Share of every choice of the adaptive policies that is spread evenly over the
            candidates, 0 to 1, so that each of n candidates has a probability of at least `floor /
            n`.
        wash_out_s: Seconds between two plays in which nothing is shown, so that the reaction to one
            ad does not spill over to the next, 0 to 60. The show keeps them, not the policy; see
            `VirtualShow` and `AdPlayer`.
        min_audience: The adaptive policies look at the audience only if at least so many viewers
            are in view.
        blocked: Ids of ads that the adaptive policies leave out as long as any other ad may play.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0)
    holdout: float = Field(0.1, ge=0, le=1)
    floor: float = Field(0.05, ge=0, le=1)
    wash_out_s: float = Field(0.0, ge=0, le=60)
    min_audience: int = Field(1, ge=1)
    blocked: tuple[str, ...] = ()


def require_candidates(candidates: Sequence[Ad]) -> None:
    """Refuses to choose among nothing.

    Raises:
        AdsError: There is no candidate.
    """
    if not candidates:
        raise AdsError("A policy needs at least one candidate, got none.")


def describe(situation: Situation) -> dict[str, Any]:
    """The part of a choice's context that follows from the situation: "mood", "group" and "hour"."""
    audience, local = situation.audience, situation.local
    return {
        "mood": None if audience is None else audience.mood,
        "group": None if audience is None else audience.group_size,
        "hour": None if local is None else local.hour,
    }


def certain(ad: Ad, reason: str, candidates: Sequence[Ad], situation: Situation) -> Choice:
    """A choice that left nothing to chance."""
    chances = {candidate.ad_id: 1.0 if candidate is ad else 0.0 for candidate in candidates}
    return Choice(ad, reason, 1.0, context={**describe(situation), "candidates": chances})


def by_weight(candidates: Sequence[Ad]) -> NDArray[np.float64]:
    """Probabilities with which independent draws give each ad screen time in proportion to its weight.

    A longer ad is drawn less often: the expected screen time of an ad is its probability times its
    duration.

    Returns:
        One probability for each candidate, `(n,)`; they add up to 1.
    """
    rates = np.array([ad.weight / ad.duration_s for ad in candidates])
    return np.asarray(rates / rates.sum(), np.float64)


def draw(generator: np.random.Generator, probabilities: NDArray[np.float64]) -> int:
    """Draws an index with the given probabilities, `(n,)`, which add up to 1."""
    steps = np.cumsum(probabilities)
    return min(
        int(np.searchsorted(steps, generator.random() * steps[-1], side="right")), len(steps) - 1
    )

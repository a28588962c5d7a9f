"""Which ad comes next: fixed orders, shares of voice, and policies that adapt to the audience."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ads.errors import AdsError
from ads.policies.base import Choice, Policy, PolicySettings, Situation
from ads.policies.learn import LearningPolicy
from ads.policies.mood import MoodPolicy
from ads.policies.sequential import SequentialPolicy
from ads.policies.shuffle import ShufflePolicy
from ads.policies.weighted import WeightedPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "ADAPTIVE_NAMES",
    "POLICY_NAMES",
    "Choice",
    "LearningPolicy",
    "MoodPolicy",
    "Policy",
    "PolicySettings",
    "SequentialPolicy",
    "ShufflePolicy",
    "Situation",
    "WeightedPolicy",
    "make_policy",
]

_POLICIES: dict[str, Callable[[PolicySettings, Mapping[str, Any] | None], Policy]] = {
    "sequential": lambda _settings, _after: SequentialPolicy(),
    "shuffle": lambda settings, _after: ShufflePolicy(settings),
    "weighted": lambda _settings, _after: WeightedPolicy(),
    "mood": MoodPolicy,
    "learn": LearningPolicy,
}

POLICY_NAMES = tuple(_POLICIES)
"""The names that `make_policy` knows."""

ADAPTIVE_NAMES = ("mood", "learn")
"""Those that look at the audience, within guard rails."""


def make_policy(
    name: str, settings: PolicySettings | None = None, *, after: Mapping[str, Any] | None = None
) -> Policy:
    """Makes a policy from its name.

    Args:
        name: One of `POLICY_NAMES`.
        settings: Its seed and guard rails; None for the defaults.
        after: Context of the last play that the same policy chose in an earlier run, so that an
            adaptive one goes on with its hold-out and its random numbers where it stopped; None to
            begin anew. What `learn` knows is given to it again by its method `learn`.

    Raises:
        AdsError: There is no policy of that name.
    """
    make = _POLICIES.get(name)
    if make is None:
        near = difflib.get_close_matches(name, POLICY_NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise AdsError(
            f"There is no policy {name!r}; expected one of: {', '.join(POLICY_NAMES)}{hint}"
        )
    return make(settings or PolicySettings(), after)

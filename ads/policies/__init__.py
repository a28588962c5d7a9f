"""Which ad comes next. Cheap to import: `make_policy` imports the one policy that it makes."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ads.errors import AdsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ads.policies.base import Policy
    from ads.policies.settings import PolicySettings

_CLASSES = {
    "sequential": ("ads.policies.fixed", "SequentialPolicy"),
    "shuffle": ("ads.policies.fixed", "ShufflePolicy"),
    "weighted": ("ads.policies.fixed", "WeightedPolicy"),
    "mood": ("ads.policies.adaptive", "MoodPolicy"),
    "learn": ("ads.policies.adaptive", "LearningPolicy"),
}

POLICY_NAMES = tuple(_CLASSES)
ADAPTIVE_NAMES = ("mood", "learn")
"""Policies that look at the audience, within guard rails."""


def make_policy(
    name: str, settings: PolicySettings | None = None, *, after: Mapping[str, Any] | None = None
) -> Policy:
    """Make a policy from its name.

    Args:
        settings: Its seed and guard rails; None for the defaults.
        after: Context of the last play that the same policy chose in an earlier run, so that an
            adaptive one continues its hold-out and draws. Repeat its plays with `Policy.learn`.

    `AdsError` if there is no policy of that name.
    """
    if name not in _CLASSES:
        near = difflib.get_close_matches(name, POLICY_NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise AdsError(
            f"There is no policy {name!r}; expected one of: {', '.join(POLICY_NAMES)}{hint}"
        )
    module, class_name = _CLASSES[name]
    policy: Policy = getattr(import_module(module), class_name)(settings, after)
    return policy

"""How each ad of a report stands against the rest, and what to do with it.

Every ad is compared with all other ads together (`monitor.analytics.comparison`), in corrected
valence, in attention and in the shares of emotions. The same comparisons decide what is said about
an ad, what is advised, and in which emotion it stands out, so these cannot contradict each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from detector.emotion.labels import EMOTIONS
from monitor.analytics.comparison import (
    LEVEL,
    MIN_VIEWERS_FOR_SAME,
    Comparison,
    compare_ads,
    samples_of,
)
from monitor.analytics.findings import Finding, Kind
from monitor.analytics.measures import valence_measure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from monitor.analytics.report_data import ReportData
    from monitor.analytics.samples import PlaySamples

GROUPS = ("happy", "surprise", "negative")
"""Emotions in whose share an ad may stand out; neutral is the rest."""

Action: TypeAlias = Literal["keep", "stop", "keep_testing", "collect"]
Reason: TypeAlias = Literal[
    "better",
    "better_valence",
    "better_attention",
    "no_worse",
    "worse",
    "worse_valence",
    "worse_attention",
    "mixed",
    "open",
    "few",
    "few_attention",
    "attention_only",
    "not_comparable",
    "alone",
]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with an ad, why, and about how many more viewers would tell; None if not known."""

    action: Action
    reason: Reason
    viewers_needed: int | None


def sign(found: Comparison | None) -> int:
    """Return 1 or -1 when an ad is certainly better or worse than the rest, else 0."""
    verdict = None if found is None else found.verdict
    return {"better": 1, "worse": -1}.get(verdict or "", 0)


def no_worse(found: Comparison) -> bool:
    """Return whether an ad is certainly not worse than the rest by what matters."""
    return found.equal_low > -found.relevant


def much_worse(found: Comparison) -> bool:
    """Return whether an ad is certainly worse than the rest by what matters."""
    return found.verdict == "worse" and found.equal_high < -found.relevant


@dataclass(frozen=True, slots=True, eq=False)
class Standings:
    """The comparisons of each ad with the rest, by `ad_id`; an ad may be missing.

    Valence is plain valence where the labels of the model give no other, and there may be none.
    """

    ads: int
    valence: Mapping[str, Comparison]
    attention: Mapping[str, Comparison]
    groups: Mapping[str, Mapping[str, Comparison]]
    has_valence: bool = True

    @classmethod
    def of(
        cls,
        data: ReportData,
        *,
        min_viewers: int = 1,
        zone: tzinfo | None = None,
        samples: PlaySamples | None = None,
    ) -> Standings:
        """Compare all ads of a report; `samples` as in `compare_ads`."""
        samples = samples or samples_of(data, zone)

        def by(measure: str) -> dict[str, Comparison]:
            found = compare_ads(
                data,
                measure=measure,
                min_viewers=min_viewers,
                zone=zone,
                with_rest=True,
                samples=samples,
            )
            return {each.first: each for each in found}

        return cls(
            ads=len({ad.ad_id for ad in data.ads}),
            valence={} if (valence := valence_measure(data)) is None else by(valence),
            attention=by("attention"),
            groups={group: by(f"{group}_share") for group in GROUPS}
            if data.labels == EMOTIONS
            else {},
            has_valence=valence is not None,
        )

    def findings(self, places: Mapping[str, int]) -> list[Finding]:
        """Return which ads certainly differ from the rest, given their places in the report."""
        kinds: dict[str, tuple[Kind, Kind]] = {
            "valence": ("more_positive", "less_positive"),
            "valence_raw": ("more_positive", "less_positive"),
            "attention": ("more_attention", "less_attention"),
        }
        return [
            Finding(
                kind=kinds[each.measure][0 if sign(each) > 0 else 1],
                ad=places[ad],
                measure=each.measure.removesuffix("_raw"),
                value=each.difference.value,
                low=each.difference.low,
                high=each.difference.high,
                p=each.p_adjusted,
                viewers=each.first_viewers,
                level=each.second_mean,
            )
            for found in (self.valence, self.attention)
            for ad, each in found.items()
            if sign(each)
        ]

    def stands_out(self, ad: str) -> tuple[str, Comparison] | None:
        """Return the emotion in whose share the ad differs most from the rest, if in any.

        The p-values of comparisons are corrected for the ads, these also for the groups.
        """
        certain = [
            (group, each)
            for group, found in self.groups.items()
            if sign(each := found.get(ad)) and each and each.p_adjusted < LEVEL / len(GROUPS)
        ]
        return max(certain, key=lambda each: abs(each[1].difference.value), default=None)

    def advice(self, ad: str) -> Advice:
        """Return what to do with an ad.

        `keep`: certainly not worse than the rest by what matters, in valence and attention.
        `stop`: certainly worse by what matters in one of them, and not better in the other.
        `keep_testing`: not known yet, or better in one and worse in the other.
        `collect`: too few viewers, or nothing to compare with; one measure alone can stop an ad.

        Where the labels give no valence, attention alone never says `keep`.
        """
        if self.ads == 1:
            return Advice("collect", "alone", None)
        valence, attention = self.valence.get(ad), self.attention.get(ad)
        both = [each for each in (valence, attention) if each is not None]
        known = [each for each in both if _enough(each)]
        if len(known) == 2:
            return _decide(*known)
        if known and much_worse(known[0]):
            of_valence = known[0] is valence
            return Advice("stop", "worse_valence" if of_valence else "worse_attention", None)
        if not self.has_valence and attention is not None:
            return _by_attention(attention)
        fewest = min((each.first_viewers for each in both), default=0) if len(both) == 2 else 0
        if fewest < MIN_VIEWERS_FOR_SAME:
            return Advice("collect", "few", MIN_VIEWERS_FOR_SAME - fewest)
        return Advice("collect", "not_comparable", None)


def _by_attention(attention: Comparison) -> Advice:
    """Return the advice for an ad with attention only, in which it is not certainly much worse."""
    if _enough(attention):
        return Advice("keep_testing", "attention_only", None)
    if attention.first_viewers < MIN_VIEWERS_FOR_SAME:
        lacking = MIN_VIEWERS_FOR_SAME - attention.first_viewers
        return Advice("collect", "few_attention", lacking)
    return Advice("collect", "not_comparable", None)


def _enough(found: Comparison) -> bool:
    """Return whether a comparison can say what to do; a certain one can with few viewers too."""
    return found.verdict is not None and (
        found.first_viewers >= MIN_VIEWERS_FOR_SAME or bool(sign(found))
    )


def _decide(valence: Comparison, attention: Comparison) -> Advice:
    both = (valence, attention)
    worse = [each for each in both if much_worse(each)]
    better = [each for each in both if sign(each) > 0]
    if worse and better:
        return Advice("keep_testing", "mixed", None)
    if worse:
        which: Reason = "worse_valence" if valence in worse else "worse_attention"
        return Advice("stop", "worse" if len(worse) == 2 else which, None)
    if all(no_worse(each) for each in both):
        if len(better) == 2:
            return Advice("keep", "better", None)
        reason: Reason = "better_valence" if valence in better else "better_attention"
        return Advice("keep", reason if better else "no_worse", None)
    return Advice("keep_testing", "open", max(_needed(each) for each in both if not no_worse(each)))


def _needed(found: Comparison) -> int:
    """Return about how many more viewers would tell whether an ad is worse by what matters."""
    if found.needed_viewers is not None:
        return found.needed_viewers
    # Certainly worse, but by how much? The interval narrows with the root of the viewers.
    reach = (found.equal_high - found.equal_low) / 2
    margin = max(abs(found.difference.value + found.relevant), found.relevant / 2)
    return max(1, math.ceil(found.first_viewers * ((reach / margin) ** 2 - 1)))

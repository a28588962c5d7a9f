"""Compare ads: is one better than another, by how much, and how certain is that.

The unit is the **viewer**: each viewer of an ad gives one value over all its plays. Intervals and
p-values allow for viewers who react in groups, for schedules that differ and for policies that
choose by the audience (`monitor.analytics.samples`), for the number of comparisons made at once,
and, unless asked otherwise, for looking again every day. A verdict never contradicts them. Where
the data cannot tell yet, it says how many viewers are lacking; where nothing repairs the
comparison, why there is none. `docs/explanation/comparisons.md` has the formulas and sources.
"""

from __future__ import annotations

import difflib
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from monitor.analytics import SEGMENTS
from monitor.analytics.errors import ReportError
from monitor.analytics.measures import MEASURES, measure_of, require_measure
from monitor.analytics.metrics import corrected_valence_sums
from monitor.analytics.samples import PlaySamples, Sample
from monitor.analytics.statistics import (
    CONFIDENCE,
    MIN_GROUPS,
    UNKNOWN,
    Contrast,
    Interval,
    clustered_difference,
    holm,
    holm_counts,
    to_document,
    viewers_lacking,
)
from monitor.languages import LazyText, gettext, later, lazy, numeral

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import tzinfo

    from db.read.sessions import SessionInfo
    from monitor.analytics.measures import Measure
    from monitor.analytics.report_data import ReportData
    from monitor.analytics.samples import By, Segment

LEVEL = 1 - CONFIDENCE
"""A difference is certain when its corrected p-value is below this."""

MIN_VIEWERS_FOR_SAME = 10
"""Of each ad. Fewer that happen to agree would otherwise prove two ads equal."""

MIN_EFFECTIVE = 10.0
"""Equally weighted viewers that those of each ad must be worth where most of them do not count."""

MIN_ALIKE = 0.6
"""Share of the viewers of an ad who were there within an hour of day of the other, at its site."""

MAX_PAIRS_OF = 8
"""With more ads, each is compared with all others together: pairs would be too many to read."""

Verdict: TypeAlias = Literal["better", "worse", "same", "not_yet"]
Monitoring: TypeAlias = Literal["always-valid", "fixed"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ads compared by one measure. Figures that are not known, or withheld, are NaN.

    The fields are the keys of `ad-monitor compare --json` in `docs/explanation/comparisons.md`; the
    difference is first minus second. `second` is None where the first ad is compared with all
    others; `verdict` is None when withheld.
    """

    first: str
    second: str | None
    first_name: str
    second_name: str
    measure: str
    relevant: float
    by: By | None
    segment: Segment
    monitoring: Monitoring
    first_viewers: int
    second_viewers: int
    common_viewers: int
    first_effective: float = math.nan
    second_effective: float = math.nan
    first_groups: int = 0
    second_groups: int = 0
    first_mean: float = math.nan
    second_mean: float = math.nan
    difference: Interval = UNKNOWN
    equal_low: float = math.nan
    equal_high: float = math.nan
    p_value: float = math.nan
    p_adjusted: float = math.nan
    tests: int = 0
    verdict: Verdict | None = None
    needed_viewers: int | None = None
    icc: float = math.nan
    design_effect: float = math.nan
    within: str | None = None
    clipping_bias: float = math.nan
    common_share: float = math.nan
    withheld: str | None = None

    @property
    def effect(self) -> float | None:
        """What the always-valid figures are tuned to; None for the fixed ones."""
        return None if self.monitoring == "fixed" else self.relevant

    def document(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {**to_document(self), "sentence": self.sentence()}

    def sentence(self) -> str:
        """Return the figures in words."""
        place: str = "" if self.segment is None else str(self.segment)
        if self.by == "hour" and isinstance(self.segment, int):
            hours = f"{self.segment}:00", f"{self.segment + 1}:00"
            place = lazy("%(low)s to %(high)s", low=hours[0], high=hours[1])
        said = self._figures()
        said |= {"where": lazy("%(place)s: ", place=place) if place else ""}
        if self.withheld is not None:
            return lazy(
                "%(where)s%(first)s against %(second)s: withheld, %(why)s.",
                **said,
                why=self.withheld,
            )
        text = lazy(
            "%(where)s%(verdict)s %(measure)s: %(first_mean)s against %(second_mean)s, difference "
            "%(difference)s (%(confidence)s interval %(low)s to %(high)s, p = %(p)s%(notes)s), "
            "from %(first_viewers)s and %(second_viewers)s viewers.",
            **said,
            verdict=self._verdict(),
        )
        figure = measure_of(self.measure).figure
        if abs(self.clipping_bias) >= 0.1 * self.relevant:
            text = lazy(
                "%(text)s Rare choices count for less than their probability asks for, which moves "
                "the difference by %(bias)s.",
                text=text,
                bias=later(figure, self.clipping_bias),
            )
        if self.common_share < 0.5:
            text = lazy(
                "%(text)s Only %(share)s of these viewers were there in hours in which both ads "
                "ran: the ads met different audiences, and the difference may be theirs.",
                text=text,
                share=later(_percent, self.common_share),
            )
        return text

    def _figures(self) -> dict[str, Any]:
        """Return what a sentence says."""
        measure, found = measure_of(self.measure), self.difference
        notes: LazyText | str = "" if self.monitoring == "fixed" else lazy(", valid at every look")
        if self.tests > 1:
            notes = lazy(
                "%(notes)s, corrected for %(count)s comparisons", notes=notes, count=self.tests
            )
        return {
            "first": self.first_name,
            "second": self.second_name,
            "measure": later(_capitalised, measure.words),
            "first_mean": later(measure.figure, self.first_mean),
            "second_mean": later(measure.figure, self.second_mean),
            "difference": later(measure.figure, found.value),
            "low": later(measure.figure, found.low),
            "high": later(measure.figure, found.high),
            "confidence": later(_percent, CONFIDENCE),
            "p": later(_short, self.p_adjusted),
            "notes": notes,
            "first_viewers": self.first_viewers,
            "second_viewers": self.second_viewers,
        }

    def _verdict(self) -> LazyText:
        measure = measure_of(self.measure)
        said: dict[str, Any] = {
            "first": self.first_name,
            "second": self.second_name,
            "measure": measure.words,
            "relevant": later(_unsigned, measure, self.relevant),
        }
        if self.verdict == "same":
            return lazy(
                "%(first)s and %(second)s are the same in %(measure)s: any difference is smaller "
                "than %(relevant)s.",
                **said,
            )
        if self.verdict == "not_yet":
            return lazy(
                "Not certain yet whether %(first)s or %(second)s is better in %(measure)s: about "
                "%(count)s more viewers of each ad are needed.",
                **said,
                count=later(_whole, _rounded(self.needed_viewers or 0)),
            )
        small = max(abs(self.equal_low), abs(self.equal_high)) < self.relevant
        if self.verdict == "better":
            if small:
                return lazy(
                    "%(first)s is better than %(second)s in %(measure)s, but by less than the "
                    "%(relevant)s that matter.",
                    **said,
                )
            return lazy("%(first)s is better than %(second)s in %(measure)s.", **said)
        if small:
            return lazy(
                "%(first)s is worse than %(second)s in %(measure)s, but by less than the "
                "%(relevant)s that matter.",
                **said,
            )
        return lazy("%(first)s is worse than %(second)s in %(measure)s.", **said)


def _capitalised(words: LazyText) -> str:
    text = str(words)
    return text[:1].upper() + text[1:]


def _percent(share: float) -> str:
    return gettext("%(number)s%%", number=numeral(f"{100 * share:.0f}"))


def _short(value: float) -> str:
    return numeral(f"{value:.2g}")


def _unsigned(measure: Measure, value: float) -> str:
    return measure.figure(value, signed=False)


def _joined(names: Sequence[str]) -> str:
    return gettext(" and ").join(str(name) for name in names)


def _whole(count: int) -> str:
    return numeral(f"{count:,}")


def _rounded(count: int) -> int:
    """Round up to two significant digits."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return math.ceil(count / step) * step


def samples_of(data: ReportData, zone: tzinfo | None = None) -> PlaySamples:
    """Return what all comparisons over all plays share; by far the most work with many plays."""
    return PlaySamples.of(data, MEASURES["attention"], None, zone, lambda *_: True)


def compare_ads(
    data: ReportData,
    ads: Sequence[str] | None = None,
    *,
    measure: str = "valence",
    min_viewers: int = 1,
    relevant: float | None = None,
    by: By | None = None,
    zone: tzinfo | None = None,
    hours: Collection[int] | None = None,
    weekdays: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    fixed: bool = False,
    with_rest: bool | None = None,
    samples: PlaySamples | None = None,
) -> list[Comparison]:
    """Compare ads in pairs, all versions of an ad together.

    Args:
        data: The sessions to pool; seconds are not needed.
        ads: Each `ad_id`, in the order of comparison; None: all, in the order of `data.ads`.
        measure: One of `MEASURES`, or a label of the models; see `require_measure`.
        min_viewers: Comparisons with fewer viewers of either ad are withheld.
        relevant: The smallest difference that matters, above 0; None: that of the measure.
        by: Compare in each of these `SEGMENTS` in which both ads ran, instead of once over all.
        zone: Of hours and weekdays; None: each session's own.
        hours, weekdays, sources: Only plays in these hours of day (0 to 23), on these days, such as
            `mon`, or of sessions with these sources; None: all.
        fixed: Intervals and p-values for one look at an amount of data that was fixed before,
            instead of those that hold however often one looks.
        with_rest: Compare each ad with all others together instead of in pairs; None: with more
            than `MAX_PAIRS_OF` ads.
        samples: From `samples_of`, for several comparisons of the same data and zone; only without
            `by` and conditions on plays.

    Returns:
        One entry for each pair, in the order of the ads, and segment; the same for the same data.

    Raises:
        ReportError: An ad, a source, a measure or a segment does not exist, or a number is out of
            range.
    """
    names = {ad.ad_id: ad.name for ad in data.ads}
    chosen = _chosen(ads, list(names))
    _refuse_unknown("source", sources or (), sorted({session.source for session in data.sessions}))
    _check(by, min_viewers, relevant)
    how = measure_of(measure, data.own_labels)
    if measure not in MEASURES:
        require_measure(data, measure)

    def counts(session: SessionInfo, hour: int, weekday: str) -> bool:
        return (
            (hours is None or hour in hours)
            and (weekdays is None or weekday in weekdays)
            and (sources is None or session.source in sources)
        )

    if samples is None:
        plays = PlaySamples.of(data, how, by, zone, counts)
    else:
        plays = samples.with_measure(data, how)
    uncalibrated = (
        measure == "valence" and np.isnan(corrected_valence_sums(data.exposures.sums)).any()
    )
    note = lazy("; a model without calibration gives valence_raw only") if uncalibrated else ""
    pairs: list[tuple[str, str | None]] = list(itertools.combinations(chosen, 2))
    if len(chosen) > MAX_PAIRS_OF if with_rest is None else with_rest:
        pairs = [(ad, None) for ad in chosen]
    cases: list[tuple[Comparison, Contrast | None]] = []
    for segment, first, second, sample, swapped in _samples(plays, chosen, pairs):
        viewers = sample.first_viewers, sample.second_viewers
        entry = Comparison(
            first=first,
            second=second,
            first_name=names[first],
            second_name=lazy("all other ads") if second is None else names[second],
            measure=measure,
            relevant=how.relevant if relevant is None else relevant,
            by=by,
            segment=segment,
            monitoring="fixed" if fixed else "always-valid",
            first_viewers=viewers[swapped],
            second_viewers=viewers[not swapped],
            common_viewers=sample.common_viewers,
            common_share=sample.common_share,
            within=sample.within,
        )
        cases.append(_examined(entry, sample, swapped, min_viewers, note))
    return _decided(cases)


def _samples(
    plays: PlaySamples, ads: Sequence[str], pairs: Sequence[tuple[str, str | None]]
) -> Iterator[tuple[Segment, str, str | None, Sample, bool]]:
    """Yield segment, first and second ad, sample, and whether the sample has them swapped.

    A second ad of None are all other ads. Pairs of which one did not run in a segment are left out.
    """
    for segment in plays.segments:
        masks = {ad: plays.of_ad(ad, segment) for ad in ads}
        everything = np.any(list(masks.values()), axis=0)
        for first, second in pairs:
            others = everything & ~masks[first] if second is None else masks[second]
            if not (masks[first].any() and others.any()):
                continue
            # One order makes B with A mirror A with B exactly.
            swapped = second is not None and second < first
            sides = (others, masks[first]) if swapped else (masks[first], others)
            yield segment, first, second, plays.sample(*sides), swapped


def _chosen(ads: Sequence[str] | None, known_ads: Sequence[str]) -> list[str]:
    if ads is None:
        return list(known_ads)
    _refuse_unknown("ad", ads, known_ads)
    if len(set(ads)) < max(2, len(ads)):
        raise ReportError(
            f"Expected two or more different ads to compare, received {', '.join(ads) or 'none'}."
        )
    return list(ads)


def _refuse_unknown(what: str, named: Collection[str], there: Sequence[str]) -> None:
    for name in named:
        if name in there:
            continue
        near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"expected one of {', '.join(there) or 'none'}."
        )
        raise ReportError(f"There is no {what} {name!r} in these sessions; {hint}")


def _check(by: str | None, min_viewers: int, relevant: float | None) -> None:
    if by is not None and by not in SEGMENTS:
        raise ReportError(f"Invalid by: expected one of {', '.join(SEGMENTS)}, received {by!r}.")
    if min_viewers < 1:
        raise ReportError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    if relevant is not None and not 0 < relevant < math.inf:
        raise ReportError(f"Invalid relevant: expected a difference above 0, received {relevant}.")


# --- one comparison -------------------------------------------------------------------------------


def _examined(
    entry: Comparison, sample: Sample, swapped: bool, min_viewers: int, note: str
) -> tuple[Comparison, Contrast | None]:
    """Return the comparison with what its data are like, and its estimate unless withheld."""
    # One viewer says nothing about the spread between viewers.
    least = max(2, min_viewers)
    few = [
        lazy("%(count)s of %(name)s", count=count, name=name)
        for name, count in (
            (entry.first_name, entry.first_viewers),
            (entry.second_name, entry.second_viewers),
        )
        if count < least
    ]
    if few:
        why = lazy(
            "%(least)s viewers of each ad are needed, and there are %(few)s%(note)s",
            least=least,
            few=later(_joined, few),
            note=note,
        )
        return replace(entry, within=None, common_share=math.nan, withheld=why), None
    of = (sample.first, sample.groups, sample.strata)
    found = uncut = clustered_difference(sample.values, sample.weights, *of)
    if sample.chosen_by_audience:
        uncut = clustered_difference(sample.values, sample.uncut, *of)
    if swapped:
        found, uncut = found.mirrored(), uncut.mirrored()
    entry = replace(
        entry,
        first_effective=found.first_effective,
        second_effective=found.second_effective,
        first_groups=found.first_groups,
        second_groups=found.second_groups,
        icc=found.icc,
        design_effect=found.design_effect,
        clipping_bias=found.value - uncut.value,
    )
    withheld = _refused(entry, found, sample)
    return replace(entry, withheld=withheld), None if withheld else found


def _refused(entry: Comparison, found: Contrast, sample: Sample) -> str | None:
    """Return why the data cannot tell the ads from the conditions in which they ran."""
    weak = any(
        effective < min(MIN_EFFECTIVE, viewers / 3)
        for effective, viewers in (
            (entry.first_effective, entry.first_viewers),
            (entry.second_effective, entry.second_viewers),
        )
    )
    if sample.alike_share < MIN_ALIKE or math.isnan(found.value):
        return lazy(
            "the ads ran at different sites or hours of day: only %(share)s of their viewers were "
            "there within an hour of day of the other; let them share hours, so that they meet the "
            "same audience",
            share=later(_percent, sample.alike_share),
        )
    if weak and sample.chosen_by_audience:
        return lazy(
            "the policy hardly ever showed both to the same kind of audience: let it choose more "
            "freely, or show the ads in turn"
        )
    if weak:
        return lazy(
            "too few viewers of both ads came at the same hours: they are worth %(count)s of equal "
            "weight; let the ads share hours, so that they meet the same audience",
            count=f"{min(entry.first_effective, entry.second_effective):.0f}",
        )
    few = [
        lazy("%(count)s of %(name)s", count=count, name=name)
        for name, count in (
            (entry.first_name, found.first_groups),
            (entry.second_name, found.second_groups),
        )
        if count < MIN_GROUPS
    ]
    if few or math.isnan(found.error):
        if few:
            return lazy(
                "%(least)s separate groups of viewers of each ad are needed, and there are "
                "%(few)s: show the ads at more times",
                least=MIN_GROUPS,
                few=later(_joined, few),
            )
        return lazy(
            "%(least)s separate groups of viewers of each ad are needed: show the ads at more "
            "times",
            least=MIN_GROUPS,
        )
    return None


# --- all together ---------------------------------------------------------------------------------


def _decided(cases: Sequence[tuple[Comparison, Contrast | None]]) -> list[Comparison]:
    """Fill in the figures of all comparisons that are not withheld."""
    raw = [found.p_value(effect=entry.effect) for entry, found in cases if found is not None]
    figures = zip(raw, holm(raw), holm_counts(raw, LEVEL), strict=True)
    return [
        replace(entry, tests=len(raw))
        if found is None
        else _filled(replace(entry, tests=len(raw)), found, *next(figures))
        for entry, found in cases
    ]


def _filled(
    entry: Comparison, found: Contrast, p_value: float, p_adjusted: float, count: int
) -> Comparison:
    # So many comparisons share the level at this step of Holm's procedure.
    interval = _possible(found.interval(1 - LEVEL / count, effect=entry.effect), entry.measure)
    # The 90% interval is two one-sided tests at 5% each (Schuirmann 1987).
    equal = _possible(found.interval(0.9, effect=entry.effect), entry.measure)
    enough = min(entry.first_viewers, entry.second_viewers) >= MIN_VIEWERS_FOR_SAME
    verdict: Verdict = "not_yet"
    if p_adjusted < LEVEL and found.value != 0:
        verdict = "better" if found.value > 0 else "worse"
    elif enough and max(abs(equal.low), abs(equal.high)) < entry.relevant:
        verdict = "same"
    return replace(
        entry,
        first_mean=found.first_mean,
        second_mean=found.second_mean,
        difference=interval,
        equal_low=equal.low,
        equal_high=equal.high,
        p_value=p_value,
        p_adjusted=p_adjusted,
        verdict=verdict,
        needed_viewers=_needed(entry, found) if verdict == "not_yet" else None,
    )


def _possible(interval: Interval, measure: str) -> Interval:
    """Cut an interval of few groups to the differences that are possible."""
    largest = max(measure_of(measure).largest, abs(interval.value))
    return Interval(interval.value, max(interval.low, -largest), min(interval.high, largest))


def _needed(entry: Comparison, found: Contrast) -> int:
    """Return how many more viewers of each ad would most likely decide it, at least 1."""
    viewers = entry.first_viewers, entry.second_viewers
    # The power rises until more viewers are needed than there are.
    lacking = (
        viewers_lacking(
            found,
            viewers,
            max(abs(found.value), entry.relevant),
            power=power,
            level=LEVEL / entry.tests,
            effect=entry.effect,
        )
        for power in (0.8, 0.9, 0.95, 0.99)
    )
    too_few = MIN_VIEWERS_FOR_SAME - min(viewers)
    return max(1, too_few, next((count for count in lacking if count > 0), 1))

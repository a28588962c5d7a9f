"""Compare ads: is one better than another, by how much, and how certain is that.

The unit is the **viewer**: each viewer of an ad gives one value over all its plays. The difference
of the means over viewers gets a bootstrap interval, a permutation test corrected for the number of
comparisons made at once (`monitor.analytics.statistics`), and a verdict. Where the data cannot tell
yet, the verdict says how many viewers are lacking. `docs/metrics.md` has the formulas and sources.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from detector.emotion.labels import EMOTIONS
from monitor.analytics import SEGMENTS, WEEKDAYS
from monitor.analytics.errors import ReportError
from monitor.analytics.metrics import EXPRESSIVENESS, VALENCE, take
from monitor.analytics.statistics import (
    CONFIDENCE,
    DRAWS,
    PERMUTATIONS,
    UNKNOWN,
    Difference,
    Interval,
    difference_intervals,
    difference_of_means,
    holm,
    permutation_p,
    to_document,
    viewers_lacking,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import tzinfo

    from db.read.formulas import ExposureArrays
    from db.read.sessions import PlayInfo, SessionInfo
    from monitor.analytics.metrics import Bools, Floats, Ints
    from monitor.analytics.report_data import ReportData

LEVEL = 1 - CONFIDENCE
"""A difference is certain when its corrected p-value is below this."""

MIN_VIEWERS_FOR_SAME = 10
"""Of each ad. Fewer that happen to agree would otherwise prove two ads equal."""

By: TypeAlias = Literal["site", "hour", "weekday", "source"]
Segment: TypeAlias = str | int | None
Verdict: TypeAlias = Literal["better", "worse", "same", "not_yet"]


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """What ads are compared by: a viewer's sum over the exposures to an ad, divided by another sum.

    `words`, `unit` and `digits` write a figure in a sentence; `relevant` is the smallest difference
    that matters in practice, by default.
    """

    words: str
    unit: str
    digits: int
    relevant: float
    above: Callable[[ExposureArrays], Floats]
    below: Callable[[ExposureArrays], Floats | Ints]

    def figure(self, value: float, *, signed: bool = True) -> str:
        """Return a figure in words."""
        return f"{value:{'+' if signed else ''}.{self.digits}f}{self.unit}"


def _emotion(words: str, column: int) -> Measure:
    return Measure(words, "", 2, 0.1, lambda e: e.sums[:, column], lambda e: e.emotion_readings)


MEASURES = {
    "valence": _emotion("valence", VALENCE),
    "attention": Measure("attention", "", 2, 0.1, lambda e: e.attention_s, lambda e: e.dwell_s),
    "happy": _emotion("happiness", EMOTIONS.index("happy")),
    "surprise": _emotion("surprise", EMOTIONS.index("surprise")),
    "expressiveness": _emotion("expressiveness", EXPRESSIVENESS),
    "dwell": Measure("dwell", " s", 1, 1.0, lambda e: e.dwell_s, lambda e: np.ones(e.dwell_s.size)),
}
"""By name. Emotions: mean over a viewer's readings with an emotion; attention: share of the dwell;
dwell: mean seconds per exposure."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ads compared by one measure. Figures that are not known, or withheld, are NaN.

    The fields are the keys of `ad-monitor compare --json` in `docs/metrics.md`; the difference is
    first minus second. `verdict` is None when withheld.
    """

    first: str
    second: str
    first_name: str
    second_name: str
    measure: str
    relevant: float
    by: By | None
    segment: Segment
    first_viewers: int
    second_viewers: int
    common_viewers: int
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
    common_share: float = math.nan
    withheld: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {**to_document(self), "sentence": self.sentence()}

    def sentence(self) -> str:
        """Return the figures in words."""
        place = "" if self.segment is None else str(self.segment)
        if self.by == "hour" and isinstance(self.segment, int):
            place = f"{self.segment}:00 to {self.segment + 1}:00"
        where = f"{place}: " if place else ""
        if self.withheld is not None:
            return (
                f"{where}{self.first_name} against {self.second_name}: withheld, {self.withheld}."
            )
        measure, found = MEASURES[self.measure], self.difference
        correction = f" after correction for {self.tests} comparisons" if self.tests > 1 else ""
        text = (
            f"{where}{self._verdict(measure)} {measure.words.capitalize()}: "
            f"{measure.figure(self.first_mean)} against {measure.figure(self.second_mean)}, "
            f"difference {measure.figure(found.value)} ({CONFIDENCE:.0%} interval "
            f"{measure.figure(found.low)} to {measure.figure(found.high)}, "
            f"p = {self.p_adjusted:.2g}{correction}), "
            f"from {self.first_viewers} and {self.second_viewers} viewers."
        )
        if self.common_share < 0.5:
            text += (
                f" Only {self.common_share:.0%} of these viewers were there in hours in which both "
                "ads ran: the ads met different audiences, and the difference may be theirs."
            )
        return text

    def _verdict(self, measure: Measure) -> str:
        relevant = measure.figure(self.relevant, signed=False)
        if self.verdict == "same":
            return (
                f"{self.first_name} and {self.second_name} are the same in {measure.words}: any "
                f"difference is smaller than {relevant}."
            )
        if self.verdict == "not_yet":
            return (
                f"Not certain yet whether {self.first_name} or {self.second_name} is better in "
                f"{measure.words}: about {_rounded(self.needed_viewers or 0):,} more viewers of "
                "each ad are needed."
            )
        small = max(abs(self.equal_low), abs(self.equal_high)) < self.relevant
        but = f", but by less than the {relevant} that matter" if small else ""
        return (
            f"{self.first_name} is {self.verdict} than {self.second_name} in {measure.words}{but}."
        )


def _rounded(count: int) -> int:
    """Round up to two significant digits."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return math.ceil(count / step) * step


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
    draws: int = DRAWS,
) -> list[Comparison]:
    """Compare ads in pairs, all versions of an ad together.

    Args:
        data: The sessions to pool; seconds are not needed.
        ads: Each `ad_id`, in the order of comparison; None: all, in the order of `data.ads`.
        measure: One of `MEASURES`.
        min_viewers: Comparisons with fewer viewers of either ad are withheld.
        relevant: The smallest difference that matters, above 0; None: that of the measure.
        by: Compare in each of these `SEGMENTS` in which both ads ran, instead of once over all.
        zone: Of hours and weekdays; None: the machine's.
        hours, weekdays, sources: Only plays in these hours of day (0 to 23), on these `WEEKDAYS`,
            or of sessions with these sources; None: all.
        draws: Of the bootstrap.

    Returns:
        One entry for each pair, in the order of the ads, and segment; the same for the same data.

    Raises:
        ReportError: An ad, a source, a measure or a segment does not exist, or a number is out of
            range.
    """
    names = {ad.ad_id: ad.name for ad in data.ads}
    chosen = _chosen(ads, list(names))
    _refuse_unknown("source", sources or (), sorted({session.source for session in data.sessions}))
    _check(measure, by, min_viewers, relevant)

    def counts(session: SessionInfo, hour: int, weekday: str) -> bool:
        return (
            (hours is None or hour in hours)
            and (weekdays is None or weekday in weekdays)
            and (sources is None or session.source in sources)
        )

    plays = _Plays.of(data, by, zone, counts)
    cases: list[_Case | Comparison] = []
    for segment in plays.segments:
        values = {ad: plays.values(ad, segment, measure) for ad in chosen}
        for first, second in itertools.combinations(chosen, 2):
            if not (plays.of_ad(first, segment).any() and plays.of_ad(second, segment).any()):
                continue
            viewers = values[first][0], values[second][0]
            entry = Comparison(
                first=first,
                second=second,
                first_name=names[first],
                second_name=names[second],
                measure=measure,
                relevant=MEASURES[measure].relevant if relevant is None else relevant,
                by=by,
                segment=segment,
                first_viewers=viewers[0].size,
                second_viewers=viewers[1].size,
                common_viewers=np.intersect1d(*viewers).size,
            )
            lacking = _lacking(entry, min_viewers)
            if lacking is not None:
                cases.append(replace(entry, withheld=lacking))
                continue
            share = plays.common_share(first, second, segment, np.union1d(*viewers))
            entry = replace(entry, common_share=share)
            cases.append(_Case.of(entry, values[first], values[second]))
    return _tested(cases, draws)


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


def _check(measure: str, by: str | None, min_viewers: int, relevant: float | None) -> None:
    if measure not in MEASURES:
        raise ReportError(
            f"Invalid measure: expected one of {', '.join(MEASURES)}, received {measure!r}."
        )
    if by is not None and by not in SEGMENTS:
        raise ReportError(f"Invalid by: expected one of {', '.join(SEGMENTS)}, received {by!r}.")
    if min_viewers < 1:
        raise ReportError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    if relevant is not None and not 0 < relevant < math.inf:
        raise ReportError(f"Invalid relevant: expected a difference above 0, received {relevant}.")


def _lacking(entry: Comparison, min_viewers: int) -> str | None:
    # One viewer says nothing about the spread between viewers.
    least = max(2, min_viewers)
    few = [
        f"{count} of {name}"
        for name, count in (
            (entry.first_name, entry.first_viewers),
            (entry.second_name, entry.second_viewers),
        )
        if count < least
    ]
    return (
        f"{least} viewers of each ad are needed, and there are {' and '.join(few)}" if few else None
    )


# --- the plays ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Plays:
    """The plays that count, and the exposures to them. Lengths: `p` plays, `e` exposures.

    `ad`, `segment` and `hour` have the shape `(p,)`: places of each play's ad and segment, and
    equal numbers for one session and one hour on the wall clock; `play`, `(e,)`, is each exposure's
    play.
    """

    ad_ids: dict[str, int]
    segments: list[Segment]
    ad: Ints
    segment: Ints
    hour: Ints
    exposures: ExposureArrays
    play: Ints

    @classmethod
    def of(
        cls,
        data: ReportData,
        by: By | None,
        zone: tzinfo | None,
        counts: Callable[[SessionInfo, int, str], bool],
    ) -> _Plays:
        sessions = {session.id: session for session in data.sessions}
        ad_of_row = {ad.ad_row_id: ad.ad_id for ad in data.ads}
        counted: list[PlayInfo] = []
        segments: list[Segment] = []
        slots: list[tuple[int, str]] = []
        for play in data.plays:
            session, local = sessions[play.session_id], play.started_at.astimezone(zone)
            weekday = WEEKDAYS[local.weekday()]
            if counts(session, local.hour, weekday):
                counted.append(play)
                values = {
                    None: None,
                    "site": session.site,
                    "source": session.source,
                    "hour": local.hour,
                    "weekday": weekday,
                }
                segments.append(values[by])
                slots.append((play.session_id, local.strftime("%Y-%m-%d %H %z")))
        ad_ids = {ad_id: place for place, ad_id in enumerate(dict.fromkeys(ad_of_row.values()))}
        order: list[Any] = list(set(segments))
        order.sort(key=WEEKDAYS.index if by == "weekday" else None)
        slot_of = {slot: place for place, slot in enumerate(sorted(set(slots)))}
        ids = np.array([play.id for play in counted], dtype=np.int64)
        by_id = np.argsort(ids, kind="stable")
        rows = np.flatnonzero(np.isin(data.exposures.play_id, ids))
        # In one order whatever order they came in: sums are then equal to the last bit.
        rows = rows[np.lexsort((data.exposures.play_id[rows], data.exposures.viewer_id[rows]))]
        exposures = take(data.exposures, rows)
        return cls(
            ad_ids=ad_ids,
            segments=order,
            ad=np.array([ad_ids[ad_of_row[play.ad_row_id]] for play in counted], dtype=np.int64),
            segment=np.array([order.index(value) for value in segments], dtype=np.int64),
            hour=np.array([slot_of[slot] for slot in slots], dtype=np.int64),
            exposures=exposures,
            play=by_id[np.searchsorted(ids[by_id], exposures.play_id)],
        )

    def of_ad(self, ad: str, segment: Segment) -> Bools:
        """Return a mask of the plays of an ad in a segment."""
        place = self.segments.index(segment)
        return np.asarray((self.ad == self.ad_ids[ad]) & (self.segment == place))

    def values(self, ad: str, segment: Segment, measure: str) -> tuple[Ints, Floats]:
        """Return the viewers who have a value, rising, and their values."""
        rows = self.of_ad(ad, segment)[self.play]
        entries, how = take(self.exposures, np.flatnonzero(rows)), MEASURES[measure]
        viewers, index = np.unique(entries.viewer_id, return_inverse=True)
        above = np.bincount(index, weights=how.above(entries), minlength=viewers.size)
        below = np.bincount(index, weights=how.below(entries), minlength=viewers.size)
        some = below > 0
        return viewers[some], above[some] / below[some]

    def common_share(self, first: str, second: str, segment: Segment, viewers: Ints) -> float:
        """Return the share of viewers who saw one of the ads in an hour in which both ran."""
        of_first, of_second = self.of_ad(first, segment), self.of_ad(second, segment)
        common = np.intersect1d(self.hour[of_first], self.hour[of_second])
        in_common = (of_first | of_second) & np.isin(self.hour, common)
        there = np.unique(self.exposures.viewer_id[in_common[self.play]])
        return float(np.isin(viewers, there).mean())


# --- all pairs together ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """Two ads in one segment before the tests; one order makes B with A mirror A with B exactly."""

    asked: Comparison
    swapped: bool
    values: Floats
    seed: int

    @classmethod
    def of(
        cls, entry: Comparison, first: tuple[Ints, Floats], second: tuple[Ints, Floats]
    ) -> _Case:
        swapped = entry.second < entry.first
        viewers = np.union1d(first[0], second[0])
        values = np.full((viewers.size, 2), np.nan)
        for column, (ids, own) in enumerate((second, first) if swapped else (first, second)):
            values[np.searchsorted(viewers, ids), column] = own
        names = (*sorted((entry.first, entry.second)), entry.measure, str(entry.segment))
        digest = hashlib.sha256("\n".join(names).encode()).digest()
        return cls(entry, swapped, values, int.from_bytes(digest[:8], "big"))


def _tested(cases: Sequence[_Case | Comparison], draws: int) -> list[Comparison]:
    """Fill in the figures of all comparisons that are not withheld."""
    open_cases = [case for case in cases if isinstance(case, _Case)]
    tests = len(open_cases)
    # With 200 for each test a p-value can still be below 0.05 after the correction for all.
    permutations = min(100_000, max(PERMUTATIONS, 200 * tests))
    raw = [
        permutation_p(case.values, seed=[case.seed, 1], permutations=permutations)
        for case in open_cases
    ]
    adjusted = iter(zip(raw, holm(raw), strict=True))
    return [
        _filled(case, *next(adjusted), tests, draws)
        if isinstance(case, _Case)
        else replace(case, tests=tests)
        for case in cases
    ]


def _filled(case: _Case, p_value: float, p_adjusted: float, tests: int, draws: int) -> Comparison:
    found, asked = difference_of_means(case.values), case.asked
    # The 90 % interval is two one-sided tests at 5 % each (Schuirmann 1987).
    limits = difference_intervals(
        case.values, seed=[case.seed, 0], confidences=(CONFIDENCE, 0.9), draws=draws
    )
    value, means = found.value, (found.first_mean, found.second_mean)
    if case.swapped:
        value, means, limits = -value, (means[1], means[0]), [(-high, -low) for low, high in limits]
    (low, high), (equal_low, equal_high) = limits
    enough = min(found.first_viewers, found.second_viewers) >= MIN_VIEWERS_FOR_SAME
    verdict: Verdict = "not_yet"
    if p_adjusted < LEVEL and value != 0:
        verdict = "better" if value > 0 else "worse"
    elif enough and max(abs(equal_low), abs(equal_high)) < asked.relevant:
        verdict = "same"
    return replace(
        asked,
        first_mean=means[0],
        second_mean=means[1],
        difference=Interval(value, low, high),
        equal_low=equal_low,
        equal_high=equal_high,
        p_value=p_value,
        p_adjusted=p_adjusted,
        tests=tests,
        verdict=verdict,
        needed_viewers=_needed(found, asked.relevant, tests) if verdict == "not_yet" else None,
    )


def _needed(found: Difference, relevant: float, tests: int) -> int:
    """Return how many more viewers of each ad would most likely decide it, at least 1."""
    difference = max(abs(found.value), relevant)
    too_few = MIN_VIEWERS_FOR_SAME - min(found.first_viewers, found.second_viewers)
    # The power rises until more viewers are needed than there are.
    lacking = (
        viewers_lacking(found, difference, power=power, level=LEVEL / tests)
        for power in (0.8, 0.9, 0.95, 0.99)
    )
    return max(1, too_few, next((count for count in lacking if count > 0), 1))

"""The measures: pure functions from arrays to figures.

`docs/explanation/metrics.md` has formulas and sources.

The unit of every mean, median and interval is the **viewer**, not the reading: somebody who stays
for a minute is one opinion, not six hundred. Readings are averaged within each viewer first, then
over viewers, and intervals come from resampling viewers. All is computed from the roll-ups, sums by
play, viewer and second of the ad (`db.read.formulas`).

A figure that is not known is NaN, a thing that is not known is None. Times are microseconds
(`…_us`) or seconds (`…_s`); positions are milliseconds since the ad's start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from db.read.formulas import (
    MAX_SLOW_RATE,
    MIN_RATE_READINGS,
    MIN_WATCHER_RATE,
    READINGS_PER_SECOND,
    WATCHER_ATTENTION_S,
    count_bins,
    grouped_median,
)
from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import GROUPS, corrected_valence, shares
from monitor.analytics.resampling import bootstrap_mean_interval
from monitor.analytics.statistics import MIN_GROUPS, Interval, clustered_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from db.read.formulas import ExposureArrays, SecondArrays
    from db.read.rollups import Log
    from db.read.sessions import GapInfo, SessionInfo
    from detector.emotion.labels import LabelSet
    from monitor.workers import Map

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

    _Arrays = TypeVar("_Arrays", bound=ExposureArrays | SecondArrays)

ATTRACTION_WINDOW_S = 8
"""Attraction looks for surprise in the ad's first eight seconds."""

VALENCE, EXPRESSIVENESS = len(EMOTIONS), len(EMOTIONS) + 1
"""Columns of these in arrays of sums, behind the probabilities."""

HAPPY_SCORE, SURPRISE_SCORE, NEGATIVE_SCORE = range(len(EMOTIONS) + 2, len(EMOTIONS) + 5)
"""Columns of the sums of group scores (`detector.emotion.prevalence`), NaN where unknown."""

OWN = NEGATIVE_SCORE + 1
"""First column of the sums of labels outside the seven emotions."""


def by_label(sums: Floats) -> Floats:
    """Return those of labels, `(..., 7 + k)`, from sums or means, `(..., 12 + k)`.

    The seven emotions are first, NaN where the model has no such label, then its other labels.
    """
    return np.concatenate([sums[..., : len(EMOTIONS)], sums[..., OWN:]], axis=-1)


def corrected_valence_sums(sums: Floats) -> Floats:
    """Return sums of corrected valence, `(n,)`, from sums in the order of `SUM_COLUMNS`."""
    return np.asarray(sums[:, HAPPY_SCORE] - sums[:, NEGATIVE_SCORE])


def take(arrays: _Arrays, rows: Ints | Bools) -> _Arrays:
    """Return some of the entries of exposures or seconds, in their order."""
    return type(arrays)(**{each.name: getattr(arrays, each.name)[rows] for each in fields(arrays)})


# --- time -----------------------------------------------------------------------------------------


def microseconds(moment: datetime) -> int:
    """Return microseconds from 1970-01-01 UTC to an aware moment."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def covered_us(gaps: Iterable[GapInfo], starts: Ints, ends: Ints) -> Floats:
    """Return how many microseconds of each stretch `[start, end)` gaps cover; overlaps count once.

    Args:
        gaps: Of one session, in the order of their starts; one that is still open lasts forever.
        starts, ends: Shape `(n,)`, microseconds since 1970 UTC, each end at or after its start.
    """
    last = int(ends.max(initial=0))
    edges: list[int] = []
    for gap in gaps:
        start = microseconds(gap.started_at)
        end = max(start, last if gap.ended_at is None else microseconds(gap.ended_at))
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += [start, end]
    if not edges:
        return np.zeros(starts.size)
    lengths = np.diff(edges)
    lengths[1::2] = 0
    before = np.concatenate([[0], np.cumsum(lengths)]).astype(np.float64)
    return np.asarray(
        np.interp(ends, edges, before) - np.interp(starts, edges, before), dtype=np.float64
    )


# --- audience -------------------------------------------------------------------------------------


def tells_watchers(session: SessionInfo) -> bool:
    """Return whether a session was read often enough, by its settings, to tell watchers."""
    rate = session.settings.get("readings_per_second") or READINGS_PER_SECOND
    return float(rate) >= MIN_WATCHER_RATE


def slow_sessions(log: Log) -> set[int]:
    """Return the sessions that were read too seldom to tell watchers, by settings or by camera.

    A camera is slow if the readings of viewers, of which there are enough to say so, come less
    often than four times a second: missed faces alone do not make it so.
    """
    slow = {info.id for info in log.sessions if not tells_watchers(info)}
    exposures, session_of = log.exposures, log.session_of
    if not len(exposures):
        return slow
    ids, index = np.unique(
        [session_of[play] for play in exposures.play_id.tolist()], return_inverse=True
    )
    readings = np.bincount(index, weights=exposures.readings)
    often = readings >= MAX_SLOW_RATE * np.bincount(index, weights=exposures.dwell_s)
    return slow | set(ids[~often & (readings >= MIN_RATE_READINGS)].tolist())


@dataclass(frozen=True, slots=True)
class Audience:
    """How many people saw an ad, and for how long; see `docs/explanation/metrics.md`.

    Counts are of different viewers, except `exposures`, the pairs of viewer and play. Times are
    summed over exposures, `mean_dwell_s` is a mean over viewers. Ratios are NaN where they divide
    by 0.
    """

    opportunities: int
    watchers: int
    held: int
    conversion: float
    exposures: int
    dwell_s: float
    mean_dwell_s: float
    attention_s: float
    attraction_ratio: float


def audience(entries: ExposureArrays, duration_s: Floats | float = math.nan) -> Audience:
    """Count viewers, watchers, dwell and attention over exposures to one ad, or of a session.

    `duration_s` is the ad's length, or that of each exposure's ad, shape `(e,)`; without it nobody
    counts as held.
    """
    viewers, index = np.unique(entries.viewer_id, return_inverse=True)
    count = int(viewers.size)
    watched = entries.longest_attention_s >= WATCHER_ATTENTION_S
    held = watched & (entries.attention_s >= 0.5 * np.asarray(duration_s))
    watchers = int(np.unique(entries.viewer_id[watched]).size)
    # Exactly rounded sums do not depend on the order in which plays were stored.
    dwell, attention = math.fsum(entries.dwell_s), math.fsum(entries.attention_s)
    per_viewer = np.bincount(index, weights=entries.dwell_s) / np.bincount(index)
    return Audience(
        opportunities=count,
        exposures=len(entries),
        watchers=watchers,
        held=int(np.unique(entries.viewer_id[held]).size),
        conversion=watchers / count if count else math.nan,
        dwell_s=dwell,
        attention_s=attention,
        mean_dwell_s=float(per_viewer.mean()) if count else math.nan,
        attraction_ratio=attention / dwell if dwell > 0 else math.nan,
    )


# --- by the second --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What each viewer did in each second of one ad, all plays together.

    Shapes are `(c,)`, of `sums` `(c, 12 + k)`, in the order of `SUM_COLUMNS`: added up over the
    readings with an emotion. `viewer` and `second` count from 0, `group` is that of the viewer;
    `corrected` adds up
    baseline-corrected valence over the readings of viewers with a baseline; the ad's curve has
    `seconds` entries.
    """

    viewer: Ints
    second: Ints
    group: Ints
    readings: Ints
    attentive: Ints
    emotion_readings: Ints
    sums: Floats
    corrected_readings: Ints
    corrected: Floats
    seconds: int


def viewer_seconds(
    seconds: SecondArrays, exposures: ExposureArrays, duration_s: float, group: Ints
) -> Cells:
    """Add up the entries of one ad of this length by viewer and second, from sorted arrays.

    `group` is that of each viewer with an exposure, `(v,)`, in rising order of viewers.
    """
    length = max(count_bins(duration_s), int(seconds.second.max(initial=-1)) + 1)
    names, viewer = np.unique(seconds.viewer_id, return_inverse=True)
    group = group[np.searchsorted(np.unique(exposures.viewer_id), names)]
    cell, index = np.unique(viewer * length + seconds.second, return_inverse=True)

    def added(values: Ints | Floats) -> Floats:
        return np.bincount(index, weights=values, minlength=cell.size).astype(np.float64)

    # Every second is part of an exposure, and exposures are sorted.
    known_pairs = _pair(exposures.play_id, exposures.viewer_id, exposures)
    baseline = exposures.baseline[
        np.searchsorted(known_pairs, _pair(seconds.play_id, seconds.viewer_id, exposures))
    ]
    known = np.isfinite(baseline)
    valence = seconds.sums[:, VALENCE]
    return Cells(
        viewer=(cell // length).astype(np.int64),
        second=(cell % length).astype(np.int64),
        group=group[cell // length],
        readings=added(seconds.readings).astype(np.int64),
        attentive=added(seconds.attentive).astype(np.int64),
        emotion_readings=added(seconds.emotion_readings).astype(np.int64),
        sums=np.column_stack([added(column) for column in seconds.sums.T]),
        corrected_readings=added(np.where(known, seconds.emotion_readings, 0)).astype(np.int64),
        corrected=added(np.where(known, valence - seconds.emotion_readings * baseline, 0.0)),
        seconds=length,
    )


def _pair(play: Ints, viewer: Ints, exposures: ExposureArrays) -> Ints:
    """Return a number for each pair of play and viewer that sorts as the pairs do."""
    base = int(exposures.viewer_id.max(initial=0)) + 1
    return np.asarray(
        np.searchsorted(np.unique(exposures.play_id), play) * base + viewer, dtype=np.int64
    )


def mean_by_second(values: Floats, second: Ints, seconds: int) -> Floats:
    """Return the mean of `(c,)` values in each second, `(seconds,)`; NaN without viewers."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            np.bincount(second, values, seconds) / np.bincount(second, minlength=seconds)
        )


def median_by_second(values: Floats, second: Ints, seconds: int) -> Floats:
    """Return the median of `(c,)` values in each second, `(seconds,)`; NaN without viewers."""
    out = np.full(seconds, np.nan)
    known, medians = grouped_median(second, values)
    out[known] = medians
    return out


def _units(viewer: Ints, group: Ints) -> Ints:
    """Return what a bootstrap draws: groups, or viewers where groups are too few to draw."""
    return group if np.unique(group).size >= MIN_GROUPS else viewer


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The curves of one ad by second: shape `(k,)`, labels as `by_label`; NaN where not known.

    `n` counts viewers with a reading, `emotion_viewers` those with an emotion, on whom all curves
    but `attention` rest. Curves are means over viewers of each one's mean, or medians (iMotions);
    the limits are a 95% interval, and `share_over_half` is the share of viewers with a mean above
    0.5. `shares`, `(k, 4)`, and `valence_corrected_audience` come from the group scores of
    `scored_viewers` (`detector.emotion.prevalence`), with limits for viewers in groups.
    """

    n: Ints
    emotion_viewers: Ints
    scored_viewers: Ints
    valence: Floats
    valence_low: Floats
    valence_high: Floats
    valence_median: Floats
    valence_corrected: Floats
    expressiveness: Floats
    attention: Floats
    probabilities: Floats
    probabilities_median: Floats
    share_over_half: Floats
    shares: Floats
    valence_corrected_audience: Floats
    valence_corrected_audience_low: Floats
    valence_corrected_audience_high: Floats

    def masked(self, min_viewers: int) -> Timeline:
        """Return the curves without the seconds that rest on fewer viewers; the counts stay."""
        hidden = {field.name: getattr(self, field.name).copy() for field in fields(self)[3:]}
        for name, values in hidden.items():
            viewers = self.emotion_viewers
            if name == "attention":
                viewers = self.n
            elif name.startswith(("shares", "valence_corrected_audience")):
                viewers = self.scored_viewers
            values[viewers < min_viewers] = np.nan
        return Timeline(self.n, self.emotion_viewers, self.scored_viewers, **hidden)


def timeline(cells: Cells, *, seed: int | Sequence[int], workers: Map = map) -> Timeline:
    """Compute the curves of one ad; `seed` seeds the bootstrap, which `workers` may share."""
    k = cells.seconds
    read, based = cells.emotion_readings > 0, cells.corrected_readings > 0
    second = cells.second[read]
    means = cells.sums[read] / cells.emotion_readings[read][:, None]
    emotions, valence = by_label(means), means[:, VALENCE]
    units = _units(cells.viewer[read], cells.group[read])
    low, high = bootstrap_mean_interval(units, second, valence, k, seed=seed, workers=workers)

    scored, scores = group_scores(means)
    reactions = corrected_valence(scores)
    limits = [
        audience_mean(reactions[at], cells.group[read][scored][at])
        for at in (second[scored] == place for place in range(k))
    ]

    def by_emotion(
        values: Floats, take: Callable[[Floats, Ints, int], Floats] = mean_by_second
    ) -> Floats:
        return np.column_stack([take(column, second, k) for column in values.T])

    return Timeline(
        n=np.bincount(cells.second, minlength=k),
        emotion_viewers=np.bincount(second, minlength=k),
        scored_viewers=np.bincount(second[scored], minlength=k),
        valence=mean_by_second(valence, second, k),
        valence_low=low,
        valence_high=high,
        valence_median=median_by_second(valence, second, k),
        valence_corrected=mean_by_second(
            cells.corrected[based] / cells.corrected_readings[based], cells.second[based], k
        ),
        expressiveness=mean_by_second(means[:, EXPRESSIVENESS], second, k),
        attention=mean_by_second(cells.attentive / cells.readings, cells.second, k),
        probabilities=by_emotion(emotions),
        probabilities_median=by_emotion(emotions, median_by_second),
        share_over_half=by_emotion(np.where(np.isnan(emotions), np.nan, emotions > 0.5)),
        shares=shares(
            np.column_stack([mean_by_second(each, second[scored], k) for each in scores.T])
        ),
        valence_corrected_audience=np.array([each.value for each in limits]),
        valence_corrected_audience_low=np.array([each.low for each in limits]),
        valence_corrected_audience_high=np.array([each.high for each in limits]),
    )


def group_scores(means: Floats) -> tuple[Bools, Floats]:
    """Return which viewers have group scores, `(v,)`, and these, `(n, 4)`, from means, `(v, 12)`.

    The means are those of sums in the order of `SUM_COLUMNS`, the scores in that of `GROUPS`.
    """
    three = means[:, [HAPPY_SCORE, SURPRISE_SCORE, NEGATIVE_SCORE]]
    known = np.isfinite(three).all(axis=1)
    return known, np.column_stack([three[known], 1 - three[known].sum(axis=1)])


def audience_mean(values: Floats, group: Ints, *, share: bool = False) -> Interval:
    """Return the mean over viewers in groups with its interval; NaN without any.

    It lies from -1 to 1, that of a share from 0 to 1. The error of a share is at least that of two
    more viewers of each kind (Agresti and Coull 1998): where nobody happened to smile, scores
    hardly scatter, and yet a few in a hundred may.
    """
    if not values.size:
        return Interval(math.nan)
    groups = np.unique(group, return_inverse=True)[1]
    found = clustered_mean(values, np.ones_like(values), groups)
    if share:
        part = (min(1.0, max(0.0, found.value)) * values.size + 2) / (values.size + 4)
        least = math.sqrt(part * (1 - part) / values.size)
        # An error that is not known stays so.
        found = replace(found, error=float(np.maximum(found.error, least)))
    around = found.interval()
    limits = np.clip([around.value, around.low, around.high], 0.0 if share else -1.0, 1.0)
    return Interval(*limits.tolist())


# --- key moments ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """A second `[k, k+1)` of the ad worth looking at, and the figure there."""

    kind: str
    second: int
    value: float


def valence_moments(valence: Floats) -> list[Moment]:
    """Find peak, trough and steepest rise of a valence curve; the earliest second wins a tie.

    Nothing is returned for fewer than three known seconds or a flat curve.

    Args:
        valence: Shape `(k,)`, NaN where unknown.
    """
    known = np.flatnonzero(np.isfinite(valence))
    if known.size < 3:
        return []
    top, bottom = int(known[valence[known].argmax()]), int(known[valence[known].argmin()])
    if not valence[top] > valence[bottom]:
        return []
    found = [Moment("peak", top, float(valence[top]))]
    found.append(Moment("trough", bottom, float(valence[bottom])))
    rise = _steepest("steepest_rise", valence)
    return found if rise is None else [*found, rise]


def attention_drop(attention: Floats) -> Moment | None:
    """Find the largest `attention[k-1] - attention[k]`, shape `(k,)`, at the later second.

    None when the rate never falls, and for fewer than three known seconds.
    """
    if np.isfinite(attention).sum() < 3:
        return None
    return _steepest("attention_drop", -attention)


def _steepest(kind: str, curve: Floats) -> Moment | None:
    """Return the largest rise between neighbouring known seconds, at the later one, if any."""
    rises = np.diff(curve)
    rises = np.where(np.isfinite(rises), rises, -np.inf)
    if not rises.size or rises.max() <= 0:
        return None
    place = int(rises.argmax())
    return Moment(kind, place + 1, float(rises[place]))


def attraction_moment(probabilities: Floats) -> Moment | None:
    """Find the peak of mean surprise in the ad's first eight seconds (Realeyes: attraction).

    None when nothing is known; `probabilities` is `(k, 7 + …)`, as of `by_label`.
    """
    surprise = probabilities[:ATTRACTION_WINDOW_S, EMOTIONS.index("surprise")]
    known = np.flatnonzero(np.isfinite(surprise))
    if not known.size:
        return None
    second = int(known[surprise[known].argmax()])
    return Moment("attraction", second, float(surprise[second]))


def last_second_happiness(entries: ExposureArrays) -> tuple[float, int]:
    """Return the mean of p(happy) in `[length - 1 s, end]`, NaN without viewers, and their number.

    Not in the last `[k, k+1)`, which is a fifth of a second in a video of 8.2 s.
    """
    means = viewer_means(entries.viewer_id, entries.end_happy[:, None], entries.end_readings)
    return (float(means.mean()) if means.size else math.nan), int(means.shape[0])


def impact(probabilities: Floats, last_second: float) -> Moment | None:
    """Return the mean of the peak of mean happiness and that of the last second (Realeyes: impact).

    The moment is at the peak; `probabilities` is `(k, 7 + …)`, as of `by_label`.
    """
    happy = probabilities[:, EMOTIONS.index("happy")]
    known = np.flatnonzero(np.isfinite(happy))
    if not known.size or not math.isfinite(last_second):
        return None
    second = int(known[happy[known].argmax()])
    return Moment("impact", second, (float(happy[second]) + last_second) / 2)


# --- over the whole ad ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Reaction:
    """How viewers reacted over the whole ad; NaN or None if unknown.

    Means are over viewers of each viewer's mean over the readings with an emotion; the limits of
    `mean_valence` are a 95% bootstrap interval. `mean_probabilities` are as of `by_label`; those
    that are known add up to 1. `dominant_emotion` is one of the labels. `shares`, `(4,)`, in the
    order of `GROUPS`, add up to 1 too; they and `valence_corrected_mean` are corrected for
    prevalence, with limits for viewers in groups.
    """

    emotion_viewers: int
    dominant_emotion: str | None
    mean_probabilities: Floats
    mean_valence: float
    mean_valence_low: float
    mean_valence_high: float
    mean_valence_corrected: float
    shares: Floats
    shares_low: Floats
    shares_high: Floats
    valence_corrected_mean: float
    valence_corrected_mean_low: float
    valence_corrected_mean_high: float
    peak_valence: float
    expressiveness: float
    uncertain_share: float
    attraction: Moment | None
    impact: Moment | None
    moments: tuple[Moment, ...]
    timeline: Timeline


def viewer_means(viewer: Ints, sums: Floats, counts: Ints) -> Floats:
    """Return each viewer's mean over all own readings, shape `(v, m)`, in rising order of viewers.

    Args:
        viewer, counts: Shape `(e,)`, whose sums, and over how many readings; without any: left out.
        sums: Shape `(e, m)`.
    """
    some = counts > 0
    names, index = np.unique(viewer[some], return_inverse=True)
    number = np.bincount(index, counts[some], names.size)
    return np.column_stack(
        [np.bincount(index, column[some], names.size) / number for column in sums.T]
    )


def _audience_shares(means: Floats, group: Ints, min_viewers: int) -> dict[str, Any]:
    """Return the corrected figures of `Reaction` from the means of viewers, `(v, 12)`."""
    scored, scores = group_scores(means)
    if len(scores) < min_viewers:
        scores, scored = scores[:0], np.zeros_like(scored)
    parts = [audience_mean(column, group[scored], share=True) for column in scores.T]
    found = shares(scores.mean(axis=0) if len(scores) else np.full(len(GROUPS), np.nan))
    valence = audience_mean(corrected_valence(scores), group[scored])
    return {
        "shares": found,
        # What the others lose when negative ones become 0 must not leave the interval.
        "shares_low": np.minimum([part.low for part in parts], found),
        "shares_high": np.maximum([part.high for part in parts], found),
        "valence_corrected_mean": valence.value,
        "valence_corrected_mean_low": valence.low,
        "valence_corrected_mean_high": valence.high,
    }


def reaction(
    entries: ExposureArrays,
    seconds: SecondArrays,
    duration_s: float,
    *,
    seed: Sequence[int],
    min_viewers: int = 1,
    group: Ints | None = None,
    workers: Map = map,
    own_labels: LabelSet = (),
) -> Reaction:
    """Compute the reactions to one ad.

    Args:
        entries, seconds: Those of the ad, repeated plays together.
        duration_s: The ad's length in seconds.
        group: Shape `(e,)`, equal numbers for exposures that belong together, such as those of one
            play or ten minutes; a viewer belongs to the group of the first. None: by play.
        seed: Seeds the bootstrap; the curve and the mean of the ad draw from different streams.
        min_viewers: A second with fewer viewers is masked, and no moment is read from it.
        workers: What draws in the bootstrap.
        own_labels: The labels outside the seven emotions.
    """
    means = viewer_means(entries.viewer_id, entries.sums, entries.emotion_readings)
    viewers = means.shape[0]
    overall = means.mean(axis=0) if viewers else np.full(means.shape[1], np.nan)
    probabilities = by_label(overall)
    known = np.isfinite(entries.baseline)
    shifted = (
        entries.sums[known, VALENCE] - entries.emotion_readings[known] * entries.baseline[known]
    )
    corrected = viewer_means(
        entries.viewer_id[known], shifted[:, None], entries.emotion_readings[known]
    )
    # Exposures are sorted by play, so the first entry of a viewer is the first play.
    first = np.unique(entries.viewer_id, return_index=True)[1]
    own_group = (entries.play_id if group is None else group)[first]
    cells = viewer_seconds(seconds, entries, duration_s, own_group)
    curves = timeline(cells, seed=[*seed, 0], workers=workers).masked(min_viewers)
    with_emotion = np.isin(
        np.unique(entries.viewer_id), entries.viewer_id[entries.emotion_readings > 0]
    )
    audience_shares = _audience_shares(means, own_group[with_emotion], min_viewers)
    units = _units(np.arange(viewers), own_group[with_emotion])
    low, high = bootstrap_mean_interval(
        units,
        np.zeros(viewers, dtype=np.int64),
        means[:, VALENCE],
        1,
        seed=[*seed, 1],
        workers=workers,
    )
    last_second, last_viewers = last_second_happiness(entries)
    attraction = attraction_moment(curves.probabilities)
    impact_moment = impact(
        curves.probabilities, last_second if last_viewers >= min_viewers else math.nan
    )
    others = (attention_drop(curves.attention), attraction, impact_moment)
    peaks = curves.valence[np.isfinite(curves.valence)]
    read = int(entries.emotion_readings.sum())
    return Reaction(
        emotion_viewers=viewers,
        mean_probabilities=probabilities,
        dominant_emotion=(*EMOTIONS, *own_labels)[int(np.nanargmax(probabilities))]
        if np.isfinite(probabilities).any()
        else None,
        mean_valence=float(overall[VALENCE]),
        mean_valence_low=float(low[0]),
        mean_valence_high=float(high[0]),
        mean_valence_corrected=float(corrected.mean()) if corrected.size else math.nan,
        **audience_shares,
        expressiveness=float(overall[EXPRESSIVENESS]),
        uncertain_share=int(entries.uncertain.sum()) / read if read else math.nan,
        peak_valence=float(peaks.max()) if peaks.size else math.nan,
        attraction=attraction,
        impact=impact_moment,
        moments=(
            *valence_moments(curves.valence),
            *(moment for moment in others if moment is not None),
        ),
        timeline=curves,
    )

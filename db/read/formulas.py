"""The sums and formulas of the roll-ups: from readings to totals by play, viewer and second.

Pure functions on arrays; nothing here knows the database. A reading is an instant, so it is given a
*span*, the time for which it stands, and dwell and attention are sums of spans.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.labels import EMOTIONS, knows_valence
from detector.emotion.prevalence import (
    GROUPS,
    PrevalenceCalibration,
    group_scores,
    linear_scores,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from db.read.sessions import ReadingArrays
    from detector.emotion.labels import LabelSet

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

READINGS_PER_SECOND = 10.0
"""Stored of each viewer unless a session's settings say otherwise."""

WATCHER_ATTENTION_S = 0.5
"""Uninterrupted attention that makes a viewer a watcher."""

MIN_WATCHER_RATE = 5.0
"""Readings per second with which half a second of attention can be told."""

MAX_SLOW_RATE = 4.0
"""Readings per second of a camera that is too slow for that; below the rate that is asked for, as
missed faces lower it too."""

MIN_RATE_READINGS = 200
"""So many readings of a session say how often its camera reads."""

WATCHED_2_S = 2.0
"""Attention in one play that makes a watcher one of `watchers_2s`, as Quividi's watchers_2sec."""

MAX_SPAN_INTERVALS = 1.5
"""A reading stands for at most so many intervals; what happens in a longer silence is unknown."""

MAX_INTERVAL_S = 0.5
"""Longest interval between readings that is measured with."""

MIN_INTERVALS = 5
"""From so many on, the intervals of a play say how often a slow camera really reads."""

MAX_SILENCE_S = 0.5
"""A longer silence interrupts attention."""

BASELINE_WINDOW_MS = 1000.0
"""The first second of an ad: too early for a reaction, so it shows the viewer's usual face."""

SLIVER_S = 0.1
"""A last second shorter than this (a video of 8.04 s) belongs to the one before."""

OVERRUN_S = 0.5
"""Positions up to this far beyond the ad's length, as screens change late, are its last second."""

_NO_END = np.iinfo(np.int64).max
_HAPPY = EMOTIONS.index("happy")

_SCORES = len(GROUPS) - 1  # neutral, the last group, is the rest
_SCORE_PLACES = slice(len(EMOTIONS) + 2, len(EMOTIONS) + 2 + _SCORES)


@dataclass(frozen=True, slots=True, eq=False)
class ExposureArrays:
    """`e` entries, one for each play and viewer in view during it, sorted by both.

    Attributes:
        play_id, viewer_id: Row ids; a viewer belongs to one session.
        readings, emotion_readings, uncertain: All, those with an emotion, and the uncertain ones of
            these.
        dwell_s: Time in view.
        attention_s: Time attentive, at most `dwell_s`.
        longest_attention_s: The longest attention without interruption.
        baseline: See `valence_baselines`; NaN where unknown.
        end_readings: Readings with an emotion in the ad's last second.
        end_happy: Sum of p(happy) over these; NaN where the labels do not give it.
        sums: `(e, 12 + k)`, over the readings with an emotion, in the order of `SUM_COLUMNS`, then
            of `k` labels outside the seven emotions. NaN where the model's labels do not give the
            figure; scores of groups also where it has no calibration.
    """

    play_id: Ints
    viewer_id: Ints
    readings: Ints
    emotion_readings: Ints
    uncertain: Ints
    dwell_s: Floats
    attention_s: Floats
    longest_attention_s: Floats
    baseline: Floats
    end_readings: Ints
    end_happy: Floats
    sums: Floats

    def __len__(self) -> int:
        return int(self.play_id.size)


@dataclass(frozen=True, slots=True, eq=False)
class SecondArrays:
    """`s` entries, for each play, viewer and second `[k, k + 1)` of the ad, sorted by all three.

    `sums` are `(s, 12 + k)`, as in `ExposureArrays`.
    """

    play_id: Ints
    viewer_id: Ints
    second: Ints
    readings: Ints
    attentive: Ints
    emotion_readings: Ints
    sums: Floats

    def __len__(self) -> int:
        return int(self.play_id.size)


@dataclass(frozen=True, slots=True)
class RolledPlay:
    """A play with what its roll-up depends on; times are microseconds since 1970 UTC.

    Attributes:
        previous_us: End of the play before it; before all readings for a session's first play.
        ended_us: `None` while the ad is on.
        duration_ms: Length of its ad.
        interval_us: Between two readings of a viewer, by the session's settings.
    """

    id: int
    session_id: int
    previous_us: int
    started_us: int
    ended_us: int | None
    duration_ms: int
    interval_us: float = 1e6 / READINGS_PER_SECOND


@dataclass(frozen=True, slots=True, eq=False)
class _During:
    """The readings during plays, by play, viewer and time.

    `which` is the place of a reading's play; `values` are `(n, 12 + k)`: probabilities, valence,
    expressiveness, scores and own labels, 0 where the emotion is withheld, while `valence` is NaN
    there. Figures that the labels do not give are NaN.
    """

    which: Ints
    play: Ints
    viewer: Ints
    at_us: Ints
    position_ms: Floats
    valence: Floats
    values: Floats
    read: Bools
    attentive: Bools
    uncertain: Bools


def roll_up(
    plays: Sequence[RolledPlay],
    readings: ReadingArrays,
    calibration: PrevalenceCalibration | None = None,
    labels: LabelSet = EMOTIONS,
) -> tuple[ExposureArrays, SecondArrays]:
    """Add up the readings of plays of one session.

    Args:
        plays: By start.
        readings: Those of the plays and those between ads before them, with row ids of viewers,
            static faces included, in any order; others are ignored.
        calibration: That of the model that made the readings; without it, scores are NaN.
        labels: The label set of that model.

    Returns:
        Sums by play and viewer, and also by second, without readings that have no position.
    """
    during = _during(plays, readings, calibration, labels)
    starts = group_starts(during.play, during.viewer)
    group = np.cumsum(starts) - 1
    exposures = _by_play(plays, during, _baselines(plays, readings, during), starts, group)
    return exposures, _by_second(exposures, during, group, _seconds(plays, during))


def fill_scores(sums: Floats, calibration: PrevalenceCalibration) -> Floats:
    """Return sums, `(n, 12 + k)`, with missing scores estimated from the plain sums."""
    missing = np.isnan(sums[:, _SCORE_PLACES]).any(axis=1)
    filled = sums.copy()
    plain = sums[missing, : len(EMOTIONS)]
    filled[missing, _SCORE_PLACES] = linear_scores(plain, calibration)[:, :_SCORES]
    return filled


def _during(
    plays: Sequence[RolledPlay],
    readings: ReadingArrays,
    calibration: PrevalenceCalibration | None,
    labels: LabelSet,
) -> _During:
    ids = np.array([play.id for play in plays], dtype=np.int64)
    mine = np.flatnonzero(np.isin(readings.play_id, ids))
    mine = mine[sort_readings(readings.play_id[mine], readings.viewer[mine], readings.at_us[mine])]
    by_id = np.argsort(ids)
    play, valence = readings.play_id[mine], readings.valence[mine]
    p = readings.probabilities[mine]
    own = np.empty((len(p), 0)) if readings.own is None else readings.own[mine]
    read = np.isfinite(np.column_stack([p, own])).any(axis=1)
    plain = np.column_stack([p, valence, readings.expressiveness[mine]])
    plain[~read] = 0.0
    given = [name in labels for name in EMOTIONS]
    plain[:, ~np.array([*given, knows_valence(labels), "neutral" in labels])] = np.nan
    scores = np.full((len(p), _SCORES), np.nan)
    if calibration is not None:
        scores = group_scores(p, calibration)[:, :_SCORES]
        scores[~read] = 0.0
    return _During(
        which=by_id[np.searchsorted(ids, play, sorter=by_id)].astype(np.int64),
        play=play,
        viewer=readings.viewer[mine],
        at_us=readings.at_us[mine],
        position_ms=readings.position_ms[mine],
        valence=valence,
        values=np.column_stack([plain, scores, np.where(read[:, None], own, 0.0)]),
        read=read,
        attentive=readings.attentive[mine],
        uncertain=readings.uncertain[mine],
    )


def _baselines(plays: Sequence[RolledPlay], readings: ReadingArrays, during: _During) -> Floats:
    """The baseline for each reading; a reading between ads counts for the next play.

    One of a pause has no play either, but lies before the end of its play, and counts for none.
    """
    between = readings.play_id < 0
    at_us = readings.at_us[between]
    keys = [(play.id, play.started_us, play.previous_us) for play in plays]
    ids, starts, earliest = np.array(keys, dtype=np.int64).reshape(-1, 3).T
    following = np.searchsorted(starts, at_us, side="right")
    known = following < len(plays)
    # The next play may be one that is not among these.
    known[known] = at_us[known] >= earliest[following[known]]
    return valence_baselines(
        during.play,
        during.viewer,
        during.position_ms,
        during.valence,
        between_play=ids[following[known]],
        between_viewer=readings.viewer[between][known],
        between_valence=readings.valence[between][known],
    )


def _by_play(
    plays: Sequence[RolledPlay], during: _During, baseline: Floats, starts: Bools, group: Ints
) -> ExposureArrays:
    ends = np.array(
        [_NO_END if play.ended_us is None else play.ended_us for play in plays], dtype=np.int64
    )
    nominal_us = np.array([play.interval_us for play in plays], dtype=np.float64)
    interval_us = reading_intervals_us(
        during.play, during.viewer, during.at_us, nominal_us[during.which]
    )
    span_us = reading_spans_us(
        during.play, during.viewer, during.at_us, ends[during.which], interval_us
    )
    last_second = np.array([max(0.0, play.duration_ms - 1000.0) for play in plays])
    with np.errstate(invalid="ignore"):
        late = during.read & (during.position_ms >= last_second[during.which])
    first = np.flatnonzero(starts)
    size = first.size
    return ExposureArrays(
        play_id=during.play[first],
        viewer_id=during.viewer[first],
        readings=_count(group, size),
        emotion_readings=_count(group[during.read], size),
        uncertain=_count(group[during.read & during.uncertain], size),
        dwell_s=_add(group, span_us, size) / 1e6,
        attention_s=_add(group, np.where(during.attentive, span_us, 0.0), size) / 1e6,
        longest_attention_s=longest_runs_us(
            starts, during.at_us, span_us, during.attentive, interval_us
        )
        / 1e6,
        baseline=baseline[first],
        end_readings=_count(group[late], size),
        end_happy=_add(group[late], during.values[late, _HAPPY], size)
        + (np.nan if np.isnan(during.values[:, _HAPPY]).any() else 0.0),
        sums=np.column_stack([_add(group, column, size) for column in during.values.T]),
    )


def _seconds(plays: Sequence[RolledPlay], during: _During) -> Ints:
    """The second of the ad of each reading, -1 where it is not known."""
    durations = np.array([play.duration_ms for play in plays], dtype=np.int64)[during.which]
    second = np.full(durations.size, -1, dtype=np.int64)
    for duration_ms in np.unique(durations):
        same = durations == duration_ms
        second[same] = position_bins(during.position_ms[same], duration_ms / 1000.0)
    return second


def _by_second(
    exposures: ExposureArrays, during: _During, group: Ints, second: Ints
) -> SecondArrays:
    length = int(second.max(initial=0)) + 1
    inside = second >= 0
    cell, index = np.unique(group[inside] * length + second[inside], return_inverse=True)
    size = cell.size
    return SecondArrays(
        play_id=exposures.play_id[cell // length],
        viewer_id=exposures.viewer_id[cell // length],
        second=cell % length,
        readings=_count(index, size),
        attentive=_count(index[during.attentive[inside]], size),
        emotion_readings=_count(index[during.read[inside]], size),
        sums=np.column_stack([_add(index, column, size) for column in during.values[inside].T]),
    )


def _count(groups: Ints, size: int) -> Ints:
    return np.bincount(groups, minlength=size).astype(np.int64)


def _add(groups: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(groups, values, size).astype(np.float64)


def sort_readings(play: Ints, viewer: Ints, at_us: Ints) -> NDArray[np.intp]:
    """Return the indices that sort readings by play, viewer and time, as expected here."""
    return np.asarray(np.lexsort((at_us, viewer, play)), dtype=np.intp)


def group_starts(*keys: Ints) -> Bools:
    """Return a mask `(n,)`, true at the first of each run of equal keys, `(n,)` and sorted."""
    starts: Bools = np.arange(keys[0].size) == 0
    for key in keys:
        starts[1:] |= key[1:] != key[:-1]
    return starts


def grouped_median(groups: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Return the distinct groups in rising order, and the median of the values of each.

    Both arguments are `(n,)`, in any order and without NaN.
    """
    if not groups.size:
        return np.empty(0, dtype=np.int64), np.empty(0)
    order = np.lexsort((values, groups))
    groups, values = groups[order], values[order]
    first = np.flatnonzero(group_starts(groups))
    counts = np.diff(np.append(first, groups.size))
    return groups[first], (values[first + (counts - 1) // 2] + values[first + counts // 2]) / 2


def reading_intervals_us(play: Ints, viewer: Ints, at_us: Ints, nominal_us: Floats) -> Floats:
    """Return how often a viewer was read in each reading's play, in microseconds.

    It is the nominal interval, or the median interval of the play's viewers where that is longer
    (a slow camera) and rests on `MIN_INTERVALS`; at most 0.5 s.

    Args:
        play, viewer, at_us: Shape `(n,)`, sorted by play, viewer, time.
        nominal_us: Shape `(n,)`, above 0, by the settings of each reading's session.

    Returns:
        Shape `(n,)`, whole numbers, the same for all readings of a play.
    """
    if not at_us.size:
        return np.empty(0)
    number = np.cumsum(group_starts(play)) - 1
    followed = np.append(~group_starts(play, viewer)[1:], False)
    plays, medians = grouped_median(
        number[followed], np.diff(at_us, append=at_us[-1]).astype(np.float64)[followed]
    )
    measured = np.zeros(number[-1] + 1)
    enough = np.bincount(number[followed], minlength=measured.size)[plays] >= MIN_INTERVALS
    measured[plays[enough]] = medians[enough]
    interval = np.minimum(np.maximum(nominal_us, measured[number]), MAX_INTERVAL_S * 1e6)
    return np.asarray(np.round(interval))


def reading_spans_us(
    play: Ints, viewer: Ints, at_us: Ints, play_end_us: Ints, interval_us: Floats
) -> Floats:
    """Return the time for which each reading stands, in microseconds.

    `span_i = min(t_{i+1} - t_i, 1.5 * interval)`, where `t_{i+1}` is the same viewer's next reading
    in the same play. The last one stands for the median of that viewer's intervals in that play, at
    most as long, a lone one for one interval. No span reaches beyond the end of its play.

    Source: our definition. Sums of spans neither depend on the rate of readings nor grow across
        holes in the data.

    Args:
        play, viewer, at_us: Shape `(n,)`, sorted by play, viewer, time.
        play_end_us: Shape `(n,)`; the largest int64 for a play without end.
        interval_us: Shape `(n,)`, from `reading_intervals_us`.

    Returns:
        Shape `(n,)`, each 0 to 750,000, in half microseconds, so that sums are exact.
    """
    if not at_us.size:
        return np.empty(0)
    spans = interval_us.copy()
    starts = group_starts(play, viewer)
    group = np.cumsum(starts) - 1
    followed = np.append(~starts[1:], False)
    interval = np.diff(at_us, append=at_us[-1]).astype(np.float64)
    spans[followed] = interval[followed]
    groups, medians = grouped_median(group[followed], interval[followed])
    last = np.flatnonzero(~followed)  # one per group, in the order of the groups
    spans[last[groups]] = medians
    longest = MAX_SPAN_INTERVALS * interval_us
    # In integers, because the end of an unfinished play is the largest one there is.
    left = np.clip(play_end_us - at_us, 0, np.ceil(longest).astype(np.int64)).astype(np.float64)
    return np.asarray(np.minimum(np.minimum(spans, longest), left))


def valence_baselines(
    play: Ints,
    viewer: Ints,
    position_ms: Floats,
    valence: Floats,
    *,
    between_play: Ints,
    between_viewer: Ints,
    between_valence: Floats,
) -> Floats:
    """Return the valence that a viewer came with: `median(v before the ad can have worked)`.

    It is the median over the viewer's readings in the play's first second and between ads just
    before it; a viewer not seen then has none. NaN does not count.

    Source: the usual correction for resting faces; the first second as in iMotions' baseline.

    Args:
        play, viewer, position_ms, valence: Shape `(n,)`, the readings during plays, any order.
        between_play: Shape `(m,)`, for each reading between ads the play that follows it.
        between_viewer, between_valence: Shape `(m,)`.

    Returns:
        Shape `(n,)`, -1 to 1, the same for all readings of a viewer in a play; NaN without a
        baseline.
    """
    size = valence.size
    if not size:
        return np.empty(0)
    _, play_index = np.unique(np.concatenate([play, between_play]), return_inverse=True)
    viewers, viewer_index = np.unique(np.concatenate([viewer, between_viewer]), return_inverse=True)
    group = (play_index * viewers.size + viewer_index).astype(np.int64)
    with np.errstate(invalid="ignore"):
        early = (position_ms >= 0) & (position_ms < BASELINE_WINDOW_MS)
    everything = np.concatenate([valence, between_valence])
    in_baseline = np.isfinite(everything)
    in_baseline[:size] &= early
    known, medians = grouped_median(group[in_baseline], everything[in_baseline])
    if not known.size:
        return np.full(size, np.nan)
    place = np.minimum(np.searchsorted(known, group[:size]), known.size - 1)
    return np.where(known[place] == group[:size], medians[place], np.nan)


def longest_runs_us(
    starts: Bools, at_us: Ints, span_us: Floats, attentive: Bools, interval_us: Floats
) -> Floats:
    """Return each viewer's longest uninterrupted attention in each play, in microseconds.

    Spans of consecutive attentive readings are summed. A reading that is not attentive interrupts,
    and so does a silence of more than 0.5 s, or 1.5 intervals where these are longer.

    All arguments are `(n,)`, sorted by play, viewer, time; `starts` is true at the first reading of
    each viewer and play, and the result has one entry for each of these.
    """
    breaks = starts | ~attentive
    silence_us = np.maximum(MAX_SILENCE_S * 1e6, MAX_SPAN_INTERVALS * interval_us)
    breaks[1:] |= ~attentive[:-1] | (np.diff(at_us) > silence_us[1:])
    run = np.cumsum(breaks) - 1
    run_us = np.bincount(run, weights=np.where(attentive, span_us, 0.0))
    return np.asarray(np.maximum.reduceat(run_us[run], np.flatnonzero(starts)))


def count_bins(duration_s: float) -> int:
    """Return the seconds of an ad: its length rounded up, without a sliver; at least 1."""
    return max(1, math.ceil(round(duration_s - SLIVER_S, 6)))


def position_bins(position_ms: Floats, duration_s: float) -> Ints:
    """Put positions into the seconds `[k, k+1)` of the ad: `k = floor(position / 1 s)`.

    The last second also takes a sliver below 0.1 s and what is up to 0.5 s late, as screens change
    late. Positions further out (a file longer than it says) get their own seconds.
    Unknown and negative positions get -1.

    Both are `(n,)`; unknown positions are NaN. Source: one-second epochs (iMotions).
    """
    length = count_bins(duration_s)
    known = np.isfinite(position_ms) & (position_ms >= 0)
    position = np.where(known, position_ms, -1.0)
    bins: Ints = np.floor(position / 1000.0).astype(np.int64)
    bins[(bins >= length) & (position < (duration_s + OVERRUN_S) * 1000.0)] = length - 1
    return bins

"""The measures: pure functions from arrays of readings to figures, each with its formula and its source.

Two ideas run through all of them. A *reading* is an instant, so it is given a **span**, the time for which it
stands, and dwell and attention are sums of spans. And the unit of every mean, median and interval is the **viewer**,
not the reading: somebody who stays for a minute is one opinion, not six hundred. So readings are first averaged
within each viewer, and only then over viewers; intervals come from drawing viewers anew.

Readings enter as `AdReadings`, sorted by play, viewer and time. Everything by the second goes through `ViewerBins`,
sums and counts per viewer and second, which can be added up piece by piece when a session does not fit into memory.

A reading whose emotion is withheld (its face was too small, too dark, …) counts for presence, dwell and attention like any
other; its probabilities, valence and expressiveness are NaN and count nowhere.

Inside this module a figure that is not known is NaN, a thing that is not known is None. Times are microseconds (`…_us`)
or seconds (`…_s`); positions are milliseconds since the ad's start, as stored.

Sources named in the docstrings: *Quividi*, glossary of audience measures (opportunities to see, watchers,
conversion, dwell and attention time, attraction ratio); *iMotions*, facial expression analysis guide (one-second
epochs, per-viewer values, counts over a threshold); *Realeyes*, metric definitions (attraction: peak surprise in the
first 8 s; impact: mean of peak and end happiness); *Efron and Tibshirani 1993*, An Introduction to the Bootstrap,
chapter 13 (percentile interval); *Hesterberg 2015*, What Teachers Should Know About the Bootstrap (expanded
percentile interval).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The order of the probabilities on every emotion axis, as the database stores them."""

MAX_READING_SPAN_S = 0.5
"""A reading stands for at most this long; a longer silence means that nobody knows, not that nothing changed."""

WATCHER_ATTENTION_S = 0.5
"""Uninterrupted attention that makes a viewer a watcher."""

DEFAULT_FRAME_INTERVAL_S = 1 / 30
"""Span of a lone reading in a session whose frame rate is not known."""

ATTRACTION_WINDOW_S = 8
"""Attraction looks for surprise in the ad's first eight seconds."""

BASELINE_WINDOW_MS = 1000.0
"""The first second of an ad: too early for a reaction, so it shows the face that the viewer came with."""

SHARE_THRESHOLD = 0.5
"""A viewer counts as showing an emotion in a second when its mean probability is above this."""

SLIVER_S = 0.1
"""A last second shorter than this (a video of 8.04 s) is no second of its own."""

OVERRUN_S = 0.5
"""A screen changes a little late; positions up to this far beyond the ad's length belong to its last second."""

MIN_SECONDS_FOR_MOMENTS = 3
"""Peak, trough and rise are looked for in curves of at least so many known seconds."""

BOOTSTRAP_DRAWS = 2000
CONFIDENCE = 0.95

_MAX_SPAN_US = MAX_READING_SPAN_S * 1e6
_HAPPY = EMOTIONS.index("happy")
_SURPRISE = EMOTIONS.index("surprise")
_NEUTRAL = EMOTIONS.index("neutral")
_CELLS_PER_CHUNK = 2_000_000


# --- readings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class AdReadings:
    """The readings of one ad, all its plays together, sorted by play, viewer and time. All arrays have length `n`.

    Attributes:
        play: Which play each reading belongs to (any integer that identifies it).
        viewer: Which viewer.
        at_us: When, in microseconds of UTC.
        span_us: The time it stands for, in microseconds, from `reading_spans_us`.
        position_ms: Position in the ad in milliseconds; NaN where it is not known.
        probabilities: Shape `(n, 7)`, in the order of `EMOTIONS`; NaN, as the next three, where the emotion is withheld.
        valence: -1 to 1.
        expressiveness: 0 to 1.
        corrected: Valence minus the viewer's own baseline, from `baseline_corrected_valence`; NaN where there is none.
        attentive: Whether the face was turned to the screen.
        uncertain: Whether the classifier was unsure. Such a reading counts like any other: leaving it out would favour
            strong expressions. The share of uncertain readings is reported beside the figures. Says nothing where the
            emotion is withheld.
    """

    play: Ints
    viewer: Ints
    at_us: Ints
    span_us: Floats
    position_ms: Floats
    probabilities: Floats
    valence: Floats
    expressiveness: Floats
    corrected: Floats
    attentive: Bools
    uncertain: Bools

    def __len__(self) -> int:
        return int(self.viewer.size)

    @property
    def has_emotion(self) -> Bools:
        """Which readings have an emotion, and none withheld."""
        return np.isfinite(self.valence)


def sort_readings(play: Ints, viewer: Ints, at_us: Ints) -> NDArray[np.intp]:
    """Returns the indices that put readings into the order all functions here expect: by play, viewer, time."""
    return np.asarray(np.lexsort((at_us, viewer, play)), dtype=np.intp)


def _group_starts(*keys: Ints) -> Bools:
    """Returns a mask, true at the first reading of each run of equal keys; the keys are sorted."""
    size = keys[0].size
    starts = np.zeros(size, dtype=np.bool_)
    if size:
        starts[0] = True
        for key in keys:
            starts[1:] |= key[1:] != key[:-1]
    return starts


def grouped_median(groups: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Medians within groups, without a loop over them.

    Args:
        groups: Shape `(n,)`, any order.
        values: Shape `(n,)`, no NaN.

    Returns:
        The distinct groups in rising order, and the median of each.
    """
    if not groups.size:
        return np.empty(0, dtype=np.int64), np.empty(0)
    order = np.lexsort((values, groups))
    groups, values = groups[order], values[order]
    first = np.flatnonzero(_group_starts(groups))
    counts = np.diff(np.append(first, groups.size))
    return groups[first], (values[first + (counts - 1) // 2] + values[first + counts // 2]) / 2


def reading_spans_us(play: Ints, viewer: Ints, at_us: Ints, play_end_us: Ints, nominal_us: float) -> Floats:
    """The time for which each reading stands, in microseconds.

    `span_i = min(t_{i+1} - t_i, 0.5 s)`, where `t_{i+1}` is the same viewer's next reading in the same play. The
    last one stands for the median of that viewer's intervals in that play, a lone one for the nominal interval of
    the session's frames, both at most 0.5 s. No span reaches beyond the end of its play.

    Source: our definition. Sums of spans neither depend on the frame rate nor grow across holes in the data.

    Args:
        play, viewer, at_us: Shape `(n,)`, sorted by play, viewer, time.
        play_end_us: Shape `(n,)`, the end of each reading's play; the largest int64 where it has none.
        nominal_us: The session's nominal interval between frames.

    Returns:
        Shape `(n,)`, each 0 to 500,000. Multiples of half a microsecond (lone readings apart), so that sums are exact.
    """
    size = at_us.size
    spans = np.full(size, min(nominal_us, _MAX_SPAN_US))
    if not size:
        return spans
    starts = _group_starts(play, viewer)
    group = np.cumsum(starts) - 1
    followed = np.append(~starts[1:], False)
    interval = np.diff(at_us, append=at_us[-1]).astype(np.float64)
    spans[followed] = interval[followed]
    groups, medians = grouped_median(group[followed], interval[followed])
    last = np.flatnonzero(~followed)  # one per group, in the order of the groups
    spans[last[groups]] = medians
    spans = np.minimum(spans, _MAX_SPAN_US)
    # In integers, because the end of an unfinished play is the largest one there is.
    left = np.clip(play_end_us - at_us, 0, int(_MAX_SPAN_US)).astype(np.float64)
    return np.asarray(np.minimum(spans, left))


def baseline_corrected_valence(
    play: Ints,
    viewer: Ints,
    position_ms: Floats,
    valence: Floats,
    *,
    between_play: Ints,
    between_viewer: Ints,
    between_valence: Floats,
) -> Floats:
    """Valence minus the viewer's own baseline: `v - median(v of the same viewer before the ad can have worked)`.

    The baseline of a viewer for one play is the median over the readings of the play's first second together with the
    viewer's readings in the time between ads just before that play, where there are any. A viewer who came later
    and was not seen before has no baseline: the readings are NaN and do not count. Readings without a valence (NaN) count
    for no baseline and stay NaN.

    Source: the usual correction for resting faces ("always sad when neutral"); the first second as in iMotions'
    baseline.

    Args:
        play, viewer, position_ms, valence: Shape `(n,)`, the readings during plays, any order.
        between_play: Shape `(m,)`, for each reading between ads the play that follows it.
        between_viewer, between_valence: Shape `(m,)`.

    Returns:
        Shape `(n,)`, -2 to 2; NaN without a baseline.
    """
    size = valence.size
    if not size:
        return np.empty(0)
    all_play, all_viewer = np.concatenate([play, between_play]), np.concatenate([viewer, between_viewer])
    _, play_index = np.unique(all_play, return_inverse=True)
    viewers, viewer_index = np.unique(all_viewer, return_inverse=True)
    group = (play_index * viewers.size + viewer_index).astype(np.int64)
    with np.errstate(invalid="ignore"):
        early = (position_ms >= 0) & (position_ms < BASELINE_WINDOW_MS)
    everything = np.concatenate([valence, between_valence])
    in_baseline = np.concatenate([early, np.ones(between_valence.size, dtype=np.bool_)]) & np.isfinite(everything)
    known, medians = grouped_median(group[in_baseline], everything[in_baseline])
    baseline = np.full(size, np.nan)
    if known.size:
        place = np.minimum(np.searchsorted(known, group[:size]), known.size - 1)
        baseline = np.where(known[place] == group[:size], medians[place], np.nan)
    return np.asarray(valence - baseline)


# --- audience ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """One entry for each viewer and play in which the viewer was in view. All arrays have length `e`.

    Attributes:
        play, viewer: Who saw which play.
        dwell_s: Time in view: the sum of the spans (Quividi: dwell time).
        attention_s: Time attentive: the sum of the spans of attentive readings, at most `dwell_s` (Quividi:
            attention time).
        longest_attention_s: The longest attention without interruption: spans of consecutive attentive readings,
            summed. A reading that is not attentive interrupts, and so do more than 0.5 s without a reading.
    """

    play: Ints
    viewer: Ints
    dwell_s: Floats
    attention_s: Floats
    longest_attention_s: Floats

    @property
    def watched(self) -> Bools:
        """Whether the viewer was attentive for at least 0.5 s without interruption."""
        return np.asarray(self.longest_attention_s >= WATCHER_ATTENTION_S)


def exposures(play: Ints, viewer: Ints, at_us: Ints, span_us: Floats, attentive: Bools) -> Exposures:
    """Adds readings up to one entry per viewer and play.

    Args:
        play, viewer, at_us, span_us, attentive: Shape `(n,)`, sorted by play, viewer, time.

    Returns:
        The exposures, sorted by play and viewer.
    """
    if not at_us.size:
        none = np.empty(0, dtype=np.int64)
        return Exposures(none, none, np.empty(0), np.empty(0), np.empty(0))
    starts = _group_starts(play, viewer)
    first = np.flatnonzero(starts)
    group = np.cumsum(starts) - 1
    attentive_us = np.where(attentive, span_us, 0.0)
    breaks = starts | ~attentive
    breaks[1:] |= ~attentive[:-1] | (np.diff(at_us) > _MAX_SPAN_US)
    run = np.cumsum(breaks) - 1
    run_us = np.bincount(run, weights=attentive_us)
    return Exposures(
        play=play[first],
        viewer=viewer[first],
        dwell_s=np.bincount(group, weights=span_us) / 1e6,
        attention_s=np.bincount(group, weights=attentive_us) / 1e6,
        longest_attention_s=np.maximum.reduceat(run_us[run], first) / 1e6,
    )


@dataclass(frozen=True, slots=True)
class Audience:
    """How many people saw an ad, and for how long.

    Attributes:
        opportunities: Opportunities to see: different viewers in view in any of the plays (Quividi).
        exposures: Pairs of viewer and play; more than `opportunities` when somebody saw the ad more than once.
        watchers: Different viewers who were attentive for at least 0.5 s without interruption in at least one play.
        conversion: `watchers / opportunities` (Quividi); NaN without viewers.
        dwell_s: Time in view, summed over all exposures.
        attention_s: Attentive seconds, summed over all exposures; never more than `dwell_s`.
        mean_dwell_s: Mean over viewers of each viewer's mean dwell per exposure; NaN without viewers. Per exposure,
            so that it compares with the length of the ad.
        attraction_ratio: `attention_s / dwell_s` (Quividi); NaN when the dwell is 0.
    """

    opportunities: int
    exposures: int
    watchers: int
    conversion: float
    dwell_s: float
    attention_s: float
    mean_dwell_s: float
    attraction_ratio: float


def audience(entries: Exposures) -> Audience:
    """Counts viewers, watchers, dwell and attention over the exposures of one ad (or of a whole session)."""
    viewers, index = np.unique(entries.viewer, return_inverse=True)
    count = int(viewers.size)
    watchers = int(np.unique(entries.viewer[entries.watched]).size)
    # Exactly rounded sums: the figures then cannot depend on the order in which plays were stored.
    dwell, attention = math.fsum(entries.dwell_s), math.fsum(entries.attention_s)
    mean_dwell = math.nan
    if count:
        per_viewer = np.bincount(index, weights=entries.dwell_s) / np.bincount(index)
        mean_dwell = float(per_viewer.mean())
    return Audience(
        opportunities=count,
        exposures=int(entries.viewer.size),
        watchers=watchers,
        conversion=watchers / count if count else math.nan,
        dwell_s=dwell,
        attention_s=attention,
        mean_dwell_s=mean_dwell,
        attraction_ratio=attention / dwell if dwell > 0 else math.nan,
    )


# --- by the second ----------------------------------------------------------------------------------------------------


def count_bins(duration_s: float) -> int:
    """How many seconds an ad has: its length rounded up, a closing sliver of less than 0.1 s left out; at least 1."""
    return max(1, math.ceil(round(duration_s - SLIVER_S, 6)))


def position_bins(position_ms: Floats, duration_s: float) -> tuple[Ints, int]:
    """Puts positions into the seconds `[k, k+1)` of the ad: `k = floor(position / 1 s)`.

    The last second also takes a closing sliver of less than 0.1 s and what is up to 0.5 s late, because a screen
    changes a frame after the ad's length is over. Positions further out (a file that is longer than it says) get
    seconds of their own. Unknown and negative positions get -1.

    Source: one-second epochs (iMotions).

    Args:
        position_ms: Shape `(n,)`, milliseconds, NaN where unknown.
        duration_s: The ad's length in seconds.

    Returns:
        Shape `(n,)`, the second of each reading, and the number of seconds of the curve.
    """
    length = count_bins(duration_s)
    known = np.isfinite(position_ms) & (position_ms >= 0)
    bins = np.full(position_ms.size, -1, dtype=np.int64)
    bins[known] = np.floor(position_ms[known] / 1000.0).astype(np.int64)
    late = known & (bins >= length) & (np.where(known, position_ms, 0.0) < (duration_s + OVERRUN_S) * 1000.0)
    bins[late] = length - 1
    return bins, max(length, int(bins.max(initial=-1)) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class ViewerBins:
    """Sums and counts per viewer and second, from which every curve follows.

    Attributes:
        viewers: Shape `(v,)`, rising.
        counts: Shape `(v, k)`, the number of readings.
        sums: Shape `(v, k, m)`, the sums of `m` measures over those readings.
    """

    viewers: Ints
    counts: Ints
    sums: Floats

    def means(self) -> Floats:
        """Each viewer's mean in each second, shape `(v, k, m)`; NaN where the viewer has no reading."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.sums / self.counts[:, :, None])


def viewer_bins(viewer: Ints, bins: Ints, n_bins: int, values: Floats) -> ViewerBins:
    """Adds readings up by viewer and second, repeated plays together.

    Args:
        viewer: Shape `(n,)`.
        bins: Shape `(n,)`, the second of each reading, -1 to leave it out.
        n_bins: Number of seconds `k`.
        values: Shape `(n, m)`, no NaN where `bins` is 0 or more.
    """
    inside = bins >= 0
    viewers, index = np.unique(viewer[inside], return_inverse=True)
    cell = index * n_bins + bins[inside]
    shape = (viewers.size, n_bins)
    counts = np.bincount(cell, minlength=viewers.size * n_bins).reshape(shape)
    sums = np.empty((*shape, values.shape[1]))
    for column in range(values.shape[1]):
        weights = values[inside, column]
        sums[:, :, column] = np.bincount(cell, weights=weights, minlength=viewers.size * n_bins).reshape(shape)
    return ViewerBins(viewers, counts.astype(np.int64), sums)


def viewer_means(viewer: Ints, values: Floats) -> Floats:
    """Each viewer's mean over all own readings, shape `(v, m)`, viewers in rising order.

    Args:
        viewer: Shape `(n,)`.
        values: Shape `(n, m)`, no NaN.
    """
    everything = viewer_bins(viewer, np.zeros(viewer.size, dtype=np.int64), 1, values)
    return everything.means()[:, 0, :]


def nan_mean(values: Floats) -> Floats:
    """Mean over the first axis without the NaNs; NaN, not a warning, where nothing is left."""
    present = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(present, values, 0.0).sum(axis=0) / present.sum(axis=0))


def nan_median(values: Floats) -> Floats:
    """Median over the first axis without the NaNs; NaN, not a warning, where nothing is left."""
    out = np.full(values.shape[1:], np.nan)
    some = np.isfinite(values).any(axis=0)
    if some.any():
        out[some] = np.nanmedian(values[:, some], axis=0)
    return out


def bootstrap_mean_interval(
    values: Floats, *, seed: int | Sequence[int], draws: int = BOOTSTRAP_DRAWS, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Bootstrap interval of the mean over viewers, drawing **viewers**, not readings, with replacement.

    Each draw takes `v` viewers with all their seconds, so what one viewer did in neighbouring seconds stays
    together, and averages those present in each second. The limits are the `a` and `1 - a` quantiles of the draws.
    With few viewers the plain percentile interval (`a = 2.5 %`) is too narrow; so `a = Phi(-sqrt(n / (n - 1)) * t)`,
    with `t` the 97.5 % quantile of Student's distribution with `n - 1` degrees of freedom and `n` the viewers in
    that second. For many viewers `a` is 2.5 %.

    Source: percentile bootstrap (Efron and Tibshirani 1993), expanded for small samples (Hesterberg 2015).

    Args:
        values: Shape `(v, k)`, each viewer's mean in each second; NaN where the viewer was not in view.
        seed: Seeds the draws: the same data give the same interval, to the last bit.
        draws: How many times the viewers are drawn.
        confidence: 0 to 1.

    Returns:
        Lower and upper limits, shape `(k,)` each. NaN with fewer than two viewers: one viewer says nothing about the
        spread.
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - slow to import

    values = values[np.isfinite(values).any(axis=1)]
    viewers, seconds = values.shape
    low, high = np.full(seconds, np.nan), np.full(seconds, np.nan)
    present = np.isfinite(values)
    n = present.sum(axis=0)
    if not (n >= 2).any():
        return low, high
    filled, counted = np.where(present, values, 0.0), present.astype(np.float64)
    rng = np.random.default_rng(seed)
    means = np.empty((draws, seconds))
    step = max(1, _CELLS_PER_CHUNK // viewers)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = rng.integers(0, viewers, size=(rows, viewers)) + np.arange(rows)[:, None] * viewers
        times = np.bincount(drawn.ravel(), minlength=rows * viewers).reshape(rows, viewers).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[start : start + rows] = (times @ filled) / (times @ counted)
    for k in np.flatnonzero(n >= 2):
        t = stdtrit(n[k] - 1, (1 + confidence) / 2)
        level = float(ndtr(-math.sqrt(n[k] / (n[k] - 1)) * t))
        column = means[:, k]
        # A draw may miss everybody who was there in this second; it has no mean to count.
        low[k], high[k] = np.quantile(column[np.isfinite(column)], [level, 1 - level])
    return low, high


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The curves of one ad, second by second. Arrays of length `k`, or `(k, 7)` for the emotions; NaN where nothing
    is known.

    Attributes:
        n: Viewers with a reading in this second.
        emotion_viewers: Those of them with a reading that has an emotion; every curve but `attention` rests on them alone.
        valence: Mean over viewers of each viewer's mean in the second.
        valence_low, valence_high: Its 95 % interval, from `bootstrap_mean_interval`.
        valence_median: Median over viewers of each viewer's mean (iMotions).
        valence_corrected: Mean over viewers of each viewer's mean baseline-corrected valence, over those with a
            baseline.
        expressiveness: Mean over viewers.
        attention: Attention rate: mean over viewers of the share of the viewer's readings that were attentive.
        probabilities: Mean over viewers of each viewer's mean; the seven add up to 1.
        probabilities_median: Median over viewers; need not add up to 1.
        share_over_half: Share of viewers whose mean probability is above 0.5 (iMotions: count over a threshold).
    """

    n: Ints
    emotion_viewers: Ints
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

    def masked(self, min_viewers: int) -> Timeline:
        """Returns the curves with the seconds that rest on fewer than `min_viewers` viewers set to unknown.

        For the attention rate the viewers in view count, for all other curves those with an emotion; both counts stay.
        """

        def hide(values: Floats, *, viewers: Ints = self.emotion_viewers) -> Floats:
            out = values.copy()
            out[viewers < min_viewers] = np.nan
            return out

        return Timeline(
            self.n,
            self.emotion_viewers,
            hide(self.valence),
            hide(self.valence_low),
            hide(self.valence_high),
            hide(self.valence_median),
            hide(self.valence_corrected),
            hide(self.expressiveness),
            hide(self.attention, viewers=self.n),
            hide(self.probabilities),
            hide(self.probabilities_median),
            hide(self.share_over_half),
        )


def timeline(readings: AdReadings, duration_s: float, *, seed: int | Sequence[int]) -> Timeline:
    """Computes the curves of one ad; see `Timeline` for the formulas, `position_bins` for the seconds.

    Args:
        readings: All readings of the ad, repeated plays together.
        duration_s: The ad's length in seconds.
        seed: Seeds the bootstrap.
    """
    bins, n_bins = position_bins(readings.position_ms, duration_s)
    attentive = readings.attentive.astype(np.float64)[:, None]
    attention = viewer_bins(readings.viewer, bins, n_bins, attentive).means()[:, :, 0]
    columns = np.column_stack([readings.probabilities, readings.valence, readings.expressiveness])
    means = viewer_bins(readings.viewer, np.where(readings.has_emotion, bins, -1), n_bins, columns).means()
    emotions, valence = means[:, :, : len(EMOTIONS)], means[:, :, len(EMOTIONS)]
    corrected_bins = np.where(np.isfinite(readings.corrected), bins, -1)
    corrected = viewer_bins(readings.viewer, corrected_bins, n_bins, readings.corrected[:, None]).means()[:, :, 0]
    with np.errstate(invalid="ignore"):
        over = np.where(np.isfinite(emotions), (emotions > SHARE_THRESHOLD).astype(np.float64), np.nan)
    low, high = bootstrap_mean_interval(valence, seed=seed)
    return Timeline(
        n=np.isfinite(attention).sum(axis=0).astype(np.int64),
        emotion_viewers=np.isfinite(valence).sum(axis=0).astype(np.int64),
        valence=nan_mean(valence),
        valence_low=low,
        valence_high=high,
        valence_median=nan_median(valence),
        valence_corrected=nan_mean(corrected),
        expressiveness=nan_mean(means[:, :, len(EMOTIONS) + 1]),
        attention=nan_mean(attention),
        probabilities=nan_mean(emotions),
        probabilities_median=nan_median(emotions),
        share_over_half=nan_mean(over),
    )


# --- key moments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """A second of the ad worth looking at.

    Attributes:
        kind: `peak`, `trough`, `steepest_rise`, `attraction` or `impact`.
        second: The second `[k, k+1)` of the ad.
        value: The figure there, in the unit of its kind.
    """

    kind: str
    second: int
    value: float


def valence_moments(valence: Floats) -> list[Moment]:
    """Peak, trough and steepest rise of a valence curve; the earliest second wins a tie.

    The steepest rise is the largest `valence[k] - valence[k-1]` over neighbouring known seconds, named after the
    later one; it is left out when the curve never rises. Nothing is returned for fewer than three known seconds or a
    flat curve.

    Source: our definition.

    Args:
        valence: Shape `(k,)`, NaN where unknown.
    """
    known = np.flatnonzero(np.isfinite(valence))
    if known.size < MIN_SECONDS_FOR_MOMENTS:
        return []
    top, bottom = int(known[valence[known].argmax()]), int(known[valence[known].argmin()])
    if not valence[top] > valence[bottom]:
        return []
    found = [Moment("peak", top, float(valence[top])), Moment("trough", bottom, float(valence[bottom]))]
    rises = np.diff(valence)
    rises = np.where(np.isfinite(rises), rises, -np.inf)
    steepest = int(rises.argmax())
    if rises[steepest] > 0:
        found.append(Moment("steepest_rise", steepest + 1, float(rises[steepest])))
    return found


def attraction_moment(probabilities: Floats) -> Moment | None:
    """The peak of mean surprise in the ad's first eight seconds; None when nothing is known there.

    Source: Realeyes (attraction).

    Args:
        probabilities: Shape `(k, 7)`, mean over viewers per second.
    """
    surprise = probabilities[:ATTRACTION_WINDOW_S, _SURPRISE]
    known = np.flatnonzero(np.isfinite(surprise))
    if not known.size:
        return None
    second = int(known[surprise[known].argmax()])
    return Moment("attraction", second, float(surprise[second]))


def last_second_happiness(readings: AdReadings, duration_s: float) -> tuple[float, int]:
    """Mean over viewers of each viewer's mean p(happy) in the ad's last second, `[length - 1 s, end]`.

    A window of its own rather than the last `[k, k+1)`, which of a video of 8.2 s would be a fifth of a second.

    Returns:
        The mean (NaN without viewers) and the number of viewers, both over readings with an emotion.
    """
    with np.errstate(invalid="ignore"):
        late = readings.has_emotion & (readings.position_ms >= max(0.0, duration_s - 1.0) * 1000.0)
    means = viewer_means(readings.viewer[late], readings.probabilities[late][:, [_HAPPY]])[:, 0]
    return (float(means.mean()) if means.size else math.nan), int(means.size)


def impact(probabilities: Floats, last_second: float) -> Moment | None:
    """Impact: `(peak of mean happiness + mean happiness in the last second) / 2`, at the second of the peak.

    Source: Realeyes (impact).

    Args:
        probabilities: Shape `(k, 7)`, mean over viewers per second.
        last_second: From `last_second_happiness`; NaN when nobody saw the end, and then there is no impact.
    """
    happy = probabilities[:, _HAPPY]
    known = np.flatnonzero(np.isfinite(happy))
    if not known.size or not math.isfinite(last_second):
        return None
    second = int(known[happy[known].argmax()])
    return Moment("impact", second, (float(happy[second]) + last_second) / 2)


# --- over the whole ad ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Reaction:
    """How viewers reacted over the whole ad, from the readings with an emotion. NaN or None where nothing is known.

    Attributes:
        emotion_viewers: Different viewers with at least one reading that has an emotion.
        mean_probabilities: Shape `(7,)`: mean over viewers of each viewer's mean over all readings; adds up to 1.
        dominant_emotion: The largest of those.
        mean_valence: Mean over viewers of each viewer's mean valence.
        mean_valence_low, mean_valence_high: Its 95 % bootstrap interval over viewers.
        mean_valence_corrected: The same of baseline-corrected valence, over viewers with a baseline.
        expressiveness: Mean over viewers of each viewer's mean `1 - p(neutral)`.
        uncertain_share: Share of the readings with an emotion that were uncertain.
        peak_valence: The highest value of the valence curve.
        attraction, impact: The moments of these names.
        moments: All key moments: of the valence curve, then attraction, then impact.
        timeline: The curves, seconds with too few viewers masked.
    """

    emotion_viewers: int
    mean_probabilities: Floats
    dominant_emotion: str | None
    mean_valence: float
    mean_valence_low: float
    mean_valence_high: float
    mean_valence_corrected: float
    expressiveness: float
    uncertain_share: float
    peak_valence: float
    attraction: Moment | None
    impact: Moment | None
    moments: tuple[Moment, ...]
    timeline: Timeline


def reaction(readings: AdReadings, duration_s: float, *, seed: Sequence[int], min_viewers: int = 1) -> Reaction:
    """Computes all reactions to one ad; see `Reaction` for the formulas.

    Args:
        readings: All readings of the ad, repeated plays together.
        duration_s: The ad's length in seconds.
        seed: Seeds the bootstrap; the curve and the mean of the ad draw from different streams.
        min_viewers: A second with fewer viewers is masked, and no moment is read from it.
    """
    read = readings.has_emotion
    columns = np.column_stack([readings.probabilities, readings.valence, readings.expressiveness])
    means = viewer_means(readings.viewer[read], columns[read])
    overall = nan_mean(means)
    probabilities = overall[: len(EMOTIONS)]
    low, high = bootstrap_mean_interval(means[:, [len(EMOTIONS)]], seed=[*seed, 1])
    known = np.isfinite(readings.corrected)
    corrected = viewer_means(readings.viewer[known], readings.corrected[known][:, None])
    curves = timeline(readings, duration_s, seed=[*seed, 0]).masked(min_viewers)
    last_second, last_viewers = last_second_happiness(readings, duration_s)
    attraction = attraction_moment(curves.probabilities)
    impact_moment = impact(curves.probabilities, last_second if last_viewers >= min_viewers else math.nan)
    peaks = curves.valence[np.isfinite(curves.valence)]
    return Reaction(
        emotion_viewers=int(means.shape[0]),
        mean_probabilities=probabilities,
        dominant_emotion=EMOTIONS[int(probabilities.argmax())] if np.isfinite(probabilities).all() else None,
        mean_valence=float(overall[len(EMOTIONS)]),
        mean_valence_low=float(low[0]),
        mean_valence_high=float(high[0]),
        mean_valence_corrected=float(nan_mean(corrected)[0]),
        expressiveness=float(overall[len(EMOTIONS) + 1]),
        uncertain_share=float(readings.uncertain[read].mean()) if read.any() else math.nan,
        peak_valence=float(peaks.max()) if peaks.size else math.nan,
        attraction=attraction,
        impact=impact_moment,
        moments=tuple(valence_moments(curves.valence)) + tuple(m for m in (attraction, impact_moment) if m is not None),
        timeline=curves,
    )

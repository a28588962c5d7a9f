"""From readings to roll-ups: sums by play, viewer and second, from which every figure of a report follows.

Implements `db.read.rollups.RollUp`. The formulas are those of `metrics`; nothing here knows the
database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from db.read.rollups import ExposureArrays, SecondArrays
from monitor.analytics import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.read.rollups import RolledPlay
    from db.read.sessions import ReadingArrays
    from monitor.analytics.metrics import Bools, Floats, Ints

_NO_END = np.iinfo(np.int64).max
_HAPPY = metrics.EMOTIONS.index("happy")


@dataclass(frozen=True, slots=True, eq=False)
class _During:
    """The readings during the plays, sorted by play, viewer and time; all of length `n`.

    `which` is the place of each reading's play among the plays, `values` are `(n, 9)`:
    probabilities, valence and expressiveness, 0 where the emotion is withheld; `valence` is NaN
    there.
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
    plays: Sequence[RolledPlay], readings: ReadingArrays
) -> tuple[ExposureArrays, SecondArrays]:
    """Adds up the readings of some plays of one session; see `db.read.rollups.RollUp`.

    Args:
        plays: In the order of their starts.
        readings: Those of the plays and those between ads before them, in any order. Readings of
            other plays are left out.

    Returns:
        Both sorted by play and viewer, the second one by second as well. Readings without a
        position are in no second.
    """
    during = _during(plays, readings)
    starts = metrics.group_starts(during.play, during.viewer)
    group = np.cumsum(starts) - 1
    exposures = _by_play(plays, during, _baselines(plays, readings, during), starts, group)
    return exposures, _by_second(exposures, during, group, _seconds(plays, during))


def _during(plays: Sequence[RolledPlay], readings: ReadingArrays) -> _During:
    ids = np.array([play.id for play in plays], dtype=np.int64)
    mine = np.flatnonzero(np.isin(readings.play_id, ids))
    mine = mine[
        metrics.sort_readings(readings.play_id[mine], readings.viewer[mine], readings.at_us[mine])
    ]
    by_id = np.argsort(ids)
    play, valence = readings.play_id[mine], readings.valence[mine]
    read = np.isfinite(valence)
    values = np.column_stack([readings.probabilities[mine], valence, readings.expressiveness[mine]])
    values[~read] = 0.0
    return _During(
        which=by_id[np.searchsorted(ids, play, sorter=by_id)].astype(np.int64),
        play=play,
        viewer=readings.viewer[mine],
        at_us=readings.at_us[mine],
        position_ms=readings.position_ms[mine],
        valence=valence,
        values=values,
        read=read,
        attentive=readings.attentive[mine],
        uncertain=readings.uncertain[mine],
    )


def _baselines(plays: Sequence[RolledPlay], readings: ReadingArrays, during: _During) -> Floats:
    """The baseline of each reading's viewer for its play; a reading between ads belongs to the play that comes next."""
    between = readings.play_id < 0
    at_us = readings.at_us[between]
    starts = np.array([play.started_us for play in plays], dtype=np.int64)
    earliest = np.array([play.previous_us for play in plays], dtype=np.int64)
    ids = np.array([play.id for play in plays], dtype=np.int64)
    following = np.searchsorted(starts, at_us, side="right")
    known = following < len(plays)
    # What comes before a play that is not among these belongs to that one.
    known[known] = at_us[known] >= earliest[following[known]]
    return metrics.valence_baselines(
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
    span_us = metrics.reading_spans_us(during.play, during.viewer, during.at_us, ends[during.which])
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
        longest_attention_s=metrics.longest_runs_us(starts, during.at_us, span_us, during.attentive)
        / 1e6,
        baseline=baseline[first],
        end_readings=_count(group[late], size),
        end_happy=_add(group[late], during.values[late, _HAPPY], size),
        sums=np.column_stack([_add(group, column, size) for column in during.values.T]),
    )


def _seconds(plays: Sequence[RolledPlay], during: _During) -> Ints:
    """The second of the ad of each reading, -1 where it is not known."""
    durations = np.array([play.duration_ms for play in plays], dtype=np.int64)[during.which]
    second = np.full(durations.size, -1, dtype=np.int64)
    for duration_ms in np.unique(durations):
        same = durations == duration_ms
        second[same] = metrics.position_bins(during.position_ms[same], duration_ms / 1000.0)
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

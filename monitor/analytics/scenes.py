"""Creative diagnostics: reactions by scene.

The scenes of a clip come from `ads.media.scenes`; a second of the ad belongs to the scene that is
on the screen in its middle. Whether reactions change from one scene to the next is tested within
viewers, so those who come and go change nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.formulas import count_bins
from monitor.analytics.metrics import HAPPY_SCORE, NEGATIVE_SCORE
from monitor.analytics.statistics import (
    UNKNOWN,
    Estimate,
    Interval,
    clustered_mean,
    holm,
    known,
    numbered,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from db.read.formulas import SecondArrays

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MEASURES = {"attention": (0.0, 1.0), "valence_corrected": (-1.0, 1.0)}
"""What is measured by scene, and between which limits its mean over viewers lies."""

RELEVANT = 0.1
"""Change worth finding, of attention or valence; it tunes the tests, see `Estimate`."""


def scene_figures(
    seconds: SecondArrays,
    starts: Sequence[float],
    duration_s: float,
    *,
    min_viewers: int = 1,
    growing: bool = True,
) -> list[dict[str, Any]]:
    """Return attention and corrected valence of an ad by scene, and the changes between scenes.

    A viewer's attention in a scene is the share of attentive readings, the corrected valence the
    mean score of happy less that of negative; figures are means over viewers. Viewers whose first
    play of the ad was the same belong together: errors are clustered by that play.

    Args:
        seconds: Those of the ad, repeated plays together.
        starts: Where its scenes begin, rising from 0, in seconds.
        duration_s: How long the ad is shown.
        min_viewers: What fewer viewers stand behind is None.
        growing: Whether more may be seen of the ad until the next look. Intervals and p-values of
            changes are then always valid.

    Returns:
        For each scene, as JSON: `start_s`, `end_s`, `n`, `emotion_viewers`, each of `MEASURES` with
        its 95% interval (`_low`, `_high`), and `change` against the scene before (None for the
        first): of each measure `viewers` of both scenes, `value` with its interval, `p_value`, and
        `p_adjusted`, which is for `correct_changes` to say.
    """
    effect = RELEVANT if growing else None
    length = max(count_bins(duration_s), int(seconds.second.max(initial=-1)) + 1)
    begin = usable_starts(starts, duration_s, length)
    scene_of = _scene_of(begin, length)
    groups, values = _viewer_scenes(seconds, scene_of, len(begin))
    read = _emotion_viewers(seconds, scene_of, len(begin))
    scenes: list[dict[str, Any]] = []
    for place, start in enumerate(begin):
        end = begin[place + 1] if place + 1 < len(begin) else duration_s
        scene: dict[str, Any] = {"start_s": start, "end_s": end}
        scene["n"] = int(np.isfinite(values["attention"][:, place]).sum())
        scene["emotion_viewers"] = int(read[place])
        for name, limits in MEASURES.items():
            found = _mean(values[name][:, place], groups, min_viewers)
            reach = UNKNOWN if found is None else within(found.interval(), *limits)
            scene |= {
                name: known(reach.value),
                f"{name}_low": known(reach.low),
                f"{name}_high": known(reach.high),
            }
        scene["change"] = None
        if place:
            paired = {name: found[:, place] - found[:, place - 1] for name, found in values.items()}
            scene["change"] = _change(paired, groups, min_viewers, effect)
        scenes.append(scene)
    return scenes


def usable_starts(starts: Sequence[float], duration_s: float, length: int) -> list[float]:
    """Return the starts of the scenes that are on the screen in the middle of a second.

    Args:
        starts: Rising from 0, in seconds; the file may be longer than the ad is shown.
        duration_s: How long the ad is shown.
        length: Seconds of its curve; those after the ad's end belong to the last scene.
    """
    within = [start for start in starts if start < duration_s]
    shown = np.unique(_scene_of(within, length))
    return [start for place, start in enumerate(within) if place in shown]


def _scene_of(starts: Sequence[float], length: int) -> Ints:
    """Return the scene of each second, `(length,)`."""
    places = np.searchsorted(starts, np.arange(length) + 0.5, side="right") - 1
    return np.maximum(places, 0).astype(np.int64)


def _emotion_viewers(seconds: SecondArrays, scene_of: Ints, scenes: int) -> Ints:
    """Return for each scene how many viewers have a reading with an emotion, scored or not."""
    read = seconds.emotion_readings > 0
    pairs = np.column_stack([scene_of[seconds.second[read]], seconds.viewer_id[read]])
    return np.bincount(np.unique(pairs, axis=0)[:, 0], minlength=scenes)


def _viewer_scenes(
    seconds: SecondArrays, scene_of: Ints, scenes: int
) -> tuple[Ints, dict[str, Floats]]:
    """Return each viewer's group, and each measure by viewer and scene, NaN where not known."""
    viewers, index = np.unique(seconds.viewer_id, return_inverse=True)
    cell = index * scenes + scene_of[seconds.second]
    shape = (viewers.size, scenes)
    score = seconds.sums[:, HAPPY_SCORE] - seconds.sums[:, NEGATIVE_SCORE]
    read = (seconds.emotion_readings > 0) & np.isfinite(score)

    def ratio(above: Floats | Ints, below: Ints, rows: NDArray[np.bool_] | slice) -> Floats:
        size = viewers.size * scenes
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(
                np.bincount(cell[rows], above[rows], size)
                / np.bincount(cell[rows], below[rows], size)
            ).reshape(shape)

    # Entries are sorted by play, so a viewer's first one is of the first play.
    first = np.full(viewers.size, np.iinfo(np.int64).max)
    np.minimum.at(first, index, seconds.play_id)
    return numbered(first), {
        "attention": ratio(seconds.attentive, seconds.readings, slice(None)),
        "valence_corrected": ratio(score, seconds.emotion_readings, read),
    }


def _mean(values: Floats, groups: Ints, min_viewers: int) -> Estimate | None:
    some = np.isfinite(values)
    if int(some.sum()) < max(min_viewers, 1):
        return None
    return clustered_mean(values[some], np.ones(int(some.sum())), numbered(groups[some]))


def within(interval: Interval, lowest: float, highest: float) -> Interval:
    """Return an interval cut to what is possible; a value beyond that (few faces) stays in it."""
    low = np.maximum(interval.low, min(lowest, interval.value))
    high = np.minimum(interval.high, max(highest, interval.value))
    return Interval(interval.value, float(low), float(high))


def _change(
    paired: Mapping[str, Floats], groups: Ints, min_viewers: int, effect: float | None
) -> dict[str, dict[str, Any]]:
    changes = {}
    for name, (lowest, highest) in MEASURES.items():
        found = _mean(paired[name], groups, max(min_viewers, 2))
        span = highest - lowest
        reach = UNKNOWN if found is None else found.interval(effect=effect)
        reach = within(reach, -span, span)
        changes[name] = {
            "viewers": int(np.isfinite(paired[name]).sum()),
            "value": known(reach.value),
            "low": known(reach.low),
            "high": known(reach.high),
            "p_value": None if found is None else known(_p_value(found, effect)),
            "p_adjusted": None,
        }
    return changes


def _p_value(found: Estimate, effect: float | None) -> float:
    """Return the p-value, but not below that of equal signs in all groups.

    Shares are often 0 or 1 for all viewers, and a few equal changes have no spread at all.
    """
    p = found.p_value(effect=effect)
    return p if math.isnan(p) else max(p, 0.5 ** min(found.groups - 1, 1000))


def correct_changes(scenes: Iterable[dict[str, Any]]) -> None:
    """Correct the p-values of all changes of some scenes together, see `statistics.holm`."""
    changes = [change for scene in scenes for change in (scene["change"] or {}).values()]
    tested = [change for change in changes if change["p_value"] is not None]
    for change, p in zip(tested, holm([each["p_value"] for each in tested]), strict=True):
        change["p_adjusted"] = p

"""From plays and exposures to the samples that comparisons of two ads rest on.

Each viewer of an ad gives one value, split over the **groups** in which the viewer saw it. A group
is a stretch of at most ten minutes of one session whose viewers may have reacted to each other, or
to the same moment of the shop. Plays that an adaptive policy chose by its audience are weighted by
the inverse of the logged probability of the choice, and ads are compared within **strata**, the
same site and time of day. `docs/explanation/comparisons.md` has the reasons and the simulations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ads.playlists.playlist import DAYS
from ads.policies import ADAPTIVE_NAMES, POLICY_NAMES
from monitor.analytics.report_data import zones_of
from monitor.analytics.statistics import numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from db.read.formulas import ExposureArrays
    from db.read.sessions import PlayInfo, SessionInfo
    from monitor.analytics.measures import Measure
    from monitor.analytics.metrics import Bools, Floats, Ints
    from monitor.analytics.report_data import ReportData

By: TypeAlias = Literal["site", "hour", "weekday", "source"]
Segment: TypeAlias = str | int | None

BLOCK_S = 600
"""Length of a group in seconds, at most."""

MIN_BLOCKS = 20
"""Blocks with each ad from which on they are the groups. Fewer say too little about their spread,
so plays that share no viewer then are groups of their own."""

MAX_WEIGHT = 50.0
"""Weights are cut to this: a play with a probability of 2% stands for 50."""

MIN_WEIGHTED = 300
"""Groups in a stratum where weights differ: a ratio of weighted sums over fewer is biased."""

STRATA = ("session hour", "weekday and hour", "hour", "part of the day", "site")
"""What ads are compared within, the finest that leaves enough groups to compare."""

_FIXED = frozenset(POLICY_NAMES) - frozenset(ADAPTIVE_NAMES)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Viewers of two ads. Shapes `(n,)`, an entry for each viewer of an ad in a group.

    Attributes:
        values, weights, first, groups, strata: Arguments of `statistics.clustered_difference`.
        uncut: Weights without the limit `MAX_WEIGHT`.
        within: One of `STRATA`.
        first_viewers, second_viewers, common_viewers: Viewers of either ad, and of both.
        common_share: Share of the viewers who were there in an hour in which both ads ran.
        alike_share: Share of those who were there within an hour of day of the other ad, on any
            day, at the same site.
        chosen_by_audience: Whether plays differ in the probability of their choice.
    """

    values: Floats
    weights: Floats
    uncut: Floats
    first: Bools
    groups: Ints
    strata: Ints
    within: str
    first_viewers: int
    second_viewers: int
    common_viewers: int
    common_share: float
    alike_share: float
    chosen_by_audience: bool


@dataclass(frozen=True, slots=True, eq=False)
class PlaySamples:
    """The plays that count, and what their viewers did, by one measure.

    Lengths are `p` plays and `e` exposures with a value. `ad`, `segment` and `weight` describe
    plays, `hour` their site and hour of day, 24 numbers a site; `strata` has the shape
    `(len(STRATA), p)`, `groups` `(2, p)`: ten-minute blocks, and plays in a row that share viewers.
    `nested`, `(2, len(STRATA), p)`, are these groups, cut where a stratum ends.
    `play` and `viewer` are each exposure's, by viewer and time; `above / below` is its value.
    `rows`, `(r,)`, are the places of all exposures to these plays in the data, in that order, and
    `row_play` and `row_viewer` what they belong to, also where they have no value.
    """

    ad_ids: dict[str, int]
    segments: list[Segment]
    ad: Ints
    segment: Ints
    weight: Floats
    uncut: Floats
    hour: Ints
    strata: Ints
    groups: Ints
    nested: Ints
    play: Ints
    viewer: Ints
    above: Floats
    below: Floats
    rows: Ints
    row_play: Ints
    row_viewer: Ints

    @classmethod
    def of(
        cls,
        data: ReportData,
        measure: Measure,
        by: By | None,
        zone: tzinfo | None,
        counts: Callable[[SessionInfo, int, str], bool],
    ) -> PlaySamples:
        """Take the plays for which `counts` (session, local hour, weekday) is true."""
        sessions = {session.id: session for session in data.sessions}
        zones = zones_of(data.sessions, zone)
        ad_of_row = {ad.ad_row_id: ad.ad_id for ad in data.ads}
        plays: list[PlayInfo] = []
        segments: list[Segment] = []
        times: list[tuple[Any, ...]] = []
        for play in sorted(data.plays, key=lambda play: (play.session_id, play.started_at)):
            session = sessions[play.session_id]
            local = zones.local(play.started_at, session.id)
            weekday = DAYS[local.weekday()]
            if not counts(session, local.hour, weekday):
                continue
            plays.append(play)
            segment: dict[By | None, Segment] = {
                None: None,
                "site": session.site,
                "source": session.source,
                "hour": local.hour,
                "weekday": weekday,
            }
            segments.append(segment[by])
            slot = (play.session_id, local.date(), local.hour, local.utcoffset())
            site, hour = session.site, local.hour
            times.append((slot, (site, weekday, hour), (site, hour), (site, hour // 6), site))
        ad_ids = {ad_id: place for place, ad_id in enumerate(dict.fromkeys(ad_of_row.values()))}
        order: list[Any] = list(set(segments))
        order.sort(key=DAYS.index if by == "weekday" else None)
        ids = np.array([play.id for play in plays], dtype=np.int64)
        by_id = np.argsort(ids, kind="stable")
        of_plays = np.flatnonzero(np.isin(data.exposures.play_id, ids))
        play_of_row = by_id[np.searchsorted(ids[by_id], data.exposures.play_id[of_plays])]
        # In one order whatever order they came in: sums are then equal to the last bit.
        by_viewer = np.lexsort((play_of_row, data.exposures.viewer_id[of_plays]))
        rows, play_of_row = of_plays[by_viewer], play_of_row[by_viewer]
        viewer = np.unique(data.exposures.viewer_id[rows], return_inverse=True)[1]
        ad = np.array([ad_ids[ad_of_row[play.ad_row_id]] for play in plays], dtype=np.int64)
        uncut = _inverse_probabilities(plays, sessions, ad)
        strata = np.array(
            [_numbered_as_seen(level) for level in zip(*times, strict=True)], dtype=np.int64
        ).reshape(len(STRATA), len(plays))
        groups = np.stack(groups_of(plays, play_of_row, viewer))
        none = np.empty(0)
        samples = cls(
            ad_ids=ad_ids,
            segments=order,
            ad=ad,
            segment=np.array([order.index(value) for value in segments], dtype=np.int64),
            weight=np.minimum(uncut, MAX_WEIGHT),
            uncut=uncut,
            hour=24 * np.array(_numbered_as_seen(site for *_, site in times), np.int64)
            + np.array([hour for _, _, (_, hour), _, _ in times], np.int64),
            strata=strata,
            groups=groups,
            nested=np.array(
                [
                    [numbered(group * (len(plays) + 1) + level) for level in strata]
                    for group in groups
                ]
            ),
            play=none.astype(np.int64),
            viewer=none.astype(np.int64),
            above=none,
            below=none,
            rows=rows,
            row_play=play_of_row,
            row_viewer=viewer,
        )
        return samples.with_measure(data, measure)

    def with_measure(self, data: ReportData, measure: Measure) -> PlaySamples:
        """Return the same plays by another measure; `data` are those that they were taken from."""
        above, below = (
            values(data.exposures)[self.rows].astype(np.float64)
            for values in (measure.above, measure.below)
        )
        some = (below > 0) & np.isfinite(above) & np.isfinite(self.uncut[self.row_play])
        return replace(
            self,
            play=self.row_play[some],
            viewer=self.row_viewer[some],
            above=above[some],
            below=below[some],
        )

    def of_ad(self, ad: str, segment: Segment) -> Bools:
        """Return a mask of the plays of an ad in a segment."""
        place = self.segments.index(segment)
        return np.asarray((self.ad == self.ad_ids[ad]) & (self.segment == place))

    def sample(self, first: Bools, second: Bools) -> Sample:
        """Return the sample for the plays of a first and a second ad, masks of shape `(p,)`."""
        of_first, of_second = (np.flatnonzero(side[self.play]) for side in (first, second))
        # The first ad's rows, then the second's, each by viewer and time: no sorting is needed.
        rows = np.concatenate([of_first, of_second])
        is_first = np.arange(rows.size) < of_first.size
        play, viewer = self.play[rows], self.viewer[rows]
        # What a viewer has of one ad: each exposure is a part of it.
        new = _changes(viewer) | _changes(is_first)
        of_viewer = np.cumsum(new) - 1
        part = self.below[rows] / np.bincount(of_viewer, self.below[rows])[of_viewer]
        weights, uncut = part * self.weight[play], part * self.uncut[play]
        blocks = (_there(self.groups[0][play[side]]) for side in (is_first, ~is_first))
        which = 0 if min(int(each.sum()) for each in blocks) >= MIN_BLOCKS else 1
        chosen = bool(play.size) and float(np.ptp(self.weight[play])) > 0
        level = self._level(self.groups[which][play], is_first, play, chosen)
        strata, groups = self.strata[level][play], self.nested[which, level][play]
        start = new | _changes(groups)
        index = np.cumsum(start) - 1
        total: Floats = np.bincount(index, weights).astype(np.float64)
        viewers = [
            _there(viewer[side], int(self.viewer.max(initial=0))) for side in (is_first, ~is_first)
        ]
        return Sample(
            values=np.bincount(index, weights * self.above[rows] / self.below[rows]) / total,
            weights=total,
            uncut=np.bincount(index, uncut).astype(np.float64) if chosen else total,
            first=is_first[start],
            groups=groups[start],
            strata=strata[start],
            within=STRATA[level],
            first_viewers=int(viewers[0].sum()),
            second_viewers=int(viewers[1].sum()),
            common_viewers=int((viewers[0] & viewers[1]).sum()),
            common_share=self._share(viewer, self._common(play, is_first)[self.strata[0][play]]),
            alike_share=self._share(viewer, self._alike(play, is_first)[self.hour[play]]),
            chosen_by_audience=chosen,
        )

    def _level(self, groups: Ints, is_first: Bools, play: Ints, weighted: bool) -> int:
        """Return the finest of `STRATA` that leaves enough groups to compare within strata."""
        last = int(groups.max(initial=0))
        sides = [np.flatnonzero(_there(groups[side], last)) for side in (is_first, ~is_first)]
        cells = sides[0].size + sides[1].size
        both = sides[0].size * sides[1].size / max(1, cells)
        play_of = np.zeros(last + 1, dtype=np.int64)
        play_of[groups] = play
        for level, strata in enumerate(self.strata):
            size = int(strata.max(initial=0)) + 1
            first, second = (np.bincount(strata[play_of[side]], minlength=size) for side in sides)
            whole = first + second
            kept = float((first * second / np.maximum(whole, 1)).sum())
            # The first group of a stratum only tells what all in it have in common.
            a_stratum = (cells - 1) / max(1, int((whole > 0).sum()) - 1)
            enough = MIN_WEIGHTED if weighted else 2 if kept >= 0.8 * both else 4
            # Ads that never shared an hour may still have run at the same hours of other days.
            if kept > 0 and a_stratum >= enough:
                return level
        return len(STRATA) - 1

    def _common(self, play: Ints, is_first: Bools) -> Bools:
        """Return which hours of sessions had plays of both ads."""
        slot, last = self.strata[0][play], int(self.strata[0].max(initial=0))
        return _there(slot[is_first], last) & _there(slot[~is_first], last)

    def _alike(self, play: Ints, is_first: Bools) -> Bools:
        """Return which hours of day had one ad, and the other within an hour of day."""
        hour, hours = self.hour[play], 24 * (int(self.hour.max(initial=0)) // 24 + 1)
        sides = [_there(hour[side], hours - 1).reshape(-1, 24) for side in (is_first, ~is_first)]
        near = [each | np.roll(each, 1, axis=1) | np.roll(each, -1, axis=1) for each in sides]
        return np.asarray((sides[0] & near[1]) | (sides[1] & near[0])).reshape(-1)

    @staticmethod
    def _share(viewer: Ints, rows: Bools) -> float:
        """Return the share of the viewers who have one of the rows."""
        everyone = int(_there(viewer).sum())
        return int(_there(viewer[rows]).sum()) / everyone if everyone else float("nan")


def _there(places: Ints, last: int = -1) -> Bools:
    """Return a mask of the places, from 0 on, that occur; at least up to the `last`."""
    return np.bincount(places, minlength=last + 1) > 0


def _changes(keys: Ints | Bools) -> Bools:
    """Return where another key begins."""
    return np.concatenate([np.ones(min(1, keys.size), np.bool_), keys[1:] != keys[:-1]])


def _numbered_as_seen(keys: Iterable[Any]) -> list[int]:
    places: dict[Any, int] = {}
    return [places.setdefault(key, len(places)) for key in keys]


def _inverse_probabilities(
    plays: Sequence[PlayInfo], sessions: dict[int, SessionInfo], ad: Ints
) -> Floats:
    """Return 1 / the probability of each play's ad, NaN where it is not known.

    For a policy that ignores the audience, the share of its session stands for the probability.
    Without an adaptive policy all weights are 1.
    """
    policy = {number: session.settings.get("policy") for number, session in sessions.items()}
    adaptive = np.array([policy[play.session_id] not in _FIXED for play in plays], dtype=np.bool_)
    chances = np.array([play.probability or np.nan for play in plays], dtype=np.float64)
    adaptive[adaptive] = [
        policy[plays[place].session_id] in ADAPTIVE_NAMES or chances[place] < 1
        for place in np.flatnonzero(adaptive)
    ]
    if not adaptive.any():
        return np.ones(len(plays))
    session = np.array([play.session_id for play in plays], dtype=np.int64)
    cell = numbered(session * (int(ad.max()) + 1) + ad)
    share = np.bincount(cell)[cell] / np.bincount(session)[session]
    return np.asarray(1 / np.where(adaptive, chances, share))


def exposure_groups(plays: Sequence[PlayInfo], exposures: ExposureArrays) -> tuple[Ints, Ints]:
    """Return the two groups of each exposure, `(e,)`: ten-minute block, and plays in a row.

    `plays` are all of these sessions, in any order.
    """
    plays = sorted(plays, key=lambda play: (play.session_id, play.started_at))
    ids = np.array([play.id for play in plays], dtype=np.int64)
    order = np.argsort(ids)
    place = order[np.searchsorted(ids, exposures.play_id, sorter=order)]
    blocks, chains = groups_of(plays, place, exposures.viewer_id)
    return blocks[place], chains[place]


def usable_groups(groups: tuple[Ints, Ints]) -> Ints:
    """Return the blocks where there are `MIN_BLOCKS`, else the plays in a row."""
    blocks, chains = groups
    return blocks if np.unique(blocks).size >= MIN_BLOCKS else chains


def groups_of(plays: Sequence[PlayInfo], play: Ints, viewer: Ints) -> tuple[Ints, Ints]:
    """Return the groups of plays, sorted by session and start: blocks, and plays with viewers.

    `play` and `viewer` are those of all exposures.
    """
    first = np.full(int(viewer.max(initial=-1)) + 1, len(plays))
    last = np.full(first.size, -1)
    np.minimum.at(first, viewer, play)
    np.maximum.at(last, viewer, play)
    steps = np.zeros(len(plays) + 2, dtype=np.int64)
    np.add.at(steps, first + 1, 1)
    np.add.at(steps, last + 1, -1)
    # Whether somebody who was there before this play stayed for it.
    shared = np.cumsum(steps) > 0
    blocks: list[tuple[int, int]] = []
    chains: list[int] = []
    begun, session = 0.0, None
    for place, each in enumerate(plays):
        start = each.started_at.timestamp()
        blocks.append((each.session_id, int(start // BLOCK_S)))
        new = each.session_id != session or not shared[place] or start - begun >= BLOCK_S
        if new:
            begun, session = start, each.session_id
        chains.append((chains[-1] if chains else -1) + new)
    return np.array(_numbered_as_seen(blocks), np.int64), np.array(chains, np.int64)

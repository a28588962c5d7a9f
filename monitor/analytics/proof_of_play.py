"""Proof of play: what ran where and when, how many watched it, for how long, and what it cost.

A play is **verified** when it ran to its end on a screen: it finished, was shown for longer than
0 s, and its session had a window (a replay or a headless run has none). Skipped, failed and
cut-short plays are counted apart and cost nothing; watchers and attentive seconds are those of
verified plays.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from db.read.formulas import MIN_WATCHER_RATE
from db.read.plays import shown_plays
from db.read.rollups import read_log
from db.read.scope import Scope, left_out
from monitor.analytics import metrics
from monitor.analytics.errors import ReportError
from monitor.analytics.metrics import covered_us, microseconds
from monitor.settings.time_zone import SessionZones

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from sqlalchemy.engine import Engine

    from db.read.formulas import ExposureArrays
    from db.read.plays import ShownPlay
    from db.read.sessions import GapInfo

GROUPS = ("ad", "hour", "day", "site")
"""What rows can be grouped by."""

FIGURES = (
    "plays",
    "verified",
    "not_shown",
    "skipped",
    "failed",
    "cut_short",
    "shown_s",
    "measured_s",
    "opportunities",
    "watchers",
    "attentive_s",
    "cost",
    "cost_per_thousand_attentive_s",
)
"""The figures of a row; `docs/explanation/metrics.md` explains them."""

COLUMNS = {"ad": ("ad_id", "ad_name"), "hour": ("hour",), "day": ("day",), "site": ("site",)}
"""The columns that name a row, by group."""


@dataclass(frozen=True, slots=True)
class Price:
    """What is paid for a verified play or a thousand attentive seconds, at least 0."""

    amount: float
    per: Literal["play", "thousand_s"]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount) and self.amount >= 0):
            raise ReportError(
                f"Invalid price: expected a number of at least 0, received {self.amount}."
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The exposures of all plays, sorted by play, and how long each verified one was measured.

    Sessions in `slow` were read too seldom to tell watchers.
    """

    exposures: ExposureArrays
    measured_s: dict[int, float]
    slow: set[int]

    def of(self, plays: Iterable[ShownPlay]) -> ExposureArrays:
        ids = np.array([play.id for play in plays], dtype=np.int64)
        firsts, ends = (
            np.searchsorted(self.exposures.play_id, ids, side) for side in ("left", "right")
        )
        rows = [np.arange(*place) for place in zip(firsts, ends, strict=True)]
        return metrics.take(self.exposures, np.concatenate([np.empty(0, dtype=np.int64), *rows]))


def proof_of_play(
    engine: Engine,
    scope: Scope | None = None,
    *,
    by: Sequence[str] = ("ad", "hour", "site"),
    zone: tzinfo | None = None,
    prices: Mapping[str, Price] | None = None,
    other_price: Price | None = None,
    min_viewers: int = 1,
) -> dict[str, Any]:
    """Count verified plays, watchers and attentive seconds.

    Args:
        engine: From `open_database`.
        scope: Default: all plays of live sessions. Replays count as if their ads had been on a
            screen.
        by: What rows are grouped by, in order, out of `GROUPS`.
        zone: Of hours and days; None: each session's own, and the machine's where it has none.
        prices: By ad id.
        other_price: Of the ads that `prices` does not name.
        min_viewers: What rests on fewer viewers is withheld.

    Returns:
        `{"by", "since", "until", "site", "timezone", "min_viewers", "rows", "total", "left_out",
        "withheld"}`, for JSON.

    Raises:
        ReportError: `by` is empty, repeats or names something else, or `min_viewers` is below 1.
    """
    if not by or set(by) - set(GROUPS) or len(set(by)) < len(by):
        raise ReportError(
            f"Invalid rows: expected some of {', '.join(GROUPS)}, "
            f"received {', '.join(by) or 'none'}."
        )
    if min_viewers < 1:
        raise ReportError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    scope = scope or Scope()
    replays = scope.replays
    plays = shown_plays(engine, scope)
    zones = SessionZones({play.session: play.timezone for play in plays}, zone)
    seen = _seen(engine, scope, [play for play in plays if _verified(play, replays=replays)])
    names = {play.ad_id: play.name for play in plays}
    agreed = {
        **({} if other_price is None else dict.fromkeys(names, other_price)),
        **(prices or {}),
    }
    by_row: dict[tuple[str, ...], list[ShownPlay]] = {}
    for play in plays:
        by_row.setdefault(tuple(_value(play, group, zones) for group in by), []).append(play)
    figures_of = partial(
        _figures, seen=seen, prices=agreed, min_viewers=min_viewers, replays=replays
    )
    rows, withheld, hidden = [], [], []
    for values in sorted(by_row, key=lambda values: _order(values, by)):
        label = _label(values, by, names)
        figures, few = figures_of(by_row[values])
        rows.append({**label, **figures})
        if few is not None:
            withheld.append({**label, **few})
        if _is_hidden(figures):
            hidden += by_row[values]
    total, few = figures_of(plays)
    people = metrics.audience(seen.of(hidden)).opportunities
    if not _is_hidden(total) and 0 < people < min_viewers:
        few = _hide(total, "without the other rows it would give away those that are withheld")
    return {
        "by": list(by),
        "since": None if scope.since is None else scope.since.isoformat(),
        "until": None if scope.until is None else scope.until.isoformat(),
        **scope.document(),
        "timezone": None if zones.common is None else str(zones.common),
        "min_viewers": min_viewers,
        "rows": rows,
        "total": total,
        "left_out": left_out(engine, scope),
        "withheld": withheld if few is None else [*withheld, {"total": True, **few}],
    }


def _verified(play: ShownPlay, *, replays: bool) -> bool:
    return play.outcome == "finished" and bool(play.shown_ms) and (play.screen or replays)


def _label(values: Sequence[str], by: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that name a row."""
    called = dict(zip(by, values, strict=True))
    label = {column: value for group, value in called.items() for column in COLUMNS[group][:1]}
    if "ad" in called:
        label["ad_name"] = names[called["ad"]]
    return label


def _value(play: ShownPlay, group: str, zones: SessionZones) -> str:
    if group == "ad":
        return play.ad_id
    if group == "site":
        return play.site
    local = zones.local(play.started_at, play.session)
    if group == "day":
        return local.strftime("%Y-%m-%d")
    # The night when clocks go back has two hours of one name: with different offsets.
    other = local.replace(fold=1 - local.fold).utcoffset()
    return local.strftime("%Y-%m-%d %H:00" if other == local.utcoffset() else "%Y-%m-%d %H:00 %z")


def _order(values: tuple[str, ...], by: Sequence[str]) -> list[tuple[str, int]]:
    """Return what sorts rows: by their values, and two hours of one name by time."""
    return [
        # The larger offset to UTC, that of the summer, comes first.
        (value[:16], -int(value[17:] or 0)) if group == "hour" else (value, 0)
        for value, group in zip(values, by, strict=True)
    ]


def _seen(engine: Engine, scope: Scope, plays: Sequence[ShownPlay]) -> _Seen:
    log = read_log(engine, scope, seconds=False)
    gaps: dict[int, list[GapInfo]] = {}
    for gap in log.gaps:
        gaps.setdefault(gap.session_id, []).append(gap)
    measured_s: dict[int, float] = {}
    for session, some in groupby(plays, key=lambda play: play.session):
        mine = list(some)
        starts = np.array([microseconds(play.started_at) for play in mine])
        ends = np.array([microseconds(play.ended_at or play.started_at) for play in mine])
        measured = (ends - starts - covered_us(gaps.get(session, []), starts, ends)) / 1e6
        if session in log.untold:
            measured = np.zeros_like(measured)
        measured_s.update(zip((play.id for play in mine), measured.tolist(), strict=True))
    return _Seen(log.exposures, measured_s, metrics.slow_sessions(log))


def _figures(
    plays: Sequence[ShownPlay],
    seen: _Seen,
    prices: Mapping[str, Price],
    min_viewers: int,
    *,
    replays: bool,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the figures of some plays, and what had to be withheld of them."""
    verified = [play for play in plays if _verified(play, replays=replays)]
    outcomes = Counter(play.outcome for play in plays)
    people = metrics.audience(seen.of(verified))
    measured_s = math.fsum(seen.measured_s[play.id] for play in verified)
    # "Nobody was in view" differs from "nothing could be measured".
    known = people.opportunities > 0 or measured_s > 0 or not verified
    priced = {play.ad_id for play in plays} <= prices.keys()
    by_play = priced and all(prices[play.ad_id].per == "play" for play in verified)
    figures: dict[str, Any] = {
        "plays": len(plays),
        "verified": len(verified),
        "not_shown": outcomes["finished"] - len(verified),
        "skipped": outcomes["skipped"],
        "failed": outcomes["failed"],
        "cut_short": outcomes["stopped"] + outcomes["interrupted"],
        "shown_s": math.fsum((play.shown_ms or 0.0) / 1000 for play in verified),
        "measured_s": measured_s,
        "opportunities": people.opportunities if known else None,
        "watchers": people.watchers if known else None,
        "attentive_s": people.attention_s if known else None,
        "cost": _cost(verified, seen, prices) if priced and (known or by_play) else None,
        "cost_per_thousand_attentive_s": None,
    }
    if figures["cost"] is not None and people.attention_s > 0:
        figures["cost_per_thousand_attentive_s"] = 1000 * figures["cost"] / people.attention_s
    if 0 < people.opportunities < min_viewers:
        few = people.opportunities
        viewers = "1 viewer was" if few == 1 else f"{few} viewers were"
        return figures, _hide(figures, f"{viewers} in view, {min_viewers} are needed")
    if any(play.session in seen.slow for play in verified) and known:
        figures["watchers"] = None
        rate = f"{MIN_WATCHER_RATE:g}"
        why = f"fewer than {rate} readings of a viewer were taken per second"
        return figures, {"figures": ["watchers"], "why": why}
    return figures, None


def _cost(plays: Sequence[ShownPlay], seen: _Seen, prices: Mapping[str, Price]) -> float:
    costs = []
    for ad_id in sorted({play.ad_id for play in plays}):
        mine = [play for play in plays if play.ad_id == ad_id]
        units = (
            len(mine)
            if prices[ad_id].per == "play"
            else math.fsum(seen.of(mine).attention_s) / 1000
        )
        costs.append(prices[ad_id].amount * units)
    return math.fsum(costs)


def _hide(figures: dict[str, Any], why: str) -> dict[str, Any]:
    """Remove what rests on too few viewers; return what is said about it."""
    # The cost may be the attentive seconds times a price that everybody knows.
    hidden = ("watchers", "attentive_s", "cost", "cost_per_thousand_attentive_s")
    figures |= dict.fromkeys(hidden)
    return {"figures": list(hidden), "why": why}


def _is_hidden(row: dict[str, Any]) -> bool:
    return row["attentive_s"] is None and bool(row["opportunities"])

"""The documents of experiments: what a plan would take, where one stands, what it says."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from db.read.experiments import (
    blocks_of,
    known_ads_and_sites,
    outcome_names,
    outcomes,
    plays_at,
)
from monitor.analytics.errors import ExperimentError
from monitor.analytics.experiment_data import (
    block_values,
    history_values,
    scope_of,
    sessions_left_out,
)
from monitor.analytics.experiments import (
    POWER,
    Result,
    blocks_for,
    detectable,
    draw_blocks,
    judge,
    slots_of,
    spread_of,
)
from monitor.analytics.statistics import CONFIDENCE, known
from monitor.reports.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from db.read.experiments import BlockInfo, ExperimentInfo
    from db.read.scope import Scope
    from monitor.analytics.experiments import BlockValues, Spread

MIN_LENGTH = timedelta(weeks=2)
"""A shorter experiment does not see the differences between weeks; the default length is whole
weeks."""

MAX_LENGTH = timedelta(weeks=26)
MAX_BLOCKS = 20_000
"""Of one site."""


def is_relative(plan: ExperimentInfo) -> bool:
    """Return whether effects are shares of the control's mean."""
    return plan.measure == "outcome"


# --- plan -----------------------------------------------------------------------------------------


def planned(
    engine: Engine,
    plan: ExperimentInfo,
    now: datetime,
    *,
    open_end: bool,
    spread: Spread | None = None,
    demos: bool = False,
) -> tuple[ExperimentInfo, list[BlockInfo], list[str]]:
    """Complete a plan: its power, its end, its blocks, and what there is to warn about.

    Args:
        engine: The database.
        plan: Its `ends_at` does not matter with an open end.
        now: Aware.
        open_end: End after as many whole weeks as it takes, at least `MIN_LENGTH`.
        spread: Stated; `None` measures it on the site's past.
        demos: Whether sessions of the demo viewer count.

    Raises:
        ExperimentError: The plan contradicts itself, or the spread is not known.
    """
    _check(plan)
    relative = is_relative(plan)
    if spread is None:
        spread = spread_of(history_values(engine, plan, now, demos=demos), relative=relative)
    if spread is None:
        raise ExperimentError(_no_history(engine, plan, now))
    needed = blocks_for(spread, plan.relevant, plan.stopping, relative=relative)
    day = timedelta(days=1)
    week = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.starts_at + 8 * day)
    a_week = len(week) * len(plan.sites) * 7 / 8
    if a_week == 0:
        raise ExperimentError(
            f"No block of {plan.block_s / 60:g} minutes fits into {plan.opening.hours}: expected "
            "blocks shorter than the opening hours."
        )
    if open_end:
        length = max(MIN_LENGTH, timedelta(weeks=math.ceil(needed / a_week)))
        if length > MAX_LENGTH:
            reachable = int(a_week * MAX_LENGTH.days / 7)
            least = detectable(spread, reachable, plan.stopping, relative=relative)
            raise ExperimentError(
                f"An effect of {effect_text(plan, plan.relevant)} would take "
                f"{needed} blocks, or {needed / a_week:.0f} weeks; expected at most "
                f"{MAX_LENGTH.days // 7}. In that time {effect_text(plan, least)} can be found: "
                "look for a larger effect (--effect), use more sites, or say --until."
            )
        plan = replace(plan, ends_at=plan.starts_at + length)
    if plan.ends_at <= plan.starts_at:
        raise ExperimentError(
            f"The experiment ends at {plan.ends_at:%Y-%m-%d %H:%M} UTC, before it starts; choose a "
            "later --until."
        )
    if a_week / len(plan.sites) / 7 * ((plan.ends_at - plan.starts_at) / day) > MAX_BLOCKS:
        raise ExperimentError(
            f"The experiment would have more than {MAX_BLOCKS} blocks at a site; choose longer "
            "blocks or an earlier end."
        )
    blocks = draw_blocks(plan)
    least = detectable(spread, len(blocks), plan.stopping, relative=relative)
    at_end = detectable(spread, len(blocks), "fixed", relative=relative)
    power = {
        "spread": spread.deviation,
        "design_effect": spread.design_effect,
        "history_blocks": spread.blocks,
        "mean": known(spread.mean),
        "power": POWER,
        "blocks_needed": needed,
        "days_needed": math.ceil(needed / a_week * 7),
        "blocks": len(blocks),
        "days": _days_of(plan, blocks),
        "detectable": least,
        "detectable_fixed": at_end,
        "enough": len(blocks) >= needed,
    }
    return replace(plan, power=power), blocks, _warnings(engine, plan, power)


def plan_document(
    plan: ExperimentInfo, blocks: Sequence[BlockInfo], warnings: Sequence[str]
) -> dict[str, Any]:
    """Return what a plan would take, for JSON."""
    arms = Counter(block.arm for block in blocks)
    return {
        "experiment": experiment_document(plan),
        "power": plan.power,
        "blocks": {"treatment": arms["treatment"], "control": arms["control"]},
        "first_block_at": blocks[0].starts_at.isoformat() if blocks else None,
        "sentence": plan_sentence(plan),
        "warnings": list(warnings),
    }


def experiment_document(plan: ExperimentInfo) -> dict[str, Any]:
    """Return a plan for JSON."""
    opening = plan.opening
    return {
        "name": plan.name or None,
        "uid": plan.uid or None,
        "hypothesis": plan.hypothesis or None,
        "treatment": list(plan.treatment),
        "control": list(plan.control),
        "sites": list(plan.sites),
        "measure": plan.measure,
        "outcome": plan.outcome,
        "relevant": plan.relevant,
        "stopping": plan.stopping,
        "block_s": plan.block_s,
        "wash_out_s": plan.wash_out_s,
        "hours": opening.hours,
        "days": list(opening.days),
        "timezone": opening.timezone,
        "starts_at": plan.starts_at.isoformat(),
        "ends_at": plan.ends_at.isoformat(),
        "seed": plan.seed,
        "registered_at": plan.registered_at.isoformat() if plan.uid else None,
        "stopped_at": None if plan.stopped_at is None else plan.stopped_at.isoformat(),
        "stop_reason": plan.stop_reason,
    }


def plan_sentence(plan: ExperimentInfo) -> str:
    """Return in words what a plan can find."""
    power = plan.power
    looks = (
        "looking as often as you like" if plan.stopping == "always_valid" else "one look at the end"
    )
    found = (
        f"{power['blocks']} blocks on {counted(power['days'], 'day')} find an effect of "
        f"{effect_text(plan, power['detectable'])} with a chance of {POWER:.0%}, {looks}."
    )
    if power["enough"]:
        return found
    return (
        f"{found} For {effect_text(plan, plan.relevant)} it takes {power['blocks_needed']} blocks, "
        f"about {counted(power['days_needed'], 'day')}."
    )


def effect_text(plan: ExperimentInfo, value: float, *, signed: bool = False) -> str:
    """Return an effect with its unit."""
    digits = "+.1f" if signed else ".3g"
    if plan.measure == "outcome":
        return f"{100 * value:{digits}}%"
    if plan.measure == "attention":
        return f"{100 * value:{digits}} points"
    return f"{value:{'+.3f' if signed else '.3g'}}"


def _check(plan: ExperimentInfo) -> None:
    if not plan.treatment and not plan.control:
        raise ExperimentError("An experiment needs an ad: expected --treatment AD, received none.")
    if both := set(plan.treatment) & set(plan.control):
        raise ExperimentError(
            f"The ad {sorted(both)[0]!r} is in both arms: expected it in one of them."
        )
    if len(set(plan.sites)) < len(plan.sites) or not plan.sites:
        raise ExperimentError("An experiment needs a site, each once: expected --site NAME.")
    if not 0 <= plan.wash_out_s <= plan.block_s / 2:
        raise ExperimentError(
            f"A wash-out of {plan.wash_out_s / 60:g} minutes leaves less than half of a block of "
            f"{plan.block_s / 60:g} minutes; choose longer blocks or a shorter wash-out."
        )


def _no_history(engine: Engine, plan: ExperimentInfo, now: datetime) -> str:
    where = ", ".join(plan.sites)
    if plan.measure != "outcome":
        return (
            f"Too little was measured at {where} in the last weeks to know how much "
            f"{plan.measure} differs from block to block: run the kiosk there for some days first, "
            "or state the spread of a block with --spread."
        )
    week = timedelta(weeks=1)
    past = outcomes(engine, plan.outcome or "", plan.sites, now - week, now)
    if past and min(row.lasts_s for row in past) > plan.block_s:
        longest = min(row.lasts_s for row in past) / 60
        return (
            f"A figure of {plan.outcome!r} covers {longest:g} minutes, and belongs to no block of "
            f"{plan.block_s / 60:g}; choose longer blocks with --block, or import figures by the "
            "hour."
        )
    names = ", ".join(outcome_names(engine)) or "none"
    return (
        f"Too little is known of the outcome {plan.outcome!r} at {where} in the last weeks "
        f"(imported outcomes: {names}): import its past with `ad-monitor outcome import`, or state "
        "the spread of a block with --spread, for example --spread 30%."
    )


def _warnings(engine: Engine, plan: ExperimentInfo, power: dict[str, Any]) -> list[str]:
    ads, sites = known_ads_and_sites(engine)
    found = [
        f"The ad {ad_id!r} has never been shown here; check its id in the playlist."
        for ad_id in (*plan.treatment, *plan.control)
        if ad_id not in ads
    ]
    found += [
        f"No session has run at the site {site!r} yet; check its name (`ad-monitor sessions`)."
        for site in plan.sites
        if site not in sites
    ]
    if not power["enough"]:
        found.append(
            f"The blocks are too few for {effect_text(plan, plan.relevant)}: it takes "
            f"{power['blocks_needed']}, there are {power['blocks']}."
        )
    if power["days"] < MIN_LENGTH.days:
        found.append(
            f"Less than {MIN_LENGTH.days // 7} weeks: the result holds for these days only."
        )
    return found


def _days_of(plan: ExperimentInfo, blocks: Sequence[BlockInfo]) -> int:
    wanted = {block.starts_at for block in blocks}
    slots = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.ends_at)
    return len({slot.day for slot in slots if slot.starts_at in wanted})


# --- status ---------------------------------------------------------------------------------------


def state_of(plan: ExperimentInfo, now: datetime) -> str:
    """Return "stopped", "waiting", "running" or "over"."""
    if plan.stopped_at is not None:
        return "stopped"
    if now < plan.starts_at:
        return "waiting"
    return "running" if now < plan.ends_at else "over"


def status_document(
    engine: Engine, plan: ExperimentInfo, now: datetime, *, demos: bool = False
) -> dict[str, Any]:
    """Return where an experiment stands, for JSON."""
    blocks = blocks_of(engine, plan.id)
    plays = _plays_by_block(engine, plan, blocks, demos=demos)
    values = block_values(engine, plan, blocks, demos=demos)
    until = _until(plan, now)
    rows = []
    for place, block in enumerate(blocks):
        arms = plays[place]
        other = "control" if block.arm == "treatment" else "treatment"
        begun = block.starts_at <= until
        state = "over" if block.ends_at <= until else "running" if begun else "coming"
        if plan.stopped_at is not None and state != "over":
            state = "cut_off" if begun else "dropped"
        rows.append(
            {
                "site": block.site,
                "number": block.number,
                "pair": block.pair,
                "arm": block.arm,
                "starts_at": block.starts_at.isoformat(),
                "ends_at": block.ends_at.isoformat(),
                "state": state,
                "plays": sum(arms.values()),
                "arm_plays": arms[block.arm],
                "off_plan_plays": arms[other],
                "value": known(float(values.value[place])) if state == "over" else None,
            }
        )
    rows.sort(key=lambda row: (row["starts_at"], row["site"]))
    return {
        "experiment": experiment_document(plan),
        "state": state_of(plan, now),
        "running": [row for row in rows if row["state"] == "running"],
        "blocks_planned": len(rows),
        "blocks_over": sum(row["state"] == "over" for row in rows),
        "blocks_with_value": sum(row["value"] is not None for row in rows),
        "missing": _missing(plan, rows),
        "blocks": rows,
        "left_out": sessions_left_out(engine, plan, demos=demos),
    }


def _plays_by_block(
    engine: Engine, plan: ExperimentInfo, blocks: Sequence[BlockInfo], *, demos: bool
) -> list[Counter[str | None]]:
    found: list[Counter[str | None]] = [Counter() for _ in blocks]
    plays = plays_at(engine, scope_of(plan, demos=demos))
    for site in plan.sites:
        places = [place for place, block in enumerate(blocks) if block.site == site]
        starts = np.array([blocks[place].starts_at.timestamp() for place in places])
        for play in plays:
            if play.site != site:
                continue
            before = int(np.searchsorted(starts, play.started_at.timestamp(), side="right")) - 1
            if before >= 0 and play.started_at < blocks[places[before]].ends_at:
                found[places[before]][plan.arm_of(play.ad_id)] += 1
    return found


def _until(plan: ExperimentInfo, now: datetime) -> datetime:
    return now if plan.stopped_at is None else min(now, plan.stopped_at)


def _missing(plan: ExperimentInfo, rows: Sequence[dict[str, Any]]) -> list[str]:
    over = [row for row in rows if row["state"] == "over"]
    found = []
    silent = sum(row["plays"] == 0 for row in over)
    if silent:
        found.append(f"No play in {silent} of {counted(len(over), 'block')} that are over.")
    without = [row for row in over if row["arm_plays"] == 0 and getattr(plan, row["arm"])]
    if len(without) > silent:
        found.append(f"No ad of the arm in {counted(len(without) - silent, 'more block')}.")
    off = sum(row["off_plan_plays"] for row in rows)
    if off:
        found.append(
            f"{counted(off, 'play')} of an ad of the other arm: it was still on when its block "
            "ended, or nothing else could play."
        )
    unknown = sum(row["value"] is None for row in over)
    if unknown and plan.measure == "outcome":
        found.append(
            f"The outcome {plan.outcome!r} is not known for {counted(unknown, 'block')}; import it "
            "with `ad-monitor outcome import`."
        )
    elif unknown:
        found.append(f"Nobody was measured in {counted(unknown, 'block')}.")
    return found


# --- result ---------------------------------------------------------------------------------------


def result_document(
    engine: Engine,
    plan: ExperimentInfo,
    now: datetime,
    *,
    where: Scope | None = None,
    demos: bool = False,
) -> dict[str, Any]:
    """Return what an experiment says by the days that are over, for JSON.

    With `where`, only at its places; the document then has a `scope`.

    Raises:
        ExperimentError: The experiment does not run at any of these sites.
    """
    blocks = blocks_of(engine, plan.id)
    if where is not None:
        plan = replace(plan, sites=_sites_in(engine, plan, where))
        blocks = [block for block in blocks if block.site in plan.sites]
    values = block_values(engine, plan, blocks, where=where, demos=demos)
    until = _until(plan, now).timestamp()
    ends = np.array([block.ends_at.timestamp() for block in blocks])
    late = np.unique(values.day[ends > until])
    # One look for each day, so a day counts as a whole.
    whole = values.take(~np.isin(values.day, late))
    days = int(np.unique(values.day).size)
    over = plan.stopped_at is None and now >= plan.ends_at
    found = _judged(plan, whole, len(blocks), days, is_over=over)
    sites = []
    for place, site in enumerate(plan.sites):
        mine = sum(block.site == site for block in blocks)
        part = whole.take(whole.site == place)
        sites.append(
            {"site": site, **_figures(plan, _judged(plan, part, mine, days, is_over=over))}
        )
    return {
        "experiment": experiment_document(plan),
        "state": state_of(plan, now),
        **_figures(plan, found),
        "left_out": sessions_left_out(engine, plan, where, demos=demos),
        "decided_on": None
        if found.decided is None
        else datetime.fromordinal(found.decided).date().isoformat(),
        "blocks_needed": found.needed,
        "days_needed": None
        if found.needed is None
        else math.ceil(found.needed / max(1.0, len(blocks) / max(1, days))),
        "clustered_by": "day" if found.by_day else "pair",
        "sentence": _sentence(plan, found, state_of(plan, now), len(blocks) / max(1, days))
        + ("" if where is None else f" {_PART}"),
        "sites": sites,
        **({} if where is None else {"scope": where.document()}),
    }


_PART = "This is only a part of the experiment; what it shows as a whole decides."


def _sites_in(engine: Engine, plan: ExperimentInfo, where: Scope) -> tuple[str, ...]:
    wanted = set(where.sites)
    if where.groups or where.tags:
        _, wanted = known_ads_and_sites(engine, where)
    found = tuple(site for site in plan.sites if site in wanted)
    if not found:
        raise ExperimentError(
            f"The experiment {plan.name!r} does not run at these sites: expected some of its "
            f"sites, {', '.join(plan.sites)}, or groups and tags of screens there."
        )
    return found


def _judged(
    plan: ExperimentInfo, values: BlockValues, blocks: int, days: int, *, is_over: bool
) -> Result:
    return judge(
        values,
        blocks,
        days=max(1, days),
        relative=is_relative(plan),
        relevant=plan.relevant,
        stopping=plan.stopping,
        is_over=is_over,
    )


def _figures(plan: ExperimentInfo, found: Result) -> dict[str, Any]:
    interval = found.effect
    return {
        "verdict": found.verdict,
        "effect": known(interval.value),
        "effect_low": known(interval.low),
        "effect_high": known(interval.high),
        "relative": is_relative(plan),
        "p_value": known(found.p),
        "treatment_mean": known(found.treatment),
        "control_mean": known(found.control),
        "blocks_counted": found.blocks,
        "blocks_planned": found.planned,
    }


def _sentence(plan: ExperimentInfo, found: Result, state: str, blocks_a_day: float) -> str:
    counts = f"{found.blocks} of {found.planned} blocks count"
    if not math.isfinite(found.effect.value):
        if state in {"over", "stopped"}:
            return f"It ended without enough to say anything: {counts}."
        return f"Not yet: too few whole days are over to say anything ({counts})."
    what = _difference(plan, found.effect.value)
    if not math.isfinite(found.effect.low):
        return _before_a_fixed_end(plan, what, state, counts)
    interval = (
        f"{CONFIDENCE:.0%} interval {effect_text(plan, found.effect.low, signed=True)} to "
        f"{effect_text(plan, found.effect.high, signed=True)}, "
        f"{'p < 0.0001' if found.p < 0.0001 else f'p = {found.p:.2g}'}"
    )
    if found.verdict != "not_yet":
        if found.verdict == "works":
            verdict = "It works"
        elif found.effect.high < 0:
            verdict = "It does harm"
        else:
            verdict = f"It does not bring {effect_text(plan, plan.relevant)}"
        return f"{verdict}: {what} ({interval})."
    more = found.needed or 0
    days = counted(max(1, math.ceil(more / max(1.0, blocks_a_day))), "day")
    if state in {"over", "stopped"}:
        return (
            f"It ended undecided: {what} ({interval}). It would have taken about {more} more "
            f"blocks ({days}); start another experiment with more of them."
        )
    left = found.planned - found.blocks
    chance = "" if more <= left else f", more than the {left} that are left"
    return f"Not yet: {what} ({interval}). About {more} more blocks ({days}) are needed{chance}."


def _before_a_fixed_end(plan: ExperimentInfo, what: str, state: str, counts: str) -> str:
    if state == "stopped":
        return (
            f"Stopped early: {what} so far, but with a fixed end nothing can be claimed before it "
            f"({counts})."
        )
    zone = None if plan.opening.timezone is None else ZoneInfo(plan.opening.timezone)
    end = plan.ends_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return f"Not yet: it is judged once, at its end on {end} ({counts})."


def _difference(plan: ExperimentInfo, value: float) -> str:
    measure = plan.outcome if plan.measure == "outcome" else plan.measure
    size = effect_text(plan, abs(value), signed=True).removeprefix("+")
    way = "higher" if value >= 0 else "lower"
    treatment, control = (", ".join(arm) for arm in (plan.treatment, plan.control))
    if treatment and control:
        where = f"with {treatment} than with {control}"
    elif treatment:
        where = f"with {treatment} than without"
    else:
        where = f"without {control} than with it"
    return f"{measure} {size} {way} {where}"

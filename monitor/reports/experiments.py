"""The documents of experiments: where one stands, what it says."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.experiments import ad_names, blocks_of, known_ads_and_sites, plays_at
from monitor.analytics.errors import ExperimentError
from monitor.analytics.experiment_data import block_values, scope_of, sessions_left_out
from monitor.analytics.experiments import Result, judge
from monitor.analytics.statistics import CONFIDENCE, known
from monitor.languages import later, lazy, nlazy, numeral
from monitor.reports.experiment_plans import (
    effect_text,
    experiment_document,
    in_blocks,
    in_days,
    is_relative,
    local_minute,
    percent_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Engine

    from db.read.experiments import BlockInfo, ExperimentInfo
    from db.read.scope import Scope
    from monitor.analytics.experiments import BlockValues
    from monitor.languages import LazyText


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
    with_value, missing = sum(row["value"] is not None for row in rows), _missing(plan, rows)
    if _is_withheld(plan, now):
        rows = [row | {"value": None} for row in rows]
    return {
        "experiment": experiment_document(plan),
        "state": state_of(plan, now),
        "running": [row for row in rows if row["state"] == "running"],
        "blocks_planned": len(rows),
        "blocks_over": sum(row["state"] == "over" for row in rows),
        "blocks_with_value": with_value,
        "missing": missing,
        "blocks": rows,
        "left_out": sessions_left_out(engine, plan, demos=demos),
    }


def _is_withheld(plan: ExperimentInfo, now: datetime) -> bool:
    """Return whether nobody may see figures yet: one look, at an end that is still to come."""
    return plan.stopping == "fixed" and state_of(plan, now) in {"waiting", "running"}


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
    found: list[str] = []
    silent = sum(row["plays"] == 0 for row in over)
    if silent:
        found.append(
            nlazy(
                "No play in %(silent)s of %(num)s block that is over.",
                "No play in %(silent)s of %(num)s blocks that are over.",
                len(over),
                silent=silent,
            )
        )
    without = [row for row in over if row["arm_plays"] == 0 and getattr(plan, row["arm"])]
    if len(without) > silent:
        found.append(
            nlazy(
                "No ad of the arm in %(num)s more block.",
                "No ad of the arm in %(num)s more blocks.",
                len(without) - silent,
            )
        )
    off = sum(row["off_plan_plays"] for row in rows)
    if off:
        found.append(
            nlazy(
                "%(num)s play of an ad of the other arm: it was still on when its block ended, or "
                "nothing else could play.",
                "%(num)s plays of an ad of the other arm: it was still on when its block ended, or "
                "nothing else could play.",
                off,
            )
        )
    unknown = sum(row["value"] is None for row in over)
    if unknown and plan.measure == "outcome":
        found.append(
            lazy(
                "The outcome %(outcome)s is not known for %(blocks)s; import its latest figures.",
                outcome=repr(plan.outcome),
                blocks=in_blocks(unknown),
            )
        )
    elif unknown:
        found.append(lazy("Nobody was measured in %(blocks)s.", blocks=in_blocks(unknown)))
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

    With one look at the end, effect and means are withheld until then. With `where`, only at its
    places; the document then has a `scope`.

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
    is_withheld = _is_withheld(plan, now)
    sites = []
    for place, site in enumerate(plan.sites):
        mine = sum(block.site == site for block in blocks)
        part = whole.take(whole.site == place)
        is_all = len(plan.sites) == 1
        judged = found if is_all else _judged(plan, part, mine, days, is_over=over)
        sites.append({"site": site, **_figures(plan, judged, is_withheld=is_withheld)})
    sentence = _sentence(
        plan, found, state_of(plan, now), len(blocks) / max(1, days), ad_names(engine)
    )
    return {
        "experiment": experiment_document(plan),
        "state": state_of(plan, now),
        **_figures(plan, found, is_withheld=is_withheld),
        "left_out": sessions_left_out(engine, plan, where, demos=demos),
        "decided_on": None
        if found.decided is None
        else datetime.fromordinal(found.decided).date().isoformat(),
        "blocks_needed": found.needed,
        "days_needed": None
        if found.needed is None
        else math.ceil(found.needed / max(1.0, len(blocks) / max(1, days))),
        "clustered_by": "day" if found.by_day else "pair",
        "sentence": sentence
        if where is None
        else lazy(
            "%(sentence)s This is only a part of the experiment; what it shows as a whole decides.",
            sentence=sentence,
        ),
        "sites": sites,
        **({} if where is None else {"scope": where.document()}),
    }


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


def _figures(plan: ExperimentInfo, found: Result, *, is_withheld: bool) -> dict[str, Any]:
    interval = found.effect
    return {
        "verdict": found.verdict,
        "effect": None if is_withheld else known(interval.value),
        "effect_low": known(interval.low),
        "effect_high": known(interval.high),
        "relative": is_relative(plan),
        "p_value": known(found.p),
        "treatment_mean": None if is_withheld else known(found.treatment),
        "control_mean": None if is_withheld else known(found.control),
        "blocks_counted": found.blocks,
        "blocks_planned": found.planned,
    }


def _sentence(
    plan: ExperimentInfo,
    found: Result,
    state: str,
    blocks_a_day: float,
    names: Mapping[str, str],
) -> LazyText:
    counts = nlazy(
        "%(counted)s of %(num)s block counts",
        "%(counted)s of %(num)s blocks count",
        found.planned,
        counted=later(numeral, f"{found.blocks:,}"),
    )
    has_ended = state in {"over", "stopped"}
    if not math.isfinite(found.effect.value):
        if has_ended:
            return lazy("It ended without enough to say anything: %(counts)s.", counts=counts)
        return lazy(
            "Not yet: too few whole days are over to say anything (%(counts)s).", counts=counts
        )
    what = _difference(plan, found.effect.value, names)
    if not math.isfinite(found.effect.low):
        return _before_a_fixed_end(plan, what, state, counts)
    said = {"what": what, "interval": _interval(plan, found)}
    if found.verdict != "not_yet":
        return _decided(plan, found, said)
    more = found.needed or 0
    needed = nlazy("%(num)s more block", "%(num)s more blocks", more)
    said |= {"more": needed, "days": in_days(max(1, math.ceil(more / max(1.0, blocks_a_day))))}
    left = found.planned - found.blocks
    if has_ended:
        text = lazy(
            "It ended undecided: %(what)s (%(interval)s). It would have taken about %(more)s "
            "(%(days)s); start another experiment with more of them.",
            **said,
        )
    elif more <= left:
        text = lazy("Not yet: %(what)s (%(interval)s). It takes about %(more)s (%(days)s).", **said)
    else:
        text = lazy(
            "Not yet: %(what)s (%(interval)s). It takes about %(more)s (%(days)s), more than the "
            "%(left)s that are left.",
            left=left,
            **said,
        )
    return text


def _decided(plan: ExperimentInfo, found: Result, said: dict[str, LazyText]) -> LazyText:
    if found.verdict == "works":
        return lazy("It works: %(what)s (%(interval)s).", **said)
    if found.effect.high < 0:
        return lazy("It does harm: %(what)s (%(interval)s).", **said)
    least = effect_text(plan, plan.relevant)
    return lazy("It does not bring %(least)s: %(what)s (%(interval)s).", least=least, **said)


def _interval(plan: ExperimentInfo, found: Result) -> LazyText:
    return lazy(
        "%(confidence)s interval %(low)s to %(high)s, %(p)s",
        confidence=percent_text(f"{100 * CONFIDENCE:.0f}"),
        low=effect_text(plan, found.effect.low, "signed"),
        high=effect_text(plan, found.effect.high, "signed"),
        p=later(numeral, "p < 0.0001" if found.p < 0.0001 else f"p = {found.p:.2g}"),
    )


def _before_a_fixed_end(
    plan: ExperimentInfo, what: LazyText, state: str, counts: LazyText
) -> LazyText:
    if state == "stopped":
        return lazy(
            "Stopped early: %(what)s so far, but with a fixed end nothing can be claimed before it "
            "(%(counts)s).",
            what=what,
            counts=counts,
        )
    return lazy(
        "Not yet: it is judged once, at its end on %(end)s (%(counts)s).",
        end=local_minute(plan, plan.ends_at),
        counts=counts,
    )


def _difference(plan: ExperimentInfo, value: float, names: Mapping[str, str]) -> LazyText:
    values = {
        "measure": measure_name(plan),
        "size": effect_text(plan, value, "size"),
        "treatment": ", ".join(names.get(ad_id, ad_id) for ad_id in plan.treatment),
        "control": ", ".join(names.get(ad_id, ad_id) for ad_id in plan.control),
    }
    is_higher = value >= 0
    if plan.treatment and plan.control:
        if is_higher:
            return lazy(
                "%(measure)s %(size)s higher with %(treatment)s than with %(control)s", **values
            )
        return lazy("%(measure)s %(size)s lower with %(treatment)s than with %(control)s", **values)
    if plan.treatment:
        if is_higher:
            return lazy("%(measure)s %(size)s higher with %(treatment)s than without", **values)
        return lazy("%(measure)s %(size)s lower with %(treatment)s than without", **values)
    if is_higher:
        return lazy("%(measure)s %(size)s higher without %(control)s than with it", **values)
    return lazy("%(measure)s %(size)s lower without %(control)s than with it", **values)


def measure_name(plan: ExperimentInfo) -> str:
    """Return what decides: attention, valence, or the outcome's name."""
    if plan.measure == "outcome":
        return plan.outcome or ""
    return lazy("attention") if plan.measure == "attention" else lazy("valence")

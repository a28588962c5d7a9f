"""Plans of experiments: what one would take, in a document and in words, and its beginning."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from db.read.experiments import (
    ExperimentInfo,
    known_ads_and_sites,
    outcome_names,
    outcomes,
    overlapping,
)
from db.write.experiments import require_new, stop_experiment, store_experiment
from monitor.analytics.errors import ExperimentError
from monitor.analytics.experiment_data import history_values
from monitor.analytics.experiments import (
    POWER,
    Spread,
    blocks_for,
    detectable,
    draw_blocks,
    opening_zone,
    slots_of,
    spread_of,
)
from monitor.analytics.statistics import known
from monitor.languages import later, lazy, nlazy, numeral
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from db.read.experiments import BlockInfo, Opening
    from monitor.languages import LazyText

AUDIENCE_MEASURES = ("attention", "valence")
"""What a kiosk measures itself; any other measure is the name of an imported outcome."""

MIN_LENGTH = timedelta(weeks=2)
"""A shorter experiment does not see the differences between weeks; the default length is whole
weeks."""

LEAD = timedelta(seconds=15)
"""A kiosk reads the blocks in its own database every ten seconds."""

HUB_LEAD = timedelta(minutes=2)
"""A kiosk asks its hub every half minute what it is to show, give or take some jitter."""

MAX_LENGTH = timedelta(weeks=26)
MAX_AHEAD = timedelta(weeks=520)
"""From now on to the end of an experiment."""

MAX_NAME = 200
"""Characters; a hub sends the name to its kiosks, and every play stores it."""

MAX_BLOCKS = 20_000
"""Of one site."""

LARGEST = {"attention": 1.0, "valence": 2.0}
"""What means of two blocks can differ by at most."""


def is_relative(plan: ExperimentInfo) -> bool:
    """Return whether effects are shares of the control's mean."""
    return plan.measure == "outcome"


def new_plan(
    *,
    treatment: Sequence[str],
    control: Sequence[str],
    sites: Sequence[str],
    measure: str,
    relevant: float | None,
    stopping: str,
    block_min: float,
    wash_out_min: float,
    opening: Opening,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
    seed: int | None = None,
    name: str = "",
    hypothesis: str = "",
    uid: str = "",
) -> ExperimentInfo:
    """Return a plan as somebody asked for it; `planned` completes it.

    Args:
        treatment, control: Ad ids; repeated ones count once.
        sites: Where it runs.
        measure: One of `AUDIENCE_MEASURES`, or the name of an outcome.
        relevant: The smallest effect that matters; `None` is 10% of an outcome, 0.05 of attention
            and valence.
        stopping: "always_valid" or "fixed".
        block_min, wash_out_min: Length of a block, and of its start that does not count, minutes.
        opening: When blocks may lie.
        since, until: Aware; no block before, by default now, and none after.
        now: Aware.
        seed: Of the draw; `None` draws one.
        name, hypothesis, uid: Empty while it is not to be stored.
    """
    is_outcome = measure not in AUDIENCE_MEASURES
    starts_at = since or now
    return ExperimentInfo(
        name=name,
        hypothesis=hypothesis,
        treatment=tuple(dict.fromkeys(treatment)),
        control=tuple(dict.fromkeys(control)),
        sites=tuple(sites),
        measure="outcome" if is_outcome else measure,
        outcome=measure if is_outcome else None,
        relevant=relevant or (0.1 if is_outcome else 0.05),
        stopping=stopping,
        block_s=round(block_min * 60),
        wash_out_s=round(wash_out_min * 60),
        opening=opening,
        starts_at=starts_at,
        ends_at=until or starts_at,
        power={},
        seed=secrets.randbelow(2**31) if seed is None else seed,
        registered_at=now,
        program_version=VERSION,
        uid=uid,
    )


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
    _check(plan, now)
    relative = is_relative(plan)
    if spread is None:
        spread = spread_of(history_values(engine, plan, now, demos=demos), relative=relative)
    if spread is None:
        raise ExperimentError(_no_history(engine, plan, now))
    needed = blocks_for(spread, plan.relevant, plan.stopping, relative=relative)
    a_week = _blocks_a_week(plan)
    if open_end:
        plan = replace(plan, ends_at=plan.starts_at + _length_for(plan, needed, a_week, spread))
    _check_end(plan, a_week)
    blocks = draw_blocks(plan)
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
        "detectable": detectable(spread, len(blocks), plan.stopping, relative=relative),
        "detectable_fixed": detectable(spread, len(blocks), "fixed", relative=relative),
        "enough": len(blocks) >= needed,
    }
    return replace(plan, power=power), blocks, _warnings(engine, plan, power)


def _blocks_a_week(plan: ExperimentInfo) -> float:
    """Return how many blocks fit into the opening hours of a week, above 0; all sites together."""
    week = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.starts_at + timedelta(days=8))
    a_week = len(week) * len(plan.sites) * 7 / 8
    if a_week == 0:
        raise ExperimentError(
            lazy(
                "No block of %(minutes)s minutes fits into %(hours)s: expected blocks shorter than "
                "the opening hours.",
                minutes=f"{plan.block_s / 60:g}",
                hours=plan.opening.hours,
            )
        )
    return a_week


def _length_for(plan: ExperimentInfo, needed: int, a_week: float, spread: Spread) -> timedelta:
    """Return the whole weeks that the needed blocks take."""
    weeks = math.ceil(needed / a_week)
    if weeks > MAX_LENGTH.days // 7:
        reachable = int(a_week * MAX_LENGTH.days / 7)
        least = detectable(spread, reachable, plan.stopping, relative=is_relative(plan))
        raise ExperimentError(
            lazy(
                "An effect of %(effect)s would take %(needed)s blocks, or %(weeks)s weeks; "
                "expected at most %(most)s. In that time %(least)s can be found: look for a "
                "larger effect, use more sites, or name the end.",
                effect=effect_text(plan, plan.relevant),
                needed=later(numeral, f"{needed:,}"),
                weeks=later(numeral, f"{weeks:,}"),
                most=MAX_LENGTH.days // 7,
                least=effect_text(plan, least),
            )
        )
    return max(MIN_LENGTH, timedelta(weeks=weeks))


def _check_end(plan: ExperimentInfo, a_week: float) -> None:
    if plan.ends_at <= plan.starts_at:
        raise ExperimentError(
            lazy(
                "The experiment ends on %(end)s, before it starts; choose a later end.",
                end=local_minute(plan, plan.ends_at),
            )
        )
    days = (plan.ends_at - plan.starts_at) / timedelta(days=1)
    if a_week / len(plan.sites) / 7 * days > MAX_BLOCKS:
        raise ExperimentError(
            lazy(
                "The experiment would have more than %(most)s blocks at a site; choose longer "
                "blocks or an earlier end.",
                most=MAX_BLOCKS,
            )
        )


def begin(
    connection: Connection,
    plan: ExperimentInfo,
    blocks: Sequence[BlockInfo],
    now: datetime,
    *,
    by_hub: bool,
) -> tuple[ExperimentInfo, list[BlockInfo]]:
    """Store a completed plan with its blocks, drawn anew if the first could come too soon.

    Args:
        connection: In a transaction that `db.engine.writing` has begun.
        plan: From `planned`, with name, hypothesis and uid.
        blocks: From `planned`.
        now: Aware. No block begins sooner than running kiosks learn of it; measuring the past may
            have taken a while.
        by_hub: Whether they learn of it from a hub, not from their own database.

    Returns:
        Both as they are stored.

    Raises:
        ExperimentError: Another experiment runs at one of its sites, no time is left, or the name
            is empty or too long for kiosks.
        ExperimentExistsError: There is an experiment of its name.
    """
    if not 0 < len(plan.name) <= MAX_NAME:
        raise ExperimentError(
            lazy(
                "The name of an experiment has %(length)s characters: expected 1 to %(most)s.",
                length=len(plan.name),
                most=MAX_NAME,
            )
        )
    require_new(connection, plan.name)
    if others := overlapping(connection, plan.sites, plan.starts_at, plan.ends_at):
        raise ExperimentError(
            lazy(
                "The experiment %(name)s runs at the same site in this time, and two would mix "
                "their effects; wait for its end, or stop it.",
                name=repr(others[0]),
            )
        )
    soon = now + (HUB_LEAD if by_hub else LEAD)
    plan = replace(plan, registered_at=now, starts_at=max(plan.starts_at, soon))
    drawn = draw_blocks(plan) if blocks[0].starts_at < soon else list(blocks)
    return replace(plan, id=store_experiment(connection, plan, drawn)), drawn


def stop_early(connection: Connection, plan: ExperimentInfo, now: datetime, reason: str) -> None:
    """Stop an experiment before its end; kiosks drop the blocks to come.

    Args:
        connection: In a transaction.
        plan: As it is stored.
        now: Aware.
        reason: For people.

    Raises:
        ExperimentError: It is over, or was stopped before or meanwhile.
    """
    if plan.stopped_at is None and now >= plan.ends_at:
        raise ExperimentError(
            lazy("The experiment %(name)s is over; nothing is left to stop.", name=repr(plan.name))
        )
    if not stop_experiment(connection, plan.id, now, reason):
        raise ExperimentError(
            lazy("The experiment %(name)s has been stopped already.", name=repr(plan.name))
            if plan.stop_reason is None
            else lazy(
                "The experiment %(name)s was stopped before (%(reason)s).",
                name=repr(plan.name),
                reason=plan.stop_reason,
            )
        )


def start_entry(plan: ExperimentInfo, blocks: Sequence[BlockInfo]) -> dict[str, Any]:
    """Return a plan that was started for the audit log of a hub."""
    return {
        "hypothesis": plan.hypothesis,
        "treatment": list(plan.treatment),
        "control": list(plan.control),
        "sites": list(plan.sites),
        "measure": plan.outcome or plan.measure,
        "relevant": plan.relevant,
        "stopping": plan.stopping,
        "seed": plan.seed,
        "starts_at": plan.starts_at.isoformat(),
        "ends_at": plan.ends_at.isoformat(),
        "blocks": len(blocks),
    }


def stop_entry(at: datetime, reason: str) -> dict[str, Any]:
    """Return an early end for the audit log of a hub."""
    return {"stopped_at": at.isoformat(), "reason": reason}


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


def plan_sentence(plan: ExperimentInfo) -> LazyText:
    """Return in words what a plan can find."""
    power = plan.power
    values = {
        "blocks": in_blocks(power["blocks"]),
        "days": in_days(power["days"]),
        "effect": effect_text(plan, power["detectable"]),
        "chance": percent_text(f"{100 * POWER:.0f}"),
    }
    found = (
        lazy(
            "%(blocks)s on %(days)s find an effect of %(effect)s with a chance of %(chance)s, "
            "looking as often as you like.",
            **values,
        )
        if plan.stopping == "always_valid"
        else lazy(
            "%(blocks)s on %(days)s find an effect of %(effect)s with a chance of %(chance)s, one "
            "look at the end.",
            **values,
        )
    )
    if power["enough"]:
        return found
    return lazy(
        "%(found)s For %(effect)s it takes %(blocks)s, about %(days)s.",
        found=found,
        effect=effect_text(plan, plan.relevant),
        blocks=in_blocks(power["blocks_needed"]),
        days=in_days(power["days_needed"]),
    )


def stop_sentence(plan: ExperimentInfo, over: int, drawn: int) -> LazyText:
    """Return what stopping now means for the numbers.

    Args:
        plan: As it is stored.
        over: Its blocks that are over.
        drawn: All of its blocks: one fewer than planned if the first would have come too soon.
    """
    done = nlazy(
        "%(over)s of %(num)s block is over",
        "%(over)s of %(num)s blocks are over",
        drawn,
        over=over,
    )
    if plan.stopping == "fixed":
        return lazy(
            "%(done)s, and the plan judges once, at its end: stopped before, nothing can be "
            "claimed, whatever the figures look like.",
            done=done,
        )
    if over < 2 or "spread" not in plan.power:
        return lazy(
            "%(done)s: that is too few to find anything.",
            done=done,
        )
    spread = Spread(plan.power["spread"], plan.power["design_effect"])
    least = detectable(spread, over, plan.stopping, relative=is_relative(plan))
    return lazy(
        "%(done)s. What was found so far holds, but so few find only an effect of about %(now)s; "
        "all that are planned would find %(then)s.",
        done=done,
        now=effect_text(plan, least),
        then=effect_text(plan, plan.power["detectable"]),
    )


def effect_text(
    plan: ExperimentInfo, value: float, form: Literal["plain", "signed", "size"] = "plain"
) -> LazyText:
    """Return an effect with its unit.

    Args:
        plan: Whose measure decides the unit.
        value: A share of an outcome, or a difference of attention or valence.
        form: "signed" shows the sign of positive values too, "size" none; both round alike.
    """
    shown = abs(value) if form == "size" else value
    sign = "+" if form == "signed" else ""
    digits = ".3g" if form == "plain" else f"{sign}.1f"
    if plan.measure == "outcome":
        return percent_text(f"{100 * shown:{digits}}")
    if plan.measure == "attention":
        number = later(numeral, f"{100 * shown:{digits}}")
        return lazy("%(number)s points", number=number)
    digits = ".3g" if form == "plain" else f"{sign}.3f"
    return lazy("%(number)s", number=later(numeral, f"{shown:{digits}}"))


def local_minute(plan: ExperimentInfo, moment: datetime) -> str:
    """Return a moment in the time zone of the plan's opening hours."""
    return moment.astimezone(opening_zone(plan.opening)).strftime("%Y-%m-%d %H:%M")


def percent_text(number: str) -> LazyText:
    """Return a number that is written in English as a percentage."""
    return lazy("%(number)s%%", number=later(numeral, number))


def in_blocks(count: int) -> LazyText:
    """Return a number of blocks in words."""
    return nlazy("%(num)s block", "%(num)s blocks", count)


def in_days(count: int) -> LazyText:
    """Return a number of days in words."""
    return nlazy("%(num)s day", "%(num)s days", count)


def _check(plan: ExperimentInfo, now: datetime) -> None:
    if not plan.treatment and not plan.control:
        raise ExperimentError("An experiment needs an ad: expected --treatment AD, received none.")
    if both := set(plan.treatment) & set(plan.control):
        raise ExperimentError(
            lazy(
                "The ad %(ad)s is in both arms: expected it in one of them.",
                ad=repr(sorted(both)[0]),
            )
        )
    if len(set(plan.sites)) < len(plan.sites) or not plan.sites:
        raise ExperimentError("An experiment needs a site, each once: expected --site NAME.")
    if plan.relevant >= LARGEST.get(plan.measure, math.inf):
        raise ExperimentError(
            lazy(
                "No difference of %(measure)s can be as large as %(effect)s: expected a smaller "
                "one, such as 5%% or 0.05.",
                measure=lazy("attention") if plan.measure == "attention" else lazy("valence"),
                effect=effect_text(plan, plan.relevant),
            )
        )
    if max(plan.starts_at, plan.ends_at) - now > MAX_AHEAD:
        raise ExperimentError(lazy("The experiment is too far away: expected the next ten years."))
    if not 0 <= plan.wash_out_s <= plan.block_s / 2:
        raise ExperimentError(
            lazy(
                "A wash-out of %(wash_out)s minutes leaves less than half of a block of %(block)s "
                "minutes; choose longer blocks or a shorter wash-out.",
                wash_out=f"{plan.wash_out_s / 60:g}",
                block=f"{plan.block_s / 60:g}",
            )
        )


def _no_history(engine: Engine, plan: ExperimentInfo, now: datetime) -> LazyText:
    where = ", ".join(plan.sites)
    if plan.measure != "outcome":
        measure = lazy("attention") if plan.measure == "attention" else lazy("valence")
        return lazy(
            "Too little was measured at %(where)s in the last weeks to know how much %(measure)s "
            "differs from block to block: run the kiosk there for some days first, or state the "
            "spread of a block.",
            where=where,
            measure=measure,
        )
    week = timedelta(weeks=1)
    past = outcomes(engine, plan.outcome or "", plan.sites, now - week, now)
    if past and min(row.lasts_s for row in past) > plan.block_s:
        return lazy(
            "A figure of %(outcome)s covers %(minutes)s minutes, and belongs to no block of "
            "%(block)s; choose longer blocks, or import figures by the hour.",
            outcome=repr(plan.outcome),
            minutes=f"{min(row.lasts_s for row in past) / 60:g}",
            block=f"{plan.block_s / 60:g}",
        )
    return lazy(
        "Too little is known of the outcome %(outcome)s at %(where)s in the last weeks (imported "
        "outcomes: %(names)s): import its past, or state the spread of a block, for example 30%%.",
        outcome=repr(plan.outcome),
        where=where,
        names=", ".join(outcome_names(engine)) or lazy("none"),
    )


def _warnings(engine: Engine, plan: ExperimentInfo, power: dict[str, Any]) -> list[str]:
    ads, sites = known_ads_and_sites(engine)
    found: list[str] = [
        lazy(
            "The ad %(ad)s has never been shown here; check its id in the playlist.",
            ad=repr(ad_id),
        )
        for ad_id in (*plan.treatment, *plan.control)
        if ad_id not in ads
    ]
    found += [
        lazy("No session has run at the site %(site)s yet; check its name.", site=repr(site))
        for site in plan.sites
        if site not in sites
    ]
    if not power["enough"]:
        found.append(
            lazy(
                "The blocks are too few for %(effect)s: it takes %(needed)s, there are %(blocks)s.",
                effect=effect_text(plan, plan.relevant),
                needed=power["blocks_needed"],
                blocks=power["blocks"],
            )
        )
    if power["days"] < MIN_LENGTH.days:
        found.append(
            lazy(
                "Less than %(weeks)s weeks: the result holds for these days only.",
                weeks=MIN_LENGTH.days // 7,
            )
        )
    return found


def _days_of(plan: ExperimentInfo, blocks: Sequence[BlockInfo]) -> int:
    wanted = {block.starts_at for block in blocks}
    slots = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.ends_at)
    return len({slot.day for slot in slots if slot.starts_at in wanted})

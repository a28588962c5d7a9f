"""Experiments: planned, started, watched, stopped and read in the browser."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from boltons.cacheutils import LRU
from flask import Blueprint, render_template, request

from db.engine import snapshot
from db.errors import ExperimentExistsError
from db.hub.library.catalogue import list_creatives
from db.hub.library.contents import EVERYTHING, Choice
from db.hub.screens.registry import screens_at
from db.hub.shows.desired import hold_plan
from db.read.experiments import (
    Opening,
    ad_names,
    blocks_of,
    experiments,
    last_import,
    outcome_names,
)
from monitor.analytics.errors import ExperimentError
from monitor.analytics.experiments import Spread, opening_zone, slots_of
from monitor.analytics.report_data import kinds_left_out
from monitor.hub.experiments.plan_form import (
    hidden_fields,
    plan_values,
    read_plan,
    read_start,
)
from monitor.hub.forms import FormError
from monitor.hub.playlists.vocabulary import DAY_WORDS
from monitor.hub.shows.publishing import refresh
from monitor.languages import lazy
from monitor.reports.experiment_plans import (
    begin,
    effect_text,
    new_plan,
    plan_document,
    plan_sentence,
    planned,
    start_entry,
    stop_early,
    stop_entry,
    stop_sentence,
)
from monitor.reports.experiments import (
    measure_name,
    result_document,
    state_of,
    status_document,
)
from monitor.reports.formatting import moment_of
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import back, done, now
from monitor.web.hub.experiment_database import (
    RUNNING,
    changing_experiments,
    experiment_database,
    own_site,
    sites_of_screens,
    zone_of,
)
from monitor.web.request.paging import asked_page, entries_before, page_count
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Engine
    from werkzeug.wrappers import Response

    from db.read.experiments import BlockInfo, ExperimentInfo
    from monitor.hub.experiments.plan_form import AskedPlan

VERDICTS = {
    "works": lazy("It works"),
    "does_not": lazy("It does not"),
    "not_yet": lazy("Not decided yet"),
}

STATES = {
    "waiting": lazy("Not begun"),
    "running": lazy("Running"),
    "over": lazy("Over"),
    "stopped": lazy("Stopped"),
}

BLOCK_STATES = {
    "coming": lazy("to come"),
    "running": lazy("running"),
    "over": lazy("over"),
    "cut_off": lazy("cut off"),
    "dropped": lazy("dropped"),
}

STOPPING = {
    "always_valid": lazy("Look as often as you like"),
    "fixed": lazy("One look at the end, with 6%% fewer blocks"),
}

DONE = {
    "started": lazy(
        "Started: the blocks are drawn and stored. The screens take part by themselves."
    ),
    "stopped": lazy("Stopped. The screens show all ads again."),
}

MAX_BLOCKS = 48
"""Of the table of blocks: those around now."""

PAGE_SIZE = 10
"""Experiments on a page of their list."""

SETTLED = timedelta(weeks=1)
"""After this time hardly anything is added to what was measured."""

blueprint = Blueprint("experiments", __name__, url_prefix="/experiments")


@blueprint.get("")
def listing() -> str:
    """All experiments, the latest first."""
    at, page = now(), asked_page()
    with experiment_database() as engine, hub_services().reports.taken():
        plans, imported_at = experiments(engine), last_import(engine)
        pages, first = page_count(len(plans), PAGE_SIZE, page), entries_before(page, PAGE_SIZE)
        found = [
            _kept_row(engine, plan, at, imported_at) for plan in plans[first : first + PAGE_SIZE]
        ]
        names = ad_names(engine)
    return render_template(
        "experiments.html",
        found=found,
        names=names,
        page=page,
        pages=pages,
        done=done(DONE),
        **_shared(),
    )


@blueprint.get("/<path:name>")
def page(name: str) -> str:
    """One experiment: its plan, its verdict, by site as well, and its blocks."""
    at = now()
    with experiment_database() as engine:
        plan = _found(engine, name)
        with hub_services().reports.taken():
            result = result_document(engine, plan, at)
            status = status_document(engine, plan, at)
        names = ad_names(engine)
    over = sum(row["state"] not in {"coming", "dropped"} for row in status["blocks"])
    first = max(0, min(over - MAX_BLOCKS * 2 // 3, len(status["blocks"]) - MAX_BLOCKS))
    return render_template(
        "experiment.html",
        plan=plan,
        names=names,
        result=result,
        status=status,
        blocks=status["blocks"][first : first + MAX_BLOCKS],
        left_out=kinds_left_out(result["left_out"]),
        measure=measure_name(plan),
        relevant=effect_text(plan, plan.relevant),
        effect=partial(effect_text, plan, form="signed"),
        power=plan_sentence(plan) if plan.power.get("days") else "",
        block_states=BLOCK_STATES,
        stopping=STOPPING,
        day_words=DAY_WORDS,
        zone=opening_zone(plan.opening),
        last_moment=_last_moment(plan),
        moment=moment_of,
        may_stop=current_user().may(*RUNNING) and result["state"] in {"waiting", "running"},
        done=done(DONE),
        **_shared(),
    )


@blueprint.get("/new")
@requires(*RUNNING)
def new() -> str | tuple[str, int]:
    """The form of a plan, and what it would take once it is filled in; nothing is stored."""
    values = plan_values(request.args)
    if "plan" not in request.args:
        return _plan_page(values)
    try:
        with experiment_database() as engine, hub_services().reports.taken():
            made = _planned(engine, read_plan(values))
    except FormError as error:
        return _plan_page(values, error.problems), 400
    except ExperimentError as error:
        return _plan_page(values, {"form": str(error)}), 400
    return _plan_page(values, document=plan_document(*made), plan=made[0])


@blueprint.post("/new")
@requires(*RUNNING)
def start() -> Response | tuple[str, int]:
    """Store a plan, draw its blocks, and begin."""
    values = plan_values(request.form)
    shown: dict[str, Any] = {}
    try:
        asked = read_plan(values)
        with experiment_database() as engine, hub_services().reports.taken():
            made, blocks, warnings = _planned(engine, asked)
        shown = {"document": plan_document(made, blocks, warnings), "plan": made}
        name, hypothesis = read_start(request.form)
        made = replace(made, name=name, hypothesis=hypothesis, uid=uuid.uuid4().hex)
        with changing_experiments() as (change, connection):
            # Two that start at once would not see each other on PostgreSQL.
            hold_plan(connection)
            screens = screens_at(connection, made.sites)
            made, blocks = begin(connection, made, blocks, change.at, by_hub=bool(screens))
            refresh(connection, change.user.name, change.at, screens, keep_empty=True)
            after = start_entry(made, blocks)
            change.note("experiment.start", f"experiment {name}", after=after)
    except FormError as error:
        return _plan_page(values, error.problems, **shown), 400
    except (ExperimentError, ExperimentExistsError) as error:
        return _plan_page(values, {"form": str(error)}, **shown), 409
    return back("experiments.page", "started", name=name)


@blueprint.get("/<path:name>/stop")
@requires(*RUNNING)
def stop_page(name: str) -> str:
    """Ask whether to stop an experiment early, and say what that means for its numbers."""
    return _stop_page(name)


@blueprint.post("/<path:name>/stop")
@requires(*RUNNING)
def stop(name: str) -> Response | tuple[str, int]:
    """Stop an experiment early."""
    reason = " ".join(request.form.get("reason", "").split())[:500]
    if not reason:
        return _stop_page(name, {"reason": lazy("Say why: it is kept with the experiment.")}), 400
    with experiment_database() as engine:
        plan = _found(engine, name)
    try:
        with changing_experiments() as (change, connection):
            stop_early(connection, plan, change.at, reason)
            screens = screens_at(connection, plan.sites)
            refresh(connection, change.user.name, change.at, screens, keep_empty=True)
            change.note(
                "experiment.stop",
                f"experiment {plan.name}",
                after=stop_entry(change.at, reason),
            )
    except ExperimentError as error:
        return _stop_page(name, {"form": str(error)}), 409
    return back("experiments.page", "stopped", name=plan.name)


def _planned(engine: Engine, asked: AskedPlan) -> tuple[ExperimentInfo, list[BlockInfo], list[str]]:
    own = own_site()
    if not set(asked.sites) <= ({own} if own is not None else sites_of_screens().keys()):
        raise FormError({"sites": lazy("Choose a site of this list.")})
    at = now()
    zone = zone_of(asked.sites)
    since, until = asked.times(zone, at)
    made = new_plan(
        treatment=asked.treatment,
        control=asked.control,
        sites=asked.sites,
        measure=asked.measure,
        relevant=asked.effect,
        stopping=asked.stopping,
        block_min=asked.block_min,
        wash_out_min=asked.wash_out_min,
        opening=Opening(asked.hours, asked.days, zone.key),
        since=since,
        until=until,
        now=at,
    )
    spread = None if asked.spread is None else Spread(asked.spread)
    return planned(engine, made, at, open_end=until is None, spread=spread)


def _last_moment(plan: ExperimentInfo) -> datetime:
    """Return a moment of the last day with blocks; one that ends at midnight is the day before."""
    slots = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.ends_at)
    return (slots[-1].ends_at if slots else plan.ends_at) - timedelta.resolution


def _kept_row(
    engine: Engine, plan: ExperimentInfo, at: datetime, imported_at: datetime | None
) -> dict[str, Any]:
    """Return an experiment for the list, as it was a minute ago, or an hour once it is settled.

    Working out a row takes long, and the same rows are looked at again and again.
    """
    rows = hub_services().kept.setdefault("experiments", LRU(max_size=500))
    state = state_of(plan, at)
    ended_at = min(plan.stopped_at or plan.ends_at, plan.ends_at)
    fresh_for = timedelta(hours=1) if ended_at < at - SETTLED else timedelta(minutes=1)
    key = plan.uid, state, imported_at
    kept: tuple[datetime, dict[str, Any]] | None = rows.get(key)
    if kept is None or at - kept[0] >= fresh_for:
        kept = rows[key] = at, _row(engine, plan, at)
    return kept[1]


def _row(engine: Engine, plan: ExperimentInfo, at: datetime) -> dict[str, Any]:
    result = result_document(engine, plan, at)
    status = status_document(engine, plan, at) if result["state"] == "running" else {}
    planned = over = result["blocks_planned"]
    if plan.stopped_at is not None:
        over = sum(block.ends_at <= plan.stopped_at for block in blocks_of(engine, plan.id))
    elif result["state"] != "over":
        over = status.get("blocks_over", 0)
    return {
        "plan": plan,
        "result": result,
        "over": over,
        "planned": planned,
        "missing": status.get("missing", []),
        "zone": opening_zone(plan.opening),
    }


def _plan_page(
    values: Mapping[str, Any],
    problems: Mapping[str, str] | None = None,
    *,
    document: dict[str, Any] | None = None,
    plan: ExperimentInfo | None = None,
) -> str:
    here = hub_services()
    with experiment_database() as engine:
        names, outcomes = ad_names(engine), outcome_names(engine)
    with snapshot(here.engine) as connection:
        library, _count = list_creatives(connection, EVERYTHING, Choice(sort="name"))
    names |= {one.ad_id: one.name for one in library if not one.archived_at}
    return render_template(
        "experiment_plan.html",
        values=values,
        problems=problems or {},
        typed=request.form,
        ads=sorted(names.items(), key=lambda one: one[1].casefold()),
        kiosk=own_site(),
        sites=list(sites_of_screens().items()),
        measures=[
            ("attention", lazy("Attention")),
            ("valence", lazy("Valence")),
            *((name, name) for name in outcomes),
        ],
        stopping=STOPPING,
        day_words=DAY_WORDS,
        document=document,
        relevant="" if plan is None else effect_text(plan, plan.relevant),
        detectable="" if plan is None else effect_text(plan, plan.power["detectable"]),
        last_moment=None if plan is None else _last_moment(plan),
        hidden=[] if document is None else hidden_fields(values),
        zone=None if plan is None else opening_zone(plan.opening),
        moment=moment_of,
    )


def _stop_page(name: str, problems: Mapping[str, str] | None = None) -> str:
    at = now()
    with experiment_database() as engine:
        plan = _found(engine, name)
        blocks = blocks_of(engine, plan.id)
    over = sum(block.ends_at <= at for block in blocks)
    return render_template(
        "experiment_stop.html",
        plan=plan,
        state=state_of(plan, at),
        sentence=stop_sentence(plan, over, len(blocks)),
        problems=problems or {},
        typed=request.form,
        **_shared(),
    )


def _shared() -> dict[str, Any]:
    return {
        "verdicts": VERDICTS,
        "states": STATES,
        "may_run": current_user().may(*RUNNING),
        "has_kiosk": hub_services().console is not None,
    }


def _found(engine: Engine, name: str) -> ExperimentInfo:
    known = experiments(engine, name)
    if not known:
        raise ProblemError(404, "not_found", lazy("There is no such experiment."))
    return known[0]

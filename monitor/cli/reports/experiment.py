"""Plan, start, watch and judge experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import (
    Moment,
    database_option,
    demos_option,
    moment,
    opened,
    output_options,
    place_options,
    say_left_out,
    scope_of,
    time_zone,
    together,
)
from monitor.cli.shared.output import print_json, print_result
from monitor.settings.options import NumberRange, WholeRange

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from db.read.experiments import BlockInfo, ExperimentInfo

MOMENT = Moment(
    ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
)


def share_of(text: str) -> float:
    """Return a number above 0, written 10% or 0.1."""
    from monitor.analytics.experiments import parse_share

    try:
        return parse_share(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def weekdays(text: str) -> tuple[str, ...]:
    """Return days of the week in their order; commas separate several, a dash makes a span."""
    from ads.playlists.playlist import DAYS

    found: set[str] = set()
    for part in text.lower().split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        if {first, last or first} - set(DAYS):
            raise click.BadParameter(
                f"expected some of {', '.join(DAYS)}, such as mon-sat, received {text!r}."
            )
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found.update(DAYS[day % 7] for day in range(begin, end + 1 + 7 * (end < begin)))
    return tuple(day for day in DAYS if day in found)


def opening_hours(text: str) -> str:
    """Return opening hours in their normal form."""
    from ads.playlists.playlist import parse_hours

    try:
        (span,) = parse_hours(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; received {text!r}.") from None
    return str(span)


plan_options = together(
    click.option(
        "--treatment",
        multiple=True,
        metavar="AD",
        help="Id of an ad on trial: only blocks of the treatment show it. May be repeated.",
    ),
    click.option(
        "--control",
        multiple=True,
        metavar="AD",
        help="Id of an ad that only blocks of the control show; none: the ads on trial are "
        "compared with not showing them. May be repeated.",
    ),
    click.option(
        "--site",
        "sites",
        multiple=True,
        help="Where it runs. May be repeated. [default: the only site there is]",
    ),
    click.option(
        "--measure",
        default="attention",
        metavar="NAME",
        help="What decides: attention, valence, or the name of an imported outcome.",
    ),
    click.option(
        "--effect",
        type=share_of,
        metavar="SIZE",
        help="Smallest effect that matters: a share of an outcome, a difference of attention or "
        "valence. [default: 10%, of attention and valence 0.05]",
    ),
    click.option(
        "--block",
        "block_min",
        type=NumberRange(0.05, 24 * 60),
        default=60,
        metavar="MINUTES",
        help="Length of a block.",
    ),
    click.option(
        "--wash-out",
        "wash_out_min",
        type=NumberRange(0),
        default=5,
        metavar="MINUTES",
        help="Start of each block that does not count.",
    ),
    click.option(
        "--hours",
        type=opening_hours,
        default="08:00-20:00",
        metavar="FROM-TO",
        help="Opening hours: blocks lie within.",
    ),
    click.option(
        "--days", type=weekdays, default="mon-sun", metavar="DAYS", help="Days with blocks."
    ),
    click.option(
        "--timezone",
        metavar="NAME",
        help="Time zone of hours, days and dates, such as Europe/Berlin. [default: the machine's]",
    ),
    click.option(
        "--from", "since", type=MOMENT, metavar="DATE", help="No block before. [default: now]"
    ),
    click.option(
        "--until",
        type=MOMENT,
        metavar="DATE",
        help="No block after. [default: as many weeks as the effect takes, at least two]",
    ),
    click.option(
        "--stopping",
        type=click.Choice(("always-valid", "fixed")),
        default="always-valid",
        help="Look as often as you like, or once at the end, which takes 6% fewer blocks.",
    ),
    click.option(
        "--spread",
        type=share_of,
        metavar="SIZE",
        help="Standard deviation of a block. [default: measured on the last eight weeks]",
    ),
    click.option(
        "--seed",
        type=WholeRange(0, 2**31 - 1),
        help="Seed of the draw of the blocks. [default: random, and stored]",
    ),
    demos_option,
)


@click.group(
    epilog="Example: ad-monitor experiment plan --treatment summer-01 --site 'Shop 12' "
    "--measure sales --effect 10%"
)
def experiment() -> None:
    """Find out whether an ad moves people, or sales, in a place.

    Blocks of time are drawn at random before they begin; in each, a kiosk shows only the ads of its
    arm, and one measure, chosen before, decides.
    """


@experiment.command(
    epilog="Example: ad-monitor experiment plan --treatment summer-01 --site 'Shop 12' "
    "--measure sales --effect 10%"
)
@plan_options
@database_option
@output_options
def plan(database: str | None, as_json: bool, **options: Any) -> None:
    """Say what an experiment would take; nothing is stored.

    How many blocks and days, and which effect they can find, by how much blocks of this site have
    differed so far.
    """
    from monitor.reports.experiment_plans import plan_document
    from monitor.reports.terminal import print_plan

    with opened(database) as engine:
        made = _planned(engine, options, name="", hypothesis="", uid="")
    document = plan_document(*made)
    print_result(as_json, document, print_plan)


@experiment.command(
    epilog="Example: ad-monitor experiment start summer-sells --hypothesis 'Summer sells lemonade' "
    "--treatment summer-01 --site 'Shop 12' --measure sales --effect 10% --until 2026-06-28"
)
@click.argument("name", metavar="NAME")
@click.option("--hypothesis", required=True, metavar="TEXT", help="What is to be shown.")
@plan_options
@database_option
@output_options
def start(name: str, hypothesis: str, database: str | None, as_json: bool, **options: Any) -> None:
    """Store a plan, draw its blocks, and begin.

    The plan cannot be changed afterwards. Running kiosks take part by themselves.
    """
    import uuid
    from datetime import UTC, datetime

    from db.engine import writing
    from db.hub.screens.registry import screens_at
    from db.hub.shows.desired import hold_plan
    from db.write.experiments import require_new
    from monitor.reports.experiment_plans import begin, plan_document, start_entry
    from monitor.reports.terminal import print_plan

    with opened(database, read_only=False, existing=True) as engine:
        with engine.connect() as connection:
            require_new(connection, name)
        words = {"name": name, "hypothesis": hypothesis, "uid": uuid.uuid4().hex}
        made, blocks, warnings = _planned(engine, options, **words)
        with writing(engine) as connection:
            # Two that start at once would not see each other on PostgreSQL.
            hold_plan(connection)
            now, screens = datetime.now(UTC), screens_at(connection, made.sites)
            made, blocks = begin(connection, made, blocks, now, by_hub=bool(screens))
            entry = start_entry(made, blocks)
            _tell_hub(connection, screens, now, "experiment.start", name, entry)
    document = plan_document(made, blocks, warnings)
    print_result(as_json, document, print_plan)
    if not as_json:
        click.echo(
            f"Stored, with {len(blocks)} blocks drawn. See it with `ad-monitor experiment status "
            f"{name}`.",
            err=True,
        )


@experiment.command(epilog="Example: ad-monitor experiment status summer-sells")
@click.argument("name", required=False, metavar="[NAME]")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="List every block, not only those around now; without NAME, of every experiment.",
)
@demos_option
@database_option
@output_options
def status(name: str | None, every: bool, demos: bool, database: str | None, as_json: bool) -> None:
    """Show which block runs, the plays in each, and what is missing.

    Without NAME and with several experiments: list them, with their state.
    """
    from datetime import UTC, datetime

    from db.read.experiments import experiments
    from monitor.reports.experiment_plans import experiment_document
    from monitor.reports.experiments import state_of, status_document
    from monitor.reports.terminal import print_experiments, print_status, progress_bar

    with opened(database) as engine:
        found = experiments(engine) if name is None else [_named(engine, name)]
        now = datetime.now(UTC)
        if len(found) > 1 and not (every or as_json):
            print_experiments([(experiment_document(each), state_of(each, now)) for each in found])
            return
        documents = []
        with progress_bar("Counting", "experiments") as update:
            for number, each in enumerate(found, start=1):
                documents.append(status_document(engine, each, now, demos=demos))
                update(number, len(found))
    for document in documents:
        say_left_out(document["left_out"], replays=False)
    if as_json:
        print_json({"experiments": documents})
    else:
        print_status(documents, every=every)


@experiment.command(epilog="Example: ad-monitor experiment result summer-sells")
@click.argument("name", metavar="NAME")
@place_options
@demos_option
@database_option
@output_options
def result(name: str, database: str | None, as_json: bool, **options: Any) -> None:
    """Say whether it works, or how much is still needed.

    Gives the effect with its interval, by site as well, from the days that are over. With
    always-valid stopping the answer holds however often you ask; with fixed stopping it comes at
    the planned end only. With --site, --group or --tag it is the effect at a part of the screens;
    imported outcomes belong to whole sites.
    """
    from datetime import UTC, datetime

    from db.read.scope import Scope
    from monitor.reports.experiments import result_document
    from monitor.reports.terminal import print_result as print_verdict

    demos = options.pop("demos")
    where = scope_of(options)
    with opened(database) as engine:
        document = result_document(
            engine,
            _named(engine, name),
            datetime.now(UTC),
            where=None if where == Scope() else where,
            demos=demos,
        )
    say_left_out(document["left_out"], replays=False)
    print_result(as_json, document, print_verdict)


@experiment.command(epilog="Example: ad-monitor experiment stop summer-sells --reason 'sold out'")
@click.argument("name", metavar="NAME")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is logged.")
@database_option
@output_options
def stop(name: str, reason: str, database: str | None, as_json: bool) -> None:
    """Stop an experiment early; the reason is logged.

    Blocks to come are dropped. With always-valid stopping, what was found so far holds.
    """
    from datetime import UTC, datetime

    from db.engine import writing
    from db.hub.screens.registry import screens_at
    from monitor.reports.experiment_plans import stop_early, stop_entry

    if not reason.strip():
        raise click.BadParameter(
            "expected a reason, received an empty text.", param_hint="--reason"
        )
    with opened(database, read_only=False, existing=True) as engine:
        found, now = _named(engine, name), datetime.now(UTC)
        with writing(engine) as connection:
            stop_early(connection, found, now, reason)
            screens, entry = screens_at(connection, found.sites), stop_entry(now, reason)
            _tell_hub(connection, screens, now, "experiment.stop", name, entry)
    if as_json:
        print_json({"name": name, "stopped_at": now.isoformat(), "stop_reason": reason})
    else:
        soon = "a minute" if screens else "seconds"
        click.echo(f"Stopped: {name}. Running kiosks show all ads again within {soon}.")


def _tell_hub(
    connection: Connection,
    screens: list[int],
    now: datetime,
    action: str,
    name: str,
    entry: dict[str, Any],
) -> None:
    """In the database of a hub: let the kiosks get it at once, and write it to the audit log."""
    from db.hub.audit import COMMAND_LINE, note
    from monitor.hub.shows.publishing import refresh

    if screens:
        refresh(connection, COMMAND_LINE, now, screens, keep_empty=True)
        note(connection, COMMAND_LINE, action, f"experiment {name}", now, after=entry)


def _named(engine: Engine, name: str) -> ExperimentInfo:
    from db.read.experiments import experiments
    from monitor.analytics.errors import ExperimentError

    found = experiments(engine, name)
    if not found:
        listed = ", ".join(each.name for each in experiments(engine)) or "none"
        raise ExperimentError(
            f"There is no experiment {name!r}; expected one of those started: {listed}."
        )
    return found[0]


def _planned(
    engine: Engine, options: dict[str, Any], *, name: str, hypothesis: str, uid: str
) -> tuple[ExperimentInfo, list[BlockInfo], list[str]]:
    from datetime import UTC, datetime

    from db.read.experiments import Opening
    from monitor.analytics.experiments import Spread
    from monitor.reports.experiment_plans import new_plan, planned
    from monitor.settings.time_zone import local_zone

    zone = time_zone(options["timezone"])
    now = datetime.now(UTC)
    since, until = (_utc(options[key], zone) for key in ("since", "until"))
    if since is not None and since < now:
        since = None if since.astimezone(zone).date() == now.astimezone(zone).date() else since
    if since is not None and since < now:
        raise click.BadParameter(
            f"expected a time to come, received {options['since']:%Y-%m-%d %H:%M}: blocks are "
            "drawn before they begin.",
            param_hint="--from",
        )
    made = new_plan(
        treatment=options["treatment"],
        control=options["control"],
        sites=options["sites"] or _only_site(engine),
        measure=options["measure"],
        relevant=options["effect"],
        stopping=options["stopping"].replace("-", "_"),
        block_min=options["block_min"],
        wash_out_min=options["wash_out_min"],
        # By its name: the days are the same wherever, and in whatever zone, it is read later.
        opening=Opening(options["hours"], options["days"], options["timezone"] or local_zone().key),
        since=since,
        until=until,
        now=now,
        seed=options["seed"],
        name=name,
        hypothesis=hypothesis,
        uid=uid,
    )
    spread = None if options["spread"] is None else Spread(options["spread"])
    return planned(engine, made, now, open_end=until is None, spread=spread, demos=options["demos"])


def _utc(typed: datetime | None, zone: Any) -> datetime | None:
    from datetime import UTC

    found = moment(typed, zone)
    return None if found is None else found.astimezone(UTC)


def _only_site(engine: Engine) -> tuple[str, ...]:
    from db.read.experiments import known_ads_and_sites

    _, sites = known_ads_and_sites(engine)
    if len(sites) != 1:
        listed = ", ".join(sorted(sites)) or "none yet"
        raise click.UsageError(f"Say where it runs with --site; sites so far: {listed}.")
    return tuple(sites)

"""Experiments, their blocks, and imported outcomes, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.engine import asking
from db.read.scope import Scope, at_places, places
from db.schema import Ad, Experiment, ExperimentBlock, Outcome, Play, Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine

ARMS = ("treatment", "control")
MAX_COMING = 1000


@dataclass(frozen=True, slots=True)
class Opening:
    """When blocks may lie: hours as `HH:MM-HH:MM`, days such as `mon`, and their time zone.

    An end before its start lies on the next day. `timezone` is an IANA name; `None` is the
    machine's zone.
    """

    hours: str
    days: tuple[str, ...]
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class ExperimentInfo:
    """The plan of an experiment, and its end if it was stopped early.

    Attributes:
        treatment, control: Ad ids that only the blocks of this arm show; one may be empty.
        measure: "attention", "valence" or "outcome"; then `outcome` is its name.
        relevant: The smallest effect that matters, above 0: a share of an outcome (0.1 is 10%),
            or a difference of attention or valence.
        stopping: "always_valid" or "fixed".
        starts_at, ends_at: No block begins before or ends after; aware, UTC.
        power: What the plan said that it would take, for JSON.
        uid: 32 hexadecimal digits, unique in the world.
        id: Row id; 0 before it is stored.
    """

    name: str
    hypothesis: str
    treatment: tuple[str, ...]
    control: tuple[str, ...]
    sites: tuple[str, ...]
    measure: str
    outcome: str | None
    relevant: float
    stopping: str
    block_s: int
    wash_out_s: int
    opening: Opening
    starts_at: datetime
    ends_at: datetime
    power: dict[str, Any]
    seed: int
    registered_at: datetime
    program_version: str
    uid: str
    stopped_at: datetime | None = None
    stop_reason: str | None = None
    id: int = 0

    def arm_of(self, ad_id: str) -> str | None:
        """Return the arm that shows an ad; `None` for ads outside the experiment."""
        if ad_id in self.treatment:
            return "treatment"
        return "control" if ad_id in self.control else None


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """One stretch at one site for one arm; numbers count from 1 within a site."""

    site: str
    number: int
    pair: int
    arm: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class RunningBlock:
    """A block for the kiosk: which ads it withholds."""

    experiment: str
    number: int
    arm: str
    starts_at: datetime
    ends_at: datetime
    withheld: frozenset[str]


@dataclass(frozen=True, slots=True)
class SiteBlocks:
    """All blocks of an experiment at one site, as a hub sends them to its kiosks.

    Attributes:
        name: Of the experiment.
        treatment, control: Ad ids.
        block_s: Length of each block.
        starts: When each begins, seconds since 1970 UTC, in order of their numbers from 1 on.
        arms: A letter for each, `t` or `c`.
    """

    name: str
    treatment: tuple[str, ...]
    control: tuple[str, ...]
    block_s: int
    starts: tuple[int, ...]
    arms: str


@dataclass(frozen=True, slots=True)
class OutcomeInfo:
    """One imported figure; it covers `[at, at + lasts_s)`, or the moment `at` if that is 0."""

    name: str
    site: str
    at: datetime
    lasts_s: float
    value: float


@dataclass(frozen=True, slots=True)
class OutcomeSpan:
    """What was imported of an outcome at a site: how many figures, from when to when."""

    name: str
    site: str
    figures: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class BlockPlay:
    """A play at one of an experiment's sites."""

    id: int
    site: str
    ad_id: str
    started_at: datetime


def experiments(engine: Engine, name: str | None = None) -> list[ExperimentInfo]:
    """Return all experiments, or the one of this name, latest first."""
    query = select(*Experiment.__table__.columns).order_by(Experiment.id.desc())
    if name is not None:
        query = query.where(Experiment.name == name)
    with engine.connect() as connection:
        return [_info(row) for row in connection.execute(query)]


def blocks_of(engine: Engine, experiment_id: int) -> list[BlockInfo]:
    """Return the blocks of an experiment by site and number."""
    columns = [getattr(ExperimentBlock, each.name) for each in fields(BlockInfo)]
    query = (
        select(*columns)
        .where(ExperimentBlock.experiment_id == experiment_id)
        .order_by(ExperimentBlock.site, ExperimentBlock.number)
    )
    with engine.connect() as connection:
        return [BlockInfo(*row) for row in connection.execute(query)]


def coming_blocks(engine: Engine, site: str, now: datetime) -> list[RunningBlock]:
    """Return a site's next blocks, the present one first, of experiments not stopped.

    Those of a week, at most `MAX_COMING`: enough to outlast a database that is away for days, and
    few enough to be read every few seconds.

    Raises:
        DatabaseUnavailableError: The database cannot be read now.
    """
    query = (
        select(
            Experiment.name,
            Experiment.arms,
            ExperimentBlock.number,
            ExperimentBlock.arm,
            ExperimentBlock.starts_at,
            ExperimentBlock.ends_at,
        )
        .join(Experiment, Experiment.id == ExperimentBlock.experiment_id)
        .where(
            ExperimentBlock.site == site,
            ExperimentBlock.ends_at > now,
            ExperimentBlock.starts_at < now + timedelta(weeks=1),
            Experiment.stopped_at.is_(None),
        )
        .order_by(ExperimentBlock.starts_at)
        .limit(MAX_COMING)
    )
    with asking(engine) as connection:
        return [
            RunningBlock(
                row.name,
                row.number,
                row.arm,
                row.starts_at,
                row.ends_at,
                frozenset(row.arms[_other(row.arm)]) - frozenset(row.arms[row.arm]),
            )
            for row in connection.execute(query)
        ]


def running_by_site(connection: Connection, at: datetime) -> dict[str, tuple[str, ...]]:
    """Return for each site the uids of its experiments that are neither over nor stopped."""
    query = (
        select(Experiment.uid, Experiment.sites)
        .where(Experiment.stopped_at.is_(None), Experiment.ends_at > at)
        .order_by(Experiment.id)
    )
    found: dict[str, tuple[str, ...]] = {}
    for uid, sites in connection.execute(query):
        for site in sites:
            found[site] = (*found.get(site, ()), uid)
    return found


def blocks_at_site(connection: Connection, uids: Sequence[str], site: str) -> list[SiteBlocks]:
    """Return the blocks that experiments have at a site."""
    if not uids:
        return []
    columns = (Experiment.id, Experiment.name, Experiment.arms, Experiment.block_s)
    query = select(*columns).where(Experiment.uid.in_(uids)).order_by(Experiment.id)
    found = []
    for row in connection.execute(query).all():
        of_site = (
            select(ExperimentBlock.starts_at, ExperimentBlock.arm)
            .where(ExperimentBlock.experiment_id == row.id, ExperimentBlock.site == site)
            .order_by(ExperimentBlock.number)
        )
        blocks = connection.execute(of_site).tuples().all()
        found.append(
            SiteBlocks(
                row.name,
                tuple(row.arms["treatment"]),
                tuple(row.arms["control"]),
                row.block_s,
                tuple(round(starts_at.timestamp()) for starts_at, _ in blocks),
                "".join(arm[0] for _, arm in blocks),
            )
        )
    return found


def overlapping(
    connection: Connection, sites: Sequence[str], starts_at: datetime, ends_at: datetime
) -> list[str]:
    """Return the names of experiments that have blocks within a time at some of these sites."""
    query = (
        select(Experiment.name)
        .join(ExperimentBlock, ExperimentBlock.experiment_id == Experiment.id)
        .where(
            ExperimentBlock.site.in_(sites),
            ExperimentBlock.starts_at < ends_at,
            ExperimentBlock.ends_at > starts_at,
            Experiment.stopped_at.is_(None),
        )
        .distinct()
        .order_by(Experiment.name)
    )
    return list(connection.scalars(query))


def outcomes(
    engine: Engine, name: str, sites: Sequence[str], since: datetime, until: datetime
) -> list[OutcomeInfo]:
    """Return the imported figures of a name that begin in `[since, until)`, by site and time."""
    columns = [getattr(Outcome, each.name) for each in fields(OutcomeInfo)]
    query = (
        select(*columns)
        .where(
            Outcome.name == name,
            Outcome.site.in_(sites),
            Outcome.at >= since,
            Outcome.at < until,
        )
        .order_by(Outcome.site, Outcome.at)
    )
    with engine.connect() as connection:
        return [OutcomeInfo(*row) for row in connection.execute(query)]


def outcome_names(engine: Engine) -> dict[str, tuple[str, ...]]:
    """Return the names of the imported outcomes, with their sites."""
    query = select(Outcome.name, Outcome.site).distinct().order_by(Outcome.name, Outcome.site)
    found: dict[str, tuple[str, ...]] = {}
    with engine.connect() as connection:
        for name, site in connection.execute(query):
            found[name] = (*found.get(name, ()), site)
    return found


def outcome_spans(engine: Engine) -> list[OutcomeSpan]:
    """Return what was imported, by name and site."""
    of_group = (Outcome.name, Outcome.site)
    query = (
        select(*of_group, func.count(), func.min(Outcome.at), func.max(Outcome.at))
        .group_by(*of_group)
        .order_by(*of_group)
    )
    with engine.connect() as connection:
        return [OutcomeSpan(*row) for row in connection.execute(query).tuples()]


def last_import(engine: Engine) -> datetime | None:
    """Return when outcomes were imported last."""
    query = select(Outcome.imported_at).order_by(Outcome.id.desc()).limit(1)
    with engine.connect() as connection:
        return connection.scalar(query)


def plays_at(engine: Engine, scope: Scope) -> list[BlockPlay]:
    """Return the plays in a scope, by start."""
    where = places()
    query = (
        select(Play.id, where.c.site, Ad.ad_id, Play.started_at)
        .join(Session, Session.id == Play.session_id)
        .join(where, where.c.id == Session.id)
        .join(Ad, Ad.id == Play.ad_version_id)
        .where(*scope.plays())
        .order_by(Play.started_at, Play.id)
    )
    with engine.connect() as connection:
        return [BlockPlay(*row) for row in connection.execute(query)]


def known_ads_and_sites(engine: Engine, scope: Scope | None = None) -> tuple[set[str], set[str]]:
    """Return the ids of all ads that were ever shown, and the names of all sites.

    With a scope, only the sites of its places; its times and kinds do not count.
    """
    where = places()
    wanted = [] if scope is None else at_places(scope.sites, scope.groups, scope.tags)
    query = select(where.c.site).distinct().join(Session, Session.id == where.c.id).where(*wanted)
    with engine.connect() as connection:
        ads = set(connection.scalars(select(func.distinct(Ad.ad_id))))
        return ads, set(connection.scalars(query))


def ad_names(engine: Engine) -> dict[str, str]:
    """Return the ads that were ever shown: their latest names by their ids, in order of the ids."""
    query = select(Ad.ad_id, Ad.name).order_by(Ad.ad_id, Ad.id)
    with engine.connect() as connection:
        return dict(connection.execute(query).tuples().all())


def _other(arm: str) -> str:
    return ARMS[1 - ARMS.index(arm)]


def _info(row: Any) -> ExperimentInfo:
    opening = row.opening
    special: dict[str, Any] = {
        "treatment": tuple(row.arms["treatment"]),
        "control": tuple(row.arms["control"]),
        "sites": tuple(row.sites),
        "opening": Opening(opening["hours"], tuple(opening["days"]), opening["timezone"]),
    }
    names = [each.name for each in fields(ExperimentInfo)]
    return ExperimentInfo(
        **{name: special[name] if name in special else getattr(row, name) for name in names}
    )

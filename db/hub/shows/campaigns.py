"""Campaigns: ads with a common goal between two days, and how far they have come."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from db.errors import DatabaseError
from db.hub.console_tables import Campaign, Creative
from db.hub.tables import Cell
from db.read.scope import of_kinds
from db.schema import Ad, Exposure, Play, Session, Viewer
from detector.texts import lazy

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy.engine import Connection, Row


class NoSuchCampaignError(DatabaseError):
    """The hub has no such campaign."""


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A campaign as planned.

    Attributes:
        name: What people call it.
        creatives: Uids of its ads.
        first_day, last_day: Both included.
        goal_kind, goal: How many plays, or attentive seconds, it should reach.
    """

    name: str
    creatives: tuple[str, ...]
    first_day: date
    last_day: date
    goal_kind: str
    goal: float


@dataclass(frozen=True, slots=True)
class CampaignInfo:
    """A campaign; its `uid` names it outside of the database."""

    id: int
    uid: str
    plan: CampaignPlan
    created_at: datetime
    created_by: str
    archived_at: datetime | None


def add_campaign(connection: Connection, plan: CampaignPlan, by: str, now: datetime) -> str:
    """Store a campaign, and return its uid."""
    uid = uuid.uuid4().hex
    values = {"uid": uid, "created_at": now, "created_by": by, **_columns(plan)}
    connection.execute(insert(Campaign).values(**values))
    return uid


def change_campaign(connection: Connection, uid: str, plan: CampaignPlan) -> CampaignInfo:
    """Store another plan for a campaign; return it as it was before.

    Raises:
        NoSuchCampaignError: There is none of this uid.
    """
    before = find_campaign(connection, uid)
    which = Campaign.id == before.id
    connection.execute(update(Campaign).where(which).values(**_columns(plan)))
    return before


def archive_campaign(connection: Connection, uid: str, at: datetime | None) -> CampaignInfo:
    """Put a campaign away, or with `None` bring it back; return it as it was before.

    Raises:
        NoSuchCampaignError: There is none of this uid.
    """
    before = find_campaign(connection, uid)
    which = Campaign.id == before.id
    connection.execute(update(Campaign).where(which).values(archived_at=at))
    return before


def find_campaign(connection: Connection, uid: str) -> CampaignInfo:
    """Return a campaign, also an archived one.

    Raises:
        NoSuchCampaignError: There is none of this uid.
    """
    query = select(Campaign.__table__).where(Campaign.uid == uid)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NoSuchCampaignError(lazy("There is no such campaign."))
    return _info(row)


def list_campaigns(connection: Connection, *, archived: bool = False) -> list[CampaignInfo]:
    """Return the campaigns in use, or the archived ones, by their first day."""
    is_archived = Campaign.archived_at.is_not(None) if archived else Campaign.archived_at.is_(None)
    query = select(Campaign.__table__).where(is_archived)
    rows = connection.execute(query.order_by(Campaign.first_day, Campaign.name, Campaign.id))
    return [_info(row) for row in rows]


def reached(
    connection: Connection,
    plan: CampaignPlan,
    since: datetime,
    until: datetime,
    *,
    min_viewers: int,
) -> float:
    """Return the plays or attentive seconds of a campaign's ads between two moments.

    Only live sessions count; of kiosks that send hourly sums, hours that begin in this time.

    Args:
        connection: To the hub's database.
        plan: Of the campaign.
        since: Aware.
        until: Not included.
        min_viewers: Seconds of fewer viewers are withheld, as 0.
    """
    ad_ids = select(Creative.ad_id).where(Creative.uid.in_(plan.creatives))
    versions = select(Ad.id).where(Ad.ad_id.in_(ad_ids))
    plays = (
        Play.ad_version_id.in_(versions),
        Play.started_at >= since,
        Play.started_at < until,
        *of_kinds(),
    )
    if plan.goal_kind == "plays":
        query = select(func.count()).select_from(Play)
        query = query.join(Session, Session.id == Play.session_id)
        return float(connection.scalar(query.where(*plays)) or 0)
    seconds = (
        select(func.sum(Exposure.attention_s), func.count(Viewer.id.distinct()))
        .join(Play, Play.id == Exposure.play_id)
        .join(Session, Session.id == Play.session_id)
        .join(Viewer, Viewer.id == Exposure.viewer_id)
        .where(*plays, Viewer.static.is_(False))
    )
    hours = select(func.sum(Cell.attention_s), func.sum(Cell.viewers)).where(
        Cell.ad_version_id.in_(versions), Cell.hour >= since, Cell.hour < until, Cell.second == -1
    )
    found = [connection.execute(query).one() for query in (seconds, hours)]
    if sum(viewers or 0 for _, viewers in found) < min_viewers:
        return 0.0
    return sum(float(attention_s or 0) for attention_s, _ in found)


def _columns(plan: CampaignPlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "creatives": list(plan.creatives),
        "first_day": plan.first_day,
        "last_day": plan.last_day,
        "goal_kind": plan.goal_kind,
        "goal": plan.goal,
    }


def _info(row: Row[Any]) -> CampaignInfo:
    plan = CampaignPlan(
        row.name, tuple(row.creatives), row.first_day, row.last_day, row.goal_kind, row.goal
    )
    return CampaignInfo(row.id, row.uid, plan, row.created_at, row.created_by, row.archived_at)

"""Campaigns: ads with a common goal between two days, and how far they have come."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, literal, select, update

from db.errors import DatabaseError
from db.hub.library.shown import attention_of, plays_of
from db.hub.tables.library import Creative
from db.hub.tables.shows import Campaign
from db.schema import Ad
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
        min_viewers: Seconds of fewer viewers are withheld, as 0; see `attention_of`.
    """
    creatives = select(Creative.ad_id).where(Creative.uid.in_(plan.creatives))
    query = select(literal(plan.name).label("key"), Ad.id.label("ad"))
    ads = query.where(Ad.ad_id.in_(creatives)).subquery()
    if plan.goal_kind == "plays":
        return float(plays_of(connection, ads, since, until).get(plan.name, 0))
    return attention_of(connection, ads, since, until, min_viewers).get(plan.name) or 0.0


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

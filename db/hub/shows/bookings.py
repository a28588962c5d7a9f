"""The calendar of a hub: which playlist runs on which screens, from when to when."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from db.errors import DatabaseError
from db.hub.tables.screens import Screen
from db.hub.tables.shows import TARGETS, Booking, Campaign, PlaylistPlan
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from sqlalchemy.engine import Connection, Row

    from db.hub.screens.registry import Place


class BookingError(DatabaseError):
    """A booking names what there is not, or there is no such booking."""


@dataclass(frozen=True, slots=True)
class BookingPlan:
    """A booking as planned.

    Attributes:
        playlist: Uid of the playlist.
        target_kind: One of `TARGETS`.
        target: Name of the site, group or tag, or uid of the screen; empty for all.
        first_day, last_day: By the calendar of the screen; `None` for no bound.
        days: Such as `mon`; none for all.
        hours: Such as `22:00-02:00`, which belongs to the day it begins on; none for all.
        priority: 0 to 9. Ads of a higher one play alone; with 0 each ad keeps its own.
        takeover: Whether its ads cut off what plays.
        campaign: Uid of the campaign that it serves.
    """

    playlist: str
    target_kind: str = "all"
    target: str = ""
    first_day: date | None = None
    last_day: date | None = None
    days: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()
    priority: int = 0
    takeover: bool = False
    campaign: str | None = None

    def targets(self, uid: str, place: Place) -> bool:
        """Return whether it is for a screen."""
        match self.target_kind:
            case "site":
                return place.site == self.target
            case "group":
                return place.group == self.target
            case "tag":
                return self.target in place.tags
            case "screen":
                return uid == self.target
            case _:
                return True


@dataclass(frozen=True, slots=True)
class BookingInfo:
    """A booking; its `uid` names it outside of the database. Times are aware."""

    id: int
    uid: str
    plan: BookingPlan
    playlist_name: str
    campaign_name: str
    created_at: datetime
    created_by: str


def add_booking(connection: Connection, plan: BookingPlan, by: str, now: datetime) -> BookingInfo:
    """Store a booking; then call `monitor.hub.shows.publishing.refresh`.

    Raises:
        BookingError: There is no such playlist, screen or campaign.
    """
    uid = uuid.uuid4().hex
    values = {"uid": uid, "created_at": now, "created_by": by, **_columns(connection, plan)}
    connection.execute(insert(Booking).values(**values))
    return find_booking(connection, uid)


def change_booking(connection: Connection, uid: str, plan: BookingPlan) -> BookingInfo:
    """Store another plan for a booking; return it as it was before.

    Raises:
        BookingError: As `add_booking`, or there is no such booking.
    """
    before = find_booking(connection, uid)
    values = _columns(connection, plan)
    connection.execute(update(Booking).where(Booking.id == before.id).values(**values))
    return before


def remove_booking(connection: Connection, uid: str) -> BookingInfo:
    """Delete a booking; return what it was.

    Raises:
        BookingError: There is none of this uid.
    """
    before = find_booking(connection, uid)
    connection.execute(delete(Booking).where(Booking.id == before.id))
    return before


def find_booking(connection: Connection, uid: str) -> BookingInfo:
    """Return a booking.

    Raises:
        BookingError: There is none of this uid.
    """
    row = connection.execute(_query().where(Booking.uid == uid)).one_or_none()
    if row is None:
        raise BookingError(
            lazy("There is no booking %(uid)s; somebody may have removed it.", uid=repr(uid))
        )
    return _info(row)


def list_bookings(
    connection: Connection,
    *,
    playlist: str = "",
    first: date | None = None,
    last: date | None = None,
) -> list[BookingInfo]:
    """Return bookings, the first made first.

    Args:
        connection: To the hub's database.
        playlist: Only those of a playlist, by its uid.
        first: Only those that do not end before this day.
        last: Only those that do not begin after this day.
    """
    query = _query()
    if playlist:
        query = query.where(PlaylistPlan.uid == playlist)
    if first is not None:
        query = query.where(Booking.last_day.is_(None) | (Booking.last_day >= first))
    if last is not None:
        query = query.where(Booking.first_day.is_(None) | (Booking.first_day <= last))
    return [_info(row) for row in connection.execute(query)]


def bookings_of(bookings: Sequence[BookingInfo], uid: str, place: Place) -> list[BookingInfo]:
    """Return those bookings that are for a screen."""
    return [booking for booking in bookings if booking.plan.targets(uid, place)]


def _query() -> Any:
    return (
        select(
            Booking.__table__,
            PlaylistPlan.uid.label("playlist_uid"),
            PlaylistPlan.name.label("playlist_name"),
            Campaign.uid.label("campaign_uid"),
            Campaign.name.label("campaign_name"),
        )
        .join(PlaylistPlan, PlaylistPlan.id == Booking.playlist_id)
        .outerjoin(Campaign, Campaign.id == Booking.campaign_id)
        .order_by(Booking.created_at, Booking.id)
    )


def _info(row: Row[Any]) -> BookingInfo:
    plan = BookingPlan(
        row.playlist_uid,
        row.target_kind,
        row.target,
        row.first_day,
        row.last_day,
        tuple(row.days),
        tuple(row.hours),
        row.priority,
        row.takeover,
        row.campaign_uid,
    )
    return BookingInfo(
        row.id,
        row.uid,
        plan,
        row.playlist_name,
        row.campaign_name or "",
        row.created_at,
        row.created_by,
    )


def _columns(connection: Connection, plan: BookingPlan) -> dict[str, Any]:
    if plan.target_kind not in TARGETS:
        raise BookingError(
            lazy(
                "Invalid target %(target)s: expected one of %(names)s.",
                target=repr(plan.target_kind),
                names=", ".join(TARGETS),
            )
        )
    if plan.target_kind != "all" and not plan.target:
        raise BookingError(lazy("Choose the screens for the booking."))
    in_use = (PlaylistPlan.uid == plan.playlist, PlaylistPlan.archived_at.is_(None))
    playlist_id = connection.scalar(select(PlaylistPlan.id).where(*in_use))
    if playlist_id is None:
        raise BookingError(
            lazy("There is no such playlist, or it is archived. Choose another one.")
        )
    if plan.target_kind == "screen":
        there = (Screen.uid == plan.target, Screen.retired_at.is_(None))
        if connection.scalar(select(Screen.id).where(*there)) is None:
            raise BookingError(
                lazy("There is no such screen, or it is retired. Choose another one.")
            )
    campaign_id = None
    if plan.campaign is not None:
        campaign_id = connection.scalar(select(Campaign.id).where(Campaign.uid == plan.campaign))
        if campaign_id is None:
            raise BookingError(lazy("There is no such campaign. Choose another one."))
    return {
        "playlist_id": playlist_id,
        "campaign_id": campaign_id,
        "target_kind": plan.target_kind,
        "target": "" if plan.target_kind == "all" else plan.target,
        "first_day": plan.first_day,
        "last_day": plan.last_day,
        "days": list(plan.days),
        "hours": list(plan.hours),
        "priority": plan.priority,
        "takeover": plan.takeover,
    }

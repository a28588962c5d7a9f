"""Counts for the hub's home page: what ran, and what waits for action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from db.hub.tables.library import Creative, CreativeVersion
from db.hub.tables.screens import Screen
from db.hub.tables.shows import Booking, PlaylistRevision
from db.read.scope import of_kinds
from db.schema import Ad, Play, Session

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

MAX_ADS = 5


@dataclass(frozen=True, slots=True)
class Ran:
    """What was shown in a time.

    Attributes:
        plays: Of live sessions.
        sessions: With plays.
        ads: The ads shown most: name and plays.
    """

    plays: int
    sessions: int
    ads: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Stock:
    """How far a hub is set up: how many there are of each."""

    screens: int
    ads: int
    approved: int
    published: int
    bookings: int

    @property
    def is_complete(self) -> bool:
        """Whether a screen, an approved ad, a published playlist and a booking are there."""
        return min(self.screens, self.approved, self.published, self.bookings) > 0


def ran_between(connection: Connection, since: datetime, until: datetime) -> Ran:
    """Return what live sessions showed between two moments."""
    which = (Play.started_at >= since, Play.started_at < until, *of_kinds())
    joined = select(func.count(), func.count(Play.session_id.distinct())).select_from(Play)
    plays, sessions = connection.execute(
        joined.join(Session, Session.id == Play.session_id).where(*which)
    ).one()
    by_ad = (
        select(func.max(Ad.name), func.count())
        .select_from(Play)
        .join(Ad, Ad.id == Play.ad_version_id)
        .join(Session, Session.id == Play.session_id)
        .where(*which)
        .group_by(Ad.ad_id)
        .order_by(func.count().desc(), Ad.ad_id)
        .limit(MAX_ADS)
    )
    return Ran(plays, sessions, tuple(connection.execute(by_ad).tuples()))


def stock(connection: Connection) -> Stock:
    """Return how far the hub is set up."""
    in_use = Creative.archived_at.is_(None)
    queries = (
        select(func.count()).select_from(Screen).where(Screen.retired_at.is_(None)),
        select(func.count()).select_from(Creative).where(in_use),
        select(func.count(CreativeVersion.creative_id.distinct()))
        .join(Creative, Creative.id == CreativeVersion.creative_id)
        .where(in_use, CreativeVersion.approval == "approved"),
        select(func.count(PlaylistRevision.playlist_id.distinct())).where(
            PlaylistRevision.published_at.is_not(None)
        ),
        select(func.count()).select_from(Booking),
    )
    return Stock(*(connection.scalar(query) or 0 for query in queries))

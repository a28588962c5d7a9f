"""What a database holds, for pages that list it: sessions a page at a time, and the ads there are to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from db.read.sessions import SessionInfo, session_infos
from db.schema import Ad, Play, Session

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.engine import Engine


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some of the sessions that were looked for.

    Attributes:
        sessions: The latest recorded one first.
        total: How many there are on all pages.
    """

    sessions: tuple[SessionInfo, ...]
    total: int


@dataclass(frozen=True, slots=True)
class KnownAd:
    """An ad with at least one play, all its versions together.

    Attributes:
        ad_id: Its stable id.
        name: What people call it; of several names the last in the alphabet.
        plays: In how many plays it was shown.
        sessions: In how many sessions.
        last_shown_at: Start of its last play; UTC, aware.
    """

    ad_id: str
    name: str
    plays: int
    sessions: int
    last_shown_at: datetime


def find_sessions(
    engine: Engine, site: str = "", *, limit: int = 25, offset: int = 0
) -> SessionPage:
    """List one page of sessions; only those on it are counted through.

    Args:
        engine: From `open_database`.
        site: Part of the site's name, in any case; empty for all.
        limit: Sessions on a page, at least 1.
        offset: How many to leave out before it, at least 0.
    """
    wanted = [Session.site.icontains(site, autoescape=True)] if site else []
    page = select(Session.id).where(*wanted).order_by(Session.id.desc()).limit(limit).offset(offset)
    with engine.connect() as connection:
        total = connection.scalar(select(func.count()).select_from(Session).where(*wanted)) or 0
        found = session_infos(connection, Session.id.in_(list(connection.scalars(page))))
        return SessionPage(tuple(reversed(found)), total)


def known_ads(engine: Engine) -> list[KnownAd]:
    """All ads that were ever shown, the one shown last first."""
    query = (
        select(
            Ad.ad_id,
            func.max(Ad.name),
            func.count(Play.id),
            func.count(Play.session_id.distinct()),
            func.max(Play.started_at).label("last"),
        )
        .join(Play, Play.ad_version_id == Ad.id)
        .group_by(Ad.ad_id)
        .order_by(func.max(Play.started_at).desc(), Ad.ad_id)
    )
    with engine.connect() as connection:
        return [KnownAd(*row) for row in connection.execute(query)]


def session_ids_with(engine: Engine, ad_ids: Collection[str]) -> list[int]:
    """Ids of the sessions that showed at least one of these ads, in rising order."""
    query = (
        select(Play.session_id)
        .join(Ad, Ad.id == Play.ad_version_id)
        .where(Ad.ad_id.in_(list(ad_ids)))
        .distinct()
        .order_by(Play.session_id)
    )
    with engine.connect() as connection:
        return list(connection.scalars(query))

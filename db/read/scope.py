"""Which sessions and plays a report is about.

On a hub a session belongs to the screen of its origin, which has a site, a group and tags. The site
that a session was recorded at counts where no screen is known, or where it has no site; such a
session has no group and no tags.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import func, or_, select
from sqlalchemy.ext.compiler import compiles

from db.hub.screens.registry import list_screens, screen_info
from db.hub.tables.screens import Screen
from db.schema import Ad, Origin, Play, Session

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement, Subquery
    from sqlalchemy.engine import Connection, Engine

    from db.hub.screens.registry import ScreenInfo


@dataclass(frozen=True, slots=True)
class Scope:
    """The sessions and plays of a report; `None` and empty are no condition.

    Without `session_ids` only live sessions count, unless `replays` and `demos` ask for more;
    naming a session is asking for it.

    Attributes:
        sites, groups, tags: Only sessions at one of these sites, at a screen of one of these
            groups, and at a screen with one of these tags.
        since, until: Only plays that began then or later, and before; aware.
        ads: Only plays of these ads, by `ad_id`.
        replays, demos: Whether replays, and sessions of the demo viewer, count as well.
    """

    session_ids: tuple[int, ...] | None = None
    sites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    replays: bool = False
    demos: bool = False
    ads: tuple[str, ...] = ()

    def sessions(self) -> list[ColumnElement[bool]]:
        """Return conditions on sessions, those without a play in scope left out."""
        if self.since is None and self.until is None and not self.ads:
            return self._sessions()
        with_plays = select(Play.session_id).where(*self._times(), *self._ads())
        return [*self._sessions(), Session.id.in_(with_plays)]

    def plays(self) -> list[ColumnElement[bool]]:
        """Return conditions on plays joined with their sessions."""
        return [*self._sessions(), *self._times(), *self._ads()]

    def document(self) -> dict[str, Any]:
        """Return where, for JSON: the `site` if it is one, and all else only where it is asked."""
        site = self.sites[0] if len(self.sites) == 1 else None
        more = {"sites": self.sites, "groups": self.groups, "tags": self.tags, "ads": self.ads}
        if len(self.sites) < 2:
            del more["sites"]
        return {"site": site} | {name: list(values) for name, values in more.items() if values}

    def _sessions(self) -> list[ColumnElement[bool]]:
        return [
            *(() if self.session_ids is None else (Session.id.in_(self.session_ids),)),
            *at_places(self.sites, self.groups, self.tags),
            *(
                ()
                if self.session_ids is not None
                else of_kinds(replays=self.replays, demos=self.demos)
            ),
        ]

    def _ads(self) -> list[ColumnElement[bool]]:
        versions = select(Ad.id).where(Ad.ad_id.in_(self.ads))
        return [Play.ad_version_id.in_(versions)] if self.ads else []

    def _times(self) -> list[ColumnElement[bool]]:
        if self.since is None and self.until is None:
            return []
        # Plays have no index by time, but sessions are few.
        overlap = [
            *(() if self.until is None else (Session.started_at < self.until,)),
            *(
                ()
                if self.since is None
                else (or_(Session.ended_at.is_(None), Session.ended_at >= self.since),)
            ),
        ]
        return [
            Play.session_id.in_(select(Session.id).where(*overlap).correlate(None)),
            *(() if self.since is None else (Play.started_at >= self.since,)),
            *(() if self.until is None else (Play.started_at < self.until,)),
        ]


class _HasTag(sa.sql.functions.FunctionElement[bool]):
    """Whether a column of JSON lists a text."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(_HasTag)
def _has_tag(element: Any, compiler: Any, **options: Any) -> str:
    tags, tag = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{tag} IN (SELECT value FROM json_each({tags}))"  # noqa: S608 (parameters)


@compiles(_HasTag, "postgresql")
def _has_tag_on_a_server(element: Any, compiler: Any, **options: Any) -> str:
    tags, tag = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{tag} IN (SELECT json_array_elements_text({tags}))"


def of_kinds(*, replays: bool = False, demos: bool = False) -> list[ColumnElement[bool]]:
    """Return conditions on `Session`: live ones, and others where wanted."""
    return [
        *(() if replays else (Session.session_kind != "replay",)),
        *(() if demos else (Session.session_kind != "demo",)),
    ]


def places() -> Subquery:
    """Return the id of each session with its `site` and the `screen_id`, if it has a screen."""
    return (
        select(
            Session.id,
            Origin.screen_id,
            func.coalesce(func.nullif(Screen.site, ""), Session.site).label("site"),
        )
        .outerjoin(Origin, Origin.id == Session.origin_id)
        .outerjoin(Screen, Screen.id == Origin.screen_id)
        .subquery()
    )


def at_places(
    sites: Collection[str] = (),
    groups: Collection[str] = (),
    tags: Collection[str] = (),
    *,
    parts: Collection[str] = (),
) -> list[ColumnElement[bool]]:
    """Return conditions on `Session`: where it was recorded.

    Args:
        sites, groups, tags: One of each, where there are any.
        parts: Of the site's name, in any case.
    """
    where = places()
    named = [where.c.site.icontains(part, autoescape=True) for part in parts]
    conditions = [
        *([where.c.site.in_(list(sites))] if sites else []),
        *([or_(*named)] if named else []),
    ]
    if groups or tags:
        tagged = [_HasTag(Screen.tags, sa.literal(tag)) for tag in tags]
        screens = select(Screen.id).where(
            *([Screen.group_name.in_(list(groups))] if groups else []),
            *([or_(*tagged)] if tags else []),
        )
        conditions.append(where.c.screen_id.in_(screens))
    # Chosen apart, so that a query over millions of rows does not look for each row's screen.
    return [Session.id.in_(select(where.c.id).where(*conditions))] if conditions else []


def screens_of(connection: Connection, *which: ColumnElement[bool]) -> list[ScreenInfo]:
    """Return the screens with sessions that meet conditions on `Session`, by site and name."""
    where = places()
    mine = select(where.c.screen_id).join(Session, Session.id == where.c.id).where(*which)
    query = select(Screen.__table__).where(Screen.id.in_(mine))
    return [
        screen_info(row)
        for row in connection.execute(query.order_by(Screen.site, Screen.name, Screen.id))
    ]


def all_screens(engine: Engine) -> list[ScreenInfo]:
    """Return the screens of a hub, those that are retired last: they keep their history."""
    with engine.connect() as connection:
        return [*list_screens(connection), *list_screens(connection, retired=True)]


def left_out(engine: Engine, scope: Scope, ads: Collection[str] | None = None) -> dict[str, int]:
    """Count the sessions that a scope leaves out because of their kind.

    Args:
        engine: The database.
        scope: Of a report.
        ads: Count only sessions that showed one of these; `None`: all.

    Returns:
        The number of sessions for `replay` and for `demo`.
    """
    counts = {"replay": 0, "demo": 0}
    if scope.session_ids is not None:
        return counts
    left = [kind for kind, taken in (("replay", scope.replays), ("demo", scope.demos)) if not taken]
    everything = replace(scope, replays=True, demos=True)
    query = (
        select(Session.session_kind, func.count())
        .where(*everything.sessions(), Session.session_kind.in_(left))
        .group_by(Session.session_kind)
    )
    if ads is not None:
        shown = select(Play.session_id).join(Ad, Ad.id == Play.ad_version_id)
        query = query.where(Session.id.in_(shown.where(Ad.ad_id.in_(list(ads)))))
    with engine.connect() as connection:
        return counts | {row[0]: row[1] for row in connection.execute(query)}

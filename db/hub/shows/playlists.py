"""The playlists of a hub: drafts that people edit, and revisions that were published.

A playlist has one draft at most. Who changes it says which state they saw (`token_of` its body), so
that two people cannot overwrite each other's work. What changed is in the audit log, by which
`changes_since` tells what others did meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import aliased

from db.errors import DatabaseError
from db.hub.tables.people import AuditEntry
from db.hub.tables.shows import PlaylistPlan, PlaylistRevision
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Subquery
    from sqlalchemy.engine import Connection, Row

Body = dict[str, Any]
"""What a revision holds: keys and words of a playlist file, with `creative` in place of `file`."""

CHANGED = "playlist.change"
"""The action of the audit log for a change of a draft; its `after` has the new draft's token."""

MAX_NAME_LENGTH = 80


class NoSuchPlaylistError(DatabaseError):
    """The hub has no such playlist, or it has no such revision."""


class PlaylistChangedError(DatabaseError):
    """Somebody else changed the draft since the state that was seen."""


@dataclass(frozen=True, slots=True)
class PlaylistInfo:
    """A playlist; its `uid` names it outside of the database. Times are aware."""

    id: int
    uid: str
    name: str
    created_at: datetime
    created_by: str
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class Revision:
    """A state of a playlist; a draft as long as it is not published."""

    number: int
    body: Body
    changed_at: datetime
    changed_by: str
    published_at: datetime | None
    published_by: str | None


@dataclass(frozen=True, slots=True)
class PlaylistState:
    """A playlist with its draft and what was published last; `None` if there is none."""

    info: PlaylistInfo
    draft: Revision | None
    published: Revision | None

    @property
    def newest(self) -> Revision:
        """What people edit: the draft, or else what was published last."""
        found = self.draft or self.published
        if found is None:
            raise NoSuchPlaylistError(
                lazy("The playlist %(name)s has no revision.", name=self.info.name)
            )
        return found

    @property
    def token(self) -> str:
        """Names the state that people see and edit."""
        return token_of(self.newest.body)


@dataclass(frozen=True, slots=True)
class NotedChange:
    """A change of a draft as the audit log has it."""

    at: datetime
    actor: str
    before: Body
    after: Body


def token_of(body: Mapping[str, Any]) -> str:
    """Return a short text that is the same for the same body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:20]


def create_playlist(
    connection: Connection, name: str, by: str, now: datetime, body: Body | None = None
) -> PlaylistInfo:
    """Store a playlist with a draft, empty by default."""
    uid = uuid.uuid4().hex
    values = {"uid": uid, "name": name, "created_at": now, "created_by": by}
    result = connection.execute(insert(PlaylistPlan).values(**values))
    playlist_id = int(result.inserted_primary_key[0])  # type: ignore[index]
    first = {"playlist_id": playlist_id, "number": 1, "body": body or {"ads": []}}
    _insert_draft(connection, first, by, now)
    return PlaylistInfo(playlist_id, uid, name, now, by, None)


def find_playlist(connection: Connection, uid: str, *, change: bool = False) -> PlaylistState:
    """Return a playlist, also an archived one.

    Args:
        connection: In a transaction for a change.
        uid: Of the playlist.
        change: Whether it will be changed: others wait until this transaction has ended.

    Raises:
        NoSuchPlaylistError: There is none of this uid.
    """
    query = select(PlaylistPlan.__table__).where(PlaylistPlan.uid == uid)
    row = connection.execute(query.with_for_update() if change else query).one_or_none()
    if row is None:
        raise NoSuchPlaylistError(lazy("There is no such playlist."))
    return _states(connection, [row])[0]


def list_playlists(connection: Connection, *, archived: bool = False) -> list[PlaylistState]:
    """Return the playlists in use, or the archived ones, by name."""
    which = (
        PlaylistPlan.archived_at.is_not(None) if archived else PlaylistPlan.archived_at.is_(None)
    )
    order = (func.lower(PlaylistPlan.name), PlaylistPlan.id)
    rows = connection.execute(select(PlaylistPlan.__table__).where(which).order_by(*order))
    return _states(connection, rows.all())


def list_revisions(connection: Connection, playlist: PlaylistInfo) -> list[Revision]:
    """Return what was published of a playlist, the newest first."""
    revision = PlaylistRevision
    query = select(revision.__table__).where(
        revision.playlist_id == playlist.id, revision.published_at.is_not(None)
    )
    return [_revision(row) for row in connection.execute(query.order_by(revision.number.desc()))]


def find_revision(connection: Connection, playlist: PlaylistInfo, number: int) -> Revision:
    """Return a revision of a playlist that was published.

    Raises:
        NoSuchPlaylistError: There is none of this number.
    """
    for revision in list_revisions(connection, playlist):
        if revision.number == number:
            return revision
    raise NoSuchPlaylistError(
        lazy("The playlist %(name)s has no revision %(number)s.", name=playlist.name, number=number)
    )


def save_draft(
    connection: Connection, state: PlaylistState, body: Body, *, seen: str, by: str, now: datetime
) -> None:
    """Store a draft, or drop it if it is what was published last.

    Args:
        connection: In the transaction that read `state` with `change`.
        state: Of the playlist.
        body: The new draft.
        seen: Token of the state that was edited.
        by: Who changes it.
        now: Aware.

    Raises:
        PlaylistChangedError: The playlist has another state than that.
    """
    check_seen(state, seen)
    draft, published = state.draft, state.published
    if published is not None and body == published.body:
        discard_draft(connection, state.info)
    elif draft is not None:
        connection.execute(
            update(PlaylistRevision)
            .where(*_is_draft(state.info))
            .values(body=body, changed_at=now, changed_by=by)
        )
    else:
        new = {"playlist_id": state.info.id, "number": state.newest.number + 1, "body": body}
        _insert_draft(connection, new, by, now)


def check_seen(state: PlaylistState, seen: str) -> None:
    """Refuse a change of a state that nobody sees any more.

    Raises:
        PlaylistChangedError: The playlist has another state than the one with this token.
    """
    if seen != state.token:
        raise PlaylistChangedError(
            lazy("The playlist %(name)s was changed meanwhile.", name=state.info.name)
        )


def publish_draft(connection: Connection, state: PlaylistState, by: str, now: datetime) -> None:
    """Make the draft what screens show; then call `monitor.hub.shows.publishing.refresh`."""
    connection.execute(
        update(PlaylistRevision)
        .where(*_is_draft(state.info))
        .values(published_at=now, published_by=by)
    )


def discard_draft(connection: Connection, playlist: PlaylistInfo) -> None:
    """Drop the draft of a playlist that was published before."""
    connection.execute(delete(PlaylistRevision).where(*_is_draft(playlist)))


def rename_playlist(connection: Connection, playlist: PlaylistInfo, name: str) -> None:
    """Call a playlist something else."""
    _update(connection, playlist, name=name)


def archive_playlist(connection: Connection, playlist: PlaylistInfo, at: datetime | None) -> None:
    """Take a playlist off the lists and the screens, or back with `None`."""
    _update(connection, playlist, archived_at=at)


def changes_since(connection: Connection, uid: str, seen: str) -> list[NotedChange]:
    """Return what was changed in a draft since the state of a token, the oldest first.

    Empty if the audit log does not know that state.
    """
    entry = AuditEntry
    query = select(entry.at, entry.actor, entry.before, entry.after).where(
        entry.action == CHANGED, entry.target == target_of(uid)
    )
    later: list[NotedChange] = []
    for row in connection.execute(query.order_by(entry.id.desc()).limit(200)):
        after = row.after or {}
        if after.get("draft") == seen:
            return later[::-1]
        later.append(NotedChange(row.at, row.actor, row.before or {}, after))
    first = later[-1].before.get("draft") if later else None
    return later[::-1] if first == seen else []


def playlists_with(connection: Connection, uid: str) -> list[tuple[str, str, bool]]:
    """Return each playlist in use that lists a creative: uid, name, whether that is published."""
    revision, newest = PlaylistRevision, newest_published()
    query = (
        select(PlaylistPlan.uid, PlaylistPlan.name, revision.body, revision.published_at)
        .join(revision, revision.playlist_id == PlaylistPlan.id)
        .outerjoin(newest, newest.c.playlist_id == PlaylistPlan.id)
        .where(
            PlaylistPlan.archived_at.is_(None),
            revision.published_at.is_(None) | (revision.number == newest.c.number),
        )
        .order_by(PlaylistPlan.name)
    )
    found: dict[str, tuple[str, str, bool]] = {}
    for row in connection.execute(query):
        if any(ad.get("creative") == uid for ad in row.body.get("ads", [])):
            is_published = row.published_at is not None or found.get(row.uid, ("", "", False))[2]
            found[row.uid] = (row.uid, row.name, is_published)
    return list(found.values())


def newest_published() -> Subquery:
    """Return the newest published revision of each playlist: `playlist_id` and `number`."""
    latest = aliased(PlaylistRevision)
    return (
        select(latest.playlist_id, func.max(latest.number).label("number"))
        .where(latest.published_at.is_not(None))
        .group_by(latest.playlist_id)
        .subquery()
    )


def target_of(uid: str) -> str:
    """Return what the audit log calls a playlist."""
    return f"playlist {uid}"


def _states(connection: Connection, rows: Any) -> list[PlaylistState]:
    infos = [
        PlaylistInfo(row.id, row.uid, row.name, row.created_at, row.created_by, row.archived_at)
        for row in rows
    ]
    revision, newest = PlaylistRevision, newest_published()
    query = (
        select(revision.__table__)
        .outerjoin(newest, newest.c.playlist_id == revision.playlist_id)
        .where(
            revision.playlist_id.in_([info.id for info in infos]),
            revision.published_at.is_(None) | (revision.number == newest.c.number),
        )
    )
    drafts: dict[int, Revision] = {}
    published: dict[int, Revision] = {}
    for row in connection.execute(query):
        found = drafts if row.published_at is None else published
        found[row.playlist_id] = _revision(row)
    return [PlaylistState(one, drafts.get(one.id), published.get(one.id)) for one in infos]


def _revision(row: Row[Any]) -> Revision:
    return Revision(
        row.number, row.body, row.changed_at, row.changed_by, row.published_at, row.published_by
    )


def _is_draft(playlist: PlaylistInfo) -> tuple[Any, Any]:
    return PlaylistRevision.playlist_id == playlist.id, PlaylistRevision.published_at.is_(None)


def _insert_draft(
    connection: Connection, values: Mapping[str, Any], by: str, now: datetime
) -> None:
    changed = {"changed_at": now, "changed_by": by}
    connection.execute(insert(PlaylistRevision).values(**values, **changed))


def _update(connection: Connection, playlist: PlaylistInfo, **values: Any) -> None:
    connection.execute(update(PlaylistPlan).where(PlaylistPlan.id == playlist.id).values(**values))

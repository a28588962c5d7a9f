"""The library of a hub: folders, creatives (its ads) and their versions, and what was approved.

Every query that answers a person takes the `Scope` of what they may see; what lies outside of it
does not exist for them.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, select, update

from db.hub.library.contents import (
    Choice,
    CreativeInfo,
    Decision,
    FolderInfo,
    MediaFacts,
    NewVersion,
    NotInLibraryError,
    Scope,
    Shown,
    Version,
)
from db.hub.library.media import store_media
from db.hub.tables.library import Creative, CreativeVersion, Folder, MediaFile
from db.hub.tables.people import User
from detector.texts import lazy

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection, Row


def create_creative(
    connection: Connection,
    folder: FolderInfo,
    version: NewVersion,
    now: datetime,
    *,
    name: str,
    ad_id: str,
) -> str:
    """Store a new creative with its first version, which waits for approval; return its uid.

    Args:
        connection: In a transaction.
        folder: Where to.
        version: The first one.
        now: Aware.
        name: What people call it.
        ad_id: The wanted id; a number is added if another creative has it.
    """
    uid = uuid.uuid4().hex
    result = connection.execute(
        insert(Creative).values(
            uid=uid,
            folder_id=folder.id,
            ad_id=_free_ad_id(connection, ad_id),
            name=name,
            created_at=now,
            created_by=version.uploaded_by,
        )
    )
    creative_id = int(result.inserted_primary_key[0])  # type: ignore[index]
    _insert_version(connection, creative_id, 1, version, now)
    return uid


def add_version(
    connection: Connection, creative: CreativeInfo, new: NewVersion, now: datetime
) -> int:
    """Store a further version of a creative, which waits for approval; return its number.

    The newest approved version stays on the screens until the new one is approved.
    """
    number = _next_number(connection, creative.id)
    _insert_version(connection, creative.id, number, new, now)
    return number


def find_creative(connection: Connection, scope: Scope, uid: str) -> CreativeInfo:
    """Return a creative, also an archived one.

    Raises:
        NotInLibraryError: There is none of this uid.
    """
    row = connection.execute(_creatives(scope).where(Creative.uid == uid)).one_or_none()
    if row is None:
        raise NotInLibraryError(lazy("There is no such ad in the library."))
    return _creative(row)


def list_creatives(
    connection: Connection,
    scope: Scope,
    choice: Choice | None = None,
    *,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[list[CreativeInfo], int]:
    """Return the chosen creatives, and how many there are without `limit` and `offset`."""
    choice = choice or Choice()
    query = _creatives(scope).where(*_conditions(choice))
    count = connection.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
    order = {
        "newest": CreativeVersion.uploaded_at.desc(),
        "name": func.lower(Creative.name),
        "length": MediaFile.duration_s.desc().nulls_last(),
        "size": MediaFile.size.desc(),
    }[choice.sort]
    query = query.order_by(order, Creative.id).limit(limit).offset(offset)
    return [_creative(row) for row in connection.execute(query)], count or 0


def waiting_creatives(connection: Connection, scope: Scope) -> list[CreativeInfo]:
    """Return the creatives whose newest version waits for approval, the oldest first."""
    query = _creatives(scope).where(*_conditions(Choice(approval="pending")))
    query = query.order_by(CreativeVersion.uploaded_at, Creative.id)
    return [_creative(row) for row in connection.execute(query)]


def list_versions(connection: Connection, creative: CreativeInfo) -> list[Version]:
    """Return the versions of a creative, the newest first."""
    query = _versions().where(CreativeVersion.creative_id == creative.id)
    rows = connection.execute(query.order_by(CreativeVersion.number.desc()))
    return [_version(row) for row in rows]


def find_version(
    connection: Connection, scope: Scope, uid: str, number: int
) -> tuple[CreativeInfo, Version]:
    """Return a creative and one of its versions.

    Raises:
        NotInLibraryError: There is none.
    """
    creative = find_creative(connection, scope, uid)
    query = _versions().where(
        CreativeVersion.creative_id == creative.id, CreativeVersion.number == number
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotInLibraryError(
            lazy("The ad %(name)s has no version %(number)s.", name=creative.name, number=number)
        )
    return creative, _version(row)


def rename_creative(connection: Connection, creative: CreativeInfo, name: str) -> None:
    """Call a creative something else; its id stays, so that its figures go on."""
    _update(connection, creative, name=name)


def move_creative(connection: Connection, creative: CreativeInfo, folder: FolderInfo) -> None:
    """Move a creative into another folder."""
    _update(connection, creative, folder_id=folder.id)


def archive_creative(connection: Connection, creative: CreativeInfo, at: datetime | None) -> None:
    """Take a creative off the lists and screens, or back with `None`; its figures are kept."""
    _update(connection, creative, archived_at=at)


def change_shown(
    connection: Connection, creative: CreativeInfo, shown: Shown, by: str, now: datetime
) -> int:
    """Change how a creative is shown, which then waits for approval; return the version's number.

    An approved version stays unchanged on the screens; the change becomes a new version.
    """
    newest = creative.newest
    if newest.decision.approval == "approved":
        return copy_version(connection, creative, newest, by, now, shown=shown)
    undecided = {"approval": "pending", "decided_at": None, "decided_by": None, "reason": ""}
    which = CreativeVersion.id == newest.id
    connection.execute(update(CreativeVersion).where(which).values(**shown.values(), **undecided))
    return newest.number


def copy_version(
    connection: Connection,
    creative: CreativeInfo,
    version: Version,
    by: str,
    now: datetime,
    *,
    shown: Shown | None = None,
) -> int:
    """Make a version the newest again, which waits for approval; return its new number."""
    number = _next_number(connection, creative.id)
    new = NewVersion(version.media, version.file_name, by, shown or version.shown)
    _insert_version(connection, creative.id, number, new, now)
    return number


def decide(connection: Connection, version: Version, decision: Decision) -> None:
    """Approve or reject a version."""
    values = {
        "approval": decision.approval,
        "decided_at": decision.at,
        "decided_by": decision.by,
        "reason": decision.reason,
    }
    which = CreativeVersion.id == version.id
    connection.execute(update(CreativeVersion).where(which).values(**values))


def approvers(connection: Connection) -> list[str]:
    """Return the names of the accounts that may approve and can log in."""
    query = select(User.name).where(
        User.role.in_(("approver", "admin")),
        User.disabled_at.is_(None),
        (User.password_hash.is_not(None)) | (User.subject.is_not(None)),
    )
    return list(connection.scalars(query.order_by(User.name)))


def delete_creative(connection: Connection, creative: CreativeInfo) -> None:
    """Delete a creative with its versions; `unused_media` finds what they leave."""
    connection.execute(delete(Creative).where(Creative.id == creative.id))


def files_of_creatives(connection: Connection) -> dict[str, list[tuple[str, str]]]:
    """Return name and SHA-256 of the file of each version, by the creative's uid."""
    query = (
        select(Creative.uid, CreativeVersion.file_name, MediaFile.sha256)
        .join(CreativeVersion, CreativeVersion.creative_id == Creative.id)
        .join(MediaFile, MediaFile.id == CreativeVersion.media_file_id)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for uid, name, sha256 in connection.execute(query):
        found.setdefault(uid, []).append((name, sha256))
    return found


# --- rows ---


def _creatives(scope: Scope) -> Select[Any]:
    """Creatives with their folder and newest version: the one query for all that people see."""
    newest = newest_numbers().subquery("newest")
    approved = newest_numbers(CreativeVersion.approval == "approved").subquery("approved")
    return (
        _versions()
        .add_columns(
            Creative.id.label("creative_id"),
            Creative.uid,
            Creative.ad_id,
            Creative.name,
            Creative.created_at,
            Creative.created_by,
            Creative.archived_at,
            Folder.id.label("folder_id"),
            Folder.uid.label("folder_uid"),
            Folder.name.label("folder_name"),
            Folder.created_at.label("folder_created_at"),
            approved.c.number.label("approved"),
        )
        .join(Creative, Creative.id == CreativeVersion.creative_id)
        .join(Folder, Folder.id == Creative.folder_id)
        .join(
            newest,
            and_(
                newest.c.creative_id == Creative.id,
                newest.c.number == CreativeVersion.number,
            ),
        )
        .outerjoin(approved, approved.c.creative_id == Creative.id)
        .where(scope.holds())
    )


def _versions() -> Select[Any]:
    version, media = CreativeVersion, MediaFile
    return (
        select(
            version.id,
            version.number,
            version.file_name,
            version.duration_s,
            version.brand_at_s,
            version.moods,
            version.first_day,
            version.last_day,
            version.uploaded_at,
            version.uploaded_by,
            version.approval,
            version.decided_at,
            version.decided_by,
            version.reason,
            media.sha256,
            media.size,
            media.ending,
            media.kind,
            media.width,
            media.height,
            media.duration_s.label("media_duration_s"),
            media.has_sound,
            media.warnings,
        )
        .select_from(version)
        .join(media, media.id == version.media_file_id)
    )


def newest_numbers(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Return a query for `creative_id` and `number` of each creative's newest such version."""
    version = CreativeVersion
    return (
        select(version.creative_id, func.max(version.number).label("number"))
        .where(*conditions)
        .group_by(version.creative_id)
    )


def _version(row: Row[Any]) -> Version:
    media = MediaFacts(
        row.sha256,
        row.size,
        row.ending,
        row.kind,
        row.width,
        row.height,
        row.media_duration_s,
        row.has_sound,
        tuple(row.warnings),
    )
    shown = Shown(
        row.duration_s, tuple(row.brand_at_s), tuple(row.moods), row.first_day, row.last_day
    )
    decision = Decision(row.approval, row.decided_at, row.decided_by, row.reason)
    return Version(
        row.id,
        row.number,
        row.file_name,
        media,
        shown,
        row.uploaded_at,
        row.uploaded_by,
        decision,
    )


def _creative(row: Row[Any]) -> CreativeInfo:
    return CreativeInfo(
        row.creative_id,
        row.uid,
        FolderInfo(row.folder_id, row.folder_uid, row.folder_name, row.folder_created_at),
        row.ad_id,
        row.name,
        row.created_at,
        row.created_by,
        row.archived_at,
        _version(row),
        row.approved,
    )


def _conditions(choice: Choice) -> list[ColumnElement[bool]]:
    archived = Creative.archived_at
    found: list[ColumnElement[bool]] = [
        archived.is_not(None) if choice.archived else archived.is_(None)
    ]
    if choice.folder:
        found.append(Folder.uid == choice.folder)
    if choice.approval:
        found.append(CreativeVersion.approval == choice.approval)
    if choice.kind:
        found.append(MediaFile.kind == choice.kind)
    if choice.search:
        found.append(
            Creative.name.icontains(choice.search, autoescape=True)
            | Creative.ad_id.icontains(choice.search, autoescape=True)
        )
    return found


def _insert_version(
    connection: Connection, creative_id: int, number: int, new: NewVersion, now: datetime
) -> None:
    connection.execute(
        insert(CreativeVersion).values(
            creative_id=creative_id,
            number=number,
            media_file_id=store_media(connection, new, now),
            file_name=new.file_name,
            uploaded_at=now,
            uploaded_by=new.uploaded_by,
            approval="pending",
            reason="",
            **new.shown.values(),
        )
    )


def _next_number(connection: Connection, creative_id: int) -> int:
    query = select(func.max(CreativeVersion.number))
    number = connection.scalar(query.where(CreativeVersion.creative_id == creative_id))
    return (number or 0) + 1


def _update(connection: Connection, creative: CreativeInfo, **values: Any) -> None:
    connection.execute(update(Creative).where(Creative.id == creative.id).values(**values))


def _free_ad_id(connection: Connection, wanted: str) -> str:
    taken = set(connection.scalars(select(Creative.ad_id)))
    number, found = 1, wanted
    while found in taken:
        number += 1
        found = f"{wanted} {number}"
    return found

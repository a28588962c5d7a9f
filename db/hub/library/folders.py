"""The folders of a hub's library, and which of them somebody sees.

Tested in `test_catalogue.py`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, func, insert, select, update

from db.hub.library.contents import (
    EVERYTHING,
    FolderInfo,
    LibraryError,
    NotInLibraryError,
    Scope,
)
from db.hub.tables.library import Creative, Folder
from db.hub.tables.people import User
from detector.texts import lazy

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection, Row

    from db.hub.people.accounts import Account


def scope_of(account: Account) -> Scope:
    """Return what an account sees: an agency its folder, if it has one, others everything."""
    return Scope(account.folder_scope)


def list_folders(connection: Connection, scope: Scope) -> list[FolderInfo]:
    """Return the folders by name."""
    return [_folder(row) for row in connection.execute(_folders(scope).order_by(Folder.name))]


def find_folder(connection: Connection, scope: Scope, uid: str) -> FolderInfo:
    """Return a folder.

    Raises:
        NotInLibraryError: There is none of this uid.
    """
    row = connection.execute(_folders(scope).where(Folder.uid == uid)).one_or_none()
    if row is None:
        raise NotInLibraryError(lazy("There is no such folder."))
    return _folder(row)


def create_folder(connection: Connection, name: str, now: datetime) -> FolderInfo:
    """Store a new folder.

    Raises:
        LibraryError: There is one of this name.
    """
    _check_name_is_free(connection, name)
    uid = uuid.uuid4().hex
    result = connection.execute(insert(Folder).values(uid=uid, name=name, created_at=now))
    return FolderInfo(int(result.inserted_primary_key[0]), uid, name, now)  # type: ignore[index]


def rename_folder(connection: Connection, uid: str, name: str) -> FolderInfo:
    """Call a folder something else; return it as it was.

    Raises:
        NotInLibraryError: There is none of this uid.
        LibraryError: Another one has this name.
    """
    before = find_folder(connection, EVERYTHING, uid)
    if name.lower() != before.name.lower():
        _check_name_is_free(connection, name)
    connection.execute(update(Folder).where(Folder.id == before.id).values(name=name))
    return before


def delete_folder(connection: Connection, uid: str) -> FolderInfo:
    """Delete a folder that holds nothing and belongs to no agency; return it.

    Raises:
        NotInLibraryError: There is none of this uid.
        LibraryError: It is in use.
    """
    before = find_folder(connection, EVERYTHING, uid)
    held = connection.scalar(select(func.count()).where(Creative.folder_id == before.id))
    if held:
        raise LibraryError(
            lazy(
                "The folder %(name)s holds %(held)s ads, with archived ones. Move them first.",
                name=before.name,
                held=held,
            )
        )
    agency = select(User.name).where(User.folder_id == before.id, User.disabled_at.is_(None))
    name = connection.scalar(agency.limit(1))
    if name is not None:
        raise LibraryError(
            lazy(
                "The folder %(name)s is that of the agency account %(account)s.",
                name=before.name,
                account=name,
            )
        )
    # SQLite gives its row's number to a later folder, which is not that of a disabled agency.
    left = update(User).where(User.folder_id == before.id)
    connection.execute(left.values(folder_id=None))
    connection.execute(delete(Folder).where(Folder.id == before.id))
    return before


def agencies(connection: Connection) -> dict[int, list[str]]:
    """Return the names of the agency accounts of each folder, by its row id."""
    query = select(User.folder_id, User.name).where(
        User.role == "agency", User.folder_id.is_not(None), User.disabled_at.is_(None)
    )
    found: dict[int, list[str]] = {}
    for folder_id, name in connection.execute(query.order_by(User.name)).tuples():
        found.setdefault(cast("int", folder_id), []).append(name)
    return found


def _folders(scope: Scope) -> Select[Any]:
    counted = (
        select(func.count())
        .where(Creative.folder_id == Folder.id, Creative.archived_at.is_(None))
        .correlate(Folder)
        .scalar_subquery()
    )
    columns = (Folder.id, Folder.uid, Folder.name, Folder.created_at)
    return select(*columns, counted.label("creatives")).where(scope.holds())


def _folder(row: Row[Any]) -> FolderInfo:
    return FolderInfo(row.id, row.uid, row.name, row.created_at, row.creatives)


def _check_name_is_free(connection: Connection, name: str) -> None:
    query = select(Folder.id).where(func.lower(Folder.name) == name.lower())
    if connection.scalar(query.limit(1)) is not None:
        raise LibraryError(
            lazy("There is a folder %(name)s already. Choose another name.", name=name)
        )

"""The media files of a hub's library, each known once by its SHA-256.

Tested in `test_catalogue.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, select

from db.hub.tables.library import CreativeVersion, MediaFile
from db.hub.tables.shows import DesiredState
from db.write.store import upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from db.hub.library.contents import NewVersion, Version


def store_media(connection: Connection, new: NewVersion, now: datetime) -> int:
    """Store what is known of a file, once for all versions that show it; return its row id."""
    table = cast("Table", MediaFile.__table__)
    media = new.media
    values = {
        "size": media.size,
        "ending": media.ending,
        "kind": media.kind,
        "width": media.width,
        "height": media.height,
        "duration_s": media.duration_s,
        "has_sound": media.has_sound,
        "warnings": list(media.warnings),
    }
    kept = {} if new.thumbnail is None else {"thumbnail": new.thumbnail, "strip": new.strip}
    statement = (
        upsert(connection, table)
        .values(sha256=media.sha256, created_at=now, **values, **kept)
        .on_conflict_do_update(index_elements=[table.c.sha256], set_=values | kept)
        .returning(table.c.id)
    )
    return int(connection.execute(statement).scalar_one())


def read_picture(connection: Connection, version: Version, column: str) -> bytes | None:
    """Return a JPEG of a version's file: its `thumbnail`, or the `strip` along its time."""
    which = {"thumbnail": MediaFile.thumbnail, "strip": MediaFile.strip}[column]
    query = select(which).where(MediaFile.sha256 == version.media.sha256)
    return cast("bytes | None", connection.scalar(query))


def known_media(connection: Connection) -> set[str]:
    """Return the SHA-256 of all files of the library."""
    return set(connection.scalars(select(MediaFile.sha256)))


def shown_documents(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield what each screen is to show."""
    yield from connection.scalars(select(DesiredState.document))


def drop_unused_media(connection: Connection, before: datetime, kept: Collection[str]) -> list[str]:
    """Forget files that no version has shown since some time; return their SHA-256.

    Args:
        connection: In a transaction.
        before: Files that came later stay.
        kept: SHA-256 of files that something else refers to.
    """
    used = select(CreativeVersion.media_file_id)
    query = select(MediaFile.sha256).where(MediaFile.created_at < before, MediaFile.id.not_in(used))
    found = [sha256 for sha256 in connection.scalars(query) if sha256 not in kept]
    if found:
        connection.execute(delete(MediaFile).where(MediaFile.sha256.in_(found)))
    return found

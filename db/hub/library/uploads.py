"""Files on their way into the library of a hub: how much of each has arrived."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from db.hub.tables.library import Creative, Folder, Upload

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection, Row


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file that somebody is going to send.

    Attributes:
        user_id: Whose.
        folder_id: Row id of the folder that it goes to.
        creative_id: Row id of the creative of which it is a new version; `None` for a new one.
        file_name: As on the sender's machine.
        fingerprint: What the sender says of the file, so that it is found again; may be empty.
        size: Bytes.
    """

    user_id: int
    folder_id: int
    creative_id: int | None
    file_name: str
    fingerprint: str
    size: int


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """A file on its way; `problem` says why it was refused."""

    id: int
    uid: str
    folder_id: int
    folder_name: str
    creative_id: int | None
    creative_uid: str | None
    file_name: str
    size: int
    received: int
    created_at: datetime
    touched_at: datetime
    problem: str | None


def begin(connection: Connection, new: NewUpload, now: datetime) -> UploadInfo:
    """Store a file that is going to be sent, or find the one that broke off.

    It is the same if sender, place, name, size and fingerprint are, and the fingerprint is known.
    """
    same = _uploads().where(
        Upload.user_id == new.user_id,
        Upload.folder_id == new.folder_id,
        Upload.creative_id.is_not_distinct_from(new.creative_id),
        Upload.file_name == new.file_name,
        Upload.fingerprint == new.fingerprint,
        Upload.size == new.size,
        Upload.problem.is_(None),
    )
    row = connection.execute(same.limit(1)).one_or_none() if new.fingerprint else None
    if row is not None:
        return _info(row)
    uid = uuid.uuid4().hex
    connection.execute(
        insert(Upload).values(
            uid=uid,
            user_id=new.user_id,
            folder_id=new.folder_id,
            creative_id=new.creative_id,
            file_name=new.file_name,
            fingerprint=new.fingerprint,
            size=new.size,
            received=0,
            created_at=now,
            touched_at=now,
        )
    )
    return _info(connection.execute(_uploads().where(Upload.uid == uid)).one())


def find_upload(connection: Connection, user_id: int, uid: str) -> UploadInfo | None:
    """Return a person's upload; `None` if there is none of that uid."""
    query = _uploads().where(Upload.uid == uid, Upload.user_id == user_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _info(row)


def list_uploads(connection: Connection, user_id: int) -> list[UploadInfo]:
    """Return a person's incomplete and refused uploads, oldest first."""
    query = _uploads().where(Upload.user_id == user_id).order_by(Upload.id)
    return [_info(row) for row in connection.execute(query)]


def waiting(connection: Connection, user_id: int) -> tuple[int, int, int]:
    """Return how many files a person is sending, and the bytes reserved by them and by all."""
    going_on = Upload.problem.is_(None)
    size = func.coalesce(func.sum(Upload.size), 0)
    mine = select(func.count(), size).where(Upload.user_id == user_id, going_on)
    count, own = connection.execute(mine).one()
    return count, int(own), int(connection.scalar(select(size).where(going_on)) or 0)


def advance(connection: Connection, upload: UploadInfo, received: int, now: datetime) -> bool:
    """Note that more bytes have arrived; return whether no other request was faster."""
    which = (Upload.id == upload.id, Upload.received == upload.received)
    values = {"received": received, "touched_at": now}
    return bool(connection.execute(update(Upload).where(*which).values(**values)).rowcount)


def refuse(connection: Connection, upload: UploadInfo, problem: str, now: datetime) -> None:
    """Keep why a file was refused, so that its sender can read it later."""
    values = {"problem": problem, "touched_at": now}
    connection.execute(update(Upload).where(Upload.id == upload.id).values(**values))


def remove(connection: Connection, upload: UploadInfo) -> bool:
    """Forget an upload; return whether it was there."""
    return bool(connection.execute(delete(Upload).where(Upload.id == upload.id)).rowcount)


def drop_old(connection: Connection, before: datetime) -> list[str]:
    """Forget uploads that nothing has arrived for since a moment; return their uids."""
    query = delete(Upload).where(Upload.touched_at < before).returning(Upload.uid)
    return list(connection.scalars(query))


def known_uids(connection: Connection) -> set[str]:
    """Return the uids of all uploads that go on."""
    return set(connection.scalars(select(Upload.uid).where(Upload.problem.is_(None))))


def _uploads() -> Select[Any]:
    return (
        select(
            Upload.__table__,
            Folder.name.label("folder_name"),
            Creative.uid.label("creative_uid"),
        )
        .join(Folder, Folder.id == Upload.folder_id)
        .outerjoin(Creative, Creative.id == Upload.creative_id)
    )


def _info(row: Row[Any]) -> UploadInfo:
    return UploadInfo(
        row.id,
        row.uid,
        row.folder_id,
        row.folder_name,
        row.creative_id,
        row.creative_uid,
        row.file_name,
        row.size,
        row.received,
        row.created_at,
        row.touched_at,
        row.problem,
    )

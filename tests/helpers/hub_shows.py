"""A hub's library, playlists and bookings, stored for tests without their pages."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from db.hub.tables.library import Creative, CreativeVersion, Folder, MediaFile
from db.hub.tables.shows import PlaylistPlan, PlaylistRevision
from tests.helpers.hub_screens import NOW

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection


def add_creative(
    connection: Connection,
    ad_id: str,
    *,
    content: bytes | None = None,
    ending: str = ".png",
    approval: str = "approved",
    **shown: Any,
) -> str:
    """Store an ad with one version, by default of a still picture; return its uid.

    Args:
        connection: In a transaction.
        ad_id: Its id, and its name.
        content: Of its file, by default something of its own; it is not put into a media store.
        ending: Of its file.
        approval: Of the version.
        shown: Columns of the version.
    """
    folder = connection.scalar(select(Folder.id))
    if folder is None:
        values = {"uid": uuid.uuid4().hex, "name": "Shared", "created_at": NOW}
        folder = connection.execute(insert(Folder).values(**values)).inserted_primary_key[0]
    uid = uuid.uuid4().hex
    creative = {"uid": uid, "folder_id": folder, "ad_id": ad_id, "name": ad_id.title()}
    made = {"created_at": NOW, "created_by": "eva"}
    row = connection.execute(insert(Creative).values(**creative, **made)).inserted_primary_key[0]
    add_version(connection, row, content or ad_id.encode(), ending, approval, **shown)
    return uid


def add_version(
    connection: Connection,
    creative: int | str,
    content: bytes,
    ending: str = ".png",
    approval: str = "approved",
    **shown: Any,
) -> None:
    """Store another version of an ad, by row or uid."""
    if isinstance(creative, str):
        creative = connection.scalars(select(Creative.id).where(Creative.uid == creative)).one()
    sha256 = hashlib.sha256(content).hexdigest()
    media = connection.scalar(select(MediaFile.id).where(MediaFile.sha256 == sha256))
    if media is None:
        facts = {"sha256": sha256, "size": len(content), "ending": ending, "warnings": []}
        seen = {"kind": "image" if ending == ".png" else "video", "width": 640, "height": 360}
        seen |= {"duration_s": None if ending == ".png" else 5.0, "has_sound": False}
        stored = insert(MediaFile).values(**facts, **seen, created_at=NOW)
        media = connection.execute(stored).inserted_primary_key[0]
    number = len(
        connection.scalars(
            select(CreativeVersion.id).where(CreativeVersion.creative_id == creative)
        ).all()
    )
    values: dict[str, Any] = {"creative_id": creative, "number": number + 1, "reason": ""}
    values |= {"media_file_id": media, "file_name": f"x{ending}", "brand_at_s": [], "moods": []}
    values |= {"uploaded_at": NOW, "uploaded_by": "eva", "approval": approval}
    connection.execute(insert(CreativeVersion).values(**values | shown))


def set_approval(connection: Connection, uid: str, approval: str) -> None:
    """Approve or reject all versions of an ad."""
    row = connection.scalars(select(Creative.id).where(Creative.uid == uid)).one()
    which = CreativeVersion.creative_id == row
    connection.execute(update(CreativeVersion).where(which).values(approval=approval))


def add_playlist(
    connection: Connection, ads: list[dict[str, Any]], name: str = "Usual", **head: Any
) -> str:
    """Store and publish a playlist; return its uid."""
    uid = uuid.uuid4().hex
    values = {"uid": uid, "name": name, "created_at": NOW, "created_by": "eva"}
    connection.execute(insert(PlaylistPlan).values(**values))
    publish_revision(connection, uid, ads, **head)
    return uid


def publish_revision(
    connection: Connection,
    uid: str,
    ads: list[dict[str, Any]],
    at: datetime | None = NOW,
    **head: Any,
) -> None:
    """Store another revision of a playlist; without a time, a draft."""
    row = connection.scalars(select(PlaylistPlan.id).where(PlaylistPlan.uid == uid)).one()
    which = PlaylistRevision.playlist_id == row
    number = len(connection.scalars(select(PlaylistRevision.id).where(which)).all()) + 1
    values = {"playlist_id": row, "number": number, "body": {"ads": ads, **head}}
    values |= {"changed_at": NOW, "changed_by": "eva"}
    values |= {"published_at": at, "published_by": None if at is None else "eva"}
    connection.execute(insert(PlaylistRevision).values(**values))

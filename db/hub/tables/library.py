"""The library: folders, media files, creatives and uploads."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import Base, owned_by

APPROVALS = ("draft", "pending", "approved", "rejected")


class Folder(Base):
    """A part of the library; an agency sees only its own."""

    __tablename__ = "folders"
    __table_args__ = (sa.UniqueConstraint("uid"), sa.UniqueConstraint("name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    name: Mapped[str]
    created_at: Mapped[datetime]


class MediaFile(Base):
    """A picture or clip in the media store, named by its content, and what probing it found."""

    __tablename__ = "media_files"
    __table_args__ = (sa.UniqueConstraint("sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    ending: Mapped[str] = mapped_column(sa.String(16))
    kind: Mapped[str] = mapped_column(sa.String(16))
    width: Mapped[int]
    height: Mapped[int]
    duration_s: Mapped[float | None]
    has_sound: Mapped[bool]
    warnings: Mapped[list[str]]
    thumbnail: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    strip: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime]


class Creative(Base):
    """An ad of the library; what it shows may be replaced by another version."""

    __tablename__ = "creatives"
    __table_args__ = (sa.UniqueConstraint("uid"), sa.Index(None, "folder_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    folder_id: Mapped[int] = mapped_column(sa.ForeignKey("folders.id"))
    ad_id: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    archived_at: Mapped[datetime | None]


class CreativeVersion(Base):
    """A media file as an ad, with what was set for it and whether it may be shown."""

    __tablename__ = "creative_versions"
    __table_args__ = (
        sa.UniqueConstraint("creative_id", "number"),
        sa.CheckConstraint(f"approval IN {APPROVALS!r}", name="approval"),
        sa.CheckConstraint("last_day >= first_day", name="last_day"),
        sa.Index(None, "media_file_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    creative_id: Mapped[int] = owned_by("creatives")
    number: Mapped[int]
    media_file_id: Mapped[int] = mapped_column(sa.ForeignKey("media_files.id"))
    file_name: Mapped[str]
    duration_s: Mapped[float | None]
    brand_at_s: Mapped[list[float]]
    moods: Mapped[list[str]]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    uploaded_at: Mapped[datetime]
    uploaded_by: Mapped[str]
    approval: Mapped[str] = mapped_column(sa.String(16))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    reason: Mapped[str]


class Upload(Base):
    """A file on its way into the library; its bytes wait in a file of the media store."""

    __tablename__ = "uploads"
    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.CheckConstraint("received BETWEEN 0 AND size", name="received"),
        sa.Index(None, "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    user_id: Mapped[int] = owned_by("users")
    folder_id: Mapped[int] = owned_by("folders")
    creative_id: Mapped[int | None] = owned_by("creatives")
    file_name: Mapped[str]
    fingerprint: Mapped[str]
    size: Mapped[int] = mapped_column(sa.BigInteger)
    received: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]
    touched_at: Mapped[datetime]
    problem: Mapped[str | None]

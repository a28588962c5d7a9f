"""The tables behind the pages of the console; in a kiosk's own database they are empty.

Library (folders, media files, creatives, uploads), playlists, campaigns and the calendar, what each
screen is to show, commands to screens, reports, API keys.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import Base, owned_by

APPROVALS = ("draft", "pending", "approved", "rejected")
TARGETS = ("all", "site", "group", "tag", "screen")
GOALS = ("plays", "attentive_seconds")
COMMANDS = ("identify", "restart", "picture", "logs")
RHYTHMS = ("daily", "weekly", "monthly")


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


class PlaylistPlan(Base):
    """A playlist that people edit in the console."""

    __tablename__ = "playlists"
    __table_args__ = (sa.UniqueConstraint("uid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    name: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    archived_at: Mapped[datetime | None]


class PlaylistRevision(Base):
    """A state of a playlist: a draft until it is published; screens show the latest published."""

    __tablename__ = "playlist_revisions"
    __table_args__ = (
        sa.UniqueConstraint("playlist_id", "number"),
        sa.CheckConstraint("(published_at IS NULL) = (published_by IS NULL)", name="published_at"),
        # There is one draft at most.
        sa.Index(
            "ix_playlist_revisions_draft",
            "playlist_id",
            unique=True,
            sqlite_where=sa.text("published_at IS NULL"),
            postgresql_where=sa.text("published_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    playlist_id: Mapped[int] = owned_by("playlists")
    number: Mapped[int]
    body: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
    published_at: Mapped[datetime | None]
    published_by: Mapped[str | None]


class Campaign(Base):
    """Ads with a common goal between two days."""

    __tablename__ = "campaigns"
    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.CheckConstraint("last_day >= first_day", name="last_day"),
        sa.CheckConstraint(f"goal_kind IN {GOALS!r}", name="goal_kind"),
        sa.CheckConstraint("goal > 0", name="goal"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    folder_id: Mapped[int | None] = mapped_column(sa.ForeignKey("folders.id"))
    name: Mapped[str]
    creatives: Mapped[list[str]]
    first_day: Mapped[date]
    last_day: Mapped[date]
    goal_kind: Mapped[str] = mapped_column(sa.String(24))
    goal: Mapped[float]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    archived_at: Mapped[datetime | None]


class Booking(Base):
    """An entry of the calendar: a playlist on some screens, from when to when."""

    __tablename__ = "bookings"
    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.CheckConstraint(f"target_kind IN {TARGETS!r}", name="target_kind"),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
        sa.CheckConstraint("last_day >= first_day", name="last_day"),
        sa.Index(None, "playlist_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    playlist_id: Mapped[int] = owned_by("playlists")
    campaign_id: Mapped[int | None] = owned_by("campaigns")
    target_kind: Mapped[str] = mapped_column(sa.String(16))
    target: Mapped[str]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    days: Mapped[list[str]]
    hours: Mapped[list[str]]
    priority: Mapped[int]
    takeover: Mapped[bool]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class DesiredState(Base):
    """What a screen is to show, and what its kiosk said about it."""

    __tablename__ = "desired_states"
    __table_args__ = (
        sa.UniqueConstraint("screen_id"),
        sa.CheckConstraint(
            "reported_state IN ('fetching', 'applied', 'refused')", name="reported_state"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    screen_id: Mapped[int] = owned_by("screens")
    version: Mapped[int]
    serial: Mapped[int]
    document: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(sa.String(64))
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    is_empty: Mapped[bool]
    reported_version: Mapped[int | None]
    reported_state: Mapped[str | None] = mapped_column(sa.String(16))
    reason: Mapped[str]
    progress: Mapped[float | None]
    reported_at: Mapped[datetime | None]


class Command(Base):
    """Something that a person asked a screen's kiosk to do once."""

    __tablename__ = "commands"
    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.CheckConstraint(f"kind IN {COMMANDS!r}", name="kind"),
        sa.Index(None, "screen_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    screen_id: Mapped[int] = owned_by("screens")
    kind: Mapped[str] = mapped_column(sa.String(16))
    author: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    succeeded: Mapped[bool | None]
    detail: Mapped[str]
    attachment: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    attachment_type: Mapped[str]


class SavedReport(Base):
    """A report query that is saved to be repeated, or sent by mail."""

    __tablename__ = "saved_reports"
    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.CheckConstraint(f"rhythm IN {RHYTHMS!r}", name="rhythm"),
        sa.CheckConstraint("(rhythm IS NULL) = (next_at IS NULL)", name="next_at"),
        sa.Index(None, "next_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    user_id: Mapped[int] = owned_by("users")
    name: Mapped[str]
    query: Mapped[dict[str, Any]]
    rhythm: Mapped[str | None] = mapped_column(sa.String(16))
    recipients: Mapped[list[str]]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]


class SharedDocument(Base):
    """A finished report behind a link; only the digest of the link's secret is stored."""

    __tablename__ = "shared_documents"
    __table_args__ = (sa.UniqueConstraint("token_sha256"), sa.UniqueConstraint("uid"))

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    token_sha256: Mapped[str] = mapped_column(sa.String(64))
    title: Mapped[str]
    content: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    opened: Mapped[int]
    opened_at: Mapped[datetime | None]


class ApiKey(Base):
    """A key for a program, with the rights of its owner and no more than its scopes."""

    __tablename__ = "api_keys"
    __table_args__ = (sa.UniqueConstraint("key_sha256"), sa.Index(None, "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = owned_by("users")
    name: Mapped[str]
    key_sha256: Mapped[str] = mapped_column(sa.String(64))
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class HubSecret(Base):
    """A secret that all processes of a hub share, such as that of signed cookies."""

    __tablename__ = "hub_secrets"
    __table_args__ = (sa.UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(32))
    value: Mapped[str]

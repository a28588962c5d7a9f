"""Playlists, campaigns and their calendar, what each screen is to show, and commands to screens."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import Base, owned_by

TARGETS = ("all", "site", "group", "tag", "screen")

GOALS = ("plays", "attentive_seconds")

COMMANDS = ("identify", "restart", "picture", "logs")


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

"""The tables of a hub; in a kiosk's own database they are empty."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import Base, SumColumns, owned_by

ROLES = ("viewer", "editor", "approver", "operator", "admin", "agency")

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""The id of a table that grows for years; SQLite numbers rows only in an INTEGER column."""


class Screen(Base):
    """A place with an ad screen; the kiosk that fills it may change."""

    __tablename__ = "screens"
    __table_args__ = (sa.UniqueConstraint("uid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    name: Mapped[str]
    site: Mapped[str]
    group_name: Mapped[str]
    tags: Mapped[list[str]]
    venue_type: Mapped[str]
    time_zone: Mapped[str]
    opening: Mapped[list[str]]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=sa.text("'{}'"))
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class KioskKey(Base):
    """The key by which a kiosk speaks for a screen; only its digest is stored."""

    __tablename__ = "kiosk_keys"
    __table_args__ = (
        sa.UniqueConstraint("key_sha256"),
        sa.Index(None, "screen_id"),
        sa.Index(None, "kiosk"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kiosk: Mapped[str] = mapped_column(sa.String(32))
    screen_id: Mapped[int] = owned_by("screens")
    key_sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    revoked_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]


class Pairing(Base):
    """A code that joins a kiosk and a screen: shown by the kiosk, or by the hub for a screen."""

    __tablename__ = "pairings"
    __table_args__ = (
        sa.UniqueConstraint("code"),
        sa.CheckConstraint("kiosk IS NOT NULL OR screen_id IS NOT NULL", name="kiosk"),
        sa.CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name="accepted_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(8))
    claim_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    kiosk: Mapped[str | None] = mapped_column(sa.String(32))
    facts: Mapped[dict[str, Any]]
    address: Mapped[str]
    screen_id: Mapped[int | None] = owned_by("screens")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None]
    collected_at: Mapped[datetime | None]


class FailedAttempt(Base):
    """A wrong pairing code or password; these are counted to limit guessing."""

    __tablename__ = "failed_attempts"
    __table_args__ = (sa.Index(None, "kind", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    address: Mapped[str]
    at: Mapped[datetime]


class ScreenState(Base):
    """How the kiosk of a screen was when it last said so."""

    __tablename__ = "screen_states"
    __table_args__ = (sa.UniqueConstraint("screen_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    screen_id: Mapped[int] = owned_by("screens")
    received_at: Mapped[datetime]
    clock_offset_s: Mapped[float]
    health: Mapped[dict[str, Any]]


class StateChange(Base):
    """How a screen's kiosk was from a moment on, in words, for the page of its day."""

    __tablename__ = "state_changes"
    __table_args__ = (sa.Index(None, "screen_id", "at"),)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    screen_id: Mapped[int] = owned_by("screens")
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(32))
    camera: Mapped[str] = mapped_column(sa.String(32))
    notice_shown: Mapped[bool | None]
    detail: Mapped[str]


class Alert(Base):
    """Something that a person should know about a screen or a campaign, from when to when."""

    __tablename__ = "alerts"
    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.CheckConstraint("ended_at >= raised_at", name="ended_at"),
        sa.CheckConstraint("(screen_id IS NULL) <> (campaign_id IS NULL)", name="screen_id"),
        sa.Index(None, "raised_at"),
        # One alert of a kind is open at a time, whichever process raises it.
        *(
            sa.Index(
                name,
                about,
                "kind",
                unique=True,
                sqlite_where=sa.text("ended_at IS NULL"),
                postgresql_where=sa.text("ended_at IS NULL"),
            )
            for name, about in (
                ("ix_alerts_open", "screen_id"),
                ("ix_alerts_open_campaign", "campaign_id"),
            )
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(32))
    screen_id: Mapped[int | None] = owned_by("screens")
    campaign_id: Mapped[int | None] = owned_by("campaigns")
    kind: Mapped[str] = mapped_column(sa.String(32))
    raised_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    detail: Mapped[str]


class Channel(Base):
    """Where alerts are sent: an address of Apprise, or a webhook."""

    __tablename__ = "channels"
    __table_args__ = (
        sa.UniqueConstraint("name"),
        sa.CheckConstraint("kind IN ('apprise', 'webhook')", name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(sa.String(16))
    url: Mapped[str]
    secret: Mapped[str]
    alert_kinds: Mapped[list[str]]
    quiet_hours: Mapped[list[str]]
    time_zone: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Delivery(Base):
    """One event on its way to one channel."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.UniqueConstraint("channel_id", "event"),
        sa.Index(None, "next_at"),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    channel_id: Mapped[int] = owned_by("channels")
    event: Mapped[str] = mapped_column(sa.String(64))
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default=sa.text("0"))
    next_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    error: Mapped[str | None]


class Lease(Base):
    """What only one process of a hub may do at a time, and which one does it."""

    __tablename__ = "leases"
    __table_args__ = (sa.UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(32))
    holder: Mapped[str] = mapped_column(sa.String(64))
    until: Mapped[datetime]


class User(Base):
    """Somebody with an account; without a password they have not followed their link yet."""

    __tablename__ = "users"
    __table_args__ = (
        sa.UniqueConstraint("name"),
        sa.Index(None, "subject", unique=True),
        sa.CheckConstraint(f"role IN {ROLES!r}", name="role"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(sa.String(16))
    password_hash: Mapped[str | None]
    email: Mapped[str] = mapped_column(server_default=sa.text("''"))
    language: Mapped[str] = mapped_column(sa.String(8), server_default=sa.text("''"))
    folder_id: Mapped[int | None]
    totp_secret: Mapped[str | None]
    totp_step: Mapped[int | None] = mapped_column(sa.BigInteger)
    subject: Mapped[str | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class UserToken(Base):
    """A login, its first half, a code that replaces the second, or a link that sets a password."""

    __tablename__ = "user_tokens"
    __table_args__ = (
        sa.UniqueConstraint("token_sha256"),
        sa.CheckConstraint(
            "kind IN ('login', 'invitation', 'second_factor', 'recovery')", name="kind"
        ),
        sa.Index(None, "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = owned_by("users")
    kind: Mapped[str] = mapped_column(sa.String(16))
    token_sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(server_default=sa.text("''"))
    agent: Mapped[str] = mapped_column(server_default=sa.text("''"))


class AuditEntry(Base):
    """Who changed what, with before and after."""

    __tablename__ = "audit_entries"
    __table_args__ = (sa.Index(None, "at"),)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(sa.String(64))
    target: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))


class SetAside(Base):
    """An envelope that could not be stored, kept with the reason."""

    __tablename__ = "set_aside"
    __table_args__ = (sa.Index(None, "origin_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    origin_id: Mapped[int] = owned_by("origins")
    at: Mapped[datetime]
    first: Mapped[int] = mapped_column(sa.BigInteger)
    last: Mapped[int] = mapped_column(sa.BigInteger)
    reason: Mapped[str]
    envelope: Mapped[bytes] = mapped_column(sa.LargeBinary)


class Cell(SumColumns, Base):
    """An ad at one screen in one hour, summed over enough viewers, for kiosks that send no more.

    `second` is that of the ad, or -1 for whole exposures; only those have the columns from
    `exposures` on, and only the seconds have `attentive`.
    """

    __tablename__ = "cells"
    __table_args__ = (
        sa.UniqueConstraint("origin_id", "ad_version_id", "hour", "second"),
        sa.CheckConstraint("viewers > 0", name="viewers"),
        sa.CheckConstraint("second >= -1", name="second"),
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    origin_id: Mapped[int] = owned_by("origins")
    ad_version_id: Mapped[int] = mapped_column(sa.ForeignKey("ads.id"))
    hour: Mapped[datetime]
    second: Mapped[int]
    viewers: Mapped[int]
    readings: Mapped[int] = mapped_column(sa.BigInteger)
    emotion_readings: Mapped[int] = mapped_column(sa.BigInteger)
    attentive: Mapped[int | None] = mapped_column(sa.BigInteger)
    exposures: Mapped[int | None]
    watchers: Mapped[int | None]
    watchers_2s: Mapped[int | None]
    dwell_s: Mapped[float | None]
    attention_s: Mapped[float | None]

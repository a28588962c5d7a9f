"""Screens, the kiosks that fill them, and how these are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import NUMBER, Base, owned_by


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

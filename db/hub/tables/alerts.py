"""Alerts, and where they are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import NUMBER, Base, owned_by


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

"""Reports that are kept, sent and shared."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import Base, owned_by

RHYTHMS = ("daily", "weekly", "monthly")


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

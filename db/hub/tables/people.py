"""Who may do what in a hub, and who did it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.schema import NUMBER, Base, owned_by

ROLES = ("viewer", "editor", "approver", "operator", "admin", "agency")


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


class FailedAttempt(Base):
    """A wrong pairing code or password; these are counted to limit guessing."""

    __tablename__ = "failed_attempts"
    __table_args__ = (sa.Index(None, "kind", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    address: Mapped[str]
    at: Mapped[datetime]


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

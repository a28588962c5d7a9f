"""Secrets that all processes of a hub share."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from db.hub.tables.people import HubSecret

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def shared_secret(connection: Connection, name: str) -> str:
    """Return a secret of 256 random bits; the first call creates it.

    Args:
        connection: In a transaction.
        name: What it is for, at most 32 characters.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    values = {"name": name, "value": secrets.token_urlsafe(32)}
    connection.execute(dialect.insert(HubSecret).values(**values).on_conflict_do_nothing())
    return str(connection.scalar(select(HubSecret.value).where(HubSecret.name == name)))

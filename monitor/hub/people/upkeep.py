"""Deletes what a hub keeps about its accounts only for a time."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from db.engine import writing
from db.hub.attempts import forget_attempts
from db.hub.audit import forget_entries

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.engine import Engine

ATTEMPTS_FOR = timedelta(days=1)
"""Longer than any limit counts them."""


def account_upkeep(audit_days: int) -> Callable[[Engine, datetime], None]:
    """Return what deletes old attempts to log in, and old entries of the audit log.

    Args:
        audit_days: How long entries are kept; 0 for ever.
    """
    return partial(_delete_old, audit_days)


def _delete_old(audit_days: int, engine: Engine, now: datetime) -> None:
    with writing(engine) as connection:
        forget_attempts(connection, now - ATTEMPTS_FOR)
        if audit_days:
            forget_entries(connection, now - timedelta(days=audit_days))

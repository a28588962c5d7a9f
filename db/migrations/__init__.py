"""Alembic migrations. They run from `db.engine.open_database`; nobody needs an `alembic.ini`."""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every revision from the first to the newest, so that an up-to-date database is recognised without loading Alembic.

A test compares this with the scripts in `versions`.
"""

HEAD = REVISIONS[-1]

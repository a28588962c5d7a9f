"""How far a session has been written.

`sessions.last_record` is the number of the last record of the session that is in the database: what
waits elsewhere while the database cannot be written is written afterwards exactly once. A file is
also marked as one of this program.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; sessions of before have nothing that waits."""
    _mark(0x61644D6F)
    op.add_column(
        "sessions",
        sa.Column("last_record", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    """Drop it; a spool would then be written from its beginning by the next program."""
    op.drop_column("sessions", "last_record")
    _mark(0)


def _mark(application_id: int) -> None:
    """Mark the first page of an SQLite file, so that a damaged one is recognised."""
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"PRAGMA application_id = {application_id}")

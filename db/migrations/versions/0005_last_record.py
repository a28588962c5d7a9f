"""How far a session has been written.

`sessions.last_record` is the number of the last record of the session that is in the database: what waits elsewhere
while the database cannot be written is written afterwards exactly once.
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
    op.add_column("sessions", sa.Column("last_record", sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Drop it. Records that still wait in a spool would be written from its beginning by the next program that knows it."""
    op.drop_column("sessions", "last_record")

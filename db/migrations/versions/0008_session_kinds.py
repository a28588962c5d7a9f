"""The kind of each session: live, a replay or a demonstration.

`sessions.session_kind` replaces a guess from the source. A run whose source was a recording becomes
a replay, because the people in it were not in front of the screen.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a source with a file ending was a recording."""
    op.add_column(
        "sessions",
        sa.Column("session_kind", sa.String(16), server_default="live", nullable=False),
    )
    op.execute("UPDATE sessions SET session_kind = 'demo' WHERE source = 'demo'")
    op.execute(
        "UPDATE sessions SET session_kind = 'replay' WHERE kind = 'replay' OR (source LIKE '%.%' "
        "AND source NOT LIKE 'camera %' AND source NOT LIKE '/%' AND source NOT LIKE '%://%')"
    )


def downgrade() -> None:
    """Drop it; runs over recordings count as live again."""
    op.drop_column("sessions", "session_kind")

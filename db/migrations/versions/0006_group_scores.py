"""Sums of corrected group scores, for the shares of expressions in an audience.

Roll-ups made before have none: reports estimate theirs from the plain sums.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = ("exposures", "exposure_seconds")
_COLUMNS = ("sum_happy_score", "sum_surprise_score", "sum_negative_score")


def upgrade() -> None:
    """Add the columns, empty."""
    for table in _TABLES:
        for name in _COLUMNS:
            op.add_column(table, sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop them; reports estimate the shares from the plain sums."""
    for table in _TABLES:
        for name in reversed(_COLUMNS):
            op.drop_column(table, name)

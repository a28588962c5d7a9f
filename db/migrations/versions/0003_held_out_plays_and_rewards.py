"""What a play was chosen on, whether the hold-out chose it, and what it was worth.

`plays.context` holds what the choice looked at, `plays.held_out` marks the choices that ignored the
audience, and `plays.reward` with `plays.reward_viewer_s` is what a policy that learns was told.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CHECKS = {
    "reward": "reward BETWEEN -1.000001 AND 1.000001",
    "reward_viewer_s": "(reward IS NULL) = (reward_viewer_s IS NULL) "
    "AND (reward_viewer_s IS NULL OR reward_viewer_s > 0)",
}


def upgrade() -> None:
    """Add the four columns; all rows stay as they are."""
    # Not in a batch: SQLite would drop the old table, and with it every reading of every play. So
    # the checks belong to the columns, which SQLite can add and drop together with them.
    op.add_column(
        "plays", sa.Column("held_out", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("plays", sa.Column("context", sa.JSON(none_as_null=True), nullable=True))
    for column, condition in _CHECKS.items():
        check = sa.CheckConstraint(condition, name=op.f(f"ck_plays_{column}"))
        op.add_column("plays", sa.Column(column, sa.Double(), check, nullable=True))


def downgrade() -> None:
    """Drop them; every play stays, without what it was worth."""
    # The last one first: its check names the one before.
    for column in ("reward_viewer_s", "reward", "context", "held_out"):
        op.drop_column("plays", column)

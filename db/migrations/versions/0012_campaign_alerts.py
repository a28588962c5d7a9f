"""Alerts about campaigns, which belong to no screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ONE = "(screen_id IS NULL) <> (campaign_id IS NULL)"
_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Let an alert be about a campaign instead of a screen; all rows stay."""
    with op.batch_alter_table("alerts", copy_from=_table(), table_args=_kept()) as batch:
        batch.alter_column("screen_id", existing_type=sa.Integer(), nullable=True)
        batch.add_column(sa.Column("campaign_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_alerts_campaign_id"), "campaigns", ["campaign_id"], ["id"], ondelete="CASCADE"
        )
        batch.create_check_constraint(op.f("ck_alerts_screen_id"), _ONE)
    _index()
    op.create_index(
        "ix_alerts_open_campaign",
        "alerts",
        ["campaign_id", "kind"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    """Delete the alerts about campaigns, which the old schema cannot hold."""
    op.execute("DELETE FROM alerts WHERE screen_id IS NULL")
    op.drop_index("ix_alerts_open_campaign", "alerts")
    campaigns = sa.Table("campaigns", sa.MetaData(), sa.Column("id", sa.Integer()))
    table = _table(
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(_ONE, name=op.f("ck_alerts_screen_id")),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            [campaigns.c.id],
            name=op.f("fk_alerts_campaign_id"),
            ondelete="CASCADE",
        ),
        nullable=True,
    )
    with op.batch_alter_table("alerts", copy_from=table, table_args=_kept()) as batch:
        batch.drop_constraint(op.f("ck_alerts_screen_id"), type_="check")
        batch.drop_constraint(op.f("fk_alerts_campaign_id"), type_="foreignkey")
        batch.drop_column("campaign_id")
        batch.alter_column("screen_id", existing_type=sa.Integer(), nullable=False)
    _index()


# What SQLite makes the new table of: told rather than looked up, see schema 0002.


def _table(*more: SchemaItem, nullable: bool = False) -> sa.Table:
    return sa.Table(
        "alerts",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=nullable),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        *more,
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )


def _kept() -> tuple[SchemaItem, ...]:
    """The constraints that both schemas have."""
    screens = sa.Table("screens", sa.MetaData(), sa.Column("id", sa.Integer()))
    return (
        sa.CheckConstraint("ended_at >= raised_at", name=op.f("ck_alerts_ended_at")),
        sa.ForeignKeyConstraint(
            ["screen_id"], [screens.c.id], name=op.f("fk_alerts_screen_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_alerts_uid")),
    )


def _index() -> None:
    """Index the table that SQLite has made anew; elsewhere the indexes are still there."""
    op.create_index(
        "ix_alerts_open",
        "alerts",
        ["screen_id", "kind"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
        if_not_exists=True,
    )
    op.create_index(op.f("ix_alerts_raised_at"), "alerts", ["raised_at"], if_not_exists=True)

"""Experiments: their plans, the blocks drawn for them, and imported outcomes.

A plan and all its blocks are stored before the first block begins. Outcomes are what a shop counts
itself, such as its sales; they come from files and belong to a site, not to an experiment.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hypothesis", sa.Text(), nullable=False),
        sa.Column("arms", sa.JSON(), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("relevant", sa.Double(), nullable=False),
        sa.Column("stopping", sa.String(16), nullable=False),
        sa.Column("block_s", sa.Integer(), nullable=False),
        sa.Column("wash_out_s", sa.Integer(), nullable=False),
        sa.Column("opening", sa.JSON(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("power", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("program_version", sa.Text(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("uid", name=op.f("uq_experiments_uid")),
        sa.UniqueConstraint("name", name=op.f("uq_experiments_name")),
        sa.CheckConstraint(
            "measure IN ('attention', 'valence', 'outcome')", name=op.f("ck_experiments_measure")
        ),
        sa.CheckConstraint(
            "(measure = 'outcome') = (outcome IS NOT NULL)", name=op.f("ck_experiments_outcome")
        ),
        sa.CheckConstraint(
            "stopping IN ('always_valid', 'fixed')", name=op.f("ck_experiments_stopping")
        ),
        sa.CheckConstraint("block_s > 0 AND wash_out_s >= 0", name=op.f("ck_experiments_block_s")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_experiments_ends_at")),
        sa.CheckConstraint("relevant > 0", name=op.f("ck_experiments_relevant")),
        sa.CheckConstraint(
            "(stopped_at IS NULL) = (stop_reason IS NULL)", name=op.f("ck_experiments_stopped_at")
        ),
    )
    op.create_table(
        "experiment_blocks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("pair", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(16), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_blocks")),
        sa.UniqueConstraint(
            "experiment_id",
            "site",
            "number",
            name=op.f("uq_experiment_blocks_experiment_id_site_number"),
        ),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiments.id"],
            name=op.f("fk_experiment_blocks_experiment_id"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "arm IN ('treatment', 'control')", name=op.f("ck_experiment_blocks_arm")
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_experiment_blocks_ends_at")),
        sa.CheckConstraint("drawn_at <= starts_at", name=op.f("ck_experiment_blocks_drawn_at")),
    )
    op.create_index(
        op.f("ix_experiment_blocks_site_ends_at"), "experiment_blocks", ["site", "ends_at"]
    )
    op.create_table(
        "outcomes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lasts_s", sa.Double(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
        sa.UniqueConstraint("name", "site", "at", name=op.f("uq_outcomes_name_site_at")),
        sa.CheckConstraint("lasts_s >= 0", name=op.f("ck_outcomes_lasts_s")),
    )


def downgrade() -> None:
    """Drop them; nothing else refers to them."""
    for table in ("outcomes", "experiment_blocks", "experiments"):
        op.drop_table(table)

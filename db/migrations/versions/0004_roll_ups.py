"""Readings added up, so that a report on a month need not read every one of them.

`exposures` has one row per play and viewer, `exposure_seconds` one per second of the ad as well;
both are made from the readings of a play once it is over, and `plays.rolled_up` says whether that
has been done. `reading_counts` counts the readings of every viewer by sort as they are written.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SUMS = (
    "angry",
    "disgust",
    "fear",
    "happy",
    "sad",
    "surprise",
    "neutral",
    "valence",
    "expressiveness",
)


def upgrade() -> None:
    """Add the tables and count the readings; the program rolls up plays, a few at a time."""
    op.add_column(
        "plays", sa.Column("rolled_up", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_index(op.f("ix_plays_rolled_up"), "plays", ["rolled_up"])
    op.create_table(
        "reading_counts",
        _owner("reading_counts", "viewer"),
        sa.Column("on_ad", sa.Boolean(), nullable=False),
        sa.Column("sort", sa.String(16), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "on_ad", "sort", name=op.f("pk_reading_counts")),
    )
    op.create_table(
        "exposures",
        _owner("exposures", "play"),
        _owner("exposures", "viewer"),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("readings", "emotion_readings", "uncertain")
        ),
        *(
            sa.Column(name, sa.Double(), nullable=False)
            for name in ("dwell_s", "attention_s", "longest_attention_s")
        ),
        sa.Column("baseline", sa.Double(), nullable=True),
        sa.Column("end_readings", sa.Integer(), nullable=False),
        sa.Column("end_happy", sa.Double(), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint("play_id", "viewer_id", name=op.f("pk_exposures")),
        sa.CheckConstraint(
            "attention_s <= dwell_s AND longest_attention_s <= attention_s",
            name=op.f("ck_exposures_attention_s"),
        ),
        sa.CheckConstraint(
            "uncertain <= emotion_readings AND emotion_readings <= readings",
            name=op.f("ck_exposures_readings"),
        ),
    )
    op.create_table(
        "exposure_seconds",
        _owner("exposure_seconds", "play"),
        _owner("exposure_seconds", "viewer"),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("second", "readings", "attentive", "emotion_readings")
        ),
        *_sums(),
        sa.PrimaryKeyConstraint("play_id", "viewer_id", "second", name=op.f("pk_exposure_seconds")),
        sa.CheckConstraint(
            "attentive <= readings AND emotion_readings <= readings",
            name=op.f("ck_exposure_seconds_readings"),
        ),
    )
    for table in ("exposures", "exposure_seconds"):
        op.create_index(op.f(f"ix_{table}_viewer_id"), table, ["viewer_id"])
    op.execute(
        "INSERT INTO reading_counts (viewer_id, on_ad, sort, readings) "
        "SELECT viewer_id, play_id IS NOT NULL, "
        "COALESCE(withheld, CASE WHEN uncertain THEN 'uncertain' ELSE 'certain' END), COUNT(*) "
        "FROM readings GROUP BY 1, 2, 3"
    )


def downgrade() -> None:
    """Drop them; everything in them follows from the readings."""
    for table in ("exposure_seconds", "exposures", "reading_counts"):
        op.drop_table(table)
    op.drop_index(op.f("ix_plays_rolled_up"), "plays")
    op.drop_column("plays", "rolled_up")


def _owner(table: str, what: str) -> sa.Column[int]:
    key = sa.ForeignKey(f"{what}s.id", name=op.f(f"fk_{table}_{what}_id"), ondelete="CASCADE")
    return sa.Column(f"{what}_id", sa.Integer(), key, nullable=False)


def _sums() -> list[sa.Column[float]]:
    return [sa.Column(f"sum_{name}", sa.Double(), nullable=False) for name in _SUMS]

"""First schema: models, sessions, ads, plays, viewers, readings, gaps.

Written out rather than taken from the models, which change later while this must not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("sha256", name=op.f("uq_models_sha256")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("program_version", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=True),
        sa.Column("dropped", sa.BigInteger(), nullable=True),
        sa.Column("fps", sa.Double(), nullable=True),
        sa.Column("lost", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.CheckConstraint("kind IN ('run', 'replay')", name=op.f("ck_sessions_kind")),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_sessions_ended_at")),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_sessions_end_reason")
        ),
        sa.CheckConstraint("frames >= 0", name=op.f("ck_sessions_frames")),
        sa.CheckConstraint("dropped >= 0", name=op.f("ck_sessions_dropped")),
        sa.CheckConstraint("lost >= 0", name=op.f("ck_sessions_lost")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_sessions_model_id")),
    )
    op.create_table(
        "ads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ad_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("brand_at_s", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ads")),
        sa.UniqueConstraint(
            "ad_id", "sha256", "duration_ms", name=op.f("uq_ads_ad_id_sha256_duration_ms")
        ),
        sa.CheckConstraint("kind IN ('image', 'animation', 'video')", name=op.f("ck_ads_kind")),
        sa.CheckConstraint("duration_ms > 0", name=op.f("ck_ads_duration_ms")),
    )
    op.create_table(
        "plays",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("ad_version_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.Column("shown_ms", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plays")),
        sa.UniqueConstraint("session_id", "number", name=op.f("uq_plays_session_id_number")),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_plays_ended_at")),
        sa.CheckConstraint(
            "outcome IN ('finished', 'skipped', 'failed', 'stopped', 'interrupted')",
            name=op.f("ck_plays_outcome"),
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name=op.f("ck_plays_ended")),
        sa.CheckConstraint(
            "probability BETWEEN -0.000001 AND 1.000001", name=op.f("ck_plays_probability")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_plays_session_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["ad_version_id"], ["ads.id"], name=op.f("fk_plays_ad_version_id")),
    )
    op.create_index(op.f("ix_plays_ad_version_id"), "plays", ["ad_version_id"])
    op.create_table(
        "viewers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_viewers")),
        sa.UniqueConstraint("session_id", "number", name=op.f("uq_viewers_session_id_number")),
        sa.CheckConstraint("last_seen_at >= first_seen_at", name=op.f("ck_viewers_last_seen_at")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_viewers_session_id"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "readings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("viewer_id", sa.Integer(), nullable=False),
        sa.Column("play_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position_ms", sa.Double(), nullable=True),
        sa.Column("p_angry", sa.Double(), nullable=False),
        sa.Column("p_disgust", sa.Double(), nullable=False),
        sa.Column("p_fear", sa.Double(), nullable=False),
        sa.Column("p_happy", sa.Double(), nullable=False),
        sa.Column("p_sad", sa.Double(), nullable=False),
        sa.Column("p_surprise", sa.Double(), nullable=False),
        sa.Column("p_neutral", sa.Double(), nullable=False),
        sa.Column("valence", sa.Double(), nullable=False),
        sa.Column("expressiveness", sa.Double(), nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("yaw", sa.Double(), nullable=True),
        sa.Column("pitch", sa.Double(), nullable=True),
        sa.Column("roll", sa.Double(), nullable=True),
        sa.Column("attentive", sa.Boolean(), nullable=False),
        sa.Column("quality", sa.Double(), nullable=False),
        sa.Column("box_x", sa.Double(), nullable=False),
        sa.Column("box_y", sa.Double(), nullable=False),
        sa.Column("box_w", sa.Double(), nullable=False),
        sa.Column("box_h", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        sa.CheckConstraint(
            "p_angry BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_p_angry")
        ),
        sa.CheckConstraint(
            "p_disgust BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_p_disgust")
        ),
        sa.CheckConstraint(
            "p_fear BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_p_fear")
        ),
        sa.CheckConstraint(
            "p_happy BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_p_happy")
        ),
        sa.CheckConstraint("p_sad BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_p_sad")),
        sa.CheckConstraint(
            "p_surprise BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_p_surprise")
        ),
        sa.CheckConstraint(
            "p_neutral BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_p_neutral")
        ),
        sa.CheckConstraint(
            "valence BETWEEN -1.000001 AND 1.000001", name=op.f("ck_readings_valence")
        ),
        sa.CheckConstraint(
            "expressiveness BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_expressiveness")
        ),
        sa.CheckConstraint(
            "quality BETWEEN -0.000001 AND 1.000001", name=op.f("ck_readings_quality")
        ),
        sa.CheckConstraint(
            "(play_id IS NULL) = (position_ms IS NULL)", name=op.f("ck_readings_position_ms")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_readings_session_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["viewer_id"], ["viewers.id"], name=op.f("fk_readings_viewer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["play_id"], ["plays.id"], name=op.f("fk_readings_play_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_readings_session_id_at"), "readings", ["session_id", "at"])
    op.create_index(op.f("ix_readings_viewer_id"), "readings", ["viewer_id"])
    op.create_index(op.f("ix_readings_play_id"), "readings", ["play_id"])
    op.create_table(
        "gaps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_gaps_ended_at")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_gaps_session_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_gaps_session_id"), "gaps", ["session_id"])


def downgrade() -> None:
    """Drop all tables."""
    for table in ("gaps", "readings", "viewers", "plays", "ads", "sessions", "models"):
        op.drop_table(table)

"""Names for what is recorded that hold in every database, and the tables of a hub.

A session is named by its origin, which is an epoch of a kiosk, and its number there. The sessions
of before get the origin that this database begins with; their numbers are their ids.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, begin an epoch, and give it the sessions that are there."""
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"], unique=False)
    op.create_table(
        "channels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("alert_kinds", sa.JSON(), nullable=False),
        sa.Column("quiet_hours", sa.JSON(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('apprise', 'webhook')", name=op.f("ck_channels_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_channels_name")),
    )
    op.create_table(
        "failed_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_attempts")),
    )
    op.create_index(
        op.f("ix_failed_attempts_kind_at"), "failed_attempts", ["kind", "at"], unique=False
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
        sa.UniqueConstraint("name", name=op.f("uq_leases_name")),
    )
    op.create_table(
        "outgoing",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('session', 'play', 'viewer', 'gap', 'cell')", name=op.f("ck_outgoing_kind")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_outgoing")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "screens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("venue_type", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("opening", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screens")),
        sa.UniqueConstraint("uid", name=op.f("uq_screens_uid")),
    )
    op.create_table(
        "uplinks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("screen", sa.String(length=32), nullable=False),
        sa.Column("upload", sa.String(length=16), nullable=False),
        sa.Column("min_viewers", sa.Integer(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cells_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lost", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("upload IN ('sums', 'cells')", name=op.f("ck_uplinks_upload")),
        sa.CheckConstraint("id = 1", name=op.f("ck_uplinks_id")),
        sa.CheckConstraint("min_viewers >= 1", name=op.f("ck_uplinks_min_viewers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uplinks")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('viewer', 'editor', 'approver', 'operator', 'admin', 'agency')",
            name=op.f("ck_users_role"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint("ended_at >= raised_at", name=op.f("ck_alerts_ended_at")),
        sa.ForeignKeyConstraint(
            ["screen_id"], ["screens.id"], name=op.f("fk_alerts_screen_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("uid", name=op.f("uq_alerts_uid")),
    )
    op.create_index(
        "ix_alerts_open",
        "alerts",
        ["screen_id", "kind"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("ix_alerts_raised_at"), "alerts", ["raised_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_deliveries_attempts")),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name=op.f("fk_deliveries_channel_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("channel_id", "event", name=op.f("uq_deliveries_channel_id_event")),
    )
    op.create_index(op.f("ix_deliveries_next_at"), "deliveries", ["next_at"], unique=False)
    op.create_table(
        "kiosk_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kiosk", sa.String(length=32), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["screen_id"], ["screens.id"], name=op.f("fk_kiosk_keys_screen_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kiosk_keys")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_kiosk_keys_key_sha256")),
    )
    op.create_index(op.f("ix_kiosk_keys_kiosk"), "kiosk_keys", ["kiosk"], unique=False)
    op.create_index(op.f("ix_kiosk_keys_screen_id"), "kiosk_keys", ["screen_id"], unique=False)
    op.create_table(
        "origins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kiosk", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_here", sa.Boolean(), nullable=False),
        sa.Column("base", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("watermark", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["screen_id"], ["screens.id"], name=op.f("fk_origins_screen_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_origins")),
        sa.UniqueConstraint("kiosk", "epoch", name=op.f("uq_origins_kiosk_epoch")),
    )
    op.create_table(
        "pairings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=8), nullable=False),
        sa.Column("claim_sha256", sa.String(length=64), nullable=True),
        sa.Column("kiosk", sa.String(length=32), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(accepted_at IS NULL) = (accepted_by IS NULL)", name=op.f("ck_pairings_accepted_at")
        ),
        sa.CheckConstraint(
            "kiosk IS NOT NULL OR screen_id IS NOT NULL", name=op.f("ck_pairings_kiosk")
        ),
        sa.ForeignKeyConstraint(
            ["screen_id"], ["screens.id"], name=op.f("fk_pairings_screen_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairings")),
        sa.UniqueConstraint("code", name=op.f("uq_pairings_code")),
    )
    op.create_table(
        "screen_states",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clock_offset_s", sa.Double(), nullable=False),
        sa.Column("health", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["screen_id"],
            ["screens.id"],
            name=op.f("fk_screen_states_screen_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screen_states")),
        sa.UniqueConstraint("screen_id", name=op.f("uq_screen_states_screen_id")),
    )
    op.create_table(
        "state_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("camera", sa.String(length=32), nullable=False),
        sa.Column("notice_shown", sa.Boolean(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["screen_id"],
            ["screens.id"],
            name=op.f("fk_state_changes_screen_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_state_changes")),
    )
    op.create_index(
        op.f("ix_state_changes_screen_id_at"), "state_changes", ["screen_id", "at"], unique=False
    )
    op.create_table(
        "user_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('login', 'invitation')", name=op.f("ck_user_tokens_kind")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_user_tokens_token_sha256")),
    )
    op.create_index(op.f("ix_user_tokens_user_id"), "user_tokens", ["user_id"], unique=False)
    op.create_table(
        "cells",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("origin_id", sa.Integer(), nullable=False),
        sa.Column("ad_version_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("second", sa.Integer(), nullable=False),
        sa.Column("viewers", sa.Integer(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("emotion_readings", sa.BigInteger(), nullable=False),
        sa.Column("attentive", sa.BigInteger(), nullable=True),
        sa.Column("exposures", sa.Integer(), nullable=True),
        sa.Column("watchers", sa.Integer(), nullable=True),
        sa.Column("watchers_2s", sa.Integer(), nullable=True),
        sa.Column("dwell_s", sa.Double(), nullable=True),
        sa.Column("attention_s", sa.Double(), nullable=True),
        sa.Column("sum_angry", sa.Double(), nullable=False),
        sa.Column("sum_disgust", sa.Double(), nullable=False),
        sa.Column("sum_fear", sa.Double(), nullable=False),
        sa.Column("sum_happy", sa.Double(), nullable=False),
        sa.Column("sum_sad", sa.Double(), nullable=False),
        sa.Column("sum_surprise", sa.Double(), nullable=False),
        sa.Column("sum_neutral", sa.Double(), nullable=False),
        sa.Column("sum_valence", sa.Double(), nullable=False),
        sa.Column("sum_expressiveness", sa.Double(), nullable=False),
        sa.Column("sum_happy_score", sa.Double(), nullable=True),
        sa.Column("sum_surprise_score", sa.Double(), nullable=True),
        sa.Column("sum_negative_score", sa.Double(), nullable=True),
        sa.CheckConstraint("second >= -1", name=op.f("ck_cells_second")),
        sa.CheckConstraint("viewers > 0", name=op.f("ck_cells_viewers")),
        sa.ForeignKeyConstraint(["ad_version_id"], ["ads.id"], name=op.f("fk_cells_ad_version_id")),
        sa.ForeignKeyConstraint(
            ["origin_id"], ["origins.id"], name=op.f("fk_cells_origin_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cells")),
        sa.UniqueConstraint(
            "origin_id",
            "ad_version_id",
            "hour",
            "second",
            name=op.f("uq_cells_origin_id_ad_version_id_hour_second"),
        ),
    )
    op.create_table(
        "set_aside",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("origin_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["origin_id"], ["origins.id"], name=op.f("fk_set_aside_origin_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_aside")),
    )
    op.create_index(op.f("ix_set_aside_origin_id"), "set_aside", ["origin_id"], unique=False)
    op.add_column("sessions", sa.Column("origin_id", sa.Integer(), nullable=True))
    op.add_column("sessions", sa.Column("number", sa.BigInteger(), nullable=True))
    op.create_index(
        op.f("ix_sessions_origin_id_number"), "sessions", ["origin_id", "number"], unique=True
    )
    origins = sa.table(
        "origins",
        sa.column("kiosk", sa.String),
        sa.column("epoch", sa.String),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("is_here", sa.Boolean),
    )
    here = {"kiosk": uuid.uuid4().hex, "epoch": uuid.uuid4().hex, "is_here": True}
    op.execute(origins.insert().values(created_at=datetime.now(UTC), **here))
    op.execute("UPDATE sessions SET number = id, origin_id = (SELECT id FROM origins)")


def downgrade() -> None:
    """Drop them; the next upgrade begins another epoch."""
    op.drop_index(op.f("ix_sessions_origin_id_number"), "sessions")
    op.drop_column("sessions", "number")
    op.drop_column("sessions", "origin_id")
    op.drop_table("set_aside")
    op.drop_table("cells")
    op.drop_table("user_tokens")
    op.drop_table("state_changes")
    op.drop_table("screen_states")
    op.drop_table("pairings")
    op.drop_table("origins")
    op.drop_table("kiosk_keys")
    op.drop_table("deliveries")
    op.drop_table("alerts")
    op.drop_table("users")
    op.drop_table("uplinks")
    op.drop_table("screens")
    op.drop_table("outgoing")
    op.drop_table("leases")
    op.drop_table("failed_attempts")
    op.drop_table("channels")
    op.drop_table("audit_entries")

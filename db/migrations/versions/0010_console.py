"""The tables behind the console, and what accounts need to use it.

Library, playlists, calendar, desired states, commands, reports and API keys; second factors, single
sign-on and languages of accounts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from sqlalchemy.sql.schema import SchemaItem

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_EMPTY = sa.text("''")
_OLD_KINDS = "kind IN ('login', 'invitation')"
_KINDS = "kind IN ('login', 'invitation', 'second_factor', 'recovery')"


def _user_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("email", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("language", sa.String(length=8), server_default=_EMPTY, nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=True),
        sa.Column("totp_secret", sa.Text(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
    ]


def upgrade() -> None:
    """Create the tables and columns."""
    op.create_table(
        "folders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("name", name=op.f("uq_folders_name")),
        sa.UniqueConstraint("uid", name=op.f("uq_folders_uid")),
    )
    op.create_table(
        "hub_secrets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_secrets")),
        sa.UniqueConstraint("name", name=op.f("uq_hub_secrets_name")),
    )
    op.create_table(
        "media_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("ending", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("has_sound", sa.Boolean(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=True),
        sa.Column("strip", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_files")),
        sa.UniqueConstraint("sha256", name=op.f("uq_media_files_sha256")),
    )
    op.create_table(
        "playlists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playlists")),
        sa.UniqueConstraint("uid", name=op.f("uq_playlists_uid")),
    )
    op.create_table(
        "shared_documents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shared_documents")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_shared_documents_token_sha256")),
        sa.UniqueConstraint("uid", name=op.f("uq_shared_documents_uid")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_api_keys_key_sha256")),
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"], unique=False)
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("creatives", sa.JSON(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("goal_kind", sa.String(length=24), nullable=False),
        sa.Column("goal", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "goal_kind IN ('plays', 'attentive_seconds')", name=op.f("ck_campaigns_goal_kind")
        ),
        sa.CheckConstraint("goal > 0", name=op.f("ck_campaigns_goal")),
        sa.CheckConstraint("last_day >= first_day", name=op.f("ck_campaigns_last_day")),
        sa.ForeignKeyConstraint(["folder_id"], ["folders.id"], name=op.f("fk_campaigns_folder_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("uid", name=op.f("uq_campaigns_uid")),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded", sa.Boolean(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attachment", sa.LargeBinary(), nullable=True),
        sa.Column("attachment_type", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('identify', 'restart', 'picture', 'logs')", name=op.f("ck_commands_kind")
        ),
        sa.ForeignKeyConstraint(
            ["screen_id"], ["screens.id"], name=op.f("fk_commands_screen_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sa.UniqueConstraint("uid", name=op.f("uq_commands_uid")),
    )
    op.create_index(
        op.f("ix_commands_screen_id_created_at"),
        "commands",
        ["screen_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "creatives",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=False),
        sa.Column("ad_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["folder_id"], ["folders.id"], name=op.f("fk_creatives_folder_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_creatives")),
        sa.UniqueConstraint("uid", name=op.f("uq_creatives_uid")),
    )
    op.create_index(op.f("ix_creatives_folder_id"), "creatives", ["folder_id"], unique=False)
    op.create_table(
        "desired_states",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("screen_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("is_empty", sa.Boolean(), nullable=False),
        sa.Column("reported_version", sa.Integer(), nullable=True),
        sa.Column("reported_state", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "reported_state IN ('fetching', 'applied', 'refused')",
            name=op.f("ck_desired_states_reported_state"),
        ),
        sa.ForeignKeyConstraint(
            ["screen_id"],
            ["screens.id"],
            name=op.f("fk_desired_states_screen_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desired_states")),
        sa.UniqueConstraint("screen_id", name=op.f("uq_desired_states_screen_id")),
    )
    op.create_table(
        "playlist_revisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("playlist_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(published_at IS NULL) = (published_by IS NULL)",
            name=op.f("ck_playlist_revisions_published_at"),
        ),
        sa.ForeignKeyConstraint(
            ["playlist_id"],
            ["playlists.id"],
            name=op.f("fk_playlist_revisions_playlist_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playlist_revisions")),
        sa.UniqueConstraint(
            "playlist_id", "number", name=op.f("uq_playlist_revisions_playlist_id_number")
        ),
    )
    op.create_index(
        "ix_playlist_revisions_draft",
        "playlist_revisions",
        ["playlist_id"],
        unique=True,
        sqlite_where=sa.text("published_at IS NULL"),
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_table(
        "saved_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.JSON(), nullable=False),
        sa.Column("rhythm", sa.String(length=16), nullable=True),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "rhythm IN ('daily', 'weekly', 'monthly')", name=op.f("ck_saved_reports_rhythm")
        ),
        sa.CheckConstraint(
            "(rhythm IS NULL) = (next_at IS NULL)", name=op.f("ck_saved_reports_next_at")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_saved_reports_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_reports")),
        sa.UniqueConstraint("uid", name=op.f("uq_saved_reports_uid")),
    )
    op.create_index(op.f("ix_saved_reports_next_at"), "saved_reports", ["next_at"], unique=False)
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("playlist_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("target_kind", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("takeover", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "target_kind IN ('all', 'site', 'group', 'tag', 'screen')",
            name=op.f("ck_bookings_target_kind"),
        ),
        sa.CheckConstraint("last_day >= first_day", name=op.f("ck_bookings_last_day")),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("ck_bookings_priority")),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_bookings_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["playlist_id"],
            ["playlists.id"],
            name=op.f("fk_bookings_playlist_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint("uid", name=op.f("uq_bookings_uid")),
    )
    op.create_index(op.f("ix_bookings_playlist_id"), "bookings", ["playlist_id"], unique=False)
    op.create_table(
        "creative_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("creative_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("media_file_id", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("brand_at_s", sa.JSON(), nullable=False),
        sa.Column("moods", sa.JSON(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("approval", sa.String(length=16), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "approval IN ('draft', 'pending', 'approved', 'rejected')",
            name=op.f("ck_creative_versions_approval"),
        ),
        sa.CheckConstraint("last_day >= first_day", name=op.f("ck_creative_versions_last_day")),
        sa.ForeignKeyConstraint(
            ["creative_id"],
            ["creatives.id"],
            name=op.f("fk_creative_versions_creative_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["media_file_id"], ["media_files.id"], name=op.f("fk_creative_versions_media_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_creative_versions")),
        sa.UniqueConstraint(
            "creative_id", "number", name=op.f("uq_creative_versions_creative_id_number")
        ),
    )
    op.create_index(
        op.f("ix_creative_versions_media_file_id"),
        "creative_versions",
        ["media_file_id"],
        unique=False,
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=False),
        sa.Column("creative_id", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.CheckConstraint("received BETWEEN 0 AND size", name=op.f("ck_uploads_received")),
        sa.ForeignKeyConstraint(
            ["creative_id"],
            ["creatives.id"],
            name=op.f("fk_uploads_creative_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folders.id"], name=op.f("fk_uploads_folder_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_uploads_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("uid", name=op.f("uq_uploads_uid")),
    )
    op.create_index(op.f("ix_uploads_user_id"), "uploads", ["user_id"], unique=False)
    op.add_column(
        "screens",
        sa.Column("settings", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
    )
    for column in _user_columns():
        op.add_column("users", column)
    op.create_index(op.f("ix_users_subject"), "users", ["subject"], unique=True)
    with op.batch_alter_table(
        "user_tokens", copy_from=_tokens(_OLD_KINDS), table_args=_kept()
    ) as batch:
        for column in _token_columns():
            batch.add_column(column)
        batch.drop_constraint(op.f("ck_user_tokens_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_user_tokens_kind"), _KINDS)
    _index_tokens()


def downgrade() -> None:
    """Drop them; first halves of logins are over."""
    op.execute("DELETE FROM user_tokens WHERE kind IN ('second_factor', 'recovery')")
    table = _tokens(_KINDS, *_token_columns())
    with op.batch_alter_table("user_tokens", copy_from=table, table_args=_kept()) as batch:
        batch.drop_constraint(op.f("ck_user_tokens_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_user_tokens_kind"), _OLD_KINDS)
        for column in reversed(_token_columns()):
            batch.drop_column(column.name)
    _index_tokens()
    op.drop_index(op.f("ix_users_subject"), "users")
    for column in reversed(_user_columns()):
        op.drop_column("users", column.name)
    op.drop_column("screens", "settings")
    op.drop_table("uploads")
    op.drop_table("creative_versions")
    op.drop_table("bookings")
    op.drop_table("saved_reports")
    op.drop_table("playlist_revisions")
    op.drop_table("desired_states")
    op.drop_table("creatives")
    op.drop_table("commands")
    op.drop_table("campaigns")
    op.drop_table("api_keys")
    op.drop_table("shared_documents")
    op.drop_table("playlists")
    op.drop_table("media_files")
    op.drop_table("hub_secrets")
    op.drop_table("folders")


# What SQLite makes the new table of tokens of: told rather than looked up, see schema 0002.


def _tokens(kinds: str, *more: SchemaItem) -> sa.Table:
    return sa.Table(
        "user_tokens",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        *more,
        sa.CheckConstraint(kinds, name=op.f("ck_user_tokens_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_tokens")),
    )


def _token_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("address", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("agent", sa.Text(), server_default=_EMPTY, nullable=False),
    ]


def _kept() -> tuple[SchemaItem, ...]:
    """The foreign key and the unique digest that both schemas have."""
    users = sa.Table("users", sa.MetaData(), sa.Column("id", sa.Integer()))
    return (
        sa.ForeignKeyConstraint(
            ["user_id"], [users.c.id], name=op.f("fk_user_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_user_tokens_token_sha256")),
    )


def _index_tokens() -> None:
    """Index the table that SQLite has made anew; elsewhere the index is still there."""
    name = op.f("ix_user_tokens_user_id")
    op.create_index(name, "user_tokens", ["user_id"], if_not_exists=True)

"""Readings without an emotion, and faces that are pictures.

`readings.withheld` says why a reading has no emotion, and the nine figures of the emotion become
nullable with it. `viewers.static` marks posters and still pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PROBABILITIES = ("p_angry", "p_disgust", "p_fear", "p_happy", "p_sad", "p_surprise", "p_neutral")
_EMOTION = (*_PROBABILITIES, "valence", "expressiveness")
_REFERENCES = {"session_id": "sessions", "viewer_id": "viewers", "play_id": "plays"}
_WITHHELD = " AND ".join(f"({column} IS NULL) = (withheld IS NOT NULL)" for column in _EMOTION)


def upgrade() -> None:
    """Allow readings without an emotion, and mark pictures; all rows stay as they are."""
    # Not in a batch: SQLite would drop the old table, and with it every reading of every viewer.
    op.add_column(
        "viewers", sa.Column("static", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    table = _table(*_columns(nullable=False))
    with op.batch_alter_table("readings", copy_from=table, table_args=_kept()) as batch:
        for column in _EMOTION:
            batch.alter_column(column, existing_type=sa.Double(), nullable=True)
        batch.add_column(sa.Column("withheld", sa.String(16), nullable=True))
        batch.create_check_constraint(op.f("ck_readings_withheld"), _WITHHELD)
    _index()


def downgrade() -> None:
    """Undo both; readings without an emotion, which the old schema cannot hold, are deleted.

    The marks of pictures go as well: the program of that schema counts their readings as those of
    viewers.
    """
    op.execute("DELETE FROM readings WHERE withheld IS NOT NULL")
    table = _table(
        *_columns(nullable=True),
        sa.Column("withheld", sa.String(16), nullable=True),
        sa.CheckConstraint(_WITHHELD, name=op.f("ck_readings_withheld")),
    )
    with op.batch_alter_table("readings", copy_from=table, table_args=_kept()) as batch:
        batch.drop_constraint(op.f("ck_readings_withheld"), type_="check")
        batch.drop_column("withheld")
        for column in _EMOTION:
            batch.alter_column(column, existing_type=sa.Double(), nullable=False)
    _index()
    op.drop_column("viewers", "static")


# What SQLite makes the new table of: told rather than looked up, and its constraints one after the
# other rather than as the set that a table keeps, so that two databases with the same content are
# the same.


def _table(*items: SchemaItem) -> sa.Table:
    return sa.Table(
        "readings", sa.MetaData(), *items, sa.PrimaryKeyConstraint("id", name=op.f("pk_readings"))
    )


def _columns(*, nullable: bool) -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("viewer_id", sa.Integer(), nullable=False),
        sa.Column("play_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position_ms", sa.Double(), nullable=True),
        *(sa.Column(column, sa.Double(), nullable=nullable) for column in _EMOTION),
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
    ]


def _kept() -> tuple[SchemaItem, ...]:
    """The checks and foreign keys that both schemas have."""
    return (
        *(_check(column, f"{column} BETWEEN -0.000001 AND 1.000001") for column in _PROBABILITIES),
        _check("valence", "valence BETWEEN -1.000001 AND 1.000001"),
        _check("expressiveness", "expressiveness BETWEEN -0.000001 AND 1.000001"),
        _check("quality", "quality BETWEEN -0.000001 AND 1.000001"),
        _check("position_ms", "(play_id IS NULL) = (position_ms IS NULL)"),
        *(_foreign_key(column, table) for column, table in _REFERENCES.items()),
    )


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_readings_{name}"))


def _foreign_key(column: str, table: str) -> sa.ForeignKeyConstraint:
    target = sa.Table(table, sa.MetaData(), sa.Column("id", sa.Integer()))
    return sa.ForeignKeyConstraint(
        [column], [target.c.id], name=op.f(f"fk_readings_{column}"), ondelete="CASCADE"
    )


def _index() -> None:
    """Index the table that SQLite has made anew; elsewhere the indexes are still there."""
    for columns in (["session_id", "at"], ["viewer_id"], ["play_id"]):
        op.create_index(
            op.f(f"ix_readings_{'_'.join(columns)}"), "readings", columns, if_not_exists=True
        )

"""Models with other labels than the seven emotions, and counts of shadow runs.

Probabilities and sums of labels that a model does not have are NULL, and those of labels outside
the seven are in a column of their own, by their names.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Callable

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_FIGURES = (*(f"p_{name}" for name in _EMOTIONS), "valence", "expressiveness")
_SUMS = tuple(f"sum_{name}" for name in (*_EMOTIONS, "valence", "expressiveness"))
_REQUIRED = {
    "exposures": (*_SUMS, "end_happy"),
    "exposure_seconds": _SUMS,
    "cells": _SUMS,
}
"""Columns that had to have a value."""

_OWN = {"readings": "p_own", "exposures": "sum_own", "exposure_seconds": "sum_own"}

_ALL_OR_NONE = " AND ".join(f"({column} IS NULL) = (withheld IS NOT NULL)" for column in _FIGURES)
_NONE = " AND ".join(f"{column} IS NULL" for column in (*_FIGURES[:-2], "p_own"))
_SOME_OR_NONE = (
    f"({_NONE}) = (withheld IS NOT NULL)"
    " AND (withheld IS NULL OR (valence IS NULL AND expressiveness IS NULL))"
)


def upgrade() -> None:
    """Add the columns, and allow what models with other labels leave out; all rows stay."""
    for table, column in _OWN.items():
        op.add_column(table, sa.Column(column, sa.JSON(), nullable=True))
    _change_rules(required=False)
    op.create_table(
        "shadow_counts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("shadow_label", sa.Text(), nullable=False),
        sa.Column("faces", sa.Integer(), nullable=False),
        sa.Column("sum_valence", sa.Double(), nullable=True),
        sa.Column("sum_shadow_valence", sa.Double(), nullable=True),
        sa.Column("sum_confidence", sa.Double(), nullable=False),
        sa.Column("sum_shadow_confidence", sa.Double(), nullable=False),
        sa.Column("cpu_ms", sa.Double(), nullable=False),
        sa.Column("shadow_cpu_ms", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_counts")),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_shadow_counts_session_id"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("faces > 0", name=op.f("ck_shadow_counts_faces")),
    )
    op.create_index(op.f("ix_shadow_counts_session_id_at"), "shadow_counts", ["session_id", "at"])


def downgrade() -> None:
    """Delete what the old schema cannot hold: all that such models have said of expressions."""
    op.drop_table("shadow_counts")
    incomplete = " OR ".join(f"{column} IS NULL" for column in _FIGURES)
    op.execute(f"DELETE FROM readings WHERE withheld IS NULL AND ({incomplete})")  # noqa: S608 (constants)
    for table, columns in _REQUIRED.items():
        missing = " OR ".join(f"{column} IS NULL" for column in columns)
        op.execute(f"DELETE FROM {table} WHERE {missing}")  # noqa: S608 (constants)
    _change_rules(required=True)
    for table, column in _OWN.items():
        op.drop_column(table, column)


def _change_rules(*, required: bool) -> None:
    """Require all figures of a reading and of a sum, or only that a reading has some."""
    rule = _ALL_OR_NONE if required else _SOME_OR_NONE
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_readings_withheld"), "readings", type_="check")
        op.create_check_constraint(op.f("ck_readings_withheld"), "readings", rule)
        for table, columns in _REQUIRED.items():
            for column in columns:
                op.alter_column(table, column, nullable=not required)
        return
    old = _SOME_OR_NONE if required else _ALL_OR_NONE
    _rewrite("readings", lambda text: text.replace(old, rule))
    end = " NOT NULL" if required else ""
    for table, columns in _REQUIRED.items():
        pattern = rf"\b({'|'.join(columns)}) (\w+)( NOT NULL)?"
        _rewrite(table, partial(re.sub, pattern, rf"\1 \2{end}"))
    # Loads the changed text, and makes other connections load it.
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")


def _rewrite(table: str, change: Callable[[str], str]) -> None:
    """Rewrite the definition of a table in SQLite's schema, without touching its rows.

    Rows stay valid, so https://sqlite.org/lang_altertable.html recommends this; copying a table of
    readings would take minutes, and as much space again.
    """
    connection = op.get_bind()
    place = "FROM sqlite_master WHERE type = 'table' AND name = ?"
    text = connection.exec_driver_sql(f"SELECT sql {place}", (table,)).scalar_one()
    changed = change(text)
    if changed == text:
        raise RuntimeError(f"The table {table} is not as schema {down_revision} made it: {text}")
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (changed, table)
    )

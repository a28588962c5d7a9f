"""The migrations build exactly the schema of the models."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from db.engine import open_database
from db.errors import SchemaVersionError
from db.migrations import HEAD, REVISIONS
from db.schema import Base


@pytest.fixture
def config():
    config = Config()
    config.set_main_option("script_location", str(files("db.migrations")))
    return config


def schema(connection):
    """Every statement that makes the schema, in an order and a spacing that do not matter."""
    statements = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
    )
    result = {}
    for name, sql in statements:
        head, _, body = re.sub(r"\s+", " ", sql).partition("(")
        result[name] = (head.strip(), sorted(part.strip() for part in body.rsplit(")", 1)[0].split(", ")))
    return result


def test_revisions_are_those_of_the_scripts(config):
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(REVISIONS)


def test_autogenerate_finds_nothing_to_do(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_autogenerate_would_find_a_difference(engine):
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("ALTER TABLE gaps ADD COLUMN extra TEXT")
        context = MigrationContext.configure(connection)
        assert len(compare_metadata(context, Base.metadata)) == 1
        connection.get_transaction().rollback()


def test_migrated_schema_equals_created_schema(engine, tmp_path):
    created = create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    try:
        Base.metadata.create_all(created)
        with created.connect() as one, engine.connect() as two:
            assert schema(one) == schema(two)
            assert len(schema(one)) > len(Base.metadata.tables)
    finally:
        created.dispose()


def test_down_and_up_again(engine, config, path, make):
    make.write(engine)
    with engine.connect() as connection:
        before = schema(connection)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with engine.connect() as connection:
        assert schema(connection) == {}
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 0
    engine.dispose()

    again = open_database(str(path))
    try:
        with again.connect() as connection:
            assert schema(connection) == before
        make.write(again)
    finally:
        again.dispose()


def test_failed_migration_leaves_nothing(path, monkeypatch):
    def upgrade(config, revision):
        command_upgrade(config, revision)
        raise RuntimeError("power cut")

    command_upgrade = command.upgrade
    monkeypatch.setattr(command, "upgrade", upgrade)
    with pytest.raises(RuntimeError):
        open_database(str(path))
    monkeypatch.undo()
    engine = open_database(str(path))
    with engine.connect() as connection:
        assert "readings" in schema(connection)
    engine.dispose()


def test_read_only_names_an_older_schema(path, engine, monkeypatch):
    engine.dispose()
    monkeypatch.setattr("db.engine.REVISIONS", (*REVISIONS, "0099"))
    monkeypatch.setattr("db.engine.HEAD", "0099")
    with pytest.raises(SchemaVersionError, match="older schema 0001, expected 0099; open it once for writing"):
        open_database(str(path), read_only=True)


def test_every_constraint_has_a_name():
    for table in Base.metadata.tables.values():
        for constraint in table.constraints:
            assert constraint.name, (table.name, constraint)

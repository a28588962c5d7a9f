"""A PostgreSQL server for whoever tests a database on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db.engine import open_database
from db.schema import Base
from tests.helpers import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from tests.helpers.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    pytest.importorskip("psycopg", reason="needs psycopg: install the extra postgresql")
    programs = postgres_server.binaries()
    if programs is None:
        pytest.skip("needs the programs of a PostgreSQL server: initdb, pg_ctl and postgres")
    with postgres_server.running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def shared_database(postgres: PostgresServer) -> Iterator[Engine]:
    """A database that is emptied before each test: much faster than a new one."""
    engine = open_database(postgres.url(postgres.new_database()))
    yield engine
    engine.dispose()


@pytest.fixture
def server_url(shared_database: Engine) -> str:
    """The address of an empty database of ours on the server."""
    tables = ", ".join(Base.metadata.tables)
    with shared_database.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
    return shared_database.url.render_as_string(hide_password=False)

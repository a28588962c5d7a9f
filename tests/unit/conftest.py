"""A PostgreSQL server for whoever tests a database on one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from db.engine import open_database
from db.schema import Base
from tests.helpers import postgres_server

# These tests ask nobody beyond this machine, not even a proxy.
for name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)

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
    # TRUNCATE makes new files for every table and index, which takes ten times as long. After VACUUM
    # rows lie in the order in which they are written, as in a new table.
    is_filled = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in Base.metadata.tables
    )
    with shared_database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        filled = connection.exec_driver_sql(is_filled).scalars().all()
        if filled:
            delete = "".join(f"DELETE FROM {name}; " for name in filled)
            in_any_order = "SET session_replication_role = {}"
            connection.exec_driver_sql(
                f"{in_any_order.format('replica')}; {delete}{in_any_order.format('DEFAULT')}"
            )
            connection.exec_driver_sql(f"VACUUM {', '.join(filled)}")
        connection.exec_driver_sql(
            "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"  # numbers from 1 on
        )
    return shared_database.url.render_as_string(hide_password=False)

"""A fresh database for each test, and a short session to put into it.

Tests that ask for `engine` are the contract of the database: they run on SQLite and on PostgreSQL.
Those that also ask for `path`, or are marked `sqlite`, are about a database in a file.
"""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from db.engine import open_database
from db.sqlite_file import dump_json
from tests.helpers.making import Make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine


@pytest.fixture
def make() -> Make:
    return Make()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for `engine` on both kinds of databases."""
    if "engine" not in metafunc.fixturenames or "kind_of_database" not in metafunc.fixturenames:
        return
    about_files = "path" in inspect.signature(metafunc.function).parameters
    only_files = about_files or metafunc.definition.get_closest_marker("sqlite") is not None
    metafunc.parametrize("kind_of_database", ["sqlite"] if only_files else ["sqlite", "postgresql"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kiosk.db"


@pytest.fixture
def kind_of_database() -> str:
    return "sqlite"


@pytest.fixture
def url(kind_of_database: str, request: pytest.FixtureRequest) -> str:
    """The address of the database of the test."""
    return str(request.getfixturevalue("path" if kind_of_database == "sqlite" else "server_url"))


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.fixture
def rows(engine: Engine) -> Callable[[str], list[tuple[Any, ...]]]:
    """Run a query on the database of the test; values come as plain as sqlite3 shows them, also
    from a server.
    """

    def run(query: str) -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            return [tuple(map(as_sqlite_shows, row)) for row in connection.exec_driver_sql(query)]

    return run


def as_sqlite_shows(value: Any) -> Any:
    """A value of PostgreSQL as SQLite gives it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (dict, list)):
        return dump_json(value)
    return value

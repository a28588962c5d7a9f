"""A database on a server: connect, create, migrate, and tell refusals by SQLSTATE."""

from __future__ import annotations

import os
import re
import select
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, exc, text

from db.error_classes import describe
from db.errors import DatabaseOpenError, DatabaseUnavailableError
from db.migrations import HEAD, current_revision, require_head, upgrade
from db.sqlite_file import BUSY_TIMEOUT_MS, dump_json
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection, Engine

CONNECT_TIMEOUT_S = 3

_CONNECT_OPTIONS: dict[str, Any] = {
    # Give up soon on a server that does not answer: records wait meanwhile, and it is tried again.
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "ad-monitor",
    # The server's own keep-alives: without them a kiosk that loses power keeps its locks for two
    # hours.
    "options": f"-c lock_timeout={BUSY_TIMEOUT_MS} -c timezone=UTC "
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}
"""Options of libpq; the database URL takes precedence."""

SESSION_LOCKS = 6382701
"""First half of the keys of the advisory locks of sessions that are being written."""

_MIGRATION_LOCK = 0x61646D6F6E
"""Advisory lock under which one process at a time checks and changes the schema."""


def server_engine(url: URL) -> Engine:
    """Make an engine for a database on a server, without connecting.

    Raises:
        DatabaseOpenError: Its driver is unknown or not installed.
    """
    options = {}
    if url.get_backend_name() == "postgresql":
        options = {key: value for key, value in _CONNECT_OPTIONS.items() if key not in url.query}
    try:
        return create_engine(
            url, json_serializer=dump_json, pool_pre_ping=True, connect_args=options
        )
    except exc.NoSuchModuleError as error:
        raise DatabaseOpenError(
            lazy(
                "%(database)s is not the address of a database: expected a path, "
                "sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME.",
                database=shown(url),
            )
        ) from error
    except (exc.ArgumentError, ImportError) as error:
        raise DatabaseOpenError(
            lazy(
                "The database %(database)s needs a driver that is not installed "
                "(%(why)s); install it (`pip install ad-reaction-monitor[postgresql]` "
                "for PostgreSQL) or use a file.",
                database=shown(url),
                why=error,
            )
        ) from error


def shown(url: URL) -> str:
    """Return an address without passwords, including those that libpq takes as parameters."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(
        hide_password=True
    )


def hosts(url: URL) -> tuple[str, ...]:
    """Return the machines of a server as an address names them; none for a socket of this one."""
    # libpq takes hosts as parameters, too, several at once, and the default from the environment.
    named = [url.host or "", *url.normalized_query.get("host", ())]
    named += url.normalized_query.get("hostaddr", ())
    if not any(named) and url.get_backend_name() == "postgresql":
        named = [os.environ.get("PGHOST", "")]
    each = (host.strip() for text in named for host in text.split(","))
    with_port = re.compile(r"([^:]+):\d*")
    plain = (found[1] if (found := with_port.fullmatch(host)) else host for host in each)
    return tuple(dict.fromkeys(host for host in plain if host and host[0] not in "/@"))


def make_server_ready(
    engine: Engine, *, read_only: bool, patience_s: float, alone: bool
) -> str | None:
    """Check, create and migrate a database on a server; see `db.engine.make_ready`."""
    name = shown(engine.url)
    with _reached(engine) as connection:
        if engine.dialect.name == "postgresql" and not read_only:
            # A second process waits until the first has created or migrated the schema.
            wait_ms = max(BUSY_TIMEOUT_MS, round(1000 * patience_s))
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{wait_ms}ms'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        revision = current_revision(connection, name)
        if read_only:
            require_head(revision, name)
        else:
            if alone and revision not in {None, HEAD}:
                _refuse_if_recorded_into(connection, name)
            upgrade(connection, revision)
    return revision


def _refuse_if_recorded_into(connection: Connection, name: str) -> None:
    if connection.dialect.name != "postgresql":
        return
    query = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE locktype = 'advisory' AND classid = :kind AND datname = current_database()"
    )
    if connection.scalar(query, {"kind": SESSION_LOCKS}):
        raise DatabaseUnavailableError(
            lazy(
                "A kiosk is recording into the database %(database)s; stop it and try again.",
                database=name,
            )
        )


def check_server(engine: Engine) -> None:
    """Refuse a database that `make_server_ready` refuses, without changing it."""
    with _reached(engine) as connection:
        current_revision(connection, shown(engine.url))


@contextmanager
def _reached(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction; turn a driver's error into one about the address and the account."""
    try:
        with engine.begin() as connection:
            yield connection
    except exc.DBAPIError as error:
        waits = isinstance(error, exc.OperationalError) and not _is_wrong_address(engine, error)
        raise (DatabaseUnavailableError if waits else DatabaseOpenError)(
            lazy(
                "The database %(database)s cannot be opened (%(why)s); check the address "
                "and the account.",
                database=shown(engine.url),
                why=describe(error),
            )
        ) from error


def _is_wrong_address(engine: Engine, error: exc.DBAPIError) -> bool:
    """Whether the address or the account is wrong, so that waiting does not help.

    The message of the server does not tell: it is in the server's language.
    """
    if engine.dialect.driver != "psycopg" or getattr(error.orig, "sqlstate", None) is not None:
        return False  # A server that lets us in is the right one.
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 (an extra)
    from psycopg.pq import PGconn, Ping  # noqa: PLC0415

    options = engine.url.translate_connect_args(username="user", database="dbname")
    address = make_conninfo(
        "", **{"connect_timeout": CONNECT_TIMEOUT_S, **options, **engine.url.query}
    ).encode()
    answer = PGconn.ping(address)
    # A server that answers has refused us. Of the reasons for that, a wrong account (28), a missing
    # database (3D) and a missing permission (42) do not pass; too many connections (53) do.
    return answer == Ping.NO_ATTEMPT or (
        answer == Ping.OK and (_refusal(address) or "28000").startswith(("28", "3D", "42"))
    )


def _refusal(address: bytes) -> str | None:
    """Return the SQLSTATE with which a server answers a connection; `None` if it is not known.

    libpq keeps that code to itself. Its trace shows it, which goes to memory as it may hold a
    password.
    """
    from psycopg.pq import PGconn, PollingStatus, Trace  # noqa: PLC0415 (an extra)

    connection = PGconn.connect_start(address)
    descriptor = os.memfd_create("libpq-trace")
    try:
        connection.trace(descriptor)
        connection.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while (state := connection.connect_poll()) in {
            PollingStatus.READING,
            PollingStatus.WRITING,
        }:
            waiting = [connection.socket]
            reads = state == PollingStatus.READING
            left = max(0.0, deadline - time.monotonic())
            if not any(select.select(waiting if reads else [], [] if reads else waiting, [], left)):
                break
        connection.untrace()
        if state == PollingStatus.OK:
            return "00000"
        found = re.search(rb' C "([0-9A-Z]{5})"', os.pread(descriptor, 1 << 16, 0))
        return found.group(1).decode() if found else None
    finally:
        connection.finish()
        os.close(descriptor)

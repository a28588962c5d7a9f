"""What only a server does: it goes away, takes connections with it, is slow, and is shared by many."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import exc

from db.engine import make_engine, make_ready, open_database
from db.errors import DatabaseError, DatabaseOpenError, DatabaseUnavailableError
from db.migrations import HEAD
from db.read.rollups import store_roll_ups
from db.read.sessions import list_sessions, load_session
from db.schema import Base
from db.write import delivery, session_writer
from db.write.lock import acquire
from db.write.outbox import Outbox, OutboxPlace
from db.write.recovery import close_interrupted_sessions, open_to_record, resume_outboxes
from db.write.session_writer import SessionWriter
from tests.helpers import postgres_server
from tests.helpers.feeding import Feeder, stored
from tests.helpers.waiting import wait_until

psycopg = pytest.importorskip("psycopg", reason="needs psycopg: install the extra postgresql")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(delivery, "PERSIST_AFTER_S", 0.0)
    monkeypatch.setattr(delivery, "RETRY_MAX_S", 0.1)
    monkeypatch.setattr(session_writer, "START_PATIENCE_S", 0.1)


@pytest.fixture
def own_server():
    """A server that the test may stop."""
    programs = postgres_server.binaries()
    if programs is None:
        pytest.skip("needs the programs of a PostgreSQL server: initdb, pg_ctl and postgres")
    with postgres_server.running(programs) as server:
        yield server


@pytest.fixture
def engine(server_url):
    engine = open_database(server_url)
    yield engine
    engine.dispose()


def cut_connections(engine):
    """Have the server drop all connections to the database of an engine but the one that asks for
    it.
    """
    other = make_engine(engine.url.render_as_string(hide_password=False))
    with other.connect() as connection:
        dropped = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).all()
    other.dispose()
    return len(dropped)


def test_a_server_that_stops_for_a_while(own_server, make, tmp_path):
    engine = open_database(own_server.url(own_server.new_database()))
    place = OutboxPlace.of(engine, tmp_path / "spool")
    with (
        SessionWriter(engine, make.session(), spool=place) as session,
        Feeder(session, make) as feeder,
    ):
        time.sleep(1)
        for mode in ("immediate", "fast"):
            own_server.stop(mode)
            wait_until(lambda: session.waiting_on_disk > 100)
            assert session.error is not None
            own_server.start()
            wait_until(lambda: session.error is None and session.waiting_on_disk == 0)
    assert (session.lost, feeder.refused) == (0, 0)
    assert stored(engine) == (feeder.submitted, feeder.submitted, feeder.plays)
    assert list_sessions(engine)[0].end_reason == "stopped"
    engine.dispose()


def test_connections_that_are_cut_again_and_again(engine, make, tmp_path):
    place = OutboxPlace.of(engine, tmp_path / "spool")
    cut = 0
    with SessionWriter(engine, make.session(), spool=place, commit_interval_s=0.02) as session:
        with Feeder(session, make) as feeder:
            for _ in range(15):
                time.sleep(0.1)
                cut += cut_connections(engine)
        assert session.flush(300)
    assert cut >= 15
    assert session.lost == 0
    assert stored(engine) == (feeder.submitted, feeder.submitted, feeder.plays)


def test_a_server_that_is_not_there_yet(own_server, make, tmp_path, caplog):
    url = own_server.url(own_server.new_database())
    own_server.stop()
    with pytest.raises(DatabaseUnavailableError, match="cannot be opened"):
        open_to_record(url, tmp_path, spool=False)
    opened = open_to_record(url, tmp_path / "spool")
    assert opened.recovery is not None
    session = SessionWriter(
        opened.engine, make.session(), spool=opened.place, recovery=opened.recovery
    )
    for record in make.stream():
        assert session.submit(record)
    wait_until(lambda: session.waiting_on_disk == 103)
    assert session.session_id == 0
    own_server.start()
    assert session.flush(300)
    session.close(make.end())
    assert len(load_session(opened.engine, session.session_id).readings) == 93
    opened.engine.dispose()
    assert "The session begins without it" in caplog.text


def test_what_waits_is_written_by_the_next_start(own_server, make, tmp_path):
    url = own_server.url(own_server.new_database())
    opened = open_to_record(url, tmp_path)
    session = SessionWriter(opened.engine, make.session(), spool=opened.place)
    for record in make.stream()[:40]:
        session.submit(record)
    assert session.flush()
    own_server.stop("immediate")
    for record in make.stream()[40:]:
        session.submit(record)
    with pytest.raises(DatabaseError, match="63 records wait in"):
        session.close(make.end(), timeout=3.0)
    opened.engine.dispose()
    own_server.start()
    again = open_to_record(url, tmp_path)
    data = load_session(again.engine, 1)
    assert (len(data.readings), data.info.end_reason, data.info.frames) == (93, "finished", 600)
    assert resume_outboxes(again.engine, again.place) == []
    again.engine.dispose()


def test_a_spool_whose_session_the_server_holds_for_a_dead_kiosk_is_named(
    engine, make, tmp_path, caplog
):
    place = OutboxPlace.of(engine, tmp_path)
    with SessionWriter(engine, make.session()) as session:
        number = session.session_id
    spool = Outbox.create(place, make.session())
    spool.append([], [(1, make.stream()[0])])
    spool.close(remove=False)
    lock = acquire(engine, number)
    assert resume_outboxes(engine, place) == []
    assert f"{spool.path} stays: session {number} is locked" in caplog.text
    assert spool.path.exists()
    lock.release()
    assert resume_outboxes(engine, place) == [number]
    assert not spool.path.exists()


def test_the_server_notices_soon_that_a_kiosk_has_lost_its_power(engine):
    asked = ("idle", "interval", "count")
    with engine.connect() as connection:
        given = {
            name: connection.exec_driver_sql(
                f"SELECT reset_val FROM pg_settings WHERE name = 'tcp_keepalives_{name}'"
            ).scalar_one()
            for name in asked
        }
    # A socket of the machine itself has none, and reads 0.
    assert given == {"idle": "30", "interval": "10", "count": "3"}


def test_a_lock_ends_with_its_connection_and_is_taken_again(engine, server_url, make):
    other = open_database(server_url)
    with SessionWriter(engine, make.session(), commit_interval_s=0.01) as session:
        assert close_interrupted_sessions(other) == []
        assert acquire(other, session.session_id) is None
        assert cut_connections(engine) >= 1
        # In this moment the session looks interrupted to everybody else.
        assert close_interrupted_sessions(other) == [1]
        for record in make.stream():
            session.submit(record)
        assert session.flush(300)
        assert close_interrupted_sessions(other) == []
        assert list_sessions(other)[0].ended_at is None
        session.close(make.end())
    assert session.lost == 0
    data = load_session(other, 1)
    assert (len(data.readings), data.info.end_reason) == (93, "finished")
    other.dispose()


def acquired_soon(engine, number):
    """The lock, once the server has noticed that its holder's connection is gone."""
    found = []
    wait_until(lambda: found.append(acquire(engine, number)) or found[-1] is not None)
    return found[-1]


def test_a_lock_is_given_back(engine):
    lock = acquire(engine, 7)
    assert lock.renew()
    assert acquire(engine, 7) is None
    other = acquire(engine, 8)
    for each in (lock, lock, other):
        each.release()
    acquired_soon(engine, 7).release()


def test_a_lock_that_somebody_else_has_taken(engine):
    lock = acquire(engine, 7)
    cut_connections(engine)
    thief = acquired_soon(engine, 7)
    assert not lock.renew()
    thief.release()  # the server notices in a moment
    wait_until(lock.renew)
    lock.release()


def test_many_kiosks_on_one_server(engine, server_url, make):
    """Their sessions, ads and roll-ups do not get into each other's way."""
    troubles = []

    def kiosk(number):
        own = open_database(server_url)
        try:
            session = SessionWriter(
                own, make.session(site=f"Site {number}"), commit_interval_s=0.01
            )
            for record in make.stream():
                session.submit(record)
                time.sleep(0.001)
            session.close(make.end())
            troubles.append((session.lost, session.error))
        finally:
            own.dispose()

    threads = [threading.Thread(target=kiosk, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == [(0, None)] * 4
    assert [session.readings for session in list_sessions(engine)] == [93] * 4
    store_roll_ups(engine)
    with engine.connect() as connection:
        ads, exposures = connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM ads), (SELECT sum(readings) FROM exposures)"
        ).one()
    assert (ads, exposures) == (2, 4 * 90)


def test_many_processes_create_one_database(postgres):
    url = postgres.url(postgres.new_database())
    failures = []

    def open_it():
        try:
            open_database(url).dispose()
        except DatabaseError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    engine = open_database(url, read_only=True)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(
            "SELECT version_num FROM alembic_version"
        ).scalars().all() == [HEAD]
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_alone_an_upgrade_refuses_while_a_session_is_recorded(server_url, monkeypatch):
    engine = open_database(server_url)
    lock = acquire(engine, 7)
    monkeypatch.setattr("db.server.HEAD", "0099")
    with pytest.raises(DatabaseUnavailableError, match="A kiosk is recording"):
        make_ready(engine, alone=True)
    lock.release()
    assert make_ready(engine, alone=True) == HEAD
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("/test_", "/nowhere_"), "does not exist"),
        (lambda url: url.replace("kiosk@", "stranger@"), "does not exist"),
    ],
)
def test_an_address_that_is_wrong_is_no_outage(server_url, change, words):
    with pytest.raises(DatabaseOpenError, match=words) as caught:
        open_to_record(change(server_url))
    assert not isinstance(caught.value, DatabaseUnavailableError)
    assert "\n" not in str(caught.value)


@pytest.fixture
def german_server(own_server):
    """A server whose messages are German, with a database and an account that may not connect."""
    for locale in ("de_DE.utf8", "de_DE.iso88591"):
        try:
            own_server.execute(f"ALTER SYSTEM SET lc_messages = '{locale}'")
            break
        except exc.DBAPIError:
            continue
    else:
        pytest.skip("needs a German locale")
    own_server.execute("SELECT pg_reload_conf()")
    own_server.execute("CREATE ROLE guest LOGIN CONNECTION LIMIT 0")
    url = own_server.url(own_server.new_database())
    wait_until(lambda: "existiert nicht" in problem(url.replace("/test_", "/nowhere_")), 5.0)
    return url


def problem(url):
    with pytest.raises(DatabaseError) as caught:
        open_database(url, read_only=True)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        (("/test_", "/nowhere_"), False),
        (("kiosk@", "stranger@"), False),
        (("kiosk@", "guest@"), True),  # too many connections of this account
    ],
)
def test_refusals_are_told_apart_in_any_language(german_server, change, waits):
    with pytest.raises(DatabaseOpenError) as caught:
        open_database(german_server.replace(*change))
    assert isinstance(caught.value, DatabaseUnavailableError) == waits


@pytest.mark.parametrize("options", ["?sslmode=sometimes", "?host=127.0.0.1&port=x"])
def test_options_that_are_wrong_are_no_outage(options):
    with pytest.raises(DatabaseOpenError) as caught:
        open_database(f"postgresql+psycopg://kiosk@/x{options}")
    assert not isinstance(caught.value, DatabaseUnavailableError)


def test_an_address_as_psql_writes_it(server_url):
    short = server_url.replace("postgresql+psycopg://", "postgresql://")
    assert make_engine(short).url.drivername == "postgresql+psycopg"
    open_database(short, read_only=True).dispose()


def test_an_empty_database_is_not_read(postgres):
    url = postgres.url(postgres.new_database())
    with pytest.raises(DatabaseOpenError, match="holds no sessions yet"):
        open_database(url, read_only=True)


def test_somebody_elses_database_is_left_alone(postgres):
    name = postgres.new_database()
    postgres.execute("CREATE TABLE bookmarks (id integer)", name)
    with pytest.raises(DatabaseOpenError, match="belongs to another program"):
        open_database(postgres.url(name))


def test_times_have_the_zone_of_the_database_only_in_the_session(engine, make):
    make.write(engine)
    with closing(engine.raw_connection()) as connection:
        zone = connection.cursor().execute("SHOW timezone").fetchone()
        name = connection.cursor().execute("SHOW application_name").fetchone()
    assert (zone, name) == (("UTC",), ("ad-monitor",))

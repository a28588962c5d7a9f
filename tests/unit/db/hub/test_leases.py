from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from db.engine import writing
from db.hub.leases import release, take
from db.hub.tables.intake import Lease


def taken(engine, holder, name="alerts", for_s=60.0):
    with writing(engine) as connection:
        return take(connection, name, holder, for_s)


def test_one_process_has_a_lease(engine, kind_of_database):
    assert taken(engine, "one")
    assert taken(engine, "one")
    assert not taken(engine, "two")
    assert taken(engine, "two", "lake")


def test_a_lease_that_is_over_goes_to_another(engine, kind_of_database):
    assert taken(engine, "one")
    with writing(engine) as connection:
        connection.execute(update(Lease).values(until=datetime.now(UTC) - timedelta(seconds=1)))
    assert taken(engine, "two")
    assert not taken(engine, "one")


def test_a_lease_that_is_given_back_goes_to_another(engine, kind_of_database):
    assert taken(engine, "one")
    assert taken(engine, "one", "lake")
    with writing(engine) as connection:
        release(connection, "one")
    assert taken(engine, "two")
    assert taken(engine, "three", "lake")


def test_of_many_at_once_one_wins(engine, kind_of_database):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: taken(engine, f"process {number}"), range(8)))
    assert sum(won) == 1

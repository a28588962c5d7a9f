"""Duties of several processes on one database."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from db.engine import writing
from db.hub.tables.intake import Lease
from monitor.hub.all_duties import hub_duties
from monitor.hub.duties import Duties, Duty
from monitor.settings.models import HubSettings


class Counted:
    """A duty that counts its runs."""

    def __init__(self, name="count"):
        self.runs = 0
        self.ran = threading.Event()
        self.duty = Duty(name, 0.02, self.run)

    def run(self, engine, now):
        assert now.tzinfo is not None
        self.runs += 1
        self.ran.set()


def test_one_process_performs_a_duty_and_another_takes_over(engine):
    first, second = Counted(), Counted()
    one = Duties(engine, (first.duty,))
    assert first.ran.wait(60)
    other = Duties(engine, (second.duty,))
    runs = first.runs
    deadline = time.monotonic() + 300
    while first.runs < runs + 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert second.runs == 0
    one.close()
    one.close()
    assert second.ran.wait(60)
    other.close()
    with engine.connect() as connection:
        assert connection.execute(select(Lease.__table__)).all() == []


def test_a_duty_of_a_process_that_died_is_taken_over(engine):
    with writing(engine) as connection:
        gone = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(Lease.__table__.insert().values(name="count", holder="gone", until=gone))
    counted = Counted()
    duties = Duties(engine, (counted.duty,))
    assert counted.ran.wait(60)
    duties.close()


@pytest.mark.logs_errors
def test_a_duty_that_fails_is_tried_again_and_harms_no_other(engine, caplog):
    failed, counted = threading.Semaphore(0), Counted()

    def fail(engine, now):
        failed.release()
        raise RuntimeError("broken")

    duties = Duties(engine, (Duty("fail", 0.02, fail), counted.duty))
    assert failed.acquire(timeout=60)
    assert failed.acquire(timeout=60)
    assert counted.ran.wait(60)
    duties.close()
    assert "The hub's duty fail failed" in caplog.text


def test_without_the_database_a_duty_waits(engine, caplog):
    counted = Counted()
    with writing(engine):
        duties = Duties(engine, (counted.duty,))
        deadline = time.monotonic() + 300
        while "cannot be taken" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "cannot be taken" in caplog.text
        assert counted.runs == 0
    assert counted.ran.wait(60)
    duties.close()


def test_another_process_cannot_take_what_is_running(engine):
    with writing(engine) as connection:
        connection.execute(
            Lease.__table__.insert().values(
                name="count", holder="other", until=datetime.now(UTC) + timedelta(minutes=1)
            )
        )
    counted = Counted()
    duties = Duties(engine, (counted.duty,))
    assert not counted.ran.wait(0.3)
    with writing(engine) as connection:
        connection.execute(update(Lease).values(until=datetime.now(UTC)))
    assert counted.ran.wait(60)
    duties.close()


def test_duties_have_names_that_fit():
    names = [duty.name for duty in hub_duties(HubSettings())]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 32 for name in names)

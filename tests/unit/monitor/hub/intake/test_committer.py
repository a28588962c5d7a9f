"""In which order what kiosks send is stored."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from db.engine import writing
from db.hub.intake import Arrival, find_sender, store_arrivals
from monitor.hub.intake.committer import MAX_BACKLOGS, SMALL, Committer, CommitterFullError
from tests.helpers.simulated_kiosks import SimulatedKiosk


@pytest.fixture
def arrive(engine):
    """Return what arrives from a new kiosk that has shown so many ads."""

    def make(index, plays):
        kiosk = SimulatedKiosk(index, viewers=1)
        kiosk.join(engine, f"Screen {index}")
        kiosk.play(plays)
        with engine.connect() as connection:
            sender = find_sender(connection, kiosk.key)
        assert sender is not None
        return Arrival(sender, kiosk.envelope(), b"")

    return make


def test_backlogs_wait_and_what_happens_now_does_not(engine, arrive):
    backlogs = [arrive(index, 2 * SMALL) for index in range(MAX_BACKLOGS + 2)]
    live = [arrive(100 + index, 1) for index in range(5)]
    committer = Committer(engine)
    try:
        with writing(engine):  # Nothing is stored meanwhile.
            first = committer.submit(backlogs[0])
            while committer.waiting:
                pass
            waiting = [committer.submit(one) for one in backlogs[1 : MAX_BACKLOGS + 1]]
            with pytest.raises(CommitterFullError):
                committer.submit(backlogs[-1])
            waiting += [committer.submit(one) for one in live]
        for future in waiting:
            assert future.result(60).watermark > 0
        assert first.done()
    finally:
        committer.close()


def test_after_several_envelopes_the_next_ones_are_gathered(engine, arrive, monkeypatch):
    sizes, pauses, submitted = [], [], threading.Event()

    def sleep(seconds):
        pauses.append(seconds)
        assert submitted.wait(60)

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr("monitor.hub.intake.committer.time", clock)
    monkeypatch.setattr("monitor.hub.intake.committer.GATHER_S", 3600.0)

    def store(engine, arrivals, now):
        sizes.append(len(arrivals))
        return store_arrivals(engine, arrivals, now)

    monkeypatch.setattr("monitor.hub.intake.committer.store_arrivals", store)
    first, *together, one, another = [arrive(index, 1) for index in range(5)]
    committer = Committer(engine)
    try:
        with writing(engine):  # The first one is not stored before the next ones wait.
            committer.submit(first)
            while committer.waiting:
                pass
            waiting = [committer.submit(arrival) for arrival in together]
        for future in waiting:
            future.result(60)
        waiting = [committer.submit(arrival) for arrival in (one, another)]
        submitted.set()
        for future in waiting:
            future.result(60)
    finally:
        submitted.set()
        committer.close()
    assert sizes == [1, 2, 2]
    assert pauses[0] > 0


def test_a_kiosk_that_is_alone_does_not_wait_for_others(engine, arrive, monkeypatch):
    monkeypatch.setattr("monitor.hub.intake.committer.GATHER_S", 3600.0)
    committer = Committer(engine)
    try:
        for index in range(3):
            committer.submit(arrive(index, 1)).result(60)
    finally:
        committer.close()


def test_what_waits_is_stored_before_the_end(engine, arrive):
    committer = Committer(engine)
    futures = [committer.submit(arrive(index, 1)) for index in range(3)]
    committer.close()
    committer.close()
    assert [future.result(0).watermark for future in futures] == [2, 2, 2]
    with pytest.raises(CommitterFullError):
        committer.submit(arrive(9, 1))

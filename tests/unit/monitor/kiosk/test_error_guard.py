from __future__ import annotations

import logging
import sys
import threading

import pytest

from monitor.kiosk import error_guard
from monitor.kiosk.error_guard import FLOOD, ErrorGuard

pytestmark = pytest.mark.logs_errors


def raised(message="broken"):
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def raised_elsewhere():
    try:
        raise ValueError("broken")
    except ValueError as error:
        return error


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(error_guard.time, "monotonic", lambda: now[0])
    return now


def test_a_kind_is_logged_once_a_minute_with_its_traceback_and_counted_always(clock, caplog):
    guard = ErrorGuard()
    for _ in range(5):
        guard.note(raised(), "the window")
    guard.note(raised_elsewhere(), "the window")
    assert guard.count == 6
    assert len(caplog.records) == 2
    assert "in raised\n" in caplog.text
    assert "in raised_elsewhere\n" in caplog.text
    clock[0] += 60
    guard.note(raised(), "the window")
    assert (
        caplog.records[-1]
        .getMessage()
        .endswith("(4 more of this kind since the last time it was logged)")
    )


def test_a_finaliser_may_fail_while_an_error_is_noted():
    guard = ErrorGuard()

    def collect():
        with guard._lock:
            guard.note(raised(), "a finaliser")

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits for itself"
    assert guard.count == 1


def test_a_flood_is_noticed_and_a_trickle_is_none(clock):
    guard = ErrorGuard()
    for _ in range(10 * FLOOD):
        guard.note(raised(), "the window")
        clock[0] += 1.3
    assert not guard.flooded
    for _ in range(FLOOD):
        guard.note(raised(), "the window")
    guard.note(raised(), "the window")
    assert guard.flooded


def test_many_kinds_take_no_more_memory_for_ever(clock):
    guard = ErrorGuard()
    for number in range(1000):
        guard.note(raised(), f"the thread {number}")
    assert len(guard._logged) <= error_guard.MAX_KINDS


def test_hooks_come_back(caplog):
    former = sys.excepthook, threading.excepthook, sys.unraisablehook
    with ErrorGuard():
        assert sys.excepthook is not former[0]
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == former


def test_a_thread_that_fails_is_told_of_by_name(caplog):
    def fail():
        raise OSError("no such disk")

    def leave():
        raise SystemExit

    with ErrorGuard() as guard:
        for work in (fail, leave):
            thread = threading.Thread(target=work, name="ad-decoder")
            thread.start()
            thread.join()
    assert guard.count == 1
    assert "Unexpected error in the thread ad-decoder" in caplog.text
    assert "no such disk" in caplog.text


def test_a_finaliser_that_fails(caplog):
    class Thing:
        def __del__(self):
            raise RuntimeError("too late")

    with ErrorGuard() as guard:
        thing = Thing()
        del thing
    assert guard.count == 1
    assert "too late" in caplog.text


def test_ctrl_c_is_no_error(capsys, caplog):
    with ErrorGuard() as guard:
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert guard.count == 0
    assert caplog.records == []
    assert "KeyboardInterrupt" in capsys.readouterr().err


def test_what_failed_calls_held_is_released(caplog):
    released = []

    class Painter:
        def __del__(self):
            released.append(True)

    def paint():
        painter = Painter()
        raise ValueError(painter.__class__.__name__)

    with ErrorGuard() as guard:
        try:
            paint()
        except ValueError as error:
            # As the interpreter does before it calls the hook.
            sys.last_type, sys.last_value, sys.last_traceback = (
                type(error),
                error,
                error.__traceback__,
            )
            sys.excepthook(type(error), error, error.__traceback__)
            assert released == [True]
    assert guard.count == 1
    assert not hasattr(sys, "last_value")
    assert caplog.records[0].levelno == logging.ERROR

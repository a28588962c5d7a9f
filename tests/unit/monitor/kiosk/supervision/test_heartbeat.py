from __future__ import annotations

import contextlib
import os
import time

import pytest

from monitor.kiosk.supervision import heartbeat as module
from monitor.kiosk.supervision.heartbeat import VARIABLE, Heartbeat, Phase


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    # A test may have closed an end itself.
    for end in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(end)


def test_the_variable_is_taken_out_and_the_pipe_is_not_inherited(pipe):
    reader, writer = pipe
    os.set_inheritable(writer, True)
    environ = {VARIABLE: str(writer), "HOME": "x"}
    heartbeat = Heartbeat.from_environment(environ)
    assert environ == {"HOME": "x"}
    assert heartbeat.supervised
    assert not os.get_inheritable(writer)
    heartbeat.beat(Phase.STARTING)
    heartbeat.beat(Phase.SHOWING)
    assert os.read(reader, 10) == b"s."


@pytest.mark.parametrize("value", [None, "", "pipe", "-1", "9999"])
def test_without_a_pipe_nothing_happens(value, caplog):
    heartbeat = Heartbeat.from_environment({} if value is None else {VARIABLE: value})
    assert not heartbeat.supervised
    heartbeat.beat(Phase.SHOWING)
    heartbeat.close()
    assert ("continuing without it" in caplog.text) is (value == "9999")


def test_beats_of_one_phase_are_thinned_out_and_changes_never(pipe, monkeypatch):
    reader, writer = pipe
    heartbeat = Heartbeat(writer)
    for _ in range(100):
        heartbeat.beat(Phase.SHOWING)
    heartbeat.beat(Phase.CLOSING)
    heartbeat.beat(Phase.REPORTING)
    assert os.read(reader, 1000) == b".cr"
    monkeypatch.setattr(module, "MIN_PAUSE_S", 0.0)
    heartbeat.beat(Phase.REPORTING)
    assert os.read(reader, 1000) == b"r"


def test_a_supervisor_that_does_not_read_holds_nobody_up(pipe, monkeypatch):
    _, writer = pipe
    monkeypatch.setattr(module, "MIN_PAUSE_S", -1.0)
    os.set_blocking(writer, False)
    heartbeat = Heartbeat(writer)
    began = time.monotonic()
    for _ in range(200_000):
        heartbeat.beat(Phase.SHOWING)
    assert time.monotonic() - began < 20
    assert heartbeat.supervised


def test_a_supervisor_that_is_gone_ends_the_beats_and_nothing_else(pipe, caplog):
    reader, writer = pipe
    os.close(reader)
    heartbeat = Heartbeat(writer)
    heartbeat.beat(Phase.SHOWING)
    assert not heartbeat.supervised
    assert "The supervisor is gone" in caplog.text
    heartbeat.beat(Phase.CLOSING)
    heartbeat.close()

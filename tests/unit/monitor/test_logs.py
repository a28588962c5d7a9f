from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detector.sources.passwords import hide_passwords
from monitor.languages import lazy, speaking
from monitor.logs import (
    MAX_BYTES,
    OLD_FILES,
    LogFile,
    default_log,
    log_size,
    logging_to,
    only_errors,
)

ROOT = Path(__file__).resolve().parents[3]
logger = logging.getLogger("tests.logs")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "run.log"


def test_it_is_rotated_and_bounded_on_disk(path):
    file = LogFile(path, max_bytes=10_000, old_files=3)
    record = logging.LogRecord("name", logging.INFO, "file", 1, "x" * 100, None, None)
    for _ in range(1000):
        file.handle(record)
    file.close()
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "run.log",
        "run.log.1",
        "run.log.2",
        "run.log.3",
    ]
    assert log_size(path) <= 4 * 10_000
    assert log_size(path) > 3 * 9_000
    assert (OLD_FILES + 1) * MAX_BYTES == 10_000_000


def test_it_lies_in_the_state_folder():
    assert default_log() == Path(os.environ["XDG_STATE_HOME"]) / "ad-monitor" / "log" / "run.log"
    assert log_size(default_log()) == 0


def test_messages_of_the_program_and_of_the_sensor_are_kept_and_the_terminal_stays_quiet(
    path, capsys
):
    root = logging.getLogger()
    before = root.level
    terminal = logging.StreamHandler(sys.stderr)
    root.addHandler(terminal)
    try:
        with logging_to(path):
            logger.info("information")
            logger.debug("too much detail")
            logger.warning("a warning")
            logging.getLogger("monitor.sensor.client").debug("sensor: its last words")
            logging.getLogger("alembic.runtime").info("chatter")
    finally:
        root.removeHandler(terminal)
    kept = path.read_text()
    assert "INFO MainThread tests.logs: information" in kept
    assert "sensor: its last words" in kept
    assert "a warning" in kept
    assert "too much detail" not in kept
    assert "chatter" not in kept
    shown = capsys.readouterr().err
    assert "a warning" in shown
    assert "information" not in shown
    assert "last words" not in shown
    assert root.level == before
    assert logging.getLogger("monitor.sensor.client").level == logging.NOTSET
    logger.warning("after the end")
    assert path.read_text() == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "Stream rtsp://shop:secret@10.0.0.7/1 is lost",
            "Stream rtsp://shop:***@10.0.0.7/1 is lost",
        ),
        (
            "postgresql+psycopg://u:secret@host/db, http://a:b@c/",
            "postgresql+psycopg://u:***@host/db, http://a:***@c/",
        ),
        ("http://host:8080/@me 12:30", "http://host:8080/@me 12:30"),
    ],
)
def test_no_password_is_kept(path, text, kept):
    assert hide_passwords(text) == kept
    with logging_to(path):
        logger.warning("%s", text)
        logger.warning("failed", exc_info=ValueError(text))
    assert "secret" not in path.read_text()
    assert kept in path.read_text()


def test_a_full_disk_is_told_once_and_raises_nothing(path, capsys, monkeypatch):
    with logging_to(path) as file:

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as broken:
            broken.setattr(file, "format", full)
            for _ in range(3):
                logger.warning("lost")
        logger.warning("again")
        assert file.left_out == 3
    assert capsys.readouterr().err.count("No space left on device") == 1
    assert "again" in path.read_text()


def test_the_real_full_disk(capsys):
    """/dev/full is a disk without room."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with logging_to(Path("/dev/full")) as file:
        for _ in range(3):
            logger.warning(100_000 * "x")
        assert file.left_out == 3
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_a_disk_that_is_full_while_it_is_turned_over_is_used_again_later(path, monkeypatch):
    with logging_to(path) as file:
        logger.warning("first")
        close = file.stream.close

        def fail():
            close()
            raise OSError(errno.ENOSPC, "No space left on device")

        file.stream.close = fail
        file.maxBytes = 1
        logger.warning("second")
        file.maxBytes = 10_000
        assert file.left_out == 1
        logger.warning("third")
    assert "third" in path.read_text()


def test_a_file_that_cannot_be_turned_over_is_no_reason_to_stop(path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    with logging_to(path) as file:
        logger.warning("first")
        with monkeypatch.context() as broken:
            broken.setattr(os, "rename", refused)
            broken.setattr(file, "maxBytes", 1)
            logger.warning("second")
        assert file.left_out == 1
        logger.warning("third")
    assert "third" in path.read_text()


def test_a_place_that_cannot_be_used_is_told_of(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with logging_to(tmp_path / "file" / "run.log") as file:
        assert file is None
    assert "run.log (File exists); name another place with --log" in caplog.text
    with logging_to(None) as file:
        assert file is None


CRASH = """
import logging, os, signal, sys, threading, time
from pathlib import Path
from monitor.logs import logging_to
with logging_to(Path(sys.argv[1])) as file:
    file.maxBytes = 2000
    for number in range(40):
        logging.getLogger("x").warning("%d %s", number, 80 * ".")
    def a_place_to_be_stuck():
        if sys.argv[2] == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        os.kill(os.getpid(), signal.SIGUSR2)
    a_place_to_be_stuck()
"""


@pytest.mark.parametrize(("how", "status"), [("crash", -signal.SIGSEGV), ("stuck", 0)])
def test_a_crash_of_native_code_and_where_it_was_stuck_are_in_the_newest_file(path, how, status):
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(path), how],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == status, done.stderr
    assert "in a_place_to_be_stuck" in path.read_text()


@pytest.mark.logs_errors
def test_a_package_can_be_kept_to_errors_for_a_while(caplog):
    with only_errors("tests"):
        logger.warning("a warning")
        logger.error("an error")
    logger.warning("another warning")
    assert caplog.messages == ["an error", "another warning"]


def test_the_log_is_english_while_a_german_page_is_made(path):
    file = LogFile(path)
    with speaking("de"):
        try:
            raise ValueError(lazy("internal error, see the log"))
        except ValueError as error:
            said = ("%s", (lazy("the sensor is not ready yet"),))
            line = logging.LogRecord(
                "name", logging.ERROR, "file", 1, *said, (type(error), error, None)
            )
            file.handle(line)
        assert str(lazy("the sensor is not ready yet")) == "die Messung ist noch nicht bereit"
    file.close()
    assert "the sensor is not ready yet" in path.read_text()
    assert "Messung" not in path.read_text()

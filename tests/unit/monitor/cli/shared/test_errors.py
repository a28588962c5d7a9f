"""Errors that no command is the only cause of; others are tested by their commands."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest
from sqlalchemy.exc import OperationalError

from monitor.cli.shared.errors import is_callers_mistake, is_known, one_sentence, sentence_of


@pytest.mark.parametrize(
    ("message", "shown"), [("Expected 1.", "Expected 1. Try"), ("Mean '--a'?", "Mean '--a'? Try")]
)
def test_a_sentence_ends_once(message, shown):
    assert sentence_of(click.UsageError(message)) == f"{shown} `ad-monitor --help`."


def test_a_missing_extra_is_named():
    error = ModuleNotFoundError("No module named 'keras'", name="keras")
    assert is_known(error)
    assert not is_callers_mistake(error)
    assert "make train-setup" in one_sentence(error)


@pytest.mark.parametrize("words", ["database or disk is full", "database is locked"])
def test_a_database_that_fails_later_is_no_bug(words):
    raised = sqlite3.OperationalError(words)
    error = OperationalError("INSERT INTO plays", {}, raised)
    assert is_known(error)
    assert not is_callers_mistake(error)
    assert one_sentence(error).startswith(f"The database cannot be read or written ({words}): che")
    assert not is_known(OperationalError("SELECT 1", {}, sqlite3.OperationalError("no such table")))


def test_any_other_missing_module_is_a_bug():
    assert not is_known(ModuleNotFoundError("No module named 'monitor.nothing'", name="monitor"))


def _shown_into(descriptor):
    return subprocess.run(
        [sys.executable, "-m", "monitor", "config", "show"],
        stdout=descriptor,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_a_reader_that_has_enough_is_no_fault():
    read, write = os.pipe()
    os.close(read)
    done = _shown_into(write)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


_STOPPED_WHILE_IMPORTING = """
import runpy, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
runpy.run_module("monitor", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["babel.localtime", "monitor.cli.main"])
def test_ctrl_c_before_the_program_has_begun(module):
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED_WHILE_IMPORTING, module],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "Error: Stopped.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_finds_no_space_is_no_bug():
    with Path("/dev/full").open("w") as full:
        done = _shown_into(full)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: The output cannot be read or written (No space left on device): check the disk, "
        "its free space and the permissions.\n"
    )

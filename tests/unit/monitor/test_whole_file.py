"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from monitor.whole_file import write_whole


def test_a_file_that_is_there_is_replaced_and_keeps_its_rights(tmp_path):
    file = tmp_path / "page.html"
    file.write_bytes(b"old")
    file.chmod(0o640)
    write_whole(file, b"new")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", 0o640)
    write_whole(file, b"newer", mode=0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "page.html"
    file.write_bytes(b"old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_whole(file, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
    assert file.read_bytes() == b"old"
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"page")
    reader.join(60)
    assert read == [b"page"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_long_names_are_possible(tmp_path):
    file = tmp_path / ("n" * 250)
    write_whole(file, b"page")
    assert file.read_bytes() == b"page"

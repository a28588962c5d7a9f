"""Hashing media files: bounded, remembered, never waited for without end."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import platformdirs
import pytest

from ads.errors import LoadingStoppedError, MediaError, UnreadMediaError
from ads.media import digests
from ads.media.digests import DigestReader, TimeLimit
from tests.helpers.waiting import wait_until

WAIT_S = 120.0


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _name: folder)
    return folder / digests.CACHE_NAME


@pytest.fixture
def media(tmp_path):
    """Write a file of a name and size, which was last changed long ago."""
    folder = tmp_path / "media"
    folder.mkdir()

    def make(name: str, content: bytes = b"content") -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


class Gate:
    """Holds up whoever reads certain files, as a network share that does not answer."""

    def __init__(self, monkeypatch, *names: str) -> None:
        self.is_open = threading.Event()
        self.waiting: list[str] = []
        real = os.open

        def slow(path, *more, **named):
            if Path(str(path)).name in names and not self.is_open.is_set():
                self.waiting.append(Path(str(path)).name)
                self.is_open.wait(WAIT_S)
            return real(path, *more, **named)

        monkeypatch.setattr(digests.os, "open", slow)


def wait_for_no_thread() -> None:
    wait_until(lambda: "media-digest" not in [thread.name for thread in threading.enumerate()])


def test_each_file_has_its_digest_or_a_reason(tmp_path, media):
    files = [media(f"{number}.png", bytes([number]) * 100) for number in range(20)]
    odd = [files[0].with_name("gone.png"), media("empty.png", b""), media("a.txt")]
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"x")
    odd.append(files[0].with_name("link.png"))
    odd[-1].symlink_to(outside)
    found = DigestReader().read(files[0].parent, [*files, *odd], TimeLimit())
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert found[:20] == expected
    words = ["does not exist", "is empty", "of no known kind", "outside the playlist's folder"]
    for error, word in zip(found[20:], words, strict=True):
        assert isinstance(error, MediaError)
        assert not isinstance(error, UnreadMediaError)
        assert word in str(error)
    wait_for_no_thread()


def test_what_hangs_is_left_for_later_and_the_others_are_not(media, monkeypatch):
    good, bad = media("good.png"), media("bad.mp4")
    gate = Gate(monkeypatch, "bad.mp4")
    reader = DigestReader()
    limit = TimeLimit(0.1)
    first = reader.read(good.parent, [bad, good], limit)
    assert isinstance(first[0], UnreadMediaError)
    assert "bad.mp4 is not read yet" in str(first[0])
    assert first[1] == hashlib.sha256(b"content").hexdigest()
    # Asked again, it is still waited for by the same thread.
    again = reader.read(good.parent, [bad, good], TimeLimit(0.1))
    assert isinstance(again[0], UnreadMediaError)
    assert gate.waiting == ["bad.mp4"]
    gate.is_open.set()
    assert reader.read(good.parent, [bad], TimeLimit()) == [first[1]]
    wait_for_no_thread()


def test_without_a_limit_only_a_file_that_gives_nothing_is_given_up(media, monkeypatch):
    monkeypatch.setattr(digests, "STALLED_AFTER_S", 0.3)
    monkeypatch.setattr(digests, "MAX_HANGING", 2)
    names = [f"bad{number}.png" for number in range(9)]
    gate = Gate(monkeypatch, *names)
    files = [media(name) for name in [*names, "good.png"]]
    reader = DigestReader()
    began_s = time.monotonic()
    found = reader.read(files[0].parent, files, TimeLimit())
    assert time.monotonic() - began_s < WAIT_S / 2
    assert all(isinstance(one, UnreadMediaError) for one in found[:9])
    assert "check the disk or the network share" in str(found[0])
    # Not a thread for each of them.
    assert len(gate.waiting) <= digests.MAX_THREADS + 2
    gate.is_open.set()
    wait_for_no_thread()
    monkeypatch.setattr(digests, "STALLED_AFTER_S", WAIT_S)
    found = reader.read(files[0].parent, files, TimeLimit())
    assert found == [hashlib.sha256(b"content").hexdigest()] * 10
    wait_for_no_thread()


def test_loading_ends_at_once_when_it_is_not_wanted_any_more(media, monkeypatch):
    gate = Gate(monkeypatch, "bad.png")
    bad = media("bad.png")
    began_s = time.monotonic()
    limit = TimeLimit(None, lambda: time.monotonic() - began_s < 0.1)
    with pytest.raises(LoadingStoppedError):
        DigestReader().read(bad.parent, [bad], limit)
    assert time.monotonic() - began_s < WAIT_S / 2
    gate.is_open.set()
    wait_for_no_thread()


def test_digests_of_unchanged_files_are_remembered(media, monkeypatch, cache):
    monkeypatch.setattr(digests, "REMEMBERED_BYTES", 4)
    monkeypatch.setattr(digests.time, "time_ns", lambda: 1 << 62)
    large, small = media("large.mp4", b"large file"), media("small.png", b"x")
    hashed = []
    real = DigestReader._hash
    monkeypatch.setattr(
        DigestReader, "_hash", lambda self, job: (hashed.append(job.path.name), real(self, job))[1]
    )
    first = DigestReader().read(large.parent, [large, small], TimeLimit())
    assert sorted(hashed) == ["large.mp4", "small.png"]
    hashed.clear()
    assert DigestReader().read(large.parent, [large, small], TimeLimit()) == first
    assert hashed == ["small.png"]
    # A limit in bytes is for files whose digest is not known.
    fresh = media("fresh.mp4", b"another file")
    assert DigestReader().read(large.parent, [large, fresh], TimeLimit(), 5) == [first[0], ""]
    large.write_bytes(b"LARGE file")
    os.utime(large, ns=(5, 5))
    assert DigestReader().read(large.parent, [large], TimeLimit()) != first[:1]
    for content in (b"", b"[]", b'{"files": {"a": 1}}', b"\xff"):
        cache.write_bytes(content)
        assert DigestReader().read(large.parent, [small], TimeLimit()) == first[1:]
    wait_for_no_thread()


def test_a_file_that_was_just_written_is_not_remembered(media, monkeypatch, cache):
    monkeypatch.setattr(digests, "REMEMBERED_BYTES", 4)
    large = media("large.mp4", b"large file")
    DigestReader().read(large.parent, [large], TimeLimit())
    assert not cache.exists()

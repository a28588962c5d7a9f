from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest

from ads.errors import PlaylistError
from ads.playlists.loader import load_playlist
from ads.playlists.playlist import Playlist
from ads.playlists.watcher import FILE_CLOCK_NS, LOOK_EVERY_S, RETRY_LOOKS, PlaylistWatcher

LOOK_NS = round(LOOK_EVERY_S * 1e9)


class Looker:
    """Polls a watcher by hand: each look ends before the next poll."""

    def __init__(self, watcher: PlaylistWatcher) -> None:
        self.watcher = watcher
        self.now_ns = 0
        assert watcher.poll(0) is None

    def look(self, times: int = 1) -> list[Playlist]:
        found = []
        for _ in range(times):
            self.now_ns += LOOK_NS
            assert self.watcher.poll(self.now_ns) is None
            for thread in threading.enumerate():
                if thread.name == "playlist-watch":
                    thread.join()
            found.append(self.watcher.poll(self.now_ns))
        return [playlist for playlist in found if playlist is not None]

    def settle(self) -> list[Playlist]:
        """Look until a fresh change counts: not before its time stamp is surely over."""
        time.sleep(2 * FILE_CLOCK_NS / 1e9)
        return self.look(3)


@pytest.fixture
def folder(tmp_path, make_image):
    for name in ("a.png", "b.png", "c.png"):
        make_image(name)
        os.utime(tmp_path / name, (1, 1))
    return tmp_path


def save(folder: Path, text: str) -> Path:
    path = folder / "playlist.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


@pytest.fixture
def looker(folder):
    path = save(folder, "ads: [{file: a.png, duration_s: 3}]")
    watcher = PlaylistWatcher(load_playlist(path))
    yield Looker(watcher)
    watcher.close()


def ids(playlists: list[Playlist]) -> list[list[str]]:
    return [[ad.ad_id for ad in playlist.ads] for playlist in playlists]


def test_a_new_playlist_is_brought_once(looker, folder):
    assert looker.look(3) == []
    save(
        folder,
        "timezone: Asia/Tokyo\nads: [{file: a.png, duration_s: 3}, {file: b.png, duration_s: 4}]",
    )
    found = looker.settle()
    assert ids(found) == [["a", "b"]]
    assert found[0].timezone == "Asia/Tokyo"
    assert looker.look(4) == []
    assert looker.watcher.problem is None


def test_a_change_waits_until_the_file_stands_still(looker, folder):
    lines = [
        "ads:",
        "  - {file: a.png, duration_s: 3}",
        "  - {file: b.png, duration_s: 4}",
        "  - {file: c.png, duration_s: 5}",
    ]
    for count in (2, 3, 4):
        # All but the first are good playlists of their own.
        save(folder, "\n".join(lines[:count]))
        assert looker.look() == []
    assert ids(looker.settle()) == [["a", "b", "c"]]


def test_a_half_written_playlist_leaves_the_one_before_in_use(looker, folder, caplog):
    save(folder, "ads: [{file: a.png, duration_s: 3}, {file: b.png, durat")
    with caplog.at_level(logging.WARNING):
        assert looker.settle() == []
        assert looker.look(4) == []
    assert "not valid YAML" in looker.watcher.problem
    assert sum("not valid YAML" in record.getMessage() for record in caplog.records) == 1
    save(folder, "ads: [{file: a.png, duration_s: 3}, {file: b.png, duration_s: 4}]")
    assert ids(looker.settle()) == [["a", "b"]]
    assert looker.watcher.problem is None


def test_a_mistake_that_is_taken_back_is_forgotten(looker, folder):
    save(folder, "ads: [{fil: a.png}]")
    assert looker.settle() == []
    assert "did you mean 'file'" in looker.watcher.problem
    save(folder, "ads: [{file: a.png, duration_s: 3}]")
    assert looker.settle() == []
    assert looker.watcher.problem is None


def test_a_playlist_that_is_gone_is_a_problem_and_no_end(looker, folder):
    (folder / "playlist.yaml").unlink()
    assert looker.settle() == []
    assert "There is no playlist" in looker.watcher.problem


def test_media_that_change_go_or_come_are_noticed(looker, folder, make_image):
    save(folder, "ads: [{file: a.png, duration_s: 3}, {file: late.png, duration_s: 4}]")
    # Nothing to show but the reason why one is left out.
    found = looker.settle()
    assert [ad.ad_id for ad in found[0].skipped] == ["late"]
    make_image("late.png")
    assert ids(looker.settle()) == [["a", "late"]]
    before = load_playlist(folder / "playlist.yaml").ads[0].sha256
    make_image("a.png", colour=(1, 2, 3))
    found = looker.settle()
    assert found[0].ads[0].sha256 != before
    (folder / "a.png").unlink()
    assert ids(looker.settle()) == [["late"]]


def test_a_missing_file_may_come_under_another_spelling(folder):
    path = save(folder, "ads: [{file: a.png, duration_s: 3}, {file: été.png, duration_s: 3}]")
    watcher = PlaylistWatcher(load_playlist(path))
    looker = Looker(watcher)
    assert looker.look(3) == []
    (folder / "b.png").rename(folder / "e\u0301te\u0301.png")
    assert ids(looker.settle()) == [["a", "été"]]
    watcher.close()


def test_touching_files_changes_nothing(looker, folder):
    os.utime(folder / "a.png", (5, 5))
    os.utime(folder / "playlist.yaml", (5, 5))
    assert looker.look(6) == []
    assert looker.watcher.problem is None


def test_what_comes_without_a_change_is_found_after_a_while(looker, folder, make_image):
    save(folder, "ads: [{file: new.png, duration_s: 3}]")
    assert looker.settle() == []
    assert "Nothing in the playlist" in looker.watcher.problem
    make_image("new.png")
    time.sleep(2 * FILE_CLOCK_NS / 1e9)
    assert ids(looker.look(RETRY_LOOKS)) == [["new"]]
    assert looker.watcher.problem is None


def test_a_folder_is_watched_by_its_listing(folder, make_image):
    watcher = PlaylistWatcher(load_playlist(folder))
    looker = Looker(watcher)
    (folder / "notes.txt").write_text("not media")
    assert looker.look(3) == []
    make_image("d.png")
    assert ids(looker.settle()) == [["a", "b", "c", "d"]]
    (folder / "b.png").unlink()
    assert ids(looker.settle()) == [["a", "c", "d"]]
    watcher.close()


def test_the_caller_never_waits(folder):
    path = save(folder, "ads: [{file: a.png, duration_s: 3}]")
    begun, go_on = threading.Event(), threading.Event()

    def slow(path: Path) -> Playlist:
        begun.set()
        assert go_on.wait(60)
        return load_playlist(path)

    watcher = PlaylistWatcher(load_playlist(path), load=slow)
    looker = Looker(watcher)
    save(folder, "ads: [{file: b.png, duration_s: 3}]")
    looker.look(1)
    now_ns = looker.now_ns
    while not begun.wait(0.05):
        now_ns += LOOK_NS
        watcher.poll(now_ns)
    assert [watcher.poll(now_ns + LOOK_NS * number) for number in range(5)] == [None] * 5
    go_on.set()
    watcher.close()
    assert watcher.poll(now_ns + 9 * LOOK_NS) is None


@pytest.mark.logs_errors
def test_a_breakdown_while_reading_is_a_problem_and_no_end(folder, caplog):
    path = save(folder, "ads: [{file: a.png, duration_s: 3}]")

    def broken(path: Path) -> Playlist:
        raise RuntimeError("out of order")

    watcher = PlaylistWatcher(load_playlist(path), load=broken)
    looker = Looker(watcher)
    save(folder, "ads: [{file: b.png, duration_s: 3}]")
    assert looker.settle() == []
    assert "out of order" in watcher.problem
    assert "could not be read" in caplog.text
    watcher.close()


def test_what_is_written_while_it_is_read_is_read_again(folder):
    path = save(folder, "ads: [{file: a.png, duration_s: 3}]")
    loads = []

    def overtaken(path: Path) -> Playlist:
        playlist = load_playlist(path)
        loads.append(playlist)
        if len(loads) == 1:
            save(folder, "ads: [{file: c.png, duration_s: 3}]")
        return playlist

    watcher = PlaylistWatcher(load_playlist(path), load=overtaken)
    looker = Looker(watcher)
    save(folder, "ads: [{file: b.png, duration_s: 3}]")
    assert looker.settle() == []
    assert ids(looker.settle()) == [["c"]]
    assert ids(loads)[0] == ["b"]
    watcher.close()


def test_nothing_is_loaded_while_nothing_changes(folder):
    path = save(folder, "ads: [{file: a.png, duration_s: 3}]")

    def forbidden(path: Path) -> Playlist:
        raise PlaylistError("loaded without a change")

    watcher = PlaylistWatcher(load_playlist(path), load=forbidden)
    looker = Looker(watcher)
    assert looker.look(5) == []
    assert watcher.problem is None
    watcher.close()

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from ads.errors import PlaylistError
from ads.media import digests
from ads.playlists.watcher import LOOK_EVERY_S
from monitor.session import playlist_loading
from monitor.session.playlist_loading import load_watched

WAIT_S = 120.0


@pytest.fixture
def playlist(tmp_path) -> Path:
    for name in ("good.png", "slow.png"):
        Image.new("RGB", (64, 36), (90, 120, 60)).save(tmp_path / name)
    path = tmp_path / "list.yaml"
    path.write_text("ads: [{file: slow.png, duration_s: 2}, {file: good.png, duration_s: 2}]")
    return path


@pytest.fixture
def gate(monkeypatch):
    """Holds up whoever reads `slow.png`, until it is set."""
    opened = threading.Event()
    real = digests.os.open

    def slow(path, *more, **named):
        if Path(str(path)).name == "slow.png":
            opened.wait(WAIT_S)
        return real(path, *more, **named)

    monkeypatch.setattr(digests.os, "open", slow)
    yield opened
    opened.set()


def test_a_file_that_does_not_answer_joins_when_it_does(playlist, gate, monkeypatch):
    monkeypatch.setattr(playlist_loading, "START_LIMIT_S", 0.1)
    monkeypatch.setattr(playlist_loading, "RELOAD_LIMIT_S", 0.1)
    watched = load_watched(playlist, lambda: True)
    assert watched is not None
    assert [ad.ad_id for ad in watched.playlist.ads] == ["good"]
    (waiting,) = watched.playlist.skipped
    assert (waiting.ad_id, waiting.is_pending) == ("slow", True)
    assert "slow.png is not read yet" in waiting.reason
    gate.set()
    now_ns, found = 0, None
    deadline = time.monotonic() + WAIT_S
    while found is None:
        assert time.monotonic() < deadline
        now_ns += round(LOOK_EVERY_S * 1e9)
        found = watched.watcher.poll(now_ns)
        time.sleep(0.02)
    assert [ad.ad_id for ad in found.ads] == ["slow", "good"]
    assert found.skipped == ()
    watched.stop_loading.set()
    watched.watcher.close()


def test_a_start_that_is_not_wanted_any_more_does_not_wait_for_files(playlist, gate):
    playlist.write_text("ads: [{file: slow.png, duration_s: 2}]")
    began_s = time.monotonic()
    assert load_watched(playlist, lambda: time.monotonic() - began_s < 0.2) is None
    assert time.monotonic() - began_s < WAIT_S / 3


def test_a_start_that_is_not_wanted_has_no_playlist_however_fast_it_loads(playlist, monkeypatch):
    class Fast(threading.Thread):
        def start(self) -> None:
            super().start()
            self.join()

    fast = SimpleNamespace(Thread=Fast, Event=threading.Event)
    monkeypatch.setattr("monitor.session.playlist_loading.threading", fast)
    playlist.write_text("ads: [{file: gone.png, duration_s: 2}]")
    assert load_watched(playlist, lambda: False) is None


def test_mistakes_reach_the_caller(playlist):
    playlist.write_text("ads: [{file: gone.png, duration_s: 2}]")
    with pytest.raises(PlaylistError, match=r"gone.png does not exist"):
        load_watched(playlist, lambda: True)


def test_without_a_playlist_the_samples_are_shown():
    watched = load_watched(None, lambda: True)
    assert watched is not None
    assert len(watched.playlist.ads) > 1
    watched.watcher.close()

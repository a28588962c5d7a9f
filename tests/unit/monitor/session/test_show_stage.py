"""How the hub's show takes the place of the one that plays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ads.errors import PlaylistError
from ads.media.decode import probe_all
from monitor.session import playlist_loading
from monitor.session.show_stage import ShowStage


class FakePlayer:
    def __init__(self):
        self.current = None
        self.replaced = []

    def replace(self, ads, filler, cross_fade_s):
        self.replaced.append(([ad.ad_id for ad in ads], filler, cross_fade_s))


def a_playlist(folder, *ads, head=""):
    folder.mkdir(exist_ok=True)
    for ad in ads:
        Image.fromarray(np.full((9, 16, 3), len(ad), np.uint8)).save(folder / f"{ad}.png")
    lines = "".join(f"  - file: {ad}.png\n    duration_s: 2\n" for ad in ads)
    (folder / "list.yaml").write_text(f"{head}ads:\n{lines}")
    return folder / "list.yaml"


@pytest.fixture
def stage(tmp_path, monkeypatch):
    # Another process takes seconds to start; `test_playlist_loading.py` has one.
    monkeypatch.setattr(playlist_loading, "check_apart", lambda files, limit: probe_all(files))
    stage = ShowStage(a_playlist(tmp_path / "local", "local"))
    yield stage
    stage.close()


def test_the_show_of_the_hub_comes_first_and_the_local_one_if_it_cannot_be_shown(stage, tmp_path):
    hub = a_playlist(tmp_path / "hub", "one")
    assert stage.begin(lambda: True, lambda: hub)
    assert [ad.ad_id for ad in stage.playlist.ads] == ["one"]
    assert stage.shows(hub)
    (tmp_path / "hub" / "one.png").write_bytes(b"rubbish")
    assert stage.begin(lambda: True, lambda: hub)
    assert [ad.ad_id for ad in stage.playlist.ads] == ["local"]
    assert not stage.shows(hub)


def test_another_show_waits_for_the_shows_thread_and_settles_once_nothing_else_is_on(
    stage, tmp_path
):
    player = FakePlayer()
    stage.begin(lambda: True, lambda: None)
    player.current = SimpleNamespace(ad=stage.playlist.ads[0])
    stage.poll(player, 0)
    assert stage.has_settled()
    hub = stage.load(a_playlist(tmp_path / "hub", "one", "two", head="cross_fade_s: 1\n"))
    stage.switch(hub)
    assert stage.shows(hub.path)
    assert not stage.has_settled()
    assert player.replaced == []
    stage.poll(player, 1)
    assert player.replaced == [(["one", "two"], None, 1.0)]
    assert stage.playlist == hub
    stage.poll(player, 2)
    assert not stage.has_settled(), "the ad that was removed is still on the screen"
    player.current = SimpleNamespace(ad=hub.ads[1])
    stage.poll(player, 3)
    assert stage.has_settled()


def test_nothing_on_the_screen_is_settled_too(stage, tmp_path):
    stage.begin(lambda: True, lambda: None)
    stage.switch(stage.load(a_playlist(tmp_path / "hub", "one")))
    stage.poll(FakePlayer(), 0)
    assert stage.has_settled()


def test_a_playlist_that_cannot_be_shown_changes_nothing(stage, tmp_path):
    stage.begin(lambda: True, lambda: None)
    before = stage.playlist
    with pytest.raises(PlaylistError):
        stage.load(tmp_path / "missing.yaml")
    player = FakePlayer()
    stage.poll(player, 0)
    assert (stage.playlist, player.replaced) == (before, [])
    assert stage.load(None).ads == before.ads

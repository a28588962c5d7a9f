from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from ads.media.clip_sound import sound_blocks
from ads.media.decode import frames
from ads.playlists.loader import load_playlist
from ads.sample import sample_playlist
from tools.sample_ads import music, scenes


@pytest.fixture(scope="module")
def ads():
    playlist = load_playlist(sample_playlist())
    assert not playlist.skipped
    return {ad.path.name: ad for ad in playlist.ads}


def test_samples_are_a_small_varied_playlist(ads):
    kinds = [ad.kind for ad in ads.values()]
    assert kinds.count("video") >= 2
    assert kinds.count("image") >= 2
    assert kinds.count("animation") >= 1
    assert 25 <= sum(ad.duration_s for ad in ads.values()) <= 35
    assert all(ad.brand_at_s for ad in ads.values())
    assert sum(file.stat().st_size for file in sample_playlist().parent.iterdir()) < 2_500_000


@pytest.mark.parametrize(
    ("name", "draw", "index"),
    [("solina.mp4", scenes.drink, 60), ("nordlys.mp4", scenes.flight, 30)],
)
def test_clips_are_what_the_script_draws(ads, name, draw, index):
    frame = next(islice(frames(ads[name].path, "video", lambda: scenes.CLIP_SIZE), index, None))
    drawn = np.asarray(draw(index / 25)).astype(int)
    assert np.abs(frame.rgb - drawn).mean() < 3
    assert ads[name].has_sound
    first = next(sound_blocks(ads[name].path, 1.0))[1]
    assert np.abs(first.astype(int)).max() > 300


def test_banner_is_what_the_script_draws(ads):
    shown = list(frames(ads["fleur.gif"].path, "animation", lambda: scenes.BANNER_SIZE))
    assert len(shown) == scenes.FLOWERS_FRAMES
    assert np.abs(shown[7].rgb - np.asarray(scenes.flowers(7)).astype(int)).mean() < 4


def test_music_is_neither_silent_nor_clipped():
    tune = music.summer_tune(2.0)
    assert tune.shape == (96_000, 2)
    assert 10_000 < np.abs(tune.astype(int)).max() < 32_000
    assert np.array_equal(tune, music.summer_tune(2.0))

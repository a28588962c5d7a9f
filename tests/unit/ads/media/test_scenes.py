"""Scenes of made clips with known cuts, and what is kept of them; also module cache."""

from __future__ import annotations

import json
from itertools import pairwise

import platformdirs
import pytest

from ads.errors import MediaError
from ads.media import scenes
from ads.media.scenes import scene_starts, scenes_of
from tests.helpers.clips import write_shots


def test_three_hard_cuts_are_found_to_the_frame(tmp_path):
    clip = write_shots(tmp_path / "cuts.mp4", [2.0, 1.52, 3.0, 2.0])
    assert scene_starts(clip) == pytest.approx([0.0, 2.0, 3.52, 6.52], abs=1e-6)


@pytest.mark.parametrize("fps", [10, 24, 50])
def test_cuts_at_other_rates(tmp_path, fps):
    clip = write_shots(tmp_path / "cuts.mp4", [1.5, 2.5], fps)
    assert scene_starts(clip) == pytest.approx([0.0, 1.5], abs=1e-6)


def test_a_single_shot_is_one_scene(tmp_path):
    assert scene_starts(write_shots(tmp_path / "one.mp4", [4.0])) == [0.0]


def test_shots_shorter_than_a_second_count_with_the_one_before(tmp_path):
    clip = write_shots(tmp_path / "fast.mp4", [2.0, 0.4, 0.4, 0.4, 2.0])
    found = scene_starts(clip)
    assert all(after - before >= 1.0 for before, after in pairwise(found))
    assert 2.0 in [pytest.approx(start) for start in found]


def test_a_file_that_cannot_be_decoded_is_named(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    with pytest.raises(MediaError, match=r"bad\.mp4 cannot be decoded"):
        scene_starts(tmp_path / "bad.mp4")


def test_findings_are_kept_as_numbers_and_failures_are_not(tmp_path, monkeypatch):
    good, bad = write_shots(tmp_path / "good.mp4", [1.2, 1.2]), tmp_path / "bad.mp4"
    bad.write_bytes(b"no clip")
    files = [(good, "aa"), (bad, "bb"), (good, "aa")]
    first, failure, again = scenes_of(files)
    assert first == again == pytest.approx([0.0, 1.2])
    assert isinstance(failure, MediaError)
    kept = json.loads((platformdirs.user_cache_path("ad-monitor") / "scenes.json").read_text())
    assert kept["files"] == [["aa", first]]
    monkeypatch.setattr(scenes, "scene_starts", lambda _path: pytest.fail("found before"))
    assert scenes_of([(good, "aa")]) == [first]


@pytest.mark.parametrize("content", ["", "[]", '{"by": ["0"], "files": []}', '{"by": 1}'])
def test_a_cache_that_is_damaged_or_of_another_version_only_costs_time(tmp_path, content):
    cache = platformdirs.user_cache_path("ad-monitor") / "scenes.json"
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(content)
    clip = write_shots(tmp_path / "one.mp4", [1.2])
    assert scenes_of([(clip, "cc")]) == [[0.0]]
    assert json.loads(cache.read_text())["files"] == [["cc", [0.0]]]

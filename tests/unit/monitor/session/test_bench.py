"""The benchmark sees what the kiosk would see."""

from __future__ import annotations

import pytest

from detector.analysis import AnalysisSettings
from detector.faces.detector import MediaPipeFaceDetector
from detector.settings import CameraMount
from monitor.session.bench import bench
from tests.helpers.turned_clips import ORIENTATIONS, corners_of, write_turned


@pytest.mark.parametrize(
    ("degrees", "name"),
    [(0, "as stored"), (90, "to the right"), (180, "upside down"), (270, "to the left")],
)
def test_it_searches_the_turned_pictures(tmp_path, monkeypatch, degrees, name):
    seen = []

    def detect(_self, frame, *_arguments, **_options):
        seen.append(corners_of(frame.image))
        return []

    monkeypatch.setattr(MediaPipeFaceDetector, "detect", detect)
    clip = write_turned(tmp_path / "clip.mp4", ORIENTATIONS["as stored"][0])
    bench(str(clip), analysis=AnalysisSettings(camera=CameraMount(rotate=degrees)))
    assert set(seen) == {ORIENTATIONS[name][1]}

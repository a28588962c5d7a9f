"""Decoding in hardware: when it is tried, and that software takes its place."""

from __future__ import annotations

import logging

import av
import numpy as np
import pytest

from ads.media import clip_file, hardware
from ads.media.clips import probe_clip, video_frames


@pytest.fixture
def with_device(monkeypatch):
    """Let there be a device, of a kind that FFmpeg was built for; it does not work."""
    kind = next(iter(av.codec.hwaccel.hwdevices_available()), None)
    if kind is None:
        pytest.skip("FFmpeg was built without hardware decoding")
    monkeypatch.setattr(hardware, "device", lambda: kind)
    monkeypatch.setattr(hardware, "LARGE_PIXELS", 96 * 64)
    return kind


@pytest.fixture
def opened(monkeypatch):
    """Whether hardware was asked for, for each opening of a clip."""
    asked = []
    real = av.open

    def noted(*args, **named):
        asked.append("hwaccel" in named)
        return real(*args, **named)

    monkeypatch.setattr(clip_file.av, "open", noted)
    return asked


def test_a_device_counts_if_it_is_there_and_ffmpeg_knows_its_kind(monkeypatch, tmp_path):
    found = hardware.device.__wrapped__
    (tmp_path / "card").touch()
    monkeypatch.setattr(
        hardware,
        "_DEVICES",
        (("vaapi", str(tmp_path / "gone")), ("cuda", str(tmp_path / "card"))),
    )
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["cuda", "vaapi"])
    assert found() == "cuda"
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["vaapi"])
    assert found() is None


def test_hardware_that_does_not_work_costs_one_line_and_no_picture(
    make_clip, with_device, opened, caplog, monkeypatch
):
    path = make_clip("large.mp4", frames=5, size=(128, 96))
    with caplog.at_level(logging.DEBUG, logger="ads.media.clip_file"):
        shown = list(video_frames(path, lambda: (64, 48)))
    assert True in opened
    monkeypatch.setattr(hardware, "device", lambda: None)
    expected = list(video_frames(path, lambda: (64, 48)))
    assert [frame.position_ns for frame in shown] == [frame.position_ns for frame in expected]
    for frame, right in zip(shown, expected, strict=True):
        assert np.array_equal(frame.rgb, right.rgb)
    said = [record.getMessage() for record in caplog.records if "hardware" in record.getMessage()]
    assert len(said) <= 1


def test_small_clips_and_looks_into_a_file_are_left_to_software(make_clip, with_device, opened):
    small, large = make_clip("small.mp4", frames=3), make_clip("l.mp4", frames=2, size=(128, 96))
    list(video_frames(small, lambda: (96, 64)))
    probe_clip(large)
    assert True not in opened


def test_without_a_device_nothing_is_tried(make_clip, monkeypatch, opened):
    monkeypatch.setattr(hardware, "device", lambda: None)
    monkeypatch.setattr(hardware, "LARGE_PIXELS", 96 * 64)
    list(video_frames(make_clip("large.mp4", frames=2, size=(128, 96)), lambda: (64, 34)))
    assert True not in opened

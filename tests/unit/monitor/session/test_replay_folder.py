"""Which recordings a folder holds, and what becomes of those that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import SessionFailedError, SessionInterruptedError, SetupError
from monitor.session import replay_folder as module
from monitor.session.replay_folder import Replayed, recordings_in, replay_all
from monitor.settings.models import ReplaySettings


def test_recordings_come_in_natural_order(tmp_path):
    for name in ("day10.mp4", "day2.MKV", "day1.avi", "poster.jpg", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "more.mp4").mkdir()
    assert [one.name for one in recordings_in(tmp_path)] == ["day1.avi", "day2.MKV", "day10.mp4"]


def test_a_folder_without_recordings_is_refused(tmp_path):
    (tmp_path / "poster.jpg").touch()
    with pytest.raises(SetupError, match=r"holds no recordings: expected files ending in \.3g2"):
        recordings_in(tmp_path)


def test_recordings_that_fail_do_not_end_the_others(monkeypatch):
    outcomes = {
        "1.mp4": 7,
        "2.mp4": SetupError("no picture"),
        "3.mp4": SessionFailedError("cut off", 8),
        "4.mp4": 9,
        "5.mp4": SessionInterruptedError("interrupted", 10),
    }

    def replayed(settings, *, measured):
        assert measured is None
        outcome = outcomes[settings.video.name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(module, "replay", replayed)
    videos = [Path(name) for name in outcomes]
    settings = ReplaySettings(video=Path("folder"))
    results = replay_all(settings, videos, None)
    assert [next(results) for _ in range(4)] == [
        Replayed(videos[0], 7),
        Replayed(videos[1], None, outcomes["2.mp4"]),
        Replayed(videos[2], 8, outcomes["3.mp4"]),
        Replayed(videos[3], 9),
    ]
    with pytest.raises(SessionInterruptedError):
        next(results)

"""When a recording began."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone

import av
import numpy as np
import pytest

from monitor.errors import SetupError
from monitor.session.replay import named_start, recorded_at


def write(path, **metadata):
    with av.open(str(path.absolute()), "w") as out:
        out.metadata.update(metadata)
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        out.mux(stream.encode())
    os.utime(path, (1.6e9, 1.6e9))
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "12:30:05.mp4"])
def test_its_metadata_say_when_else_its_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    stated = write(tmp_path / name, creation_time="2015-06-01T10:00:00Z")
    assert recorded_at(stated.relative_to(tmp_path)) == datetime(2015, 6, 1, 10, tzinfo=UTC)
    silent = write(tmp_path / name)
    assert recorded_at(silent.relative_to(tmp_path)) == datetime.fromtimestamp(1.6e9, UTC)


def test_a_named_start_is_in_the_playlist_s_zone_unless_it_has_an_offset():
    named = datetime.fromisoformat("2024-07-01 12:30")
    assert named_start(None, "Asia/Tokyo") is None
    assert named_start(named, "Asia/Tokyo") == datetime(2024, 7, 1, 3, 30, tzinfo=UTC)
    assert named_start(named, "Europe/Berlin") == datetime(2024, 7, 1, 10, 30, tzinfo=UTC)
    assert named_start(named, None) == named.astimezone(UTC)
    offset = named.replace(tzinfo=timezone(timedelta(hours=-5)))
    assert named_start(offset, "Asia/Tokyo") == datetime(2024, 7, 1, 17, 30, tzinfo=UTC)


def test_a_named_start_in_the_future_is_refused():
    later = datetime.now(UTC) + timedelta(minutes=2)
    with pytest.raises(SetupError, match=r"^Invalid --started-at: expected a time in the past, "):
        named_start(later, None)

"""Whole files and cut ones, in every container that states the lengths of its parts."""

from __future__ import annotations

import pytest

from ads.media.chunks import is_cut_off
from tests.media.timed_clips import steps, write_timed

CONTAINERS = {
    "clip.mp4": "libx264",
    "clip.mov": "libx264",
    "clip.mkv": "libx264",
    "clip.webm": "libvpx",
    "clip.avi": "mpeg4",
    "clip.wmv": "wmv2",
    "clip.flv": "flv",
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("missing", [1, 700])
def test_a_file_without_its_end_is_cut_off(tmp_path, name, missing):
    path = write_timed(tmp_path / name, steps(20), codec=CONTAINERS[name])
    assert not is_cut_off(path)
    path.write_bytes(path.read_bytes()[:-missing])
    assert is_cut_off(path)


@pytest.mark.parametrize(
    ("name", "muxing"), [("live.mkv", {"live": "1"}), ("clip.ts", {}), ("clip.mpg", {})]
)
def test_a_file_that_states_no_lengths_is_not(tmp_path, name, muxing):
    codec = "mpeg2video" if name == "clip.mpg" else "libx264"
    path = write_timed(tmp_path / name, steps(20), codec=codec, muxing=muxing)
    path.write_bytes(path.read_bytes()[:-500])
    assert not is_cut_off(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"\x1a\x45\xdf\xa3" + bytes(40),
        b"\x1a\x45\xdf\xa3" + b"\xff" * 40,
        b"\x00\x00\x00\x01moov" + bytes(40),
        b"\x00\x00\x00\x08free" * 300_000,
        b"FLV\x01\x05\x00\x00\x00\x00" + bytes(40),
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c" + bytes(40),
    ],
)
def test_nonsense_ends_at_once(tmp_path, content):
    path = tmp_path / "clip"
    path.write_bytes(content)
    assert not is_cut_off(path)

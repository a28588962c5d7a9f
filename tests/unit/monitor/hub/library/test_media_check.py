"""What is said of a file that can be shown. What is refused: see `test_library_uploads.py`."""

from __future__ import annotations

import hashlib

import pytest
from PIL import Image

from ads.media.preview import Preview
from ads.media.types import MediaInfo
from monitor.hub.library.media_check import (
    WARNINGS,
    FileRefusedError,
    examine,
    warning_words,
    warnings,
)

PREVIEW = Preview(b"still")


def clip(width=1920, height=1080, duration_s=10.0, has_sound=True, rate=25.0):
    return MediaInfo("video", width, height, duration_s, has_sound, rate)


@pytest.mark.parametrize(
    ("info", "preview", "expected"),
    [
        (clip(), PREVIEW, []),
        (clip(), Preview(b"still", is_hdr=True), ["hdr"]),
        (clip(has_sound=False), PREVIEW, ["no_sound"]),
        (clip(3840, 2160, rate=59.94), PREVIEW, ["heavy"]),
        (clip(3840, 2160), PREVIEW, []),
        (clip(rate=60.0), PREVIEW, []),
        (clip(duration_s=2.5), PREVIEW, ["short"]),
        (clip(duration_s=90), PREVIEW, ["long"]),
        (clip(1080, 1920), PREVIEW, ["upright"]),
        (clip(1600, 1200), PREVIEW, ["odd_shape"]),
        (clip(640, 360), PREVIEW, ["small"]),
        (clip(), None, ["no_preview"]),
        (MediaInfo("image", 1920, 1080), PREVIEW, []),
        (MediaInfo("image", 100, 100), PREVIEW, ["odd_shape", "small"]),
    ],
)
def test_warnings(info, preview, expected):
    assert warnings(info, preview) == expected
    assert all(len(WARNINGS[word]) > 10 for word in expected)


def test_a_remark_of_the_decoder_is_shown_as_it_is():
    assert warning_words("a.png is cut off.") == "a.png is cut off."
    assert warning_words("no_sound") == "It has no sound."


def test_a_file_is_examined_under_its_senders_name(tmp_path):
    path = tmp_path / "0123.png"
    Image.new("RGB", (1920, 1080)).save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    found = examine(path, "Sommer.png", sha256)
    assert (found.facts.kind, found.facts.ending, found.facts.sha256) == ("image", ".png", sha256)
    assert found.facts.size == path.stat().st_size
    assert found.strip is None
    path.write_bytes(b"nothing")
    with pytest.raises(FileRefusedError, match=r"^Sommer\.png "):
        examine(path, "Sommer.png", sha256)

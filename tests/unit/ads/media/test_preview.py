"""The stills of an ad: one of it, and a strip along its time."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ads.errors import MediaError
from ads.media.decode import probe
from ads.media.preview import STRIP_STILLS, make_preview
from tests.media.clip_maker import Coding, write_clip


def columns(jpeg):
    """Return the mean grey of each still of a strip."""
    with Image.open(io.BytesIO(jpeg)) as strip:
        return list(strip.convert("L").resize((STRIP_STILLS, 1), Image.Resampling.BOX).tobytes())


def test_an_animation_has_a_strip_along_its_time(make_animation):
    path = make_animation("a.gif", [0, 250], [500, 500])
    preview = make_preview(path, probe(path))
    greys = columns(preview.strip)
    assert max(greys[:5]) < 20
    assert min(greys[5:]) > 230
    assert make_preview(path, probe(path), brief=True).strip is None


def test_a_long_clip_is_jumped_through(make_clip):
    path = make_clip("a.mp4", times_ms=list(range(0, 30_000, 200)), size=(64, 36))
    preview = make_preview(path, probe(path))
    with Image.open(io.BytesIO(preview.strip)) as strip:
        assert strip.size == (1280, 72)


def test_what_breaks_off_is_black_from_there_on(make_clip, monkeypatch):
    path = make_clip("a.mp4", frames=50, size=(64, 36))
    info = probe(path)
    first = make_preview(path, info, brief=True).still

    monkeypatch.setattr("ads.media.preview._stills", lambda *_: [first])
    assert max(columns(make_preview(path, info).strip)[1:]) < 5


@pytest.mark.parametrize(("transfer", "is_hdr"), [(1, False), (16, True), (18, True)])
def test_hdr_is_told_by_its_transfer(tmp_path, transfer, is_hdr):
    grey = np.full((36, 64, 3), 0.5)
    path = write_clip(tmp_path / "a.mp4", [grey] * 3, Coding(transfer=transfer))
    assert make_preview(path, probe(path)).is_hdr is is_hdr


def test_no_picture_is_an_error(tmp_path, make_image):
    path = make_image("a.png")
    info = probe(path)
    path.write_bytes(b"nothing")
    with pytest.raises(MediaError):
        make_preview(path, info)

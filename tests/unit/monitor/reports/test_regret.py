"""The figure of simulated policies."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from monitor.analytics.errors import ReportWriteError, UnknownFormatError
from monitor.reports.regret import write_regret

CURVES = {
    "learn": np.cumsum(np.full((3, 200), 0.1) * np.array([[0.9], [1.0], [1.1]]), axis=1),
    "shuffle": np.cumsum(np.full((3, 200), 0.4), axis=1),
}


def test_png_shows_both_curves(tmp_path):
    out = write_regret(CURVES, tmp_path / "new" / "curves.png")
    picture = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert picture.shape == (1120, 2080, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (np.abs(picture - colour).sum(axis=2) < 30).sum() > 1000


def test_svg_is_the_same_every_time(tmp_path):
    one, two = (write_regret(CURVES, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert one == two
    assert b"<svg" in one


def test_html_is_one_file(tmp_path):
    text = write_regret(CURVES, tmp_path / "curves.html").read_text(encoding="utf-8")
    assert "learn 20.0, shuffle 80.0" in text
    assert "200 plays, mean of 3 runs" in text
    assert "http" not in re.sub(r"base64,[^\"]+", "", text)
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", text).group(1))
    assert b"</svg>" in io.BytesIO(picture).read()


def test_no_regret_at_all(tmp_path):
    assert write_regret({"learn": np.zeros((1, 5))}, tmp_path / "flat.svg").exists()


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(
        UnknownFormatError, match=r"ends in .png, .svg, .html, received .*curves.txt"
    ):
        write_regret(CURVES, tmp_path / "curves.txt")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportWriteError, match="Cannot write the report"):
        write_regret(CURVES, tmp_path / "file" / "curves.svg")

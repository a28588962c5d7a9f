"""What `evaluate` and the commands that judge models say before they measure."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from detector.emotion.preprocessing import CropGeometry
from monitor.cli.models.evaluate import judging_faces
from training.errors import DatasetError


def test_a_search_for_faces_is_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("happy", "sad"):
        (tmp_path / name).mkdir()
        Image.new("L", (320, 240)).save(tmp_path / name / "1.png")
    nothing = dict.fromkeys(("votes", "overlay", "split", "against", "labels", "seed"))
    with pytest.raises(DatasetError, match="no face was found"):
        judging_faces(CropGeometry(48), data=tmp_path, find_faces=True, **nothing)
    assert caplog.messages == ["Finding the faces in the photographs: up to half a second for each"]

"""Recordings and streams are seen as their display matrix says, in all eight orientations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.sources.orientation import Orientation, file_orientation
from detector.sources.recording import PacedRecording, Recording
from detector.sources.stream import StreamCapture
from detector.sources.video_source import SourceSpec
from tests.helpers.sources import read_all
from tests.helpers.turned_clips import ORIENTATIONS, corners_of, four_corners, write_turned


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", [Recording, PacedRecording])
def test_a_recording_is_upright(tmp_path: Path, orientation: str, kind: Any) -> None:
    matrix, corners = ORIENTATIONS[orientation]
    with kind(write_turned(tmp_path / "clip.mp4", matrix)) as source:
        frames = read_all(source)
    assert len(frames) == 5
    size = (160, 96) if matrix[1] else (96, 160)
    assert {(frame.image.shape[:2], corners_of(frame.image)) for frame in frames} == {
        (size, corners)
    }


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_stream_is_upright(tmp_path: Path, stream_server: Any, orientation: str) -> None:
    matrix, corners = ORIENTATIONS[orientation]
    address = stream_server.serve(write_turned(tmp_path / "clip.mp4", matrix))
    with StreamCapture(SourceSpec.parse(address)) as source:
        frame = source.read()
    assert frame is not None
    assert corners_of(frame.image) == corners


def test_a_matrix_of_another_scale_or_a_slight_angle_means_the_nearest_orientation() -> None:
    assert Orientation.of_matrix((3, 60, 0, -58, 4, 0, 0, 0, 1)) == Orientation(
        transposed=True, left_right=True
    )
    assert Orientation.of_matrix((-9, 2, 0, 2, 5, 0, 0, 0, 1)) == Orientation(left_right=True)


def test_a_file_that_is_no_video_states_nothing(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    assert file_orientation(path) == Orientation()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_picture_is_laid_by_its_matrix_point_by_point(orientation: str) -> None:
    (a, b, c, d), corners = ORIENTATIONS[orientation]
    picture = four_corners(6, 4)
    laid = Orientation.of_matrix((a, b, 0, c, d, 0, 0, 0, 1)).apply(picture)
    columns, rows = np.meshgrid(range(6), range(4))
    x, y = a * columns + c * rows, b * columns + d * rows
    expected = np.empty_like(laid)
    expected[y - y.min(), x - x.min()] = picture
    np.testing.assert_array_equal(laid, expected)
    assert corners_of(laid) == corners

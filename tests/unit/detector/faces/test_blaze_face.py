"""The face model gives the faces that MediaPipe's own graph gives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.errors import ModelLoadError
from detector.faces import blaze_face
from detector.faces.blaze_face import INPUT_PX, BlazeFace
from detector.faces.detector import _without_unused_imports
from detector.sources.recording import Recording


@pytest.fixture(scope="module")
def squares() -> list[np.ndarray]:
    """The demo viewer alone, twice, small, turned, and nobody: RGB squares of 128 px."""
    from detector.sources.video_source import DEMO_VIDEO

    pictures = []
    with Recording(DEMO_VIDEO) as source:
        while len(pictures) < 3 and (frame := source.read()) is not None:
            if frame.sequence % 40 == 0:
                side = frame.image.shape[0]
                left = (frame.image.shape[1] - side) // 2
                pictures.append(cv2.cvtColor(frame.image[:, left : left + side], cv2.COLOR_BGR2RGB))
    found = [
        cv2.resize(picture, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
        for picture in pictures
    ]
    half = [
        cv2.resize(picture, (INPUT_PX // 2, INPUT_PX // 2), interpolation=cv2.INTER_AREA)
        for picture in found
    ]
    four = np.vstack([np.hstack([half[0], half[1]]), np.hstack([half[2], half[0][:, ::-1]])])
    turn = cv2.getRotationMatrix2D((INPUT_PX / 2, INPUT_PX / 2), 25, 1)
    noise = np.random.default_rng(0).integers(0, 256, (INPUT_PX, INPUT_PX, 3), dtype=np.uint8)
    return [
        *found,
        four,
        cv2.warpAffine(found[0], turn, (INPUT_PX, INPUT_PX)),
        noise,
        np.zeros_like(noise),
    ]


@pytest.fixture(scope="module")
def graph() -> Iterator[Any]:
    with _without_unused_imports():
        from mediapipe.python.solutions.face_detection import FaceDetection
    with FaceDetection(min_detection_confidence=0.5, model_selection=0) as solution:
        yield solution


def test_the_faces_are_those_of_mediapipes_graph(squares: list[np.ndarray], graph: Any) -> None:
    model = BlazeFace()
    counts = []
    for square in squares:
        found = model.find(square)
        expected = sorted(graph.process(square).detections or (), key=lambda face: -face.score[0])
        counts.append(len(expected))
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            area = theirs.location_data.relative_bounding_box
            assert ours.confidence == pytest.approx(theirs.score[0], abs=2e-3)
            assert ours.box == pytest.approx(
                (area.xmin, area.ymin, area.width, area.height), abs=2e-3
            )
            points = [(point.x, point.y) for point in theirs.location_data.relative_keypoints]
            assert ours.points == pytest.approx(np.array(points), abs=2e-3)
    assert min(counts[:3]) >= 1
    assert counts[3] >= 3
    assert counts[-2:] == [0, 0]


def test_less_confident_faces_are_left_out(squares: list[np.ndarray]) -> None:
    [face] = BlazeFace().find(squares[0])
    assert 0.5 < face.confidence < 1
    for min_confidence in ((face.confidence + 1) / 2, 1.0):
        assert BlazeFace(min_confidence).find(squares[0]) == []


def test_a_model_that_is_missing_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blaze_face, "find_spec", lambda _name: None)
    with pytest.raises(
        ModelLoadError, match=r"face model is missing.*Install the version of mediapipe"
    ):
        BlazeFace()


def test_another_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(blaze_face._model_file()).with_name("face_detection_full_range_sparse.tflite")
    monkeypatch.setattr(blaze_face, "_model_file", lambda: other)
    with pytest.raises(ModelLoadError, match="expected 896 x 16 and 896 x 1"):
        BlazeFace()


def test_the_detector_imports_neither_matplotlib_nor_tensorflow() -> None:
    script = (
        "import sys\n"
        "from detector.faces.detector import MediaPipeFaceDetector\n"
        "MediaPipeFaceDetector().close()\n"
        "assert not {'matplotlib', 'tensorflow', 'sounddevice'} & set(sys.modules)\n"
        "import matplotlib.pyplot\n"
        "assert matplotlib.pyplot.figure\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[4])

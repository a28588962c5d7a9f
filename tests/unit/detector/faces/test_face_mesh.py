"""How well the face mesh fits people, and what is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detector.errors import ModelLoadError
from detector.faces import blaze_face, face_mesh
from detector.faces.detector import MediaPipeFaceDetector
from detector.faces.face_mesh import FaceMesh, Square
from detector.types import FaceDetection, Frame
from tests.helpers.face_crops import demo_viewer

EYE_CORNERS = (33, 263)


@pytest.fixture(scope="module")
def detector() -> MediaPipeFaceDetector:
    return MediaPipeFaceDetector()


@pytest.fixture(scope="module")
def shown() -> tuple[np.ndarray, FaceDetection]:
    return demo_viewer()


def test_the_mesh_lies_on_the_face(shown: tuple[np.ndarray, FaceDetection]) -> None:
    image, face = shown
    points, score = FaceMesh().fit(image, face)
    assert score > 10
    height, width = image.shape[:2]
    corners = points[list(EYE_CORNERS), :2] * (1, -1) / (width, height)
    assert np.abs(corners - face.keypoints[:2]).max() < 0.35 * face.box.width
    assert points[1, 2] > points[152, 2]  # the nose is nearer than the chin


def test_a_person_is_confirmed_and_a_drawing_is_not(
    detector: MediaPipeFaceDetector, shown: tuple[np.ndarray, FaceDetection]
) -> None:
    image, face = shown
    assert detector.confirm(Frame(image, 0, 0), face)
    drawn = np.full_like(image, 200)
    height, width = image.shape[:2]
    points = np.round(face.keypoints * (width, height)).astype(int).tolist()
    for point in points[:2]:
        cv2.circle(drawn, point, 12, (20, 20, 20), -1)
    cv2.line(drawn, points[2], points[2], (60, 60, 60), 10)
    cv2.ellipse(drawn, points[3], (30, 10), 0, 0, 180, (30, 30, 90), -1)
    sure = FaceDetection(face.box, 0.9, face.keypoints)
    assert not detector.confirm(Frame(drawn, 0, 0), sure)


@pytest.mark.parametrize("side", [50.0, 400.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_square_knows_where_its_points_lie(side: float, mirrored: bool) -> None:
    image = np.zeros((300, 400, 3), dtype=np.uint8)
    cv2.circle(image, (210, 140), 5, (0, 0, 255), -1)
    square = Square.of(image, (200, 150), side, 0.4, 64, mirrored=mirrored)
    red = square.pixels[..., 0]
    rows, columns = np.nonzero(red > 0.5 * red.max())
    [place] = square.located(np.array([[columns.mean(), rows.mean()]]))
    assert place == pytest.approx((210, 140), abs=max(1.0, side / 64))


def test_without_the_model_file_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blaze_face, "find_spec", lambda _name: None)
    assert face_mesh.mediapipe_model is blaze_face.mediapipe_model
    with pytest.raises(ModelLoadError, match="Install the version of mediapipe"):
        FaceMesh()

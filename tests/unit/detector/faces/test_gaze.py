"""The face mesh and the iris model on the demo viewer, who looks into the camera."""

from __future__ import annotations

import numpy as np
import pytest

from detector.faces.gaze import GazeReader
from detector.types import FaceDetection
from tests.helpers.face_crops import demo_viewer


@pytest.fixture(scope="module")
def reader() -> GazeReader:
    return GazeReader()


@pytest.fixture(scope="module")
def shown() -> tuple[np.ndarray, FaceDetection]:
    return demo_viewer()


def moved(face: FaceDetection, scale: float = 1.0, right: float = 0.0) -> FaceDetection:
    """A face in a picture made larger around its upper left corner, or moved to the right."""
    box = face.box._replace(
        x=face.box.x * scale + right,
        y=face.box.y * scale,
        width=face.box.width * scale,
        height=face.box.height * scale,
    )
    return FaceDetection(box, face.confidence, face.keypoints * scale + (right, 0))


def test_a_viewer_who_looks_into_the_camera(
    reader: GazeReader, shown: tuple[np.ndarray, FaceDetection]
) -> None:
    look = reader.read(*shown)
    assert look is not None
    assert look.eyes == pytest.approx((0, 0), abs=8)
    assert not look.lowered
    assert look.pose[:2] == pytest.approx((0, -8), abs=6)


def test_the_mirrored_picture_looks_the_other_way(
    reader: GazeReader, shown: tuple[np.ndarray, FaceDetection]
) -> None:
    image, face = shown
    points = face.keypoints[[1, 0, 2, 3, 5, 4]] * (-1, 1) + (1, 0)
    box = face.box._replace(x=1 - face.box.x - face.box.width)
    turned = FaceDetection(box, face.confidence, points)
    one, other = reader.read(image, face), reader.read(np.ascontiguousarray(image[:, ::-1]), turned)
    assert one is not None
    assert other is not None
    assert one.eyes is not None
    assert other.eyes is not None
    assert one.eyes == pytest.approx((-other.eyes.yaw, other.eyes.pitch), abs=2.5)
    assert one.pose == pytest.approx((-other.pose.yaw, other.pose.pitch, -other.pose.roll), abs=2.5)


def test_small_faces_give_a_pose_without_eyes(
    reader: GazeReader, shown: tuple[np.ndarray, FaceDetection]
) -> None:
    image, face = shown
    scale = 60 / (face.box.width * image.shape[1])
    height, width = (round(side * scale) for side in image.shape[:2])
    rows = np.linspace(0, image.shape[0] - 1, height).astype(int)
    columns = np.linspace(0, image.shape[1] - 1, width).astype(int)
    small = np.ascontiguousarray(image[rows][:, columns])
    one, other = reader.read(image, face), reader.read(small, face)
    assert one is not None
    assert other is not None
    assert other.eyes is None
    assert other.pose == pytest.approx(one.pose, abs=6)


def test_where_no_face_is_nothing_is_read(
    reader: GazeReader, shown: tuple[np.ndarray, FaceDetection]
) -> None:
    image, face = shown
    noise = np.random.default_rng(0).integers(0, 255, image.shape, dtype=np.uint8)
    assert reader.read(noise, face) is None


def test_a_face_at_the_border_is_read_or_not_but_raises_nothing(
    reader: GazeReader, shown: tuple[np.ndarray, FaceDetection]
) -> None:
    image, face = shown
    for right in (-1.2, -0.6, -0.3, 0.3, 0.6, 1.2):
        reader.read(image, moved(face, right=right))
    large = np.ascontiguousarray(np.repeat(np.repeat(image, 3, axis=0), 3, axis=1))
    look, beside = reader.read(large, face), reader.read(large, moved(face, right=0.5))
    assert look is not None
    assert look.eyes == pytest.approx((0, 0), abs=8)
    assert beside is None or beside.pose is not None

"""Faces of single pictures, through the public names of the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import detector
from detector import EMOTIONS, PictureClassifier, find_faces, load_classifier
from detector.errors import SourceOpenError
from detector.sources.video_source import DEMO_VIDEO


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """The demo viewer, smiling."""
    video = cv2.VideoCapture(str(DEMO_VIDEO))
    video.set(cv2.CAP_PROP_POS_MSEC, 8000)
    read, image = video.read()
    video.release()
    assert read
    return image


@pytest.fixture(scope="module")
def pictures() -> Iterator[PictureClassifier]:
    with PictureClassifier(load_classifier(device="cpu")) as made:
        yield made


def test_a_face_its_place_and_its_expression(
    pictures: PictureClassifier, portrait: np.ndarray
) -> None:
    [face] = pictures.faces(portrait)
    assert (face.label, face.uncertain) == ("happy", False)
    assert tuple(face.probabilities) == EMOTIONS
    assert sum(face.probabilities.values()) == pytest.approx(1)
    assert face.confidence == max(face.probabilities.values())
    left, top, width, height = face.box
    assert 0 <= left < left + width <= portrait.shape[1]
    assert 0 <= top < top + height <= portrait.shape[0]


def test_two_faces_come_from_left_to_right(
    pictures: PictureClassifier, portrait: np.ndarray
) -> None:
    both = np.hstack([portrait, portrait[:, ::-1]])
    first, second = pictures.faces(both)
    assert first.box[0] < portrait.shape[1] <= second.box[0]
    assert {first.label, second.label} == {"happy"}


def test_a_leaning_face_reads_as_the_upright_one(
    pictures: PictureClassifier, portrait: np.ndarray
) -> None:
    [upright] = pictures.faces(portrait)
    left, top, width, height = upright.box
    turn = cv2.getRotationMatrix2D((left + width / 2, top + height / 2), 25, 1.0)
    leaning = cv2.warpAffine(portrait, turn, portrait.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    [found] = pictures.faces(leaning)
    assert found.label == "happy"
    assert found.confidence == pytest.approx(upright.confidence, abs=0.25)


def test_a_file_is_read_and_what_is_no_picture_is_refused(
    portrait: np.ndarray, tmp_path: Path
) -> None:
    classifier = load_classifier(device="cpu")
    path = tmp_path / "portrait.png"
    cv2.imwrite(str(path), portrait)
    assert [face.label for face in find_faces(path, classifier)] == ["happy"]
    assert find_faces(np.full((200, 200, 3), 90, np.uint8), classifier) == []
    with pytest.raises(SourceOpenError, match=r"missing\.png is not a picture: expected a JPEG"):
        find_faces(tmp_path / "missing.png", classifier)


def test_every_public_name_exists_and_no_other() -> None:
    for name in detector.__all__:
        assert getattr(detector, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'embeddings'"):
        detector.embeddings  # noqa: B018 (the access is the test)


def crop_of(portrait: np.ndarray, face: detector.PictureFace, side: int) -> np.ndarray:
    """Cut the face as datasets do: from above the brows to the chin, nothing around it."""
    left, top, width, height = face.box
    tight = portrait[top : top + height, left : left + width]
    return cv2.resize(tight, (side, side), interpolation=cv2.INTER_AREA)


def test_the_crop_of_a_face_is_a_face(pictures: PictureClassifier, portrait: np.ndarray) -> None:
    [face] = pictures.faces(portrait)
    crop = crop_of(portrait, face, 40)[8:]
    [found] = pictures.faces(np.ascontiguousarray(crop))
    assert found.label == "happy"


def test_a_small_picture_without_a_face_is_none(pictures: PictureClassifier) -> None:
    random = np.random.default_rng(1)
    yes = 0
    for number in range(40):
        picture = np.full((48, 48, 3), random.integers(0, 256, 3), np.uint8)
        for _ in range(6):
            colour = tuple(map(int, random.integers(0, 256, 3)))
            one, other = random.integers(0, 48, (2, 2)).tolist()
            draw = (cv2.rectangle, cv2.line)[number % 2]
            draw(picture, one, other, colour, int(random.integers(1, 5)))
        yes += bool(pictures.faces(picture))
    assert yes == 0


def test_every_picture_is_a_crop_when_asked(portrait: np.ndarray) -> None:
    with PictureClassifier(load_classifier(device="cpu"), are_crops=True) as crops:
        [face] = crops.faces(np.full((60, 48, 3), 90, np.uint8))
        assert (face.box, face.is_whole_picture) == ((0, 0, 48, 60), True)
        [face] = crops.faces(portrait)
        assert face.is_whole_picture

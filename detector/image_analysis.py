"""Faces and expressions in single pictures, without tracking or smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from detector.emotion.classifier import EmotionClassifier, classify, crop_geometry
from detector.emotion.preprocessing import CropGeometry, face_crops, middle_square
from detector.errors import SourceOpenError
from detector.faces.detector import MediaPipeFaceDetector
from detector.faces.head_pose import head_pose
from detector.sources.image_decoder import FORMAT_NAMES, decode_picture
from detector.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PictureFace:
    """A face in a picture: its box in pixels, and calibrated probabilities by label.

    It is `uncertain` if the highest one, `confidence`, is below the model card's threshold.
    `is_whole_picture` says that the whole picture was taken for the crop of a face.
    """

    box: tuple[int, int, int, int]
    label: str
    confidence: float
    probabilities: dict[str, float]
    uncertain: bool
    is_whole_picture: bool = False


WHOLE = Box(0.0, 0.0, 1.0, 1.0)
"""The box of a picture that is itself the crop of a face."""


class FaceCutter:
    """Finds and cuts out the faces of pictures as the camera's pipeline does; for one thread.

    A small picture in which no face is found, but which a face seems to fill, is taken for a crop,
    as datasets have them. With `are_crops`, every picture is, and none is searched.
    """

    def __init__(self, geometry: CropGeometry, *, are_crops: bool = False) -> None:
        self._geometry = geometry
        self._detector = MediaPipeFaceDetector()
        self._are_crops = are_crops

    def cut(self, image: NDArray[np.uint8]) -> tuple[list[Box], NDArray[np.uint8]]:
        """Return boxes and `(n, side, side)` crops of a BGR picture's faces, from left to right."""
        height, width = image.shape[:2]
        found = [] if self._are_crops else self._detector.detect_still(image)
        if self._are_crops or (not found and self._detector.fills(image)):
            return [WHOLE], middle_square(image, self._geometry.side_px)[None]
        found.sort(key=lambda face: face.box.x)
        boxes = [face.box for face in found]
        rolls = [head_pose(face.keypoints, width, height).roll for face in found]
        return boxes, face_crops(image, boxes, self._geometry, rolls)

    def largest(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return the crop of a BGR picture's largest face, or `None`."""
        boxes, crops = self.cut(image)
        if not boxes:
            return None
        return np.asarray(crops[int(np.argmax([box.width * box.height for box in boxes]))])

    def close(self) -> None:
        """Free the detector; harmless when repeated."""
        self._detector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PictureClassifier(FaceCutter):
    """Finds and classifies the faces of pictures; for one thread."""

    def __init__(self, classifier: EmotionClassifier, *, are_crops: bool = False) -> None:
        super().__init__(crop_geometry(classifier.card), are_crops=are_crops)
        self._classifier = classifier

    def faces(self, image: NDArray[np.uint8]) -> list[PictureFace]:
        """Return the faces of a `(height, width, 3)` BGR picture, from left to right."""
        return self.faces_and_crops(image)[0]

    def faces_and_crops(
        self, image: NDArray[np.uint8]
    ) -> tuple[list[PictureFace], NDArray[np.uint8]]:
        """Return the result of `faces`, and the `(n, side, side)` grey levels the network saw."""
        height, width = image.shape[:2]
        boxes, crops = self.cut(image)
        card = self._classifier.card
        scores = classify(self._classifier, crops)
        faces = [
            PictureFace(
                box=(
                    round(box.x * width),
                    round(box.y * height),
                    round(box.width * width),
                    round(box.height * height),
                ),
                label=card.labels[int(row.argmax())],
                confidence=float(row.max()),
                probabilities=dict(zip(card.labels, row.tolist(), strict=True)),
                uncertain=bool(row.max() < card.uncertain_below),
                is_whole_picture=box is WHOLE,
            )
            for box, row in zip(boxes, scores, strict=True)
        ]
        return faces, crops


def find_faces(
    picture: str | Path | NDArray[np.uint8], classifier: EmotionClassifier
) -> list[PictureFace]:
    """Return the faces, from left to right, of an image file or a BGR array, uint8.

    Raises `SourceOpenError` if the file is not a picture, or `decode_picture` refuses it.
    """
    image = picture if isinstance(picture, np.ndarray) else _read(Path(picture))
    with PictureClassifier(classifier) as pictures:
        return pictures.faces(np.asarray(image, dtype=np.uint8))


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceOpenError(
            f"{path} is not a picture: expected a {FORMAT_NAMES} file that exists."
        ) from error
    return decode_picture(content, name=str(path))

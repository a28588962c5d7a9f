"""From the bytes of a picture to its faces, and to a small copy for the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from detector.emotion.classifier import load_classifier
from detector.image_analysis import PictureClassifier, PictureFace
from detector.sources.image_decoder import decode_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.settings import Device

SHOWN_PX = 1200
"""Longest side of a picture as the page shows it."""

MAX_SEARCHED_PIXELS = 4_000_000
"""Larger pictures are searched at this size: a million pixels take 0.4 s of computing."""


class SeenPicture(NamedTuple):
    """A picture and the faces in it.

    Attributes:
        width: In pixels.
        height: In pixels.
        copy: A JPEG of at most `SHOWN_PX`.
        faces: From left to right.
        crops: Each face as the network saw it, `(n, side, side)` grey levels.
    """

    width: int
    height: int
    copy: bytes
    faces: tuple[PictureFace, ...]
    crops: NDArray[np.uint8]


class FaceFinder(Protocol):
    """Finds and classifies faces; used by one thread."""

    def faces_and_crops(
        self, image: NDArray[np.uint8]
    ) -> tuple[list[PictureFace], NDArray[np.uint8]]:
        """Return the faces of a BGR picture from left to right, and each as the network saw it."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


class PictureReader:
    """Reads pictures in this process, with a classifier that it owns; for one thread."""

    def __init__(self, classifier: FaceFinder) -> None:
        self._classifier = classifier

    def read(self, content: bytes) -> SeenPicture:
        """Decode a picture and classify its faces.

        Raises:
            PictureDecodeError: It is no picture, damaged, or larger than allowed.
        """
        image = decode_picture(content)
        height, width = image.shape[:2]
        scale = (MAX_SEARCHED_PIXELS / (width * height)) ** 0.5
        image = _resized(image, _size_at(scale, width, height))
        faces, crops = self._classifier.faces_and_crops(image)
        if scale < 1:
            faces = [_scaled(face, width / image.shape[1]) for face in faces]
        copy = _resized(image, shown_size(width, height))
        done, jpeg = cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, 85])
        if not done:
            raise ValueError(f"Invalid picture: {copy.shape} pixels cannot be written as a JPEG.")
        return SeenPicture(width, height, jpeg.tobytes(), tuple(faces), crops)

    def interrupt(self) -> None:
        """Do nothing: a thread cannot be interrupted."""

    def close(self) -> None:
        """Free the classifier."""
        self._classifier.close()


def load_picture_classifier(model: str | None, device: Device) -> PictureClassifier:
    """Load the real classifier; slow, and only on the thread that uses it."""
    return PictureClassifier(load_classifier(model, device))


def shown_size(width: int, height: int) -> tuple[int, int]:
    """Return the size at which the page shows a picture."""
    return _size_at(SHOWN_PX / max(width, height), width, height)


def _size_at(scale: float, width: int, height: int) -> tuple[int, int]:
    """Return a size scaled down; one that would grow stays as it is."""
    scale = min(1.0, scale)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _scaled(face: PictureFace, factor: float) -> PictureFace:
    left, top, width, height = (round(side * factor) for side in face.box)
    return replace(face, box=(left, top, width, height))

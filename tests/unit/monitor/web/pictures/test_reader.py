"""What is seen in a picture, above all in one that is searched at a smaller size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from detector.errors import PictureDecodeError
from detector.image_analysis import PictureFace
from monitor.web.pictures import reader as picture_reader
from monitor.web.pictures.reader import PictureReader, shown_size


class OneFace:
    """Finds one face in the right half of any picture."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def faces_and_crops(self, image):
        height, width = image.shape[:2]
        self.sizes.append((width, height))
        box = (width // 2, 0, width // 4, height // 2)
        face = PictureFace(box, "happy", 0.9, {"happy": 0.9, "sad": 0.1}, uncertain=False)
        return [face], np.zeros((1, 48, 48), np.uint8)

    def close(self) -> None:
        """Nothing to free."""


def written(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 50)).save(stream, "PNG")
    return stream.getvalue()


def test_a_large_picture_is_searched_smaller_and_its_faces_are_where_they_are(monkeypatch):
    monkeypatch.setattr(picture_reader, "MAX_SEARCHED_PIXELS", 20_000)
    finder = OneFace()
    seen = PictureReader(finder).read(written(400, 200))
    assert finder.sizes == [(200, 100)]
    assert (seen.width, seen.height) == (400, 200)
    assert seen.faces[0].box == (200, 0, 100, 100)


def test_a_picture_within_the_limit_is_searched_as_it_is():
    finder = OneFace()
    seen = PictureReader(finder).read(written(400, 200))
    assert finder.sizes == [(400, 200)]
    assert seen.faces[0].box == (200, 0, 100, 100)


@pytest.mark.parametrize("size", [(40, 30), (1200, 10), (2400, 100), (10, 5000), (5000, 1)])
def test_the_copy_has_the_size_that_the_page_is_told(size):
    seen = PictureReader(OneFace()).read(written(*size))
    copy = Image.open(io.BytesIO(seen.copy))
    assert copy.format == "JPEG"
    assert copy.size == shown_size(*size)
    assert max(copy.size) <= 1200


def test_what_is_no_picture_is_refused():
    with pytest.raises(PictureDecodeError):
        PictureReader(OneFace()).read(b"nothing")

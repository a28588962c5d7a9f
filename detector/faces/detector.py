"""Finding faces with MediaPipe, near and far, at about one pass of its detector a frame.

MediaPipe's detectors look at a small square copy of the picture, so that a face a few metres away
vanishes in it. Here known faces are looked for in regions around the places where they are
expected, several regions to one pass, and new ones in tiles of the picture that the scheduler chooses.
The model ships inside the MediaPipe wheel, so nothing is fetched.
"""

from __future__ import annotations

import locale
import math
import sys
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from detector.faces.blaze_face import INPUT_PX, BlazeFace, FoundFace
from detector.faces.head_pose import DEFAULT_VIEW_ANGLE_DEG, FACE_BOX_M
from detector.faces.tile_scheduler import MAP_WIDTH, TileScheduler
from detector.faces.tiles import Tile, tile_ladder
from detector.types import Box, FaceDetection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from detector.types import Frame

MERGE_OVERLAP = 0.3
"""Two boxes that overlap more than this (intersection over union) are the same face."""

NESTED_SHARE = 0.6
"""So is a box of which this share lies within the other: an eye is at times taken for a small face."""

REGION = 1.5
"""Side of the region in which a known face is looked for, in sides of its box. In regions of 1.3 to 1.5 sides, four to a
pass, 99.5 % of the faces are found again; at 1.7 it is 92 %."""

SECOND_LOOK = 2.0
"""Side of the region of a face that was missed at the first look: it moved, or it turned."""

GRID = 2
"""Regions in a row of a pass that looks at several. Nine at once lose a third of the faces, four lose none."""

SINGLE_LOOKS = 3
"""Up to so many known faces get a pass each, which places the key points best; more of them share passes."""

SECOND_LOOKS = 2
"""Most missed faces that are looked for once more in the same frame."""

LOOKS = 2.0
"""Passes a frame for the known faces and the search for new ones together, as long as known faces leave room."""

LEAST_SEARCH = 1.0
"""Tiles a frame to look at for new faces however many are known: so that somebody new is found while a crowd is watched."""

CATCHING_UP_LOOKS = 12
"""Tiles a frame to look at while the scene is new."""

CONFIRM_REGIONS = (1.6, 2.2)
"""Regions around a doubtful face, in sides of its box, in both of which the face mesh must fit. It fitted every face of our
videos in both, and letters, clouds and eyes in no more than half of the tries."""

CONFIRM_PX = 192
"""Side of the picture that the face mesh sees."""

TOUCHES = 0.015
"""A box that comes so close to the inner border of its tile, in sides of the tile, belongs to a face that is cut off."""

STRAYS = 0.75
"""A face found further than this from where it was looked for, in sides of its box, is another one."""


LEAST_FACE_PX = 12.0
"""Faces smaller than this are not to be had: the tiles would number thousands, and nothing is left to read."""


class DetectionSettings(BaseModel):
    """What is to be found.

    Attributes:
        smallest_face_px: Side of the smallest face box, in pixels of the source.
        farthest_m: Distance of the furthest viewer instead, in metres; `None` leaves it to
            `smallest_face_px`.
        min_confidence: Least score of a face, above 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_face_px: float = Field(36.0, ge=LEAST_FACE_PX, le=2000)
    farthest_m: float | None = Field(None, gt=0, le=50)
    min_confidence: float = Field(0.5, gt=0, le=1)

    def smallest_px(self, width_px: int, view_angle_deg: float) -> float:
        """Side of the smallest face to look for in a picture.

        Args:
            width_px: Of the picture.
            view_angle_deg: Horizontal angle of view of the camera.
        """
        if self.farthest_m is None:
            return self.smallest_face_px
        seen_m = 2 * self.farthest_m * math.tan(math.radians(view_angle_deg) / 2)
        return max(LEAST_FACE_PX, width_px * FACE_BOX_M / seen_m)


class FaceDetector(Protocol):
    """Finds the faces of a frame; used by one thread, frames in the order of their time."""

    def detect(
        self, frame: Frame, known: Sequence[Box] = (), effort: float = 1.0
    ) -> list[FaceDetection]:
        """The faces of a frame, each once, the most confident first.

        Args:
            frame: The frame.
            known: Where faces are expected, in fractions of the frame. Defaults to nowhere.
            effort: Share of the usual search for new faces, above 0 to 1; known ones are always
                looked for. Defaults to 1.
        """
        ...

    def confirm(self, frame: Frame, face: FaceDetection) -> bool:
        """Whether a doubtful face of a frame is one, by other means than those that found it."""
        ...

    def close(self) -> None:
        """Free the native resources; harmless when repeated."""
        ...


UNUSED_IMPORTS = ("tensorflow", "sounddevice", "matplotlib", "matplotlib.pyplot")
"""Imports of MediaPipe that finding faces never uses: TensorFlow takes seconds, the microphone library starts a compiler,
and Matplotlib builds its font cache for up to a minute on the first start."""


@contextmanager
def _without_unused_imports() -> Iterator[None]:
    """Hide modules from MediaPipe's imports, except those that are loaded already.

    MediaPipe survives an `ImportError` of the first two; its drawing helpers need Matplotlib to exist.
    """
    hidden = [name for name in UNUSED_IMPORTS if name not in sys.modules]
    for name in hidden:
        stub = ModuleType(name) if name.startswith("matplotlib") else None
        sys.modules[name] = stub  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _use_utf8_characters() -> None:
    """Set the process's character type to UTF-8.

    MediaPipe checks names by the locale's letters and decodes its graphs by the locale's encoding, so
    it fails under Turkish and Latin-1 locales.
    """
    for name in ("C.UTF-8", "en_US.UTF-8", "C"):
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            return


def _face_mesh() -> Any:
    """Return MediaPipe's face mesh for single pictures, warmed up: its first answer is slow."""
    _use_utf8_characters()
    with _without_unused_imports():
        from mediapipe.python.solutions.face_mesh import FaceMesh  # noqa: PLC0415 (slow)
    mesh = FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.5)
    mesh.process(np.zeros((CONFIRM_PX, CONFIRM_PX, 3), dtype=np.uint8))
    return mesh


class MediaPipeFaceDetector:
    """MediaPipe's short-range face detection over tiles and over regions around known faces.

    Args:
        settings: What is to be found. Defaults to faces of 36 px and more.
        view_angle_deg: Horizontal angle of view of the camera, where the settings are in metres.
            Defaults to 70.

    Attributes:
        looks: Passes of the model so far.
    """

    def __init__(
        self,
        settings: DetectionSettings | None = None,
        view_angle_deg: float = DEFAULT_VIEW_ANGLE_DEG,
    ) -> None:
        self._settings = settings or DetectionSettings()
        self._view_angle_deg = view_angle_deg
        self._model = BlazeFace(self._settings.min_confidence)
        self._mesh = _face_mesh()
        self._scheduler: TileScheduler | None = None
        self._size = (0, 0)
        self._closed = False
        self._allowed_looks = 0.0
        self.looks = 0

    def __enter__(self) -> MediaPipeFaceDetector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def detect(
        self, frame: Frame, known: Sequence[Box] = (), effort: float = 1.0
    ) -> list[FaceDetection]:
        """The faces of a frame, each once, the most confident first; see `FaceDetector.detect`."""
        pyramid = Pyramid(frame.image)
        height, width = frame.image.shape[:2]
        if self._scheduler is None or self._size != (width, height):
            self._size = (width, height)
            self._scheduler = TileScheduler(self._tiles(width, height), width, height)
        self._scheduler.notice(pyramid.at_least(MAP_WIDTH), known)
        before = self.looks
        found = self._find_known(pyramid, known)
        if self._scheduler.catching_up:
            self._allowed_looks = max(1.0, CATCHING_UP_LOOKS * effort)
        else:
            # What is left of a look is used in a later frame.
            room = max(LEAST_SEARCH, LOOKS - (self.looks - before))
            self._allowed_looks = self._allowed_looks % 1 + room * effort
        for tile in self._scheduler.choose(int(self._allowed_looks)):
            found += self._find_in(pyramid, tile)
        return merge(found)

    def detect_still(self, image: NDArray[np.uint8]) -> list[FaceDetection]:
        """The faces of a single `(height, width, 3)` BGR picture: all tiles are looked at, doubtful faces twice."""
        pyramid = Pyramid(image)
        height, width = image.shape[:2]
        found: list[FaceDetection] = []
        for tile in self._tiles(width, height):
            found += self._find_in(pyramid, tile)
        return [face for face in merge(found) if face.sure or self._mesh_fits(pyramid, face)]

    def confirm(self, frame: Frame, face: FaceDetection) -> bool:
        """Whether MediaPipe's face mesh fits a face; see `FaceDetector.confirm`."""
        return self._mesh_fits(Pyramid(frame.image), face)

    def close(self) -> None:
        """Free the models; harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._mesh.close()

    def _tiles(self, width: int, height: int) -> tuple[Tile, ...]:
        return tile_ladder(width, height, self._settings.smallest_px(width, self._view_angle_deg))

    def _mesh_fits(self, pyramid: Pyramid, face: FaceDetection) -> bool:
        """Whether the face mesh fits a face in each of two regions around it."""
        for factor in CONFIRM_REGIONS:
            square = pyramid.cut(pyramid.around(face.box, factor), CONFIRM_PX)
            square.flags.writeable = False
            if self._mesh.process(square).multi_face_landmarks is None:
                return False
        return True

    def _find_known(self, pyramid: Pyramid, known: Sequence[Box]) -> list[FaceDetection]:
        """Known faces in regions around their places; those that are missed get a second, wider look."""
        found: list[FaceDetection] = []
        step = 1 if len(known) <= SINGLE_LOOKS else GRID * GRID
        for start in range(0, len(known), step):
            regions = [pyramid.around(box, REGION) for box in known[start : start + step]]
            found += (
                self._find_in(pyramid, regions[0])
                if step == 1
                else self._find_in_regions(pyramid, regions)
            )
        missed = [box for box in known if not any(_at_its_place(face.box, box) for face in found)]
        for box in missed[:SECOND_LOOKS]:
            found += self._find_in(pyramid, pyramid.around(box, SECOND_LOOK))
        return found

    def _find_in(self, pyramid: Pyramid, tile: Tile) -> list[FaceDetection]:
        """The faces that lie wholly in a tile."""
        found = []
        for box, confidence, points in self._look(pyramid.cut(tile, INPUT_PX)):
            face = pyramid.located(tile, box, points, confidence)
            if not pyramid.cuts(tile, box):
                found.append(face)
        return found

    def _find_in_regions(self, pyramid: Pyramid, regions: Sequence[Tile]) -> list[FaceDetection]:
        """The faces of several regions in one pass."""
        cell = INPUT_PX // GRID
        mosaic = np.zeros((INPUT_PX, INPUT_PX, 3), dtype=np.uint8)
        for number, region in enumerate(regions):
            row, column = divmod(number, GRID)
            mosaic[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = (
                pyramid.cut(region, cell)
            )
        found = []
        for box, confidence, points in self._look(mosaic):
            column, row = (int(centre * GRID) for centre in box.centre)
            number = row * GRID + column
            if 0 <= column < GRID and 0 <= row < GRID and number < len(regions):
                within = Box(
                    box.x * GRID - column, box.y * GRID - row, box.width * GRID, box.height * GRID
                )
                found.append(
                    pyramid.located(
                        regions[number], within, points * GRID - (column, row), confidence
                    )
                )
        return found

    def _look(self, square: NDArray[np.uint8]) -> list[FoundFace]:
        self.looks += 1
        return self._model.find(square)


class Pyramid:
    """A picture at full size, halved, and so on, made when asked for; tiles are cut from the size that suits them.

    Args:
        image: `(height, width, 3)` BGR.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._levels = [image]
        self.height, self.width = image.shape[:2]

    def at(self, level: int) -> NDArray[np.uint8]:
        """The picture halved so often, at least a pixel large."""
        while len(self._levels) <= level:
            above = self._levels[-1]
            size = (max(1, above.shape[1] // 2), max(1, above.shape[0] // 2))
            self._levels.append(
                np.asarray(cv2.resize(above, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
            )
        return self._levels[level]

    def at_least(self, width: int) -> NDArray[np.uint8]:
        """The picture halved as often as it stays so wide."""
        return self.at(max(0, int(math.log2(max(1.0, self.width / width)))))

    def around(self, box: Box, factor: float) -> Tile:
        """The square around a face, in sides of its box."""
        side = max(2, round(factor * (box.width * self.width + box.height * self.height) / 2))
        x, y = box.centre
        return Tile(round(x * self.width - side / 2), round(y * self.height - side / 2), side, 0)

    def cut(self, tile: Tile, side_px: int) -> NDArray[np.uint8]:
        """A tile as RGB at a size of its own; what lies beyond the picture is black."""
        level = 0
        while tile.side >> (level + 1) >= side_px:
            level += 1
        picture = self.at(level)
        height, width = picture.shape[:2]
        scale_x, scale_y = width / self.width, height / self.height
        x0, y0 = round(tile.x * scale_x), round(tile.y * scale_y)
        x1, y1 = round((tile.x + tile.side) * scale_x), round((tile.y + tile.side) * scale_y)
        inside = picture[max(0, y0) : max(0, min(y1, height)), max(0, x0) : max(0, min(x1, width))]
        square = np.zeros((side_px, side_px, 3), dtype=np.uint8)
        if inside.size == 0:
            return square
        # Where the part inside the picture lies in the square.
        left, right = (
            (max(0, x0) - x0) * side_px / (x1 - x0),
            (min(x1, width) - x0) * side_px / (x1 - x0),
        )
        top, bottom = (
            (max(0, y0) - y0) * side_px / (y1 - y0),
            (min(y1, height) - y0) * side_px / (y1 - y0),
        )
        left, top = round(left), round(top)
        size = (max(1, round(right) - left), max(1, round(bottom) - top))
        small = cv2.cvtColor(
            cv2.resize(inside, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB
        )
        square[top : top + size[1], left : left + size[0]] = small[
            : side_px - top, : side_px - left
        ]
        return square

    def located(
        self, tile: Tile, box: Box, points: NDArray[np.float64], confidence: float
    ) -> FaceDetection:
        """A face of a tile, in fractions of the picture."""
        across, down = tile.side / self.width, tile.side / self.height
        left, top = tile.x / self.width, tile.y / self.height
        return FaceDetection(
            Box(left + box.x * across, top + box.y * down, box.width * across, box.height * down),
            confidence,
            points * (across, down) + (left, top),
        )

    def cuts(self, tile: Tile, box: Box) -> bool:
        """Whether a face, in fractions of a tile, is cut off by a border of the tile inside the picture."""
        return (
            (box.x < TOUCHES and tile.x > 0)
            or (box.y < TOUCHES and tile.y > 0)
            or (box.x + box.width > 1 - TOUCHES and tile.x + tile.side < self.width)
            or (box.y + box.height > 1 - TOUCHES and tile.y + tile.side < self.height)
        )


def merge(faces: Sequence[FaceDetection], overlap: float = MERGE_OVERLAP) -> list[FaceDetection]:
    """Keep the most confident of every group of overlapping faces (greedy non-maximum suppression).

    Args:
        faces: Any faces of one frame.
        overlap: Intersection over union above which two boxes are one face. Defaults to 0.3.

    Returns:
        The kept faces, the most confident first.
    """
    kept: list[FaceDetection] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        if not any(
            face.box.overlap(other.box) > overlap or nested(face.box, other.box) for other in kept
        ):
            kept.append(face)
    return kept


def nested(one: Box, other: Box) -> bool:
    """Whether one of two boxes lies mostly within the other."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return False
    smaller = min(one.width * one.height, other.width * other.height)
    return width * height > NESTED_SHARE * smaller


def _at_its_place(found: Box, expected: Box) -> bool:
    (x, y), (expected_x, expected_y) = found.centre, expected.centre
    return abs(x - expected_x) < STRAYS * max(expected.width, 1e-6) and abs(
        y - expected_y
    ) < STRAYS * max(expected.height, 1e-6)

"""Find faces with MediaPipe, near and far, for about one pass of its model per frame.

In the model's small copy of the picture, distant faces vanish. So known faces are searched for in
regions around their expected places, and new ones in the tiles that the scheduler chooses.
"""

from __future__ import annotations

import locale
import math
import sys
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np

from detector.faces.blaze_face import INPUT_PX, BlazeFace, FoundFace
from detector.faces.face_mesh import MESH_PX, FaceMesh
from detector.faces.head_pose import head_pose
from detector.faces.tile_scheduler import MAP_WIDTH, TileScheduler
from detector.faces.tiles import Tile, tile_ladder
from detector.settings import CameraMount, DetectionSettings
from detector.types import Box, FaceDetection, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MERGE_OVERLAP = 0.3
"""Two boxes that overlap more than this (intersection over union) are the same face."""


@contextmanager
def _without_unused_imports() -> Iterator[None]:
    """Hide unused, slow modules from MediaPipe; its drawing helpers need Matplotlib to exist."""
    unused = ("tensorflow", "sounddevice", "matplotlib", "matplotlib.pyplot")
    hidden = [name for name in unused if name not in sys.modules]
    for name in hidden:
        stub = ModuleType(name) if name.startswith("matplotlib") else None
        sys.modules[name] = stub  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _face_mesh() -> Any:
    """Return MediaPipe's face mesh for single pictures, warmed up: its first answer is slow."""
    # MediaPipe fails under Turkish and Latin-1 locales.
    for name in ("C.UTF-8", "en_US.UTF-8", "C"):
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            break
    with _without_unused_imports():
        from mediapipe.python.solutions.face_mesh import FaceMesh  # noqa: PLC0415 (slow)
    mesh = FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.5)
    mesh.process(np.zeros((MESH_PX, MESH_PX, 3), dtype=np.uint8))
    return mesh


class MediaPipeFaceDetector:
    """MediaPipe's short-range face detection over tiles and over regions around known faces.

    `camera` serves settings in metres; `mesh` may be shared within the thread; `passes` counts
    those of the model.
    """

    REGION, WIDER_REGION = 1.5, 2.0
    """Regions in which a known face is searched for, in sides of its box; the wider one after a
    miss. In regions of 1.3 to 1.5, four to a pass, 99.5% are found again; at 1.7, 92%."""

    GRID = 2
    """Regions in a row of a shared pass: nine at once lose a third of the faces, four none."""

    MAX_SINGLE_PASSES = 3
    """Up to this many known faces get a pass each, which places key points best; more share."""

    MAX_RETRIES = 2
    """Missed faces that are searched for again in the same frame."""

    SEARCH, SEARCH_BESIDE_FACES = 2.0, 1.0
    """Tiles searched per frame after something has begun to move, while no face is known and while
    one is."""

    QUIET_SEARCH, CATCHING_UP = 0.33, 12.0
    """The same while nothing begins to move, and after a change of the whole scene."""

    MESH_REGIONS = (1.6, 2.2)
    """Regions around a doubtful face, in sides of its box, in both of which the face mesh must fit:
    it fitted every face of our videos in both, and letters, clouds and eyes in one at most."""

    MIN_FIT, MAX_FIT_YAW_DEG = 1.5, 30.0
    """Least score of the upright mesh (`FaceMesh`) that a new face needs, and the turn beyond which
    the mesh is not asked. Photographed people have 9 and more, also in dark glasses, in little
    light, blurred or 36 px small; 5.1 with a hand before the face, 1.7 with a mask over nose and
    mouth; of 1,000 rendered heads 999 have 4.8 and more. A cheetah that the mesh fits in both
    regions has 1.1 and less."""

    MAX_CROP_PX, CROP_MARGINS = 256, (1.3, 1.6, 2.0)
    """Longest side of a picture that may be the crop of a face, and squares around it, in sides of
    it, in two of which the face mesh must fit. Of 1,500 crops of FER2013 the detection missed 104,
    of which the mesh fitted 77; it fitted none of 1,500 small pictures without a face."""

    def __init__(
        self,
        settings: DetectionSettings | None = None,
        camera: CameraMount | None = None,
        mesh: FaceMesh | None = None,
    ) -> None:
        self._settings = settings or DetectionSettings()
        self._camera = camera or CameraMount()
        self._model = BlazeFace(self._settings.min_confidence)
        self._mesh = _face_mesh()
        self._upright_mesh = mesh or FaceMesh()
        self._scheduler: TileScheduler | None = None
        self._pyramid: Pyramid | None = None
        self._size = (0, 0)
        self._closed = False
        self._budget = 0.0
        self.passes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def detect(
        self,
        frame: Frame,
        known: Sequence[Box] = (),
        effort: float = 1.0,
        steady: Sequence[FaceDetection] = (),
    ) -> list[FaceDetection]:
        """Return the faces of a frame, each once, the most confident first.

        Frames come in order of time. `known` are the expected places of faces; `steady` are other
        faces, searched for only if their place changed. `effort` is the share of the usual search
        for new faces, above 0 to 1.
        """
        pyramid = self._pyramid = Pyramid(frame.image)
        height, width = frame.image.shape[:2]
        if self._scheduler is None or self._size != (width, height):
            self._size = (width, height)
            self._scheduler = TileScheduler(self._tiles(width, height), width, height)
        scheduler = self._scheduler
        places = [*known, *(face.box for face in steady)]
        scheduler.notice(pyramid.at_least(MAP_WIDTH), places, frame.captured_ns)
        found, wanted = [], list(known)
        for face in steady:
            if scheduler.rests(face.box):
                found.append(face)
            else:
                wanted.append(face.box)
        found += self._find_known(pyramid, wanted, alone=len(places) <= self.MAX_SINGLE_PASSES)
        if scheduler.catching_up:
            self._budget = max(1.0, self.CATCHING_UP * effort)
        else:
            search = self.SEARCH_BESIDE_FACES if places else self.SEARCH
            if not scheduler.newly_moved:
                search = self.QUIET_SEARCH
            # Carry the fraction of a tile over to a later frame.
            self._budget = self._budget % 1 + search * effort
        for tile in scheduler.choose(int(self._budget)):
            found += self._find_in(pyramid, tile)
        return merge(found)

    def detect_still(self, image: NDArray[np.uint8]) -> list[FaceDetection]:
        """Return the faces of one `(height, width, 3)` BGR picture.

        All tiles are searched, and every face is confirmed.
        """
        pyramid = Pyramid(image)
        height, width = image.shape[:2]
        found: list[FaceDetection] = []
        for tile in self._tiles(width, height):
            found += self._find_in(pyramid, tile)
        return [face for face in merge(found) if self._is_person(pyramid, face)]

    def fills(self, image: NDArray[np.uint8]) -> bool:
        """Return whether a small `(height, width, 3)` BGR picture is the crop of one face.

        The crops of datasets are so tight that the detection misses some. The face in a crop can
        only be in the middle, so the face mesh is tried there at once.
        """
        height, width = image.shape[:2]
        small, large = sorted((height, width))
        if large > self.MAX_CROP_PX or large > 1.25 * small:
            return False
        pyramid = Pyramid(image)
        sides = [round(large * margin) for margin in self.CROP_MARGINS]
        tiles = [Tile((width - side) // 2, (height - side) // 2, side, 0) for side in sides]
        return sum(self._mesh_fits_in(pyramid, tile) for tile in tiles) >= 2

    def reduced(self, width_px: int) -> NDArray[np.uint8]:
        """Return the BGR picture searched last, halved as often as leaves `width_px` or more.

        Only `detect` searches; before the first frame, there is no picture to return.
        """
        if self._pyramid is None:
            raise ValueError("No picture has been searched yet: expected a call of detect first.")
        return self._pyramid.at_least(width_px)

    def confirm(self, frame: Frame, face: FaceDetection) -> bool:
        """Return whether MediaPipe's face mesh also takes a new face for a person's."""
        return self._is_person(Pyramid(frame.image), face)

    def close(self) -> None:
        """Free the models; harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._mesh.close()

    def _tiles(self, width: int, height: int) -> tuple[Tile, ...]:
        across_deg = self._camera.across_deg(width, height)
        return tile_ladder(width, height, self._settings.smallest_px(width, across_deg))

    def _is_person(self, pyramid: Pyramid, face: FaceDetection) -> bool:
        image = pyramid.at(0)
        height, width = image.shape[:2]
        turned = abs(head_pose(face.keypoints, width, height).yaw) > self.MAX_FIT_YAW_DEG
        if not turned and self._upright_mesh.fit(image, face).score < self.MIN_FIT:
            return False
        return face.sure or self._mesh_fits(pyramid, face)

    def _mesh_fits(self, pyramid: Pyramid, face: FaceDetection) -> bool:
        return all(
            self._mesh_fits_in(pyramid, pyramid.around(face.box, factor))
            for factor in self.MESH_REGIONS
        )

    def _mesh_fits_in(self, pyramid: Pyramid, tile: Tile) -> bool:
        square = pyramid.cut(tile, MESH_PX)
        square.flags.writeable = False
        return self._mesh.process(square).multi_face_landmarks is not None

    def _find_known(
        self, pyramid: Pyramid, known: Sequence[Box], *, alone: bool
    ) -> list[FaceDetection]:
        """Find known faces around their expected places, retrying missed ones in wider regions."""
        found: list[FaceDetection] = []
        step = 1 if alone else self.GRID**2
        for start in range(0, len(known), step):
            regions = [pyramid.around(box, self.REGION) for box in known[start : start + step]]
            find = self._find_in if step == 1 else self._find_in_regions
            found += find(pyramid, *regions)
        missed = [box for box in known if not any(_at_its_place(face.box, box) for face in found)]
        for box in missed[: self.MAX_RETRIES]:
            found += self._find_in(pyramid, pyramid.around(box, self.WIDER_REGION))
        return found

    def _find_in(self, pyramid: Pyramid, tile: Tile) -> list[FaceDetection]:
        """Return the faces that lie wholly in a tile."""
        return [
            pyramid.located(tile, box, points, confidence)
            for box, confidence, points in self._run(pyramid.cut(tile, INPUT_PX))
            if not pyramid.cuts(tile, box)
        ]

    def _find_in_regions(self, pyramid: Pyramid, *regions: Tile) -> list[FaceDetection]:
        grid = self.GRID
        cell = INPUT_PX // grid
        mosaic = np.zeros((INPUT_PX, INPUT_PX, 3), dtype=np.uint8)
        for number, region in enumerate(regions):
            top, left = (cell * place for place in divmod(number, grid))
            mosaic[top : top + cell, left : left + cell] = pyramid.cut(region, cell)
        found = []
        for box, confidence, points in self._run(mosaic):
            column, row = (int(centre * grid) for centre in box.centre)
            number = row * grid + column
            if 0 <= column < grid and 0 <= row < grid and number < len(regions):
                within = Box(
                    box.x * grid - column, box.y * grid - row, box.width * grid, box.height * grid
                )
                placed = points * grid - (column, row)
                found.append(pyramid.located(regions[number], within, placed, confidence))
        return found

    def _run(self, square: NDArray[np.uint8]) -> list[FoundFace]:
        self.passes += 1
        return self._model.find(square)


class Pyramid:
    """A `(height, width, 3)` BGR picture, halved on demand; tiles are cut from a suitable size."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._levels = [image]
        self.height, self.width = image.shape[:2]

    def at(self, level: int) -> NDArray[np.uint8]:
        """Return the picture halved `level` times, at least one pixel large."""
        while len(self._levels) <= level:
            above = self._levels[-1]
            size = (max(1, above.shape[1] // 2), max(1, above.shape[0] // 2))
            half = cv2.resize(above, size, interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(half, dtype=np.uint8))
        return self._levels[level]

    def at_least(self, width: int) -> NDArray[np.uint8]:
        """Return the smallest of the sizes that is at least `width` wide."""
        return self.at(max(0, int(math.log2(max(1.0, self.width / width)))))

    def around(self, box: Box, factor: float) -> Tile:
        """Return the square around a face, `factor` times its box."""
        side = max(2, round(factor * (box.width * self.width + box.height * self.height) / 2))
        x, y = box.centre
        return Tile(round(x * self.width - side / 2), round(y * self.height - side / 2), side, 0)

    def cut(self, tile: Tile, side_px: int) -> NDArray[np.uint8]:
        """Return a tile as `(side_px, side_px, 3)` RGB, black beyond the picture."""
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
        left, right = (round((min(max(0, x), width) - x0) * side_px / (x1 - x0)) for x in (x0, x1))
        top, bottom = (round((min(max(0, y), height) - y0) * side_px / (y1 - y0)) for y in (y0, y1))
        size = (max(1, right - left), max(1, bottom - top))
        small = cv2.resize(inside, size, interpolation=cv2.INTER_LINEAR)
        square[top : top + size[1], left : left + size[0]] = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)[
            : side_px - top, : side_px - left
        ]
        return square

    def located(
        self, tile: Tile, box: Box, points: NDArray[np.float64], confidence: float
    ) -> FaceDetection:
        """Convert a face from fractions of a tile to fractions of the picture."""
        across, down = tile.side / self.width, tile.side / self.height
        left, top = tile.x / self.width, tile.y / self.height
        return FaceDetection(
            Box(left + box.x * across, top + box.y * down, box.width * across, box.height * down),
            confidence,
            points * (across, down) + (left, top),
        )

    def cuts(self, tile: Tile, box: Box) -> bool:
        """Return whether a face, in fractions of a tile, is cut off by the tile's inner border."""
        margin = 0.015  # closer to a border inside the picture, a box belongs to part of a face
        return (
            (box.x < margin and tile.x > 0)
            or (box.y < margin and tile.y > 0)
            or (box.x + box.width > 1 - margin and tile.x + tile.side < self.width)
            or (box.y + box.height > 1 - margin and tile.y + tile.side < self.height)
        )


def merge(faces: Sequence[FaceDetection], overlap: float = MERGE_OVERLAP) -> list[FaceDetection]:
    """Keep the most confident of overlapping faces (greedy non-maximum suppression)."""
    kept: list[FaceDetection] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        if not any(
            face.box.overlap(other.box) > overlap or nested(face.box, other.box) for other in kept
        ):
            kept.append(face)
    return kept


def nested(one: Box, other: Box) -> bool:
    """Return whether 60% of one box lies within the other: an eye may look like a small face."""
    smaller = min(one.width * one.height, other.width * other.height)
    return one.shared_area(other) > 0.6 * smaller


def _at_its_place(found: Box, expected: Box) -> bool:
    (x, y), (expected_x, expected_y) = found.centre, expected.centre
    across, down = abs(x - expected_x), abs(y - expected_y)
    return across < 0.75 * max(expected.width, 1e-6) and down < 0.75 * max(expected.height, 1e-6)

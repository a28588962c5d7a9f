"""Merging overlapping faces, and MediaPipe on the demo viewer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from detector.faces.detector import (
    MERGE_OVERLAP,
    DetectionSettings,
    MediaPipeFaceDetector,
    Pyramid,
    merge,
    nested,
)
from detector.faces.tiles import Tile
from detector.faces.tracker import FaceTracker
from detector.sources.recording import Recording
from detector.types import Box, FaceDetection, Frame, TrackedFace

Face = Callable[..., FaceDetection]

faces = st.builds(
    lambda x, y, size, confidence: FaceDetection(
        Box(x, y, size, size), confidence, np.zeros((6, 2))
    ),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.05, 0.5),
    st.floats(0, 1),
)


def test_the_most_confident_of_two_views_of_a_face_stays(face: Face) -> None:
    sure, unsure, elsewhere = (
        face(0.3, confidence=0.9),
        face(0.31, confidence=0.6),
        face(0.8, confidence=0.7),
    )
    assert merge([unsure, elsewhere, sure]) == [sure, elsewhere]


def test_neighbours_that_overlap_a_little_both_stay(face: Face) -> None:
    assert len(merge([face(0.3, size=0.2), face(0.45, size=0.2)])) == 2
    assert len(merge([face(0.3, size=0.2), face(0.45, size=0.2)], overlap=0.1)) == 1


def test_nobody_stays_nobody() -> None:
    assert merge([]) == []


@given(st.lists(faces, max_size=8))
def test_what_is_kept_is_apart_and_what_is_left_out_has_a_better_twin(
    found: list[FaceDetection],
) -> None:
    kept = merge(found)
    assert [face.confidence for face in kept] == sorted(
        (face.confidence for face in kept), reverse=True
    )
    for number, face in enumerate(kept):
        assert all(face.box.overlap(other.box) <= MERGE_OVERLAP for other in kept[:number])
    for face in found:
        if not any(face is other for other in kept):
            assert any(
                (face.box.overlap(other.box) > MERGE_OVERLAP or nested(face.box, other.box))
                and other.confidence >= face.confidence
                for other in kept
            )


def test_an_eye_inside_a_face_is_no_face(face: Face) -> None:
    whole, eye = face(0.5, size=0.4, confidence=0.9), face(0.42, 0.44, size=0.06, confidence=0.7)
    assert merge([eye, whole]) == [whole]


def test_a_large_box_around_a_surer_face_is_no_face(face: Face) -> None:
    sure, around = face(0.5, size=0.1, confidence=0.9), face(0.5, size=0.6, confidence=0.55)
    assert merge([around, sure]) == [sure]


@pytest.mark.parametrize("confidence", [0, -1, 1.01])
def test_an_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValidationError, match="min_confidence"):
        DetectionSettings(min_confidence=confidence)


@given(
    st.integers(20, 700),
    st.integers(20, 700),
    st.integers(4, 900),
    st.integers(-400, 600),
    st.integers(-400, 600),
)
def test_a_tile_of_a_pyramid_shows_its_part_of_the_picture(
    width: int, height: int, side: int, x: int, y: int
) -> None:
    """Each pixel's colour tells its place, so that a cut shows where it is from."""
    across = np.linspace(20, 250, width)
    down = np.linspace(20, 250, height)
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 2] = across[None, :].round()
    image[..., 1] = down[:, None].round()
    cut = Pyramid(image).cut(Tile(x, y, side, 0), 64)
    assert cut.shape == (64, 64, 3)
    for share in (0.25, 0.5, 0.75):
        pixel_x, pixel_y = x + share * side, y + share * side
        inside = 8 < pixel_x < width - 8 and 8 < pixel_y < height - 8
        if not inside:
            continue
        red, green, blue = cut[int(share * 64), int(share * 64)].astype(float)
        # The pyramid's halves drop odd edges, and a cell of the cut is side / 64 pixels wide.
        slack = 4 + 2 * side / 64
        assert red == pytest.approx(
            np.interp(pixel_x, np.arange(width), across), abs=230 / width * slack + 2
        )
        assert green == pytest.approx(
            np.interp(pixel_y, np.arange(height), down), abs=230 / height * slack + 2
        )
        assert blue == 0


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 400))
def test_a_reduced_picture_is_as_wide_as_asked_for_or_up_to_twice(
    width: int, height: int, wanted: int
) -> None:
    reduced = Pyramid(np.full((height, width, 3), 70, np.uint8)).at_least(wanted)
    most = width if width < 2 * wanted else 2 * wanted + 1
    assert min(wanted, width) <= reduced.shape[1] <= most
    assert (reduced == 70).all()


def test_beyond_the_picture_a_tile_is_black() -> None:
    cut = Pyramid(np.full((40, 80, 3), 200, np.uint8)).cut(Tile(0, -20, 80, 0), 64)
    assert (cut[:15] == 0).all()
    assert (cut[17:47] == 200).all()
    assert (cut[49:] == 0).all()
    assert (Pyramid(np.full((40, 80, 3), 200, np.uint8)).cut(Tile(500, 0, 80, 0), 64) == 0).all()


def first_frame(video: Path) -> np.ndarray:
    with Recording(video) as source:
        frame = source.read()
        assert frame is not None
        return frame.image


def on_canvas(
    picture: np.ndarray, places: list[tuple[int, int]], width: int = 1280, height: int = 720
) -> np.ndarray:
    """Copies of a picture on a grey canvas, by their left upper corners."""
    canvas = np.full((height, width, 3), 120, np.uint8)
    for x, y in places:
        canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return canvas


@pytest.fixture(scope="module")
def head(demo_video: Path) -> np.ndarray:
    """The demo viewer's head and what is around it."""
    image = first_frame(demo_video)
    height, width = image.shape[:2]
    with MediaPipeFaceDetector() as detector:
        [found] = detector.detect_still(image)
    x, y = found.box.centre[0] * width, found.box.centre[1] * height
    half = round(found.box.width * width)
    return image[
        max(0, round(y) - half) : round(y) + half, max(0, round(x) - half) : round(x) + half
    ]


@pytest.fixture(scope="module")
def far_heads(head: np.ndarray) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Seven faces of about 40 px in a large picture, and their centres in fractions of it."""
    small = cv2.resize(head, (80, 80), interpolation=cv2.INTER_AREA)
    places = [(60, 40), (330, 300), (610, 90), (880, 420), (1150, 60), (120, 560), (700, 600)]
    return on_canvas(small, places), [((x + 40) / 1280, (y + 40) / 720) for x, y in places]


def centres(found: list[FaceDetection]) -> list[tuple[float, float]]:
    return sorted(face.box.centre for face in found)


def test_faces_far_from_the_camera_are_all_found_in_a_still_picture(
    far_heads: tuple[np.ndarray, list[tuple[float, float]]],
) -> None:
    image, places = far_heads
    with MediaPipeFaceDetector() as detector:
        found = detector.detect_still(image)
    assert len(found) == len(places)
    for (x, y), (expected_x, expected_y) in zip(centres(found), sorted(places), strict=True):
        assert abs(x - expected_x) < 0.02
        assert abs(y - expected_y) < 0.04
    assert all(30 < face.box.width * 1280 < 60 for face in found)


def test_in_a_video_they_are_found_within_a_second_and_then_cost_little(
    far_heads: tuple[np.ndarray, list[tuple[float, float]]],
) -> None:
    image, places = far_heads
    tracker = FaceTracker()
    with MediaPipeFaceDetector() as detector:

        def show(number: int) -> list[TrackedFace]:
            now_ns = number * 33_000_000
            frame = Frame(image, now_ns, number)
            steady = tracker.steady(now_ns)
            found = detector.detect(frame, tracker.expected(now_ns), steady=steady)
            return tracker.update(found, now_ns, partial(detector.confirm, frame))

        for number in range(30):
            faces = show(number)
        assert [face.viewer for face in faces] == list(range(1, len(places) + 1))
        passes = detector.passes
        for number in range(30, 40):
            assert len(show(number)) == len(places)
        # Seven known faces in two passes, and one tile in turn, both in every second frame.
        assert detector.passes - passes <= 10 * 3 / 2 + 3


def test_larger_faces_only_when_asked_for(
    far_heads: tuple[np.ndarray, list[tuple[float, float]]],
) -> None:
    with MediaPipeFaceDetector(DetectionSettings(smallest_face_px=200)) as detector:
        assert detector.detect_still(far_heads[0]) == []


def test_a_known_face_that_moved_is_found_by_a_second_look(head: np.ndarray) -> None:
    size = head.shape[0]
    image = on_canvas(head, [(200, 200)], 1280, 200 + size + 60)
    with MediaPipeFaceDetector() as detector:
        [there] = detector.detect_still(image)
        for number in range(40):  # until the sweep has seen everything
            detector.detect(Frame(image, number * 33_000_000, number), [there.box])
        shift = 0.45 * there.box.width
        moved = there.box._replace(x=there.box.x - shift)
        [found] = detector.detect(Frame(image, 41 * 33_000_000, 41), [moved])
        assert found.box.overlap(there.box) > 0.7


def test_the_face_mesh_confirms_a_face_and_nothing_else(head: np.ndarray) -> None:
    size = head.shape[0]
    image = on_canvas(head, [(100, 100)], 200 + size, 200 + size)
    frame = Frame(image, 0, 0)
    with MediaPipeFaceDetector() as detector:
        [found] = detector.detect_still(image)
        assert detector.confirm(frame, found)
        noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
        assert not detector.confirm(Frame(noise, 0, 0), found)


def test_the_demo_viewers_face_is_found_where_it_is(demo_video: Path) -> None:
    with Recording(demo_video) as source, MediaPipeFaceDetector() as detector:
        frame = source.read()
        assert frame is not None
        [found] = detector.detect(frame)
        right_eye, left_eye, nose, mouth, right_ear, left_ear = found.keypoints
        assert found.confidence > 0.5
        assert found.box.width > 0.1
        # The person's right eye is at the left of the picture; eyes above nose above mouth.
        assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]
        inside = (found.keypoints >= found.box[:2]) & (
            found.keypoints <= np.add(found.box[:2], found.box[2:])
        )
        assert inside[2:4].all()
        assert detector.reduced(10_000) is frame.image
        empty = Frame(np.full_like(frame.image, 128), frame.captured_ns + 10**9, 1)
        assert detector.detect(empty) == []
        detector.close()  # and once more by the context

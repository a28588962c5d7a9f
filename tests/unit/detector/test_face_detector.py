"""Merging overlapping faces, and MediaPipe on the demo viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.face_detector import MERGE_OVERLAP, MediaPipeFaceDetector, merge
from detector.types import Box, FaceDetection, Frame
from detector.video_source import Recording

Face = Callable[..., FaceDetection]

faces = st.builds(
    lambda x, y, size, confidence: FaceDetection(Box(x, y, size, size), confidence, np.zeros((6, 2))),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.05, 0.5),
    st.floats(0, 1),
)


def test_the_most_confident_of_two_views_of_a_face_stays(face: Face) -> None:
    sure, unsure, elsewhere = face(0.3, confidence=0.9), face(0.31, confidence=0.6), face(0.8, confidence=0.7)
    assert merge([unsure, elsewhere, sure]) == [sure, elsewhere]


def test_neighbours_that_overlap_a_little_both_stay(face: Face) -> None:
    assert len(merge([face(0.3, size=0.2), face(0.45, size=0.2)])) == 2
    assert len(merge([face(0.3, size=0.2), face(0.45, size=0.2)], overlap=0.1)) == 1


def test_nobody_stays_nobody() -> None:
    assert merge([]) == []


@given(st.lists(faces, max_size=8))
def test_what_is_kept_is_apart_and_what_is_left_out_has_a_better_twin(found: list[FaceDetection]) -> None:
    kept = merge(found)
    assert [face.confidence for face in kept] == sorted((face.confidence for face in kept), reverse=True)
    for number, face in enumerate(kept):
        assert all(face.box.overlap(other.box) <= MERGE_OVERLAP for other in kept[:number])
    for face in found:
        if not any(face is other for other in kept):
            assert any(
                face.box.overlap(other.box) > MERGE_OVERLAP and other.confidence >= face.confidence for other in kept
            )


@pytest.mark.parametrize("confidence", [0, -1, 1.01])
def test_an_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match=f"Invalid min_confidence: .*received {confidence}"):
        MediaPipeFaceDetector(confidence)


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
        inside = (found.keypoints >= found.box[:2]) & (found.keypoints <= np.add(found.box[:2], found.box[2:]))
        assert inside[2:4].all()
        empty = Frame(np.full_like(frame.image, 128), frame.captured_ns + 10**9, 1)
        assert detector.detect(empty) == []
        detector.close()  # and once more by the context

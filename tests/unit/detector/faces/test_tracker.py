"""Anonymous numbers: who keeps one, who gets a new one, and that none is ever used twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.faces.tracker import LOST_TRACK_BUFFER_S, MINIMUM_CONSECUTIVE_FRAMES, FaceTracker
from detector.types import Box, FaceDetection

FRAME_NS = 40_000_000
Face = Callable[..., FaceDetection]


class Scene:
    """Feeds a tracker frame by frame at 25 frames a second."""

    def __init__(self, **settings: float) -> None:
        self.tracker = FaceTracker(**settings)  # type: ignore[arg-type]
        self.now_ns = 0

    def show(self, *faces: FaceDetection) -> dict[int, FaceDetection]:
        self.now_ns += FRAME_NS
        tracked = self.tracker.update(faces, self.now_ns)
        found = {one.viewer: one.detection for one in tracked}
        assert len(found) == len(tracked), "a viewer twice in one frame"
        assert list(found) == sorted(found)
        return found

    def hold(self, seconds: float, *faces: FaceDetection) -> dict[int, FaceDetection]:
        found: dict[int, FaceDetection] = {}
        for _ in range(round(seconds * 25)):
            found = self.show(*faces)
        return found


def test_a_face_becomes_a_viewer_after_some_frames_in_a_row(face: Face) -> None:
    scene = Scene()
    seen = [list(scene.show(face())) for _ in range(MINIMUM_CONSECUTIVE_FRAMES + 2)]
    assert seen == [[]] * (MINIMUM_CONSECUTIVE_FRAMES - 1) + [[1]] * 3


def test_a_face_that_is_missed_before_it_is_a_viewer_starts_anew(face: Face) -> None:
    scene = Scene(minimum_consecutive_frames=3)
    for _ in range(4):
        assert scene.show(face()) == {}
        assert scene.show(face()) == {}
        assert scene.show() == {}
    scene.show(face())
    scene.show(face())
    assert list(scene.show(face())) == [1]


def test_with_one_frame_a_face_is_a_viewer_at_once(face: Face) -> None:
    assert list(Scene(minimum_consecutive_frames=1).show(face(0.2), face(0.8))) == [1, 2]


def test_the_first_number_can_be_chosen(face: Face) -> None:
    assert list(Scene(first_number=41).hold(0.3, face(0.2), face(0.8))) == [41, 42]


def test_the_detection_itself_is_handed_on(face: Face) -> None:
    scene, shown = Scene(), face(0.3)
    scene.hold(0.5, face(0.3))
    assert scene.show(shown)[1] is shown


def test_numbers_stay_through_missed_frames(face: Face) -> None:
    scene = Scene()
    scene.hold(1, face(0.2), face(0.8))
    assert list(scene.show(face(0.8))) == [2]
    assert scene.hold(0.4) == {}
    found = scene.show(face(0.8), face(0.2))
    assert found[1].box.centre[0] == pytest.approx(0.2)
    assert found[2].box.centre[0] == pytest.approx(0.8)


def test_a_missed_face_is_expected_further_on_its_way(face: Face) -> None:
    scene = Scene()
    for step in range(25):
        scene.show(face(0.1 + 0.01 * step, size=0.1))
    assert scene.hold(0.4) == {}
    # Ten frames later it stands ten steps further, more than a jump's worth away from where it was
    # last seen.
    assert list(scene.show(face(0.1 + 0.01 * 35, size=0.1))) == [1]


def test_a_face_that_returns_after_the_buffer_is_a_new_viewer(face: Face) -> None:
    scene = Scene()
    scene.hold(1, face())
    scene.hold(LOST_TRACK_BUFFER_S + 0.1)
    assert list(scene.hold(1, face())) == [2]


def test_the_buffer_can_be_chosen(face: Face) -> None:
    scene = Scene(lost_track_buffer_s=3.0)
    scene.hold(1, face())
    scene.hold(2)
    assert list(scene.show(face())) == [1]


def test_a_face_that_jumps_too_far_is_another(face: Face) -> None:
    scene = Scene()
    scene.hold(1, face(0.1, size=0.1))
    assert scene.show(face(0.9, size=0.1)) == {}
    assert list(scene.hold(0.3, face(0.9, size=0.1))) == [2]


def test_small_jitter_changes_no_number(face: Face) -> None:
    scene, random = Scene(), np.random.default_rng(3)
    for _ in range(100):
        shift = random.normal(0, 0.01, (2, 2))
        found = scene.show(
            face(0.35 + shift[0, 0], 0.5 + shift[0, 1]), face(0.6 + shift[1, 0], 0.5 + shift[1, 1])
        )
    assert found[1].box.centre[0] < found[2].box.centre[0]
    assert list(found) == [1, 2]


@pytest.mark.parametrize("speed", [0.01, 0.013, 0.02])
@pytest.mark.parametrize("order", [1, -1])
def test_crossing_faces_keep_their_numbers(face: Face, order: int, speed: float) -> None:
    scene, found = Scene(), {}
    for step in range(round(0.6 / speed) + 1):
        to_right, to_left = face(0.2 + speed * step), face(0.8 - speed * step)
        found = scene.show(*(to_right, to_left)[::order])
        if step == 10:
            first = {number: detection.box.centre[0] for number, detection in found.items()}
    last = {number: detection.box.centre[0] for number, detection in found.items()}
    assert set(first) == set(last) == {1, 2}
    for number in (1, 2):
        assert (first[number] < 0.5) == (last[number] > 0.5)


def test_a_face_hidden_behind_another_keeps_its_number(face: Face) -> None:
    scene, found = Scene(), {}
    for step in range(61):
        passer, seated = face(0.2 + 0.01 * step, 0.5), face(0.5, 0.52)
        hidden = 26 <= step <= 34
        found = scene.show(passer) if hidden else scene.show(passer, seated)
        if step == 20:
            [seated_number] = [number for number, one in found.items() if one is seated]
    [(number, _)] = [item for item in found.items() if item[1].box.centre[0] == pytest.approx(0.5)]
    assert number == seated_number
    assert set(found) == {1, 2}


def test_size_does_not_matter(face: Face) -> None:
    """The same walk, seen from far away."""
    scene = Scene()
    for step in range(60):
        found = scene.show(
            face(0.3 + 0.0004 * step, size=0.02), face(0.33 + 0.0004 * step, size=0.02)
        )
    assert list(found) == [1, 2]


def test_something_much_larger_at_the_same_place_is_not_the_face(face: Face) -> None:
    scene = Scene()
    scene.hold(1, face(size=0.1))
    assert scene.show(face(size=0.3)) == {}
    assert list(scene.show(face(size=0.12))) == [1]


def test_a_doubtful_face_is_confirmed_once_before_it_is_a_viewer(face: Face) -> None:
    scene, asked = Scene(), []
    doubtful = face(confidence=0.6)

    def confirm(found: FaceDetection) -> bool:
        asked.append(found)
        return True

    for _ in range(20):
        scene.now_ns += FRAME_NS
        viewers = scene.tracker.update([doubtful], scene.now_ns, confirm)
    assert [one.viewer for one in viewers] == [1]
    assert asked == [doubtful]


def test_what_is_not_confirmed_is_asked_ever_more_rarely(face: Face) -> None:
    scene, asked_ns = Scene(), []

    def confirm(_found: FaceDetection) -> bool:
        asked_ns.append(scene.now_ns)
        return False

    for _ in range(25 * 10):
        scene.now_ns += FRAME_NS
        assert scene.tracker.update([face(confidence=0.6)], scene.now_ns, confirm) == []
    pauses = np.diff(asked_ns)
    assert list(pauses) == sorted(pauses)
    assert 3 <= len(asked_ns) <= 10
    assert scene.tracker.expected(scene.now_ns) == []  # nobody looks for it any more
    # Once the detector is sure, it is asked at once.
    scene.now_ns += FRAME_NS
    asked_before = len(asked_ns)
    assert scene.tracker.update([face(confidence=0.9)], scene.now_ns, confirm) == []
    assert len(asked_ns) == asked_before + 1


def test_faces_that_are_no_viewers_yet_are_expected_too(face: Face) -> None:
    scene = Scene()
    scene.show(face(0.2))
    scene.show(face(0.2), face(0.7))
    expected = scene.tracker.expected(scene.now_ns + FRAME_NS)
    assert [box.centre[0] for box in expected] == pytest.approx([0.2, 0.7])
    assert scene.tracker.expected(scene.now_ns + 2 * 10**9) == []


def test_a_viewer_who_hardly_moves_is_searched_for_ten_times_a_second(face: Face) -> None:
    scene = Scene()
    for _ in range(6):
        scene.show(face(0.5))
    found_ns = scene.now_ns
    for _ in range(2):
        soon_ns = scene.now_ns + FRAME_NS
        [steady] = scene.tracker.steady(soon_ns)
        assert steady.predicted
        assert (steady.box, scene.tracker.expected(soon_ns)) == (face(0.5).box, [])
        assert list(scene.show(steady)) == [1]
    assert scene.tracker.steady(found_ns + 3 * FRAME_NS) == []
    assert len(scene.tracker.expected(found_ns + 3 * FRAME_NS)) == 1


def test_a_viewer_who_is_due_to_be_classified_is_searched_for(face: Face) -> None:
    scene = Scene()
    for _ in range(6):
        scene.show(face(0.2), face(0.7))
    soon_ns = scene.now_ns + FRAME_NS
    [steady] = scene.tracker.steady(soon_ns, {2})
    [expected] = scene.tracker.expected(soon_ns, {2})
    assert (steady.box, expected) == (face(0.2).box, face(0.7).box)


def test_a_missed_viewer_is_searched_for_until_found(face: Face) -> None:
    scene = Scene()
    for _ in range(6):
        scene.show(face(0.5))
    assert list(scene.show()) == []
    assert scene.tracker.steady(scene.now_ns + FRAME_NS) == []
    assert len(scene.tracker.expected(scene.now_ns + FRAME_NS)) == 1


@pytest.mark.parametrize("frames", [3, 6])
def test_newcomers_and_walkers_are_searched_for_in_every_frame(face: Face, frames: int) -> None:
    scene = Scene()
    for step in range(frames):
        scene.show(face(0.3 + (0.03 * step if frames > 5 else 0)))
    assert scene.tracker.steady(scene.now_ns + FRAME_NS) == []
    assert len(scene.tracker.expected(scene.now_ns + FRAME_NS)) == 1


def test_a_predicted_face_does_not_keep_a_viewer_alive(face: Face) -> None:
    scene = Scene()
    for _ in range(6):
        scene.show(face(0.5))
    found_ns = scene.now_ns
    [steady] = scene.tracker.steady(found_ns + FRAME_NS)
    while scene.now_ns < found_ns + 700_000_000:
        scene.show(steady)
    assert scene.tracker.expected(found_ns + 900_000_000) == []


def test_a_doubtful_face_at_the_place_of_a_viewer_does_not_take_the_number(face: Face) -> None:
    scene = Scene()
    scene.hold(0.5, face(0.5, size=0.2))
    small = face(0.55, size=0.12, confidence=0.55)
    for _ in range(MINIMUM_CONSECUTIVE_FRAMES):
        scene.now_ns += FRAME_NS
        scene.tracker.update([face(0.5, size=0.2), small], scene.now_ns, lambda _: False)
    scene.now_ns += 300_000_000
    scene.tracker.update([face(0.5, size=0.2)], scene.now_ns)
    scene.show(face(0.5, size=0.2))
    beside = face(0.39, size=0.15, confidence=0.55)
    assert scene.show(face(0.5, size=0.2), beside)[1].box.centre[0] == pytest.approx(0.5)
    [steady] = scene.tracker.steady(scene.now_ns + FRAME_NS)
    found = scene.show(steady, beside)
    assert list(found) == [1]
    assert found[1] is steady


def test_a_face_that_was_not_searched_for_is_nobody_elses(face: Face) -> None:
    scene = Scene()
    scene.hold(0.5, face(0.4, size=0.2), face(0.5, size=0.2))
    steady, _ = scene.tracker.steady(scene.now_ns + FRAME_NS)
    found = scene.show(steady, face(0.29, size=0.2))
    assert found[1] is steady
    scene.hold(1)
    assert scene.hold(0.5, steady) == {}


def test_unsure_boxes_do_not_lead_a_viewer_astray(face: Face) -> None:
    scene = Scene()
    scene.hold(0.5, face(0.5, size=0.3))
    for step in range(8):
        scene.show(face(0.5 - 0.008 * step, size=0.3 * 0.9**step, confidence=0.55))
    scene.hold(0.5)
    assert list(scene.show(face(0.5, size=0.3))) == [1]


def test_a_marginal_face_missed_in_every_other_search_stays_one_viewer(face: Face) -> None:
    scene = Scene()
    scene.hold(0.5, face(0.5, size=0.3))
    eye = face(0.47, size=0.1, confidence=0.52)
    for _ in range(9):
        assert scene.show(eye) == {}
        assert scene.show() == {}
    scene.hold(LOST_TRACK_BUFFER_S - 2 * FRAME_NS / 1e9)
    assert list(scene.show(face(0.5, size=0.3))) == [1]


def test_parts_of_a_face_keep_its_viewer_for_twice_the_buffer_at_most(face: Face) -> None:
    scene = Scene()
    scene.hold(0.5, face(0.5, size=0.3))
    scene.hold(2 * LOST_TRACK_BUFFER_S + 0.1, face(0.47, size=0.1, confidence=0.52))
    assert 1 not in scene.hold(0.5, face(0.5, size=0.3))


def test_a_face_without_extent_harms_nobody(face: Face) -> None:
    scene = Scene(minimum_consecutive_frames=1)
    nothing = FaceDetection(Box(0.5, 0.5, 0.0, 0.0), 0.5, np.zeros((6, 2)))
    scene.show(face(), nothing)
    assert 1 in scene.show(face(), nothing)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"lost_track_buffer_s": -0.1},
            r"lost_track_buffer_s of at least 0, .* received -0\.1, 5 and 0\.75\.",
        ),
        (
            {"minimum_consecutive_frames": 0},
            r"minimum_consecutive_frames of at least 1 .* received 0\.8, 0 and 0\.75\.",
        ),
        ({"max_distance": 0}, r"max_distance above 0, received 0\.8, 5 and 0\."),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FaceTracker(**settings)  # type: ignore[arg-type]


boxes = st.builds(
    lambda x, y, size: Box(x, y, size, size),
    st.floats(-0.2, 1),
    st.floats(-0.2, 1),
    st.floats(0.01, 0.6),
)
scenes = st.lists(st.tuples(st.lists(boxes, max_size=5), st.integers(1, 1_200)), max_size=40)


@settings(deadline=None)
@given(scenes, st.integers(1, 4))
def test_in_any_scene_numbers_are_unique_and_only_grow(
    scene: Sequence[tuple[list[Box], int]], frames: int
) -> None:
    tracker = FaceTracker(minimum_consecutive_frames=frames)
    now_ns, highest = 0, 0
    last_seen_ns: dict[int, int] = {}
    for shown, pause_ms in scene:
        now_ns += pause_ms * 1_000_000
        faces = [FaceDetection(box, 1.0, np.zeros((6, 2))) for box in shown]
        tracked = tracker.update(faces, now_ns)
        numbers = [one.viewer for one in tracked]
        assert numbers == sorted(set(numbers))
        assert len({id(one.detection) for one in tracked}) == len(tracked)
        assert all(any(one.detection is shown_face for shown_face in faces) for one in tracked)
        new = [number for number in numbers if number not in last_seen_ns]
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        for number in numbers:
            assert now_ns - last_seen_ns.get(number, now_ns) <= LOST_TRACK_BUFFER_S * 1e9
            last_seen_ns[number] = now_ns
        highest += len(new)

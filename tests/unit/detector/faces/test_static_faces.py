"""Still pictures and living faces, drawn: what a camera adds to a picture does not count, what a
person does counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import pytest

from detector.emotion.preprocessing import face_crops
from detector.faces.static_faces import STATIC_AFTER_S, StaticFace
from detector.sources.recording import Recording
from detector.types import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

WIDTH, HEIGHT = 200, 160
PER_SECOND = 12
TREMBLING = (0.006, 0.011, 0.026)
"""How MediaPipe's boxes tremble around a still face: across and down in sides of the box, and in
size.
"""


class Scene(NamedTuple):
    """What a face does at one moment, in sides of its box."""

    right: float = 0.0
    size: float = 1.0
    eyes_shut: bool = False
    mouth: float = 0.06


def drawn(scene: Scene, side: float) -> np.ndarray:
    """A face in the middle of a picture, in grey levels."""
    fine = 2
    picture = np.full((HEIGHT * fine, WIDTH * fine), 90, dtype=np.uint8)
    picture[:, ::40] = 140
    shift = 4
    size = side * scene.size * fine
    x0, y0 = WIDTH * fine / 2 + scene.right * side * fine, HEIGHT * fine / 2

    def ellipse(x: float, y: float, width: float, height: float, grey: int) -> None:
        centre = [round((middle + at * size) * 2**shift) for middle, at in ((x0, x), (y0, y))]
        axes = [max(1, round(length * size / 2 * 2**shift)) for length in (width, height)]
        cv2.ellipse(picture, centre, axes, 0, 0, 360, (grey,), -1, cv2.LINE_AA, shift)

    ellipse(0, -0.05, 1.0, 1.35, 190)
    ellipse(0, -0.62, 1.0, 0.35, 50)
    for eye in (-0.2, 0.2):
        ellipse(eye, -0.25, 0.26, 0.05, 70)
        if not scene.eyes_shut:
            ellipse(eye, -0.12, 0.2, 0.09, 235)
            ellipse(eye, -0.12, 0.09, 0.09, 40)
    ellipse(0, 0.08, 0.16, 0.1, 150)
    ellipse(0, 0.3, 0.36, scene.mouth, 90)
    return np.asarray(
        cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


class Camera:
    """Shows a face to a watch: with noise, and with boxes that tremble.

    Args:
        after_s: Of the watch.
        side: Of the face's box in pixels.
        noise: Of a pixel, in grey levels.
        lean_deg: Of the head; its crops then lean too, and tremble.
    """

    def __init__(
        self,
        after_s: float = STATIC_AFTER_S,
        side: float = 90,
        noise: float = 3,
        lean_deg: float = 0,
    ) -> None:
        self.watch = StaticFace(after_s)
        self.now_s = 0.0
        self._side, self._lean_deg = side, lean_deg
        self._random = np.random.default_rng(4)
        # Drawn once and taken in turn, moved about: fresh noise for every picture takes most of a
        # test's time.
        self._grain = self._random.normal(0, noise, (HEIGHT + 64, WIDTH + 64)).astype(np.float32)
        self._drawings: dict[Scene, np.ndarray] = {}

    def sees(
        self,
        seconds: float,
        scene: Callable[[float], Scene] | None = None,
        light: Callable[[float], np.ndarray | float] | None = None,
        per_second: float = PER_SECOND,
        box_right: float = 0.0,
    ) -> Iterator[tuple[float, bool]]:
        """What the watch says, with the time since the beginning.

        Args:
            seconds: For how long.
            scene: What the face does, by the time. Defaults to nothing.
            light: By how much the picture is brighter, by the time. Defaults to evenly lit.
            per_second: Pictures a second.
            box_right: How far the box lies beside the face, in sides.
        """
        for _ in range(round(seconds * per_second)):
            now = scene(self.now_s) if scene else Scene()
            if now not in self._drawings:
                self._drawings = {
                    **dict(list(self._drawings.items())[-8:]),
                    now: drawn(now, self._side),
                }
            picture = self._drawings[now] * (light(self.now_s) if light else 1.0)
            y, x = self._random.integers(0, 64, 2)
            picture = picture + self._grain[y : y + HEIGHT, x : x + WIDTH]
            across, down, growth = self._random.normal(0, TREMBLING)
            side = self._side * now.size * np.exp(growth)
            left = WIDTH / 2 + (now.right + box_right + across) * self._side - side / 2
            top = HEIGHT / 2 + down * self._side - side / 2
            box = Box(left / WIDTH, top / HEIGHT, side / WIDTH, side / HEIGHT)
            rolls = [self._lean_deg + self._random.normal(0, 1.2) if self._lean_deg else 0.0]
            [crop] = face_crops(
                np.clip(np.rint(picture), 0, 255).astype(np.uint8), [box], rolls=rolls
            )
            yield self.now_s, self.watch.update(box, crop, round(self.now_s * 1e9))
            self.now_s += 1 / per_second


def first(seen: Iterable[tuple[float, bool]]) -> float | None:
    """When the face was first taken for a picture."""
    return next((at for at, static in seen if static), None)


def always(seen: Iterable[tuple[float, bool]], expected: bool) -> bool:
    return all(static == expected for _, static in seen)


def shadow(at: float) -> np.ndarray:
    """Light that comes from one side, then from the other, and a camera that sets its exposure anew
    all the time.
    """
    slope = np.linspace(-1, 1, WIDTH)[None, :]
    return 0.8 + 0.4 * np.sin(at / 3) * slope + 0.1 * np.sin(at * 1.3)


@pytest.mark.parametrize(
    ("camera", "light"),
    [
        ({"noise": 0}, None),
        ({"noise": 6}, None),
        ({"side": 45}, None),
        ({"side": 30, "noise": 2}, None),
        ({"noise": 2}, shadow),
        ({"noise": 2}, lambda _at: 0.25),
        ({"lean_deg": 22}, None),
    ],
    ids=["clean", "noisy", "small", "smallest", "changing light", "dark", "leaning"],
)
def test_a_still_picture_is_known_after_a_minute_and_not_before(
    camera: dict[str, float], light: Callable[[float], np.ndarray | float] | None
) -> None:
    known = first(Camera(**camera).sees(66, light=light))
    assert known is not None
    assert STATIC_AFTER_S <= known <= STATIC_AFTER_S + 1


@pytest.mark.parametrize("per_second", [2, 5, 30])
def test_the_number_of_pictures_a_second_does_not_matter(per_second: float) -> None:
    known = first(Camera(after_s=20).sees(24, per_second=per_second))
    assert known == pytest.approx(20.5, abs=0.6)


def test_what_a_codec_leaves_of_a_picture_does_not_count() -> None:
    watch, random = StaticFace(10), np.random.default_rng(0)
    known = []
    for number in range(12 * PER_SECOND):
        picture = drawn(Scene(), 90) + random.normal(0, 4, (HEIGHT, WIDTH))
        coded = cv2.imencode(
            ".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 40]
        )[1]
        side = 90 * np.exp(random.normal(0, TREMBLING[2]))
        box = Box(0.5 - side / 2 / WIDTH, 0.5 - side / 2 / HEIGHT, side / WIDTH, side / HEIGHT)
        [crop] = face_crops(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), [box])
        known.append(watch.update(box, crop, round(number / PER_SECOND * 1e9)))
    assert known[-1]
    assert not any(known[: 10 * PER_SECOND])


def blinking(at: float) -> Scene:
    return Scene(eyes_shut=at % 4 < 0.2)


def shifting(at: float) -> Scene:
    """Moves by 2 % of the face, and stays there for five seconds."""
    return Scene(right=0.02 * (int(at / 5) % 2))


def leaning_in(at: float) -> Scene:
    """Sways towards the camera and back by 3 % in ten seconds."""
    return Scene(size=1 + round(0.03 * np.sin(at * 2 * np.pi / 10), 3))


def speaking(at: float) -> Scene:
    return Scene(mouth=0.06 + 0.08 * (int(at * 3) % 2)) if at % 9 < 1.5 else Scene()


def carried(at: float) -> Scene:
    """A printed face that a hand sways."""
    return Scene(right=round(0.1 * np.sin(at * 2 * np.pi / 6), 2))


@pytest.mark.parametrize("scene", [blinking, shifting, leaning_in, speaking, carried])
def test_life_is_never_taken_for_a_picture(scene: Callable[[float], Scene]) -> None:
    assert always(Camera().sees(100, scene), expected=False)


def test_a_small_face_that_only_blinks_is_no_picture() -> None:
    assert always(Camera(side=30).sees(70, blinking), expected=False)


def test_a_turn_of_the_head_ends_it_within_a_second_and_it_takes_time_again() -> None:
    camera = Camera(after_s=12)
    assert first(camera.sees(14)) is not None
    moved_at = camera.now_s
    said = list(camera.sees(2, lambda at: Scene(right=round(0.05 * min(1.0, at - moved_at), 3))))
    unknown_at = next(at for at, static in said if not static)
    assert unknown_at - moved_at <= 1.2
    assert not said[-1][1]
    again = first(camera.sees(20, lambda _: Scene(right=0.05)))
    assert again is not None
    assert again - moved_at > 2


def test_another_look_at_the_same_place_ends_it() -> None:
    camera = Camera(after_s=12)
    assert first(camera.sees(14)) is not None
    assert not list(camera.sees(1, lambda _: Scene(mouth=0.2)))[-1][1]


def test_a_single_fault_of_the_detector_does_not_end_it() -> None:
    camera = Camera(after_s=60)
    assert first(camera.sees(62)) is not None
    assert always(camera.sees(1 / PER_SECOND, box_right=0.4), expected=True)
    assert always(camera.sees(5), expected=True)


@pytest.mark.parametrize("sides_per_s", [0.1, 0.5, 1.5])
def test_whoever_walks_through_the_picture_is_no_picture(sides_per_s: float) -> None:
    seen = Camera(after_s=1.5, side=40).sees(
        3 / sides_per_s, lambda at: Scene(right=round(sides_per_s * at - 1.5, 2))
    )
    assert always(seen, expected=False)


def test_whoever_has_come_nearer_is_still_seen_to_speak() -> None:
    def scene(at: float) -> Scene:
        return Scene(size=min(3.0, round(1 + at, 1)), mouth=0.2 if int(at / 2) % 2 else 0.06)

    assert always(Camera(after_s=12, side=30).sees(40, scene), expected=False)


def test_whoever_hides_a_poster_for_a_moment_does_not_end_it_but_a_longer_gap_begins_anew() -> None:
    camera = Camera(after_s=8)
    assert first(camera.sees(10)) is not None
    camera.now_s += StaticFace.GAP_S - 0.5
    assert always(camera.sees(1), expected=True)
    camera.now_s += StaticFace.GAP_S + 0.5
    began = camera.now_s
    known = first(camera.sees(10))
    assert known is not None
    assert 8 <= round(known - began, 6) < 9


def test_a_step_back_in_time_begins_anew() -> None:
    camera = Camera(after_s=8)
    assert first(camera.sees(10)) is not None
    camera.now_s = 0.0
    assert first(camera.sees(10)) == pytest.approx(8.4, abs=0.5)


def test_a_movement_costs_a_sixth_of_a_short_time() -> None:
    # One wide mouth in five seconds: for a minute that is life, and within six seconds too.
    assert StaticFace.COST_S == STATIC_AFTER_S / 6
    assert always(
        Camera(after_s=6).sees(30, lambda at: Scene(mouth=0.25 if at % 3 < 0.6 else 0.06)),
        expected=False,
    )


def test_the_demo_viewer_is_a_viewer_and_one_picture_of_it_is_none(demo_video: Path) -> None:
    box = Box(0.37, 0.219, 0.264, 0.3525)
    living, hung_up, still = StaticFace(15), StaticFace(15), None
    said = []
    with Recording(demo_video) as recording:
        while (frame := recording.read()) is not None:
            if frame.sequence % 3 == 0:
                [crop] = face_crops(frame.image, [box])
                still = crop if still is None else still
                said.append(
                    (
                        living.update(box, crop, frame.captured_ns),
                        hung_up.update(box, still, frame.captured_ns),
                    )
                )
    assert not any(living for living, _ in said)
    assert said[-1][1]


def test_what_is_kept_of_a_face_is_small_and_does_not_grow() -> None:
    camera = Camera(noise=0)

    def kept() -> int:
        return sum(
            value.nbytes for value in vars(camera.watch).values() if isinstance(value, np.ndarray)
        )

    list(camera.sees(2))
    early = kept()
    list(camera.sees(10, carried))
    assert kept() == early
    assert early < 5000
    assert len(vars(camera.watch)) < 20
    # No picture larger than a thumbnail.
    assert (
        max(value.size for value in vars(camera.watch).values() if isinstance(value, np.ndarray))
        <= 16 * 16
    )


def test_crops_of_another_size_are_watched_alike() -> None:
    watch, random = StaticFace(5), np.random.default_rng(0)
    face = cv2.resize(drawn(Scene(), 90), (64, 64), interpolation=cv2.INTER_AREA)
    box = Box(0.3, 0.3, 0.2, 0.2)
    said = []
    for number in range(6 * PER_SECOND):
        crop = np.clip(face + random.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
        said.append(watch.update(box, crop, round(number / PER_SECOND * 1e9)))
    assert said[-1]


def test_a_crop_without_contrast_gives_an_answer() -> None:
    watch = StaticFace(2)
    crop = np.full((48, 48), 17, dtype=np.uint8)
    assert [watch.update(Box(0.4, 0.4, 0.2, 0.2), crop, second * 10**9) for second in range(5)][-1]


@pytest.mark.parametrize("after_s", [0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(after_s: float) -> None:
    with pytest.raises(
        ValueError, match=r"Invalid after_s: expected a number of seconds above 0, received"
    ):
        StaticFace(after_s)

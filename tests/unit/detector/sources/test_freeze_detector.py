"""Pictures that show nothing, made by hand: frozen, black, covered, and all that must not be taken
for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detector.sources.freeze_detector import (
    FreezeDetector,
    PictureFault,
)
from detector.sources.recording import Recording
from detector.sources.video_source import DEMO_VIDEO
from detector.types import Frame

Image = NDArray[np.uint8]
STEP_NS = 40_000_000
HEIGHT, WIDTH = 120, 160
RANDOM = np.random.default_rng(7)
SCENE = cv2.resize(
    RANDOM.integers(0, 256, (9, 16, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST
)


def noisy(base: Any, noise: float = 2.0) -> Image:
    picture = np.broadcast_to(np.asarray(base, np.float64), (HEIGHT, WIDTH, 3))
    return np.clip(picture + RANDOM.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)


class Feed:
    """A camera at 25 pictures a second, and what the watch says of each."""

    def __init__(self) -> None:
        self.watch = FreezeDetector()
        self.now_ns = 1_000_000_000

    def show(self, pictures: Sequence[Image], step_ns: int = STEP_NS) -> list[PictureFault | None]:
        found = []
        for picture in pictures:
            self.now_ns += step_ns
            found.append(self.watch.observe(Frame(picture, self.now_ns, 0)))
        return found

    def first(
        self, pictures: Sequence[Image], step_ns: int = STEP_NS
    ) -> tuple[float, PictureFault] | None:
        """The first fault that is told, and how long after the first of these pictures."""
        for number, fault in enumerate(self.show(pictures, step_ns)):
            if fault is not None:
                return number * step_ns / 1e9, fault
        return None


@pytest.fixture
def feed() -> Feed:
    """A feed that has shown a second of a scene."""
    made = Feed()
    assert made.first([noisy(SCENE) for _ in range(25)]) is None
    return made


def repeat(make: Callable[[], Image], count: int) -> list[Image]:
    return [make() for _ in range(count)]


def test_a_scene_with_noise_has_no_fault(feed: Feed) -> None:
    assert feed.first(repeat(lambda: noisy(SCENE, 0.6), 100)) is None
    assert not feed.watch.repeated


def test_the_same_picture_for_two_seconds_is_frozen_since_its_first_showing(feed: Feed) -> None:
    last = noisy(SCENE)
    feed.show([last])
    since_ns = feed.now_ns
    found = feed.first([last.copy() for _ in range(80)])
    assert found is not None
    after_s, fault = found
    assert fault.cause == "camera_frozen"
    assert fault.since_ns == since_ns
    assert after_s == pytest.approx(FreezeDetector.FROZEN_AFTER_NS / 1e9, abs=0.1)


def test_a_single_bit_in_a_corner_is_life(feed: Feed) -> None:
    still = noisy(SCENE)
    pictures = []
    for number in range(100):
        picture = still.copy()
        picture[-1, -1, 0] = number % 2
        pictures.append(picture)
    assert feed.first(pictures) is None


def test_every_repeated_picture_is_told_at_once(feed: Feed) -> None:
    picture = noisy(SCENE)
    told = []
    for shown in (picture, picture.copy(), picture.copy(), noisy(SCENE)):
        feed.show([shown])
        told.append(feed.watch.repeated)
    assert told == [False, True, True, False]


def test_a_key_picture_does_not_end_what_is_frozen_and_movement_does(feed: Feed) -> None:
    still = noisy(SCENE)
    assert feed.first([still] * 80) is not None
    refreshed = noisy(SCENE, 0.5)
    assert all(fault is not None for fault in feed.show([refreshed] * 50)), "one change is no life"
    moving = feed.show(repeat(lambda: noisy(SCENE), 25))
    assert moving[0] is not None
    assert moving.index(None) * STEP_NS <= FreezeDetector.OVER_NS + STEP_NS
    assert all(fault is None for fault in moving[moving.index(None) :])


def test_pictures_that_come_twice_each_are_not_frozen(feed: Feed) -> None:
    """A camera of 15 pictures a second behind a stream of 30."""
    assert feed.first([picture for _ in range(60) for picture in [noisy(SCENE)] * 2]) is None


def test_a_short_standstill_is_no_fault(feed: Feed) -> None:
    for _ in range(5):
        assert feed.first([noisy(SCENE)] * 45) is None
        assert feed.first(repeat(lambda: noisy(SCENE), 5)) is None


def test_two_equal_pictures_around_a_long_pause_prove_nothing(feed: Feed) -> None:
    still = noisy(SCENE)
    feed.show([still])
    assert feed.first([still], step_ns=10_000_000_000) is None


def test_a_picture_a_second_is_enough_to_notice(feed: Feed) -> None:
    still = noisy(SCENE)
    found = feed.first([still] * 5, step_ns=1_000_000_000)
    assert found is not None
    assert found[0] <= 3.0


@pytest.mark.parametrize("level", [0, 4, 16])
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_darkness_is_black(feed: Feed, level: int, noise: float) -> None:
    found = feed.first(repeat(lambda: noisy(level, noise), 80))
    assert found is not None
    after_s, fault = found
    assert fault.cause == "camera_black"
    assert after_s == pytest.approx(FreezeDetector.BLANK_AFTER_NS / 1e9, abs=0.2)


def test_a_pilot_light_does_not_make_it_day(feed: Feed) -> None:
    night = np.full((HEIGHT, WIDTH, 3), 5.0)
    night[50:54, 100:104] = 250
    found = feed.first(repeat(lambda: noisy(night), 80))
    assert found is not None
    assert found[1].cause == "camera_black"


def test_a_face_lit_by_the_screen_is_not_black(feed: Feed) -> None:
    night = np.full((HEIGHT, WIDTH, 3), 5.0)
    cv2.ellipse(night, (80, 60), (13, 18), 0, 0, 360, (60, 60, 60), -1)
    assert feed.first(repeat(lambda: noisy(night), 80)) is None


def shaded(kind: str) -> NDArray[np.float64]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    if kind == "flat":
        return np.full((HEIGHT, WIDTH, 1), 120.0)
    if kind == "slope":
        return (40 + 120 * x / WIDTH)[..., None]
    if kind == "vignette":
        return (150 - 200 * ((x / WIDTH - 0.5) ** 2 + (y / HEIGHT - 0.5) ** 2))[..., None]
    soft = cv2.GaussianBlur(
        np.random.default_rng(1).normal(0, 100, (HEIGHT, WIDTH)), (0, 0), HEIGHT / 4
    )
    return (80 + 15 * soft / soft.std())[..., None]


@pytest.mark.parametrize("noise", [1.0, 4.0])
@pytest.mark.parametrize("kind", ["flat", "slope", "vignette", "hand"])
def test_light_without_detail_is_covered(feed: Feed, kind: str, noise: float) -> None:
    base = shaded(kind)
    found = feed.first(repeat(lambda: noisy(base, noise), 80))
    assert found is not None
    after_s, fault = found
    assert fault.cause == "camera_covered"
    assert after_s == pytest.approx(FreezeDetector.BLANK_AFTER_NS / 1e9, abs=0.2)


@pytest.mark.parametrize("spoil", ["out of focus", "fog", "far away"])
def test_a_poor_picture_of_somebody_is_not_covered(feed: Feed, spoil: str) -> None:
    with Recording(DEMO_VIDEO) as source:
        frame = source.read()
    assert frame is not None
    person = cv2.resize(frame.image, (WIDTH, HEIGHT))
    if spoil == "out of focus":
        person = cv2.GaussianBlur(person, (0, 0), HEIGHT / 30)
    elif spoil == "fog":
        person = np.clip(person * 0.15 + 100, 0, 255).astype(np.uint8)
    else:
        wall = np.full_like(person, 140)
        wall[30:90, 50:110] = cv2.resize(person, (60, 60))
        person = wall
    assert feed.first(repeat(lambda: noisy(person, 1.0), 80)) is None


@pytest.mark.parametrize("make", [lambda: noisy(4), lambda: noisy(120, 1.0)])
def test_what_is_over_ends_soon(feed: Feed, make: Callable[[], Image]) -> None:
    assert feed.first(repeat(make, 80)) is not None
    after = feed.show(repeat(lambda: noisy(SCENE), 25))
    assert after.index(None) * STEP_NS <= FreezeDetector.OVER_NS + 200_000_000
    assert after[-1] is None


def test_a_flicker_of_the_light_is_no_fault(feed: Feed) -> None:
    pictures = [noisy(4) if number % 40 < 30 else noisy(SCENE) for number in range(400)]
    assert feed.first(pictures) is None


def test_a_frozen_black_picture_is_black(feed: Feed) -> None:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    faults = feed.show([black] * 80)
    assert faults[-1] is not None
    assert faults[-1].cause == "camera_black"


def test_another_size_is_another_picture(feed: Feed) -> None:
    small = cv2.resize(SCENE, (80, 60))
    for number in range(80):
        assert feed.show([SCENE if number % 2 else small]) == [None]
        assert not feed.watch.repeated


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 9), (480, 2), (1080, 1920)])
def test_pictures_of_every_size_can_be_watched(size: tuple[int, int]) -> None:
    watch = FreezeDetector()
    random = np.random.default_rng(5)
    pictures = [random.integers(0, 256, (*size, 3), np.uint8) for _ in range(40)]
    for number, picture in enumerate(pictures + pictures[-1:] * 40):
        fault = watch.observe(Frame(picture, number * 100_000_000, number))
        assert watch.repeated == (number >= 40)
    assert fault is not None
    # A single pixel shows nothing even while it changes, so it never counts as a picture that
    # froze.
    assert fault.cause == "camera_frozen" or size == (1, 1)


def test_the_demo_viewer_has_no_fault() -> None:
    watch = FreezeDetector()
    with Recording(DEMO_VIDEO) as source:
        while (frame := source.read()) is not None:
            assert watch.observe(frame) is None
            assert not watch.repeated


def test_recorded_people_have_no_fault(media_folder: Path) -> None:
    for name in ("ten_faces.mp4", "viewer_reactions.mp4", "single_face.mp4"):
        watch = FreezeDetector()
        with Recording(media_folder / name) as source:
            while (frame := source.read()) is not None:
                assert watch.observe(frame) is None, name


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("snbc"), st.integers(1, 30)), min_size=1, max_size=12))
def test_a_fault_is_told_exactly_while_its_condition_lasts(
    stretches: list[tuple[str, int]],
) -> None:
    """Against the definition itself: held for two seconds without a break, not held for a third of
    one.
    """
    step_ns = 100_000_000
    made = {"s": SCENE, "n": SCENE, "b": np.zeros_like(SCENE), "c": np.full_like(SCENE, 120)}
    watch, now_ns, seen = FreezeDetector(), 0, []
    flip = 0
    for kind, count in stretches:
        for _ in range(count):
            now_ns += step_ns
            picture = made[kind].copy()
            if kind != "s":
                # So that nothing but "s" repeats itself.
                flip = 1 - flip
                picture[0, 0, 0] ^= flip
                picture[-1, -1, 2] ^= 1 - flip
            fault = watch.observe(Frame(picture, now_ns, 0))
            seen.append(
                (watch.repeated, kind == "b", kind == "c", None if fault is None else fault.cause)
            )
    for index, cause in enumerate(("camera_frozen", "camera_black", "camera_covered")):
        run = quiet = 0
        active = False
        for row in seen:
            run, quiet = (run + 1, 0) if row[index] else (run, quiet + 1)
            # A repeated picture stood from the one before on; the others from the first look on.
            lasted_ns = step_ns * (run if index == 0 else run - 1)
            active = active or (
                row[index]
                and run >= 3
                and lasted_ns
                >= (FreezeDetector.BLANK_AFTER_NS if index else FreezeDetector.FROZEN_AFTER_NS)
            )
            if not row[index] and (not active or step_ns * (quiet - 1) >= FreezeDetector.OVER_NS):
                run, active = 0, False
            if row[3] == cause:
                assert active
            if active:
                assert row[3] is not None

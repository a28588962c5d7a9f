"""What can be read and what cannot: drawn faces that pass, and each check with one that does not."""

from __future__ import annotations

import itertools
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detector.faces.quality import (
    CHECKS,
    GOOD_CONTRAST,
    PASSES,
    SHARP,
    QualityGate,
    QualitySettings,
    Verdict,
    sharpness_and_contrast,
)
from detector.types import WITHHELD_REASONS, Box, HeadPose

LIMITS = QualitySettings()
WIDTH, HEIGHT = 1280, 720
SIDE_PX = 48
AHEAD = HeadPose(0.0, 0.0, 0.0)


def drawn(scale: int = 8) -> np.ndarray:
    """A face as sharp as its 48 pixels allow, drawn larger."""
    picture = np.full((SIDE_PX * scale, SIDE_PX * scale), 120, dtype=np.uint8)

    def ellipse(x: float, y: float, width: float, height: float, grey: int) -> None:
        centre, axes = (
            (round(x * scale), round(y * scale)),
            (round(width * scale / 2), round(height * scale / 2)),
        )
        cv2.ellipse(picture, centre, axes, 0, 0, 360, (grey,), -1, cv2.LINE_AA)

    ellipse(24, 24, 40, 50, 185)
    ellipse(24, 2, 42, 12, 60)
    for x in (15, 33):
        ellipse(x, 16, 10, 2, 80)
        ellipse(x, 21, 8, 4, 230)
        ellipse(x, 21, 4, 4, 50)
    ellipse(24, 30, 7, 3, 140)
    ellipse(24, 38, 16, 3, 90)
    return np.asarray(
        cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


LIMITS = QualitySettings()
FACE = drawn()


def blurred(sigma_px: float, face: np.ndarray = FACE) -> np.ndarray:
    return face if sigma_px == 0 else np.asarray(cv2.GaussianBlur(face, (0, 0), sigma_px))


def darkened(share: float, noise: float = 2.0) -> np.ndarray:
    """With this share of its light, and a sensor's noise."""
    grain = np.random.default_rng(3).normal(0, noise, FACE.shape)
    return np.clip(np.rint(FACE * share + grain), 0, 255).astype(np.uint8)


def dragged(length_px: int, *, across: bool) -> np.ndarray:
    """Moved by so much while exposed."""
    kernel = np.full((1, length_px) if across else (length_px, 1), 1 / length_px)
    return np.asarray(cv2.filter2D(FACE, -1, kernel, borderType=cv2.BORDER_REPLICATE))


def box_px(left: float, top: float, side: float) -> Box:
    return Box(left / WIDTH, top / HEIGHT, side / WIDTH, side / HEIGHT)


def verdict(
    face: np.ndarray = FACE,
    box: Box | None = None,
    pose: HeadPose = AHEAD,
    settings: QualitySettings | None = None,
) -> Verdict:
    [only] = QualityGate(settings).check(
        face[None], [box or box_px(500, 200, 120)], WIDTH, HEIGHT, [pose]
    )
    return only


def test_a_good_face_passes_with_full_marks() -> None:
    assert verdict() == Verdict(pytest.approx(1.0), None)


def test_every_check_is_a_reason_that_a_reading_knows() -> None:
    assert {*CHECKS, "count only"} == set(WITHHELD_REASONS)


@pytest.mark.parametrize(
    ("side_px", "reason"),
    [
        (LIMITS.smallest_px, None),
        (LIMITS.smallest_px - 0.1, "too small"),
        (5, "too small"),
        (300, None),
    ],
)
def test_size(side_px: float, reason: str | None) -> None:
    assert verdict(box=box_px(100, 100, side_px)).reason == reason


def test_size_is_the_mean_of_the_sides_in_pixels() -> None:
    assert verdict(box=Box(0.3, 0.3, 30 / WIDTH, 12 / HEIGHT)).reason is None
    assert verdict(box=Box(0.3, 0.3, 12 / WIDTH, 26 / HEIGHT)).reason == "too small"


@pytest.mark.parametrize(
    ("left", "top", "reason"),
    [
        (0, 0, None),
        (-14, 300, None),
        (-16, 300, "cut off"),
        (WIDTH - 86, 300, None),
        (WIDTH - 84, 300, "cut off"),
        (600, -14, None),
        (600, -16, "cut off"),
        (600, HEIGHT - 84, "cut off"),
        # In a corner both count: 1 - 0.92 * 0.92 is more than 0.15.
        (-8, -8, "cut off"),
        (-7, -7, None),
        (2 * WIDTH, 2 * HEIGHT, "cut off"),
    ],
)
def test_completeness(left: float, top: float, reason: str | None) -> None:
    assert LIMITS.max_cut_off == 0.15
    assert verdict(box=box_px(left, top, 100)).reason == reason


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "reason"),
    [
        (LIMITS.max_yaw_deg, 0, 0, None),
        (LIMITS.max_yaw_deg + 1, 0, 0, "turned away"),
        (0, LIMITS.max_pitch_deg, 0, None),
        (0, LIMITS.max_pitch_deg + 1, 0, "turned away"),
        (170, 0, 0, "turned away"),
        # The crop is turned upright.
        (0, 0, 80, None),
    ],
)
def test_direction(sign: int, yaw: float, pitch: float, roll: float, reason: str | None) -> None:
    assert verdict(pose=HeadPose(sign * yaw, sign * pitch, sign * roll)).reason == reason


@pytest.mark.parametrize(
    ("share", "reason"), [(1.0, None), (0.25, None), (0.02, "too dark"), (0.0, "too dark")]
)
def test_light(share: float, reason: str | None) -> None:
    assert verdict(darkened(share)).reason == reason


@pytest.mark.parametrize("grey", [0, 17, 255])
def test_a_crop_without_light_and_shade_is_too_dark(grey: int) -> None:
    assert verdict(np.full_like(FACE, grey)) == Verdict(0.0, "too dark")


def test_less_light_never_reads_better() -> None:
    contrasts = [
        sharpness_and_contrast(darkened(share)[None])[1][0]
        for share in (1, 0.5, 0.25, 0.1, 0.05, 0.02)
    ]
    assert all(more > less for more, less in itertools.pairwise(contrasts))


@pytest.mark.parametrize(
    ("sigma_px", "reason"), [(0, None), (1, None), (3.5, "too blurred"), (6, "too blurred")]
)
def test_sharpness(sigma_px: float, reason: str | None) -> None:
    assert verdict(blurred(sigma_px)).reason == reason


@pytest.mark.parametrize("across", [True, False])
def test_a_movement_while_exposed_blurs_in_either_direction(across: bool) -> None:
    assert verdict(dragged(3, across=across)).reason is None
    assert verdict(dragged(17, across=across)).reason == "too blurred"


def test_more_blur_is_never_sharper() -> None:
    sharpness = sharpness_and_contrast(
        np.stack([blurred(sigma) for sigma in (0, *np.arange(0.5, 6.1, 0.25))])
    )[0]
    assert all(more > less for more, less in itertools.pairwise(sharpness))


@given(seed=st.integers(0, 2**32 - 1), first=st.floats(0.3, 5), further=st.floats(1, 4))
@settings(max_examples=40, deadline=None)
def test_more_blur_is_never_sharper_for_any_texture(
    seed: int, first: float, further: float
) -> None:
    random = np.random.default_rng(seed)
    texture = cv2.resize(random.integers(0, 256, (24, 24), dtype=np.uint8), (SIDE_PX, SIDE_PX))
    once = blurred(first, np.asarray(texture))
    sharp, soft = sharpness_and_contrast(np.stack([once, blurred(further, once)]))[0]
    assert soft <= sharp


def test_sharpness_does_not_depend_on_the_light() -> None:
    half = np.rint(FACE * 0.5).astype(np.uint8)
    sharpness, contrast = sharpness_and_contrast(np.stack([FACE, half]))
    assert sharpness[1] == pytest.approx(sharpness[0], rel=0.02)
    assert contrast[1] == pytest.approx(contrast[0] / 2, rel=0.02)


def test_noise_does_not_make_a_blurred_face_sharp() -> None:
    grain = np.random.default_rng(0).normal(0, 5, FACE.shape)
    noisy = np.clip(np.rint(blurred(4) + grain), 0, 255).astype(np.uint8)
    assert verdict(noisy).reason == "too blurred"


def test_a_face_is_judged_alone_whoever_stands_beside() -> None:
    neighbours = np.full_like(FACE, 255)
    alone = sharpness_and_contrast(FACE[None])
    together = sharpness_and_contrast(np.stack([neighbours, FACE, np.zeros_like(FACE)]))
    assert [values[1] for values in together] == pytest.approx(
        [values[0] for values in alone], rel=1e-5
    )


def test_crops_of_another_size_are_judged_alike() -> None:
    larger = np.asarray(cv2.resize(FACE, (96, 96), interpolation=cv2.INTER_CUBIC))
    assert verdict(larger).reason is None
    assert verdict(blurred(7, larger)).reason == "too blurred"


FAULTS = {
    "cut off": {"box": box_px(-60, 200, 120)},
    "too small": {"box": box_px(500, 200, 12)},
    "turned away": {"pose": HeadPose(70, 0, 0)},
    "too dark": {"face": np.zeros_like(FACE)},
    "too blurred": {"face": blurred(6)},
}


@pytest.mark.parametrize("reason", CHECKS)
def test_each_fault_alone_is_named(reason: str) -> None:
    said = verdict(**FAULTS[reason])  # type: ignore[arg-type]
    assert said.reason == reason
    assert said.quality < PASSES


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(CHECKS, 2)))
def test_of_two_faults_the_first_in_the_order_is_named(first: str, second: str) -> None:
    both = {**FAULTS[second], **FAULTS[first]}
    if (first, second) == ("cut off", "too small"):
        both = {"box": box_px(-8, 200, 12)}
    if (first, second) == ("too dark", "too blurred"):
        both = {"face": np.rint(blurred(6) * 0.02).astype(np.uint8)}
        assert sharpness_and_contrast(both["face"][None])[0][0] < LIMITS.least_sharpness
    assert verdict(**both).reason == first  # type: ignore[arg-type]


def test_quality_is_that_of_the_worst_check() -> None:
    turned = verdict(pose=HeadPose(0.75 * LIMITS.max_yaw_deg, 0, 0)).quality
    small = verdict(box=box_px(500, 200, 1.2 * LIMITS.smallest_px)).quality
    assert turned == pytest.approx(0.75)
    assert small == pytest.approx(0.6)
    assert (
        verdict(
            pose=HeadPose(0.75 * LIMITS.max_yaw_deg, 0, 0),
            box=box_px(500, 200, 1.2 * LIMITS.smallest_px),
        ).quality
        == small
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["face", "noise", "flat", "blurred", "dark"]),
            st.tuples(*[st.floats(-3, 3)] * 2, *[st.floats(0, 2)] * 2),
            st.tuples(*[st.floats(-180, 180)] * 3),
        ),
        max_size=4,
    ),
    st.integers(0, 1000),
    st.sampled_from([(1, 1), (320, 240), (1280, 720)]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_quality_is_in_bounds_and_low_exactly_with_a_reason(
    faces: list[tuple[str, tuple[float, ...], tuple[float, ...]]], seed: int, size: tuple[int, int]
) -> None:
    random = np.random.default_rng(seed)
    kinds = {
        "face": FACE,
        "noise": random.integers(0, 256, FACE.shape, dtype=np.uint8),
        "flat": np.full_like(FACE, seed % 256),
        "blurred": blurred(1 + seed / 200),
        "dark": darkened(seed / 5000),
    }
    crops = np.array([kinds[kind] for kind, _, _ in faces], dtype=np.uint8).reshape(
        -1, SIDE_PX, SIDE_PX
    )
    boxes, poses = [Box(*box) for _, box, _ in faces], [HeadPose(*pose) for _, _, pose in faces]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdicts = QualityGate().check(crops, boxes, *size, poses)
        alone = [
            QualityGate().check(crop[None], [box], *size, [pose])[0]
            for crop, box, pose in zip(crops, boxes, poses, strict=True)
        ]
    assert [said.reason for said in verdicts] == [said.reason for said in alone]
    assert len(verdicts) == len(faces)
    for said in verdicts:
        assert 0 <= said.quality <= 1
        assert (said.quality < PASSES) == (said.reason is not None)
        assert said.reason is None or said.reason in CHECKS


def test_no_faces_no_verdicts() -> None:
    assert (
        QualityGate().check(np.empty((0, SIDE_PX, SIDE_PX), np.uint8), [], WIDTH, HEIGHT, []) == []
    )


@pytest.mark.parametrize(("crops", "boxes", "poses"), [(2, 1, 1), (1, 2, 1), (1, 1, 0), (0, 1, 1)])
def test_lengths_that_differ_are_refused(crops: int, boxes: int, poses: int) -> None:
    with pytest.raises(
        ValueError,
        match=rf"Invalid faces: expected as many boxes and poses as crops, received {crops} crops, {boxes} boxes and "
        rf"{poses} poses\.",
    ):
        QualityGate().check(
            np.repeat(FACE[None], crops, axis=0),
            [box_px(0, 0, 50)] * boxes,
            WIDTH,
            HEIGHT,
            [AHEAD] * poses,
        )


def test_the_limits_can_be_set() -> None:
    lenient = QualitySettings(
        smallest_px=8,
        least_sharpness=0.01,
        least_contrast=0.01,
        max_yaw_deg=90,
        max_pitch_deg=90,
        max_cut_off=0.9,
    )
    assert [reason for reason in CHECKS if verdict(**FAULTS[reason], settings=lenient).reason] == [
        "too dark"
    ]  # type: ignore[arg-type]
    assert (
        verdict(box=box_px(500, 200, 120), settings=QualitySettings(smallest_px=121)).reason
        == "too small"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("smallest_px", 0),
        ("least_sharpness", SHARP),
        ("least_sharpness", 0),
        ("least_contrast", GOOD_CONTRAST),
        ("max_yaw_deg", 91),
        ("max_pitch_deg", 0),
        ("max_cut_off", 1.1),
    ],
)
def test_limits_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        QualitySettings(**{field: value})


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(ValidationError, match="sharpnes"):
        QualitySettings(sharpnes=1)  # type: ignore[call-arg]


def test_defaults_are_the_measured_limits() -> None:
    limits = QualitySettings()
    assert (limits.smallest_px, limits.least_sharpness, limits.least_contrast) == (20.0, 0.31, 2.0)

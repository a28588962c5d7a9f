"""Views stay in shape and range, a seed repeats them, and without any strength nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from training.fit.augmentation import NO_AUGMENTATION, Augmentation, augment, plain, reduced

Faces = Callable[..., np.ndarray]
NOTHING = NO_AUGMENTATION


def views(
    faces: np.ndarray,
    settings: Augmentation = Augmentation(),  # noqa: B008
    side_px: int = 48,
    seed: int = 0,
) -> np.ndarray:
    return augment(faces, side_px, settings, np.random.default_rng(seed))


@pytest.mark.parametrize("side_px", [24, 32, 48, 64])
def test_shape_and_range(faces: Faces, side_px: int) -> None:
    found = views(faces(20), side_px=side_px)
    assert found.shape == (20, side_px, side_px, 1)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 255
    assert np.isfinite(found).all()


def test_extreme_pictures_stay_in_range() -> None:
    extreme = np.stack([np.zeros((48, 48), np.uint8), np.full((48, 48), 255, np.uint8)] * 10)
    found = views(extreme)
    assert 0 <= found.min() <= found.max() <= 255


def test_a_seed_repeats_the_views_and_another_does_not(faces: Faces) -> None:
    pictures = faces(8)
    np.testing.assert_array_equal(views(pictures, seed=3), views(pictures, seed=3))
    assert not np.array_equal(views(pictures, seed=3), views(pictures, seed=4))
    again = views(np.repeat(pictures[:1], 6, axis=0))
    assert len({view.tobytes() for view in again}) == 6


def test_the_pictures_themselves_stay_as_they_are(faces: Faces) -> None:
    pictures = faces(4)
    before = pictures.copy()
    views(pictures)
    np.testing.assert_array_equal(pictures, before)


def test_without_strength_a_view_is_the_picture(faces: Faces) -> None:
    pictures = faces(6)
    np.testing.assert_allclose(views(pictures, NOTHING), plain(pictures, 48), atol=0.01)


def test_a_smaller_view_shows_the_same(faces: Faces) -> None:
    pictures = faces(6)
    small, reference = views(pictures, NOTHING, side_px=24)[..., 0], plain(pictures, 24)[..., 0]
    assert np.abs(small - reference)[:, 2:-2, 2:-2].mean() < 3


def test_half_of_the_views_are_mirrored(faces: Faces) -> None:
    picture = faces(1)
    found = views(np.repeat(picture, 200, axis=0), replace(NOTHING, flip=True))[..., 0]
    straight = np.abs(found - picture).max(axis=(1, 2)) < 0.5
    mirrored = np.abs(found - picture[:, :, ::-1]).max(axis=(1, 2)) < 0.5
    assert (straight ^ mirrored).all()
    assert 60 < mirrored.sum() < 140


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        (replace(NOTHING, shift=0.1), 0.1 * 48),
        (replace(NOTHING, rotation_deg=15), 0.5),
        (replace(NOTHING, scale=0.14), 0.5),
    ],
)
def test_the_geometry_keeps_its_limits(settings: Augmentation, limit: float) -> None:
    """A bright spot in the middle moves by the shift only."""
    spot = np.zeros((200, 48, 48), np.uint8)
    spot[:, 21:27, 21:27] = 255
    found = views(spot, settings)[..., 0]
    weight = found / found.sum(axis=(1, 2), keepdims=True)
    places = np.stack(
        [
            (weight.sum(axis=2) * np.arange(48)).sum(axis=1),
            (weight.sum(axis=1) * np.arange(48)).sum(axis=1),
        ]
    )
    away = np.abs(places - 23.5)
    assert away.max() <= limit + 0.1
    if limit > 1:
        assert away.max() > 0.8 * limit


def test_rotation_and_scale_reach_their_limits_and_no_further(faces: Faces) -> None:
    [picture] = faces(1)
    turned = [cv2.getRotationMatrix2D((23.5, 23.5), angle, 1.0) for angle in np.arange(-20, 21, 1)]
    references = np.stack([cv2.warpAffine(picture, turn, (48, 48)) for turn in turned]).astype(
        float
    )[:, 12:36, 12:36]
    found = views(np.repeat(picture[None], 200, axis=0), replace(NOTHING, rotation_deg=15))[
        :, 12:36, 12:36, 0
    ]
    angles = [int(np.abs(references - view).mean(axis=(1, 2)).argmin()) - 20 for view in found]
    assert 12 <= max(angles) <= 16
    assert -16 <= min(angles) <= -12


def test_light_changes_but_the_face_stays(faces: Faces) -> None:
    pictures = faces(50)
    found = views(pictures, replace(NOTHING, contrast=0.3, gamma=1.5, noise=10))[..., 0]
    together = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found, pictures, strict=True)
    ]
    assert np.median(together) > 0.9
    assert np.std(found.mean(axis=(1, 2)) - pictures.mean(axis=(1, 2))) > 5


def test_noise_is_no_stronger_than_asked() -> None:
    grey = np.full((300, 48, 48), 128, np.uint8)
    deviations = views(grey, replace(NOTHING, noise=10)).std(axis=(1, 2, 3))
    assert 8.5 < deviations.max() < 10.6
    assert deviations.min() < 1


def test_a_share_of_the_views_is_blurred() -> None:
    checks = np.tile(np.indices((48, 48)).sum(axis=0) % 2 * 255, (400, 1, 1)).astype(np.uint8)
    contrast = views(checks, replace(NOTHING, blur_share=0.25, smallest_side_px=20)).std(
        axis=(1, 2, 3)
    )
    blurred = contrast < 100
    assert 0.15 < blurred.mean() < 0.35


def test_a_share_of_the_views_is_partly_hidden(faces: Faces) -> None:
    pictures = np.repeat(faces(1), 400, axis=0)
    changed = np.abs(views(pictures, replace(NOTHING, erase_share=0.3))[..., 0] - pictures) > 0.5
    hidden = changed.any(axis=(1, 2))
    assert 0.2 < hidden.mean() < 0.4
    assert changed.mean(axis=(1, 2)).max() <= 0.25


def test_a_share_of_the_views_is_moved_along_a_line() -> None:
    spot = np.zeros((400, 48, 48), np.uint8)
    spot[:, 24, 24] = 255
    found = views(spot, replace(NOTHING, motion_share=0.25))[..., 0]
    moved = found.max(axis=(1, 2)) < 200
    assert 0.15 < moved.mean() < 0.35
    np.testing.assert_allclose(found.sum(axis=(1, 2)), 255, rtol=1e-3)
    assert (found[moved] > 1).sum(axis=(1, 2)).min() >= 3


def test_a_share_of_the_views_is_compressed(faces: Faces) -> None:
    pictures = np.repeat(faces(1), 300, axis=0)
    found = views(pictures, replace(NOTHING, jpeg_share=0.3))[..., 0]
    changed = (np.abs(found - pictures) > 0.5).any(axis=(1, 2))
    assert 0.2 < changed.mean() < 0.4
    assert np.abs(found - pictures).mean() < 5


def test_a_share_of_the_views_is_taken_in_the_dark(faces: Faces) -> None:
    pictures = np.repeat(faces(1), 300, axis=0)
    brightness = (
        views(pictures, replace(NOTHING, low_light_share=0.3)).mean(axis=(1, 2, 3))
        / pictures[0].mean()
    )
    dark = brightness < 0.9
    assert 0.2 < dark.mean() < 0.4
    assert 0.08 < brightness[dark].min() <= brightness[dark].max() < 0.42


def test_reduced_pictures_keep_their_side_and_lose_their_detail() -> None:
    checks = (np.indices((48, 48)).sum(axis=0) % 2 * 255).astype(np.float32)
    small = reduced(checks, 12)
    assert small.shape == (48, 48)
    assert small.std() < 1
    assert small.mean() == pytest.approx(127.5, abs=1)


def test_gentler_is_half_as_strong() -> None:
    full = Augmentation(mixup=0.2)
    gentle = full.gentler()
    for name in (
        "rotation_deg",
        "scale",
        "shift",
        "contrast",
        "noise",
        "blur_share",
        "motion_share",
        "jpeg_share",
    ):
        assert getattr(gentle, name) == getattr(full, name) / 2
    assert (gentle.gamma, gentle.erase_share, gentle.mixup, gentle.flip) == (1.25, 0, 0, True)
    assert full.gentler().gentler().gamma == 1.125


def test_plain_takes_means_when_it_shrinks(faces: Faces) -> None:
    pictures = faces(3)
    np.testing.assert_array_equal(plain(pictures, 48)[..., 0], pictures)
    blocks = pictures.reshape(3, 24, 2, 24, 2).mean(axis=(2, 4))
    assert np.abs(plain(pictures, 24)[..., 0] - blocks).max() <= 0.5
    assert plain(pictures, 24).dtype == np.float32

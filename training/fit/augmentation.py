"""Random views of a face, as a webcam might see it; a seed repeats all draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from detector.emotion.preprocessing import fitted
from training.datasets.appearance import with_glasses, with_hand, with_hat, with_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.datasets.landmarks import Landmarks

COVERINGS = ((with_glasses, 1), (with_glasses, 2), (with_mask, 1), (with_hand, 1), (with_hat, 1))


@dataclass(frozen=True)
class Augmentation:
    """How far a view may differ from the picture.

    `rotation_deg`, relative `scale` and `contrast`, and `shift` as a share of the side are the
    largest changes either way; `gamma` is the largest exponent of the tone curve, its inverse the
    smallest; `noise` is the largest standard deviation, in grey levels. Shares of the pictures are
    taken in the dark, lose resolution (down to `smallest_side_px`, as if far away), are blurred
    along a line, compressed as JPEG, or lose a rectangle. `mixup` is the parameter of the Beta
    distribution that blends pairs of pictures and labels (Zhang et al., 2018); 0 blends none.
    A share `expression_share` of the faces gets expressions that are stronger or weaker by up to
    `expression`; 0 changes none. A `cover_share` gets glasses, a mask, a hand or a hat.
    """

    rotation_deg: float = 18.0
    scale: float = 0.15
    shift: float = 0.11
    flip: bool = True
    contrast: float = 0.25
    gamma: float = 1.5
    noise: float = 6.0
    low_light_share: float = 0.04
    blur_share: float = 0.18
    smallest_side_px: int = 16
    motion_share: float = 0.05
    jpeg_share: float = 0.08
    erase_share: float = 0.15
    mixup: float = 0.0
    expression: float = 0.0
    expression_share: float = 0.5
    cover_share: float = 0.0

    def gentler(self) -> Augmentation:
        """Return the same changes at half the strength, for the last epochs of a run."""
        strengths = "rotation_deg scale shift contrast noise expression"
        shares = "low_light_share blur_share motion_share jpeg_share cover_share"
        halved: dict[str, Any] = {
            name: getattr(self, name) / 2 for name in f"{strengths} {shares}".split()
        }
        return replace(self, gamma=(1 + self.gamma) / 2, erase_share=0.0, mixup=0.0, **halved)


NO_AUGMENTATION = Augmentation(0, 0, 0, False, 0, 1, 0, 0, 0, 48, 0, 0, 0, 0)


def augment(
    images: NDArray[np.uint8], side_px: int, settings: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return one random view of each `(n, h, h)` picture, `(n, side_px, side_px, 1)`, 0 to 255.

    Not applied here: `mixup` and `expression`, which change the labels, and what needs landmarks.
    """
    views = np.empty((len(images), side_px, side_px), dtype=np.float32)
    for view, image in zip(views, images, strict=True):
        cv2.warpAffine(
            image.astype(np.float32),
            _random_affine(image.shape[0], side_px, settings, rng),
            (side_px, side_px),
            dst=view,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        blur, motion, jpeg, erase = rng.random(4)
        if blur < settings.blur_share:
            smallest = min(settings.smallest_side_px, side_px - 1)
            view[:] = reduced(view, int(rng.integers(smallest, side_px)))
        if motion < settings.motion_share:
            _move(view, rng)
        if jpeg < settings.jpeg_share:
            _compress(view, rng)
        if erase < settings.erase_share:
            _erase(view, rng)
    _change_light(views, settings, rng)
    return views[..., None]


def mixup(
    faces: NDArray[np.float32],
    targets: list[NDArray[np.float32]],
    alpha: float,
    rng: np.random.Generator,
) -> None:
    """Blend every picture of a batch with another one, and their targets alike, in place."""
    share = rng.beta(alpha, alpha, size=len(faces)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    partner = rng.permutation(len(faces))
    for values in (faces, *targets):
        weight = share.reshape(-1, *([1] * (values.ndim - 1)))
        values[:] = weight * values + (1 - weight) * values[partner]


def draw_expressions(
    count: int, settings: Augmentation, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return how strong each face's expression becomes, `(count,)`; 1 leaves it as it is."""
    factors = 1 + rng.uniform(-1, 1, size=count) * settings.expression
    return np.where(rng.random(count) < settings.expression_share, factors, 1.0)


def cover(
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    landmarks: Landmarks,
    settings: Augmentation,
    rng: np.random.Generator,
) -> None:
    """Draw glasses, masks, hands and hats into some of the rows' `(n, h, h)` pictures, in place.

    Faces without landmarks stay as they are.
    """
    drawn = (rng.random(len(rows)) < settings.cover_share) & landmarks.known[rows]
    for place in np.flatnonzero(drawn):
        draw, kind = COVERINGS[rng.integers(len(COVERINGS))]
        images[place] = draw(images[place], kind, rng, landmarks.points[rows[place]])


def plain(images: NDArray[np.uint8], side_px: int) -> NDArray[np.float32]:
    """Return the unvaried `(n, side_px, side_px, 1)` input of the network, 0 to 255."""
    return fitted(images, side_px).astype(np.float32)[..., None]


def reduced(image: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """Return the picture as if taken with fewer pixels."""
    side = image.shape[0]
    small = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, dtype=np.float32)


def _random_affine(
    side: int, side_px: int, settings: Augmentation, rng: np.random.Generator
) -> NDArray[np.float64]:
    angle = np.deg2rad(rng.uniform(-settings.rotation_deg, settings.rotation_deg))
    zoom = (side_px / side) * (1 + rng.uniform(-settings.scale, settings.scale))
    mirror = -1.0 if settings.flip and rng.random() < 0.5 else 1.0
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    centre, new_centre = (side - 1) / 2, (side_px - 1) / 2
    shift = rng.uniform(-settings.shift, settings.shift, size=2) * side_px
    offset = new_centre + shift - linear @ np.array([centre, centre])
    return np.hstack([linear, offset[:, None]])


def _move(view: NDArray[np.float32], rng: np.random.Generator) -> None:
    length = int(rng.integers(3, 8))
    angle = rng.uniform(0, np.pi)
    kernel = np.zeros((7, 7), dtype=np.float32)
    along = np.linspace(-(length - 1) / 2, (length - 1) / 2, 4 * length)
    rows, columns = np.rint(3 + along * np.sin(angle)), np.rint(3 + along * np.cos(angle))
    kernel[rows.astype(int), columns.astype(int)] = 1
    view[:] = cv2.filter2D(view, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _compress(view: NDArray[np.float32], rng: np.random.Generator) -> None:
    grey = np.clip(np.rint(view), 0, 255).astype(np.uint8)
    quality = int(rng.integers(25, 80))
    packed = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    view[:] = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)


def _erase(view: NDArray[np.float32], rng: np.random.Generator) -> None:
    side = view.shape[0]
    height, width = rng.integers(side // 8, side // 2, size=2)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    view[top : top + height, left : left + width] = rng.uniform(0, 255)


def _change_light(
    views: NDArray[np.float32], settings: Augmentation, rng: np.random.Generator
) -> None:
    n, side = len(views), views.shape[1]
    np.clip(views, 0, 255, out=views)
    gamma = np.exp(rng.uniform(-1, 1, size=(n, 1, 1)) * np.log(settings.gamma)).astype(np.float32)
    views /= 255
    np.power(views, gamma, out=views)
    views *= 255
    gain = rng.uniform(1 - settings.contrast, 1 + settings.contrast, size=n)
    dark = rng.random(n) < settings.low_light_share
    gain[dark] *= rng.uniform(0.1, 0.4, size=int(dark.sum()))
    views *= gain.astype(np.float32)[:, None, None]
    # A lamp at one side: a ramp across the face in a random direction.
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    strength = (gain * rng.normal(0, 60 * settings.contrast, size=(2, n))).astype(np.float32)[
        ..., None, None
    ]
    views += strength[0] * ramp[None, None, :] + strength[1] * ramp[None, :, None]
    deviation = rng.uniform(0, settings.noise, size=(n, 1, 1)).astype(np.float32)
    views += deviation * rng.standard_normal(views.shape, dtype=np.float32)
    np.clip(views, 0, 255, out=views)

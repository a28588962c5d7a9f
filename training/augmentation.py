"""Random views of a face, as a webcam might have seen it.

One affine warp a picture does rotation, scale, shift, flip and the change of size in a single interpolation; light, blur
and noise follow. Everything draws from the generator it is given, so that a seed repeats a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """How far a view may stray from the picture.

    Attributes:
        rotation_deg: Largest rotation either way.
        scale: Largest relative change of size either way.
        shift: Largest shift either way, as a share of the side.
        flip: Whether left and right may be exchanged.
        contrast: Largest relative change of contrast either way.
        gamma: Largest exponent of the tone curve; its inverse is the smallest.
        noise: Largest standard deviation of the added noise, in grey levels.
        blur_share: Share of the pictures that lose resolution.
        smallest_side_px: Side to which such a picture is reduced at most.
        erase_share: Share of the pictures of which a rectangle is hidden.
    """

    rotation_deg: float = 15.0
    scale: float = 0.14
    shift: float = 0.10
    flip: bool = True
    contrast: float = 0.3
    gamma: float = 1.5
    noise: float = 10.0
    blur_share: float = 0.15
    smallest_side_px: int = 20
    erase_share: float = 0.2

    def gentler(self) -> Augmentation:
        """The same kinds of change at half the strength, for the last epochs of a run."""
        return Augmentation(
            rotation_deg=self.rotation_deg / 2,
            scale=self.scale / 2,
            shift=self.shift / 2,
            flip=self.flip,
            contrast=self.contrast / 2,
            gamma=1 + (self.gamma - 1) / 2,
            noise=self.noise / 2,
            blur_share=self.blur_share / 2,
            smallest_side_px=self.smallest_side_px,
            erase_share=0.0,
        )


def augment(
    images: NDArray[np.uint8], side_px: int, settings: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """One random view of each picture.

    Args:
        images: `(n, h, h)` grey levels.
        side_px: Side of the views.
        settings: How far they may stray.
        rng: Source of the randomness.

    Returns:
        `(n, side_px, side_px, 1)` grey levels, 0 to 255.
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
        if rng.random() < settings.blur_share:
            _reduce_resolution(view, settings, rng)
        if rng.random() < settings.erase_share:
            _erase(view, rng)
    _change_light(views, settings, rng)
    return views[..., None]


def plain(images: NDArray[np.uint8], side_px: int) -> NDArray[np.float32]:
    """The pictures as the network sees them when nothing is varied: `(n, side_px, side_px, 1)`, 0 to 255."""
    if images.shape[1] != side_px:
        images = np.stack([cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA) for image in images])
    return images.astype(np.float32)[..., None]


def _random_affine(side: int, side_px: int, settings: Augmentation, rng: np.random.Generator) -> NDArray[np.float64]:
    angle = np.deg2rad(rng.uniform(-settings.rotation_deg, settings.rotation_deg))
    zoom = (side_px / side) * (1 + rng.uniform(-settings.scale, settings.scale))
    mirror = -1.0 if settings.flip and rng.random() < 0.5 else 1.0
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    centre, new_centre = (side - 1) / 2, (side_px - 1) / 2
    shift = rng.uniform(-settings.shift, settings.shift, size=2) * side_px
    offset = new_centre + shift - linear @ np.array([centre, centre])
    return np.hstack([linear, offset[:, None]])


def _reduce_resolution(view: NDArray[np.float32], settings: Augmentation, rng: np.random.Generator) -> None:
    side = view.shape[0]
    small = int(rng.integers(min(settings.smallest_side_px, side - 1), side))
    reduced = cv2.resize(view, (small, small), interpolation=cv2.INTER_AREA)
    view[:] = cv2.resize(reduced, (side, side), interpolation=cv2.INTER_LINEAR)


def _erase(view: NDArray[np.float32], rng: np.random.Generator) -> None:
    side = view.shape[0]
    height, width = rng.integers(side // 8, side // 2, size=2)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    view[top : top + height, left : left + width] = rng.uniform(0, 255)


def _change_light(views: NDArray[np.float32], settings: Augmentation, rng: np.random.Generator) -> None:
    n, side = len(views), views.shape[1]
    np.clip(views, 0, 255, out=views)
    gamma = np.exp(rng.uniform(-1, 1, size=(n, 1, 1)) * np.log(settings.gamma)).astype(np.float32)
    views /= 255
    np.power(views, gamma, out=views)
    views *= 255
    views *= rng.uniform(1 - settings.contrast, 1 + settings.contrast, size=(n, 1, 1)).astype(np.float32)
    # A lamp at one side: a ramp across the face in a random direction.
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    strength = rng.normal(0, 60 * settings.contrast, size=(2, n, 1, 1)).astype(np.float32)
    views += strength[0] * ramp[None, None, :] + strength[1] * ramp[None, :, None]
    deviation = rng.uniform(0, settings.noise, size=(n, 1, 1)).astype(np.float32)
    views += deviation * rng.standard_normal(views.shape, dtype=np.float32)
    np.clip(views, 0, 255, out=views)

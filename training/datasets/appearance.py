"""Glasses, masks, hats, hands and turned heads, drawn into face crops by their landmarks.

They are drawn, not photographed: plain shapes with the outlines of the real things, in the light
of the picture. They show what a network loses when these parts of a face are hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy.spatial import Delaunay

from training.datasets.landmarks import CHIN, FOREHEAD, LEFT_EYE, MOUTH, RIGHT_EYE
from training.datasets.warping import bent, frame_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]
    Points = NDArray[np.float32]
    Random = np.random.Generator

INK = (1.0,)
FINE = 8
"""Shapes are drawn this many times larger than the picture, so that edges are smooth."""

JAW = (
    *(234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    *(377, 400, 378, 379, 365, 397, 288, 361, 323, 454),
)
"""From the person's right ear to the left one."""

MASK_TOP = (454, 346, 348, 195, 119, 117, 234)
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
TEMPLES = (127, 356)
CHEEKS = (205, 425)


def with_glasses(image: Grey, kind: float, rng: Random, points: Points) -> Grey:
    """Return the face with glasses: 1 with a dark frame, 2 with dark lenses; 0 without."""
    if kind == 0:
        return image
    eyes = np.array([points[list(eye), :2].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)])
    across = eyes[1] - eyes[0]
    apart, angle = float(np.linalg.norm(across)), float(np.degrees(np.arctan2(*across[::-1])))
    thick = max(1, round(rng.uniform(0.05, 0.09) * apart * FINE))
    canvas = _canvas(image)
    lenses = _canvas(image)
    for eye in eyes:
        centre = _fine(eye + across[::-1] * (-0.04, 0.04))
        axes = (round(0.4 * apart * FINE), round(0.31 * apart * FINE))
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, INK, thick)
        cv2.ellipse(lenses, centre, axes, angle, 0, 360, INK, -1)
    inner = (eyes[0] + 0.4 * across, eyes[1] - 0.4 * across)
    cv2.line(canvas, _fine(inner[0]), _fine(inner[1]), INK, thick)
    for eye, temple, away in zip(eyes, TEMPLES, (-1, 1), strict=True):
        cv2.line(canvas, _fine(eye + away * 0.4 * across), _fine(points[temple, :2]), INK, thick)
    level = float(rng.uniform(15, 60))
    if kind == 2:
        image = _blended(image, 0.92 * _reduced(lenses, image), float(rng.uniform(15, 45)))
    return _blended(image, _reduced(canvas, image), level)


def with_mask(image: Grey, kind: float, rng: Random, points: Points) -> Grey:
    """Return the face with a mask from the middle of the nose to the chin if `kind` is 1."""
    if kind == 0:
        return image
    outline = points[[*JAW, *MASK_TOP[1:-1]], :2]
    level = float(rng.choice([45, 190, 225]))
    # Folds across, as in a surgical mask.
    down = np.arange(image.shape[0])[:, None] / image.shape[0]
    folds = level + 8 * np.sin(down * 2 * np.pi * 9) + np.zeros(image.shape)
    return _blended(image, _filled(image, outline), folds)


def with_hat(image: Grey, kind: float, rng: Random, points: Points) -> Grey:
    """Return the face with a hat down to the brows if `kind` is 1; its shade is not drawn."""
    if kind == 0:
        return image
    up = points[FOREHEAD, :2] - points[CHIN, :2]
    brim = points[list(BROWS), :2] + 0.05 * up
    ends = points[list(TEMPLES), :2]
    right, left = ends + 0.15 * (ends - ends[::-1]) + 0.08 * up
    outline = np.vstack([right, brim, left, left + 2 * up, right + 2 * up])
    return _blended(image, _filled(image, outline), float(rng.uniform(20, 200)))


def with_hand(image: Grey, kind: float, rng: Random, points: Points) -> Grey:
    """Return the face with a hand before the mouth and one cheek if `kind` is 1.

    The hand is an ellipse with fingers, as bright as the cheeks.
    """
    if kind == 0:
        return image
    side = 0 if rng.random() < 0.5 else 1
    mouth = points[list(MOUTH), :2].mean(axis=0)
    cheek = points[CHEEKS[side], :2]
    height = float(np.linalg.norm(points[FOREHEAD, :2] - points[CHIN, :2]))
    centre = mouth + 0.35 * (cheek - mouth)
    canvas = _canvas(image)
    axes = (round(0.28 * height * FINE), round(0.2 * height * FINE))
    cv2.ellipse(canvas, _fine(centre), axes, float(rng.uniform(-20, 20)), 0, 360, INK, -1)
    level = float(np.median(_levels_at(image, points[list(CHEEKS), :2])))
    across = np.arange(image.shape[1])[None, :] / height
    fingers = level * (1 - 0.12 * (np.sin(across * 2 * np.pi * 8) > 0.6)) + np.zeros(image.shape)
    return _blended(image, _reduced(canvas, image), fingers)


def turned(image: Grey, angle_deg: float, rng: Random, points: Points) -> Grey:
    """Return the face turned to a random side.

    The surface that the landmarks span is rotated about the head's middle; what is around the face
    follows its outline and stays flat, and what the turn hides is lost.
    """
    if angle_deg == 0:
        return image
    angle = np.deg2rad(angle_deg if rng.random() < 0.5 else -angle_deg)
    side = image.shape[0]
    x, y, depth = points.astype(np.float64).T
    # The axis lies behind the face, about a third as deep as the face is wide.
    from_axis, behind = x - x.mean(), depth - depth.mean() - 0.35 * float(np.ptp(x))
    moved_x = from_axis * np.cos(angle) + behind * np.sin(angle)
    moved_x += x.mean() - moved_x.mean()
    far = behind * np.cos(angle) - from_axis * np.sin(angle)
    frame = frame_points(side, 8)
    sources = np.vstack([np.column_stack([x, y]), frame])
    targets = np.vstack([np.column_stack([moved_x, y]), frame])
    depths = np.concatenate([far, np.full(len(frame), far.max() + side)])
    triangles = Delaunay(sources).simplices
    nearest_last = np.argsort(-depths[triangles].mean(axis=1))
    return bent(image, sources, targets, triangles[nearest_last])


def _canvas(image: Grey) -> NDArray[np.float32]:
    return np.zeros((image.shape[0] * FINE, image.shape[1] * FINE), dtype=np.float32)


def _fine(point: NDArray[Any]) -> tuple[int, int]:
    """Return a point of the picture as a pixel of the canvas."""
    x, y = np.rint((np.asarray(point) + 0.5) * FINE - 0.5).astype(int).tolist()
    return x, y


def _filled(image: Grey, outline: NDArray[Any]) -> NDArray[np.float32]:
    canvas = _canvas(image)
    cv2.fillPoly(canvas, [np.array([_fine(point) for point in outline], dtype=np.int32)], INK)
    return _reduced(canvas, image)


def _reduced(canvas: NDArray[np.float32], image: Grey) -> NDArray[np.float32]:
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _blended(image: Grey, share: NDArray[np.float32], levels: float | NDArray[np.float64]) -> Grey:
    mixed = np.clip(np.rint(image * (1 - share) + share * levels), 0, 255)
    return np.asarray(mixed, dtype=np.uint8)


def _levels_at(image: Grey, places: NDArray[Any]) -> NDArray[np.uint8]:
    columns, rows = np.clip(np.rint(places).astype(int), 0, image.shape[0] - 1).T
    return np.asarray(image[rows, columns])

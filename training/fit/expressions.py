"""Stronger and weaker expressions of the training faces, by moving their landmarks.

What an expression does to the landmarks of a face, turned away from the camera or not, is learnt
from all training faces at once. Each face then has a strength of each of its expressions, and its
picture is bent as if these were stronger or weaker.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import Delaunay

from training.datasets.landmarks import CHIN, FOREHEAD
from training.datasets.warping import bent, frame_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.datasets.labels import Head
    from training.datasets.landmarks import Landmarks

logger = logging.getLogger(__name__)

NEUTRAL = "neutral"
STEADY = (33, 133, 362, 263, 168, 6, 197, 195, 4, 127, 356, 234, 454)
"""Corners of the eyes, bridge and tip of the nose, temples: what no expression moves much."""

RIGHT_EAR, LEFT_EAR = 234, 454
MOVED = (
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),  # the lips' outer edge
    *(78, 81, 13, 311, 308, 402, 14, 178),  # their inner edge
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 195, 4, 98, 327, 50, 280, 205, 425),  # nose and cheeks
    *(234, 132, 172, 149, 152, 378, 397, 361, 454, 10, 54, 284),  # outline
)
"""The points by which pictures are bent: enough for lips, lids and brows, and ten times as fast as
with all."""

MIN_FACES = 50
"""An expression that fewer faces show is not learnt."""

MIN_SHARE = 0.2
"""A face counts as showing an expression that has this share of its target or more."""

MAX_STRENGTH = 2.5
GAIN = 1.0
"""Measured: when an expression becomes e times as strong, a trained network's log odds of it
against neutral grow by 1.1 to 1.4 where the votes agree, and by 0.3 where they are divided."""

ROWS_OF_COVARIANCE = 6000


@dataclass(frozen=True)
class Expressions:
    """What each of `n` faces expresses, and how a face moves with it.

    Attributes:
        movements: `(k, 63, 2)` how far the points `MOVED` of the mean face move right and down
            with each expression at its usual strength, in pixels of a face as large as the mean.
        strengths: `(n, k)` strength of each expression, 0 to `MAX_STRENGTH`; 1 is usual. 0 where
            the target does not name it, or the face has no landmarks.
        linear: `(n, 2, 2)` size and lean of each face against the mean face.
        points: `(n, 63, 2)` the points `MOVED` of each face.
        triangles: `(m, 3)` of these points and those around the picture.
    """

    movements: NDArray[np.float32]
    strengths: NDArray[np.float32]
    linear: NDArray[np.float32]
    points: NDArray[np.float32]
    triangles: NDArray[np.int64]

    @property
    def expressive(self) -> NDArray[np.bool_]:
        """`(n,)` whether there is anything to strengthen or weaken."""
        return np.asarray(self.strengths.any(axis=1))

    def varied(self, image: NDArray[np.uint8], row: int, factor: float) -> NDArray[np.uint8]:
        """Return a face's picture with its expression `factor` times as strong."""
        weights = (factor - 1) * self.strengths[row]
        movement = np.tensordot(weights, self.movements, axes=1) @ self.linear[row].T
        frame = frame_points(image.shape[0])
        points = self.points[row].astype(np.float64)
        return bent(
            image,
            np.vstack([points, frame]),
            np.vstack([points + movement, frame]),
            self.triangles,
        )

    def vary(
        self,
        images: NDArray[np.uint8],
        rows: NDArray[np.int64],
        factors: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Make the expressions of some rows' pictures `factors` times as strong, in place.

        Returns:
            `(n,)` which pictures have changed; the others express nothing, or keep their strength.
        """
        changed = self.expressive[rows] & (factors != 1)
        for place in np.flatnonzero(changed):
            images[place] = self.varied(images[place], int(rows[place]), float(factors[place]))
        return np.asarray(changed)


def varied_targets(
    targets: NDArray[np.float32], factors: NDArray[np.float64], neutral: int, gain: float = GAIN
) -> NDArray[np.float32]:
    """Return `(n, classes)` targets of faces whose expressions are `factors` times as strong.

    The odds of an expression against neutral grow with the `gain`-th power of its strength. A face
    with a weaker expression keeps its targets: it still shows it, and is what tends to be taken for
    neutral.
    """
    calm = targets[:, neutral].astype(np.float64)
    others = np.delete(np.arange(targets.shape[1]), neutral)
    shown = targets[:, others].sum(axis=1)
    odds = (1 - calm) * np.maximum(factors, 1.0) ** gain
    grown = odds / np.maximum(odds + calm, 1e-9)
    found = targets.copy()
    # Without any expression there is none to grow.
    scale = np.where(shown > 0, grown / np.maximum(shown, 1e-9), 1.0)
    found[:, others] *= scale[:, None].astype(np.float32)
    found[:, neutral] = np.where(shown > 0, 1 - found[:, others].sum(axis=1), targets[:, neutral])
    return found


def expressions_of(landmarks: Landmarks, head: Head) -> Expressions | None:
    """Return the expressions of training faces.

    `None`, with a line in the log, if the labels have no neutral beside others, or too few faces
    show an expression.
    """
    if NEUTRAL not in head.labels or len(head.labels) < 2:
        logger.info("Expressions are not varied: the labels have no %s", NEUTRAL)
        return None
    found = fit_expressions(landmarks, head)
    if found is None:
        logger.info("Expressions are not varied: too few faces show one and have landmarks")
    else:
        logger.info("%d faces have an expression to vary", int(found.expressive.sum()))
    return found


def fit_expressions(landmarks: Landmarks, head: Head) -> Expressions | None:
    """Learn what expressions do to landmarks, and how strongly each face shows its own."""
    targets = head.targets.astype(np.float64)
    known = landmarks.known & head.known
    others = [
        index
        for index, label in enumerate(head.labels)
        if label != NEUTRAL and targets[known, index].sum() >= MIN_FACES
    ]
    calm = targets[known, head.labels.index(NEUTRAL)].sum()
    if not others or calm < MIN_FACES:
        return None
    mean, placements = _aligned(landmarks.points, known)
    linear, offset = placements[:, :, :2], placements[:, :, 2]
    placed = landmarks.points[..., :2] - offset[:, None]
    shapes = np.einsum("nij,nkj->nki", np.linalg.inv(linear), placed).reshape(len(targets), -1)
    poses = _poses(landmarks.points)
    regressors = np.column_stack([poses, targets[:, others]])[known]
    effects = np.linalg.lstsq(regressors.T @ regressors, regressors.T @ shapes[known], rcond=None)[
        0
    ]
    movements = effects[poses.shape[1] :]
    # Generalised least squares: what differs between people counts less than what they share.
    step = max(1, int(known.sum()) // ROWS_OF_COVARIANCE)
    rest = shapes[known][::step] - regressors[::step] @ effects
    covariance = rest.T @ rest / len(rest)
    # Few faces say little of how 936 coordinates vary together: shrink towards independence.
    shrinkage = 0.05 * (covariance.shape[0] / len(rest)) ** 2
    covariance[np.diag_indices_from(covariance)] += shrinkage * covariance.diagonal().mean() + 1e-9
    weighted = np.linalg.solve(covariance, movements.T)
    gram = movements @ weighted
    gram[np.diag_indices_from(gram)] += 1e-6 * np.trace(gram) + 1e-12
    from_calm = shapes - poses @ effects[: poses.shape[1]]
    strengths = np.clip(np.linalg.solve(gram, (from_calm @ weighted).T).T, 0, MAX_STRENGTH)
    strengths *= (targets[:, others] >= MIN_SHARE) & known[:, None]
    moved = list(MOVED)
    side = float(np.ptp(mean, axis=0).max())
    # Around the mean face as around a picture of it.
    frame = frame_points(side) + mean.mean(axis=0) - side / 2
    return Expressions(
        movements.reshape(len(others), -1, 2)[:, moved].astype(np.float32),
        strengths.astype(np.float32),
        linear.astype(np.float32),
        landmarks.points[:, moved, :2],
        Delaunay(np.vstack([mean[moved], frame])).simplices.astype(np.int64),
    )


def _aligned(
    points: NDArray[np.float32], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the `(m, 2)` mean face and the `(n, 2, 3)` similarities from it to each face."""
    flat = points[..., :2].astype(np.float64)
    mean = flat[known].mean(axis=0)
    for _ in range(3):
        placements = _similarities(mean[list(STEADY)], flat[:, STEADY])
        inverse = np.linalg.inv(placements[known][:, :, :2])
        centred = flat[known] - placements[known][:, None, :, 2]
        mean = np.einsum("nij,nkj->nki", inverse, centred).mean(axis=0)
    return mean, placements


def _similarities(source: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the `(n, 2, 3)` least-squares similarities from `(m, 2)` to `(n, m, 2)` points."""
    centre, centres = source.mean(axis=0), targets.mean(axis=1)
    from_centre, from_centres = source - centre, targets - centres[:, None]
    size = (from_centre**2).sum()
    cos = np.einsum("nmi,mi->n", from_centres, from_centre) / size
    sin = (
        from_centres[..., 1] @ from_centre[:, 0] - from_centres[..., 0] @ from_centre[:, 1]
    ) / size
    cos = np.where(np.hypot(cos, sin) > 1e-6, cos, 1.0)  # a face without landmarks
    linear = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
    return np.concatenate([linear, (centres - linear @ centre)[..., None]], axis=2)


def _poses(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return `(n, 5)` what a shape depends on besides expressions: 1, turns and their squares."""

    def slope(one: int, other: int) -> NDArray[np.float64]:
        apart = np.linalg.norm(points[:, one, :2] - points[:, other, :2], axis=1)
        return np.asarray((points[:, one, 2] - points[:, other, 2]) / np.maximum(apart, 1e-3))

    yaw, pitch = slope(RIGHT_EAR, LEFT_EAR), slope(FOREHEAD, CHIN)
    return np.column_stack([np.ones(len(points)), yaw, yaw**2, pitch, pitch**2])

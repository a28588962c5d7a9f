"""Distinguish posters and still pictures from people: for a minute nothing moves or changes.

The detector's box jitters, so every crop is first aligned to one place of the picture. The crops of
a quarter of a second are averaged, and a slowly adapting thumbnail is fitted to the average: in
light and its slope across the face, and in place, size and lean. A movement, or a change that does
not fit, is a sign of life. Of photographs under noise, JPEG, H.264 and little light, a still face
of 40 px and more stays within 0.008 sides and 0.22 contrasts, where a blink reaches 0.75.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from detector.emotion.preprocessing import FER_GEOMETRY
from detector.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATIC_AFTER_S = 60.0
"""Nobody stands this long without a blink, a glance or a step."""

_SIDE_PX, _SHARE = 16, 0.7
"""Side of the thumbnail, and the share of the crop's side that it shows."""

_ACROSS, _DOWN = np.meshgrid(*2 * [(np.arange(_SIDE_PX) + 0.5) / _SIDE_PX - 0.5])
_SLOPE = np.gradient(np.eye(_SIDE_PX), 1 / _SIDE_PX, axis=0)


class StaticFace:
    """Detects whether one face is a still picture, from a 16 x 16 thumbnail kept in memory only."""

    GAP_S, WINDOW_S = 3.0, 0.25
    """A passer-by hides a poster for less than the gap; the window averages out noise, not
    blinks."""

    SHIFT, SCALE, CHANGE = 0.012, 0.012, 0.3
    """Smallest movement and change of size, in sides of the face, and smallest change of
    appearance, in contrasts of the face, that count."""

    COST_S = 10.0
    """Quiet time that each movement takes back: a blink in ten seconds makes a person, one fault of
    the detector does not."""

    FAR = 0.15
    """Distance or growth, in sides of the face, beyond which the face has another place."""

    PLACE_S, FOLLOW_S, MOVED_SHARE = 0.8, 20.0, 0.3
    """Seconds in which the average place and the thumbnail adapt; during changes the thumbnail
    adapts by at least this share."""

    def __init__(self, after_s: float = STATIC_AFTER_S) -> None:
        if not 0 < after_s < math.inf:
            raise ValueError(
                f"Invalid after_s: expected a number of seconds above 0, received {after_s}."
            )
        self._after_s = after_s
        self._cost_s = min(self.COST_S, after_s / 6)
        self._seen_ns: int | None = None

    def update(self, box: Box, crop: NDArray[np.uint8], captured_ns: int) -> bool:
        """Return whether the face seems to be a still picture.

        `crop` are `(side, side)` grey levels as `face_crops` cuts them. A gap of more than `GAP_S`,
        or a step back in time, starts over.
        """
        if self._seen_ns is None or not 0 <= captured_ns - self._seen_ns <= self.GAP_S * 1e9:
            self._quiet_s = 0.0
            self._static = False
            self._restart(box, captured_ns, sure=False)
        self._seen_ns = captured_ns
        self._sum += _thumbnail(crop, *_place(self._anchor, box))
        self._boxes += box
        self._count += 1
        passed_s = (captured_ns - self._since_ns) / 1e9
        if passed_s >= self.WINDOW_S:
            if self._moved(passed_s, captured_ns):
                self._quiet_s = max(0.0, self._quiet_s - self._cost_s)
            else:
                self._quiet_s = min(self._after_s, self._quiet_s + passed_s)
            # A single movement of a picture is a fault of the detector; a second soon after is not.
            needed_s = self._after_s - (1.5 * self._cost_s if self._static else 0.0)
            self._static = self._quiet_s >= needed_s
        return self._static

    def _restart(self, box: Box, captured_ns: int, *, sure: bool) -> None:
        """Start over at another place; `sure` if that is an average of boxes."""
        self._anchor = box
        self._sure = sure
        self._known: NDArray[np.float64] | None = None
        self._windows = 0
        self._offset = np.zeros(3)
        self._begin(captured_ns)

    def _begin(self, captured_ns: int) -> None:
        self._since_ns = captured_ns
        self._sum = np.zeros((_SIDE_PX, _SIDE_PX))
        self._boxes = np.zeros(4)
        self._count = 0

    def _moved(self, passed_s: float, captured_ns: int) -> bool:
        """Return whether the face differs from the thumbnail in the window that ends now."""
        average = self._sum / self._count
        box = Box(*(self._boxes / self._count).tolist())
        right, down, growth = _place(self._anchor, box)
        far = max(abs(right), abs(down), abs(growth - 1)) > self.FAR
        if far or not self._sure:
            self._restart(box, captured_ns, sure=True)
            return far
        self._begin(captured_ns)
        average -= average.mean()
        average /= max(1.0, math.sqrt(np.vdot(average, average) / average.size))
        if self._known is None:
            self._known = average
            return False
        offset, rest = _difference(self._known, average)
        self._offset += (1 - math.exp(-passed_s / self.PLACE_S)) * (offset - self._offset)
        moved = (
            math.hypot(*self._offset[:2]) > self.SHIFT
            or abs(self._offset[2]) > self.SCALE
            or rest > self.CHANGE
        )
        self._windows += 1
        slowly = max(1 / (self._windows + 1), 1 - math.exp(-passed_s / self.FOLLOW_S))
        follow = max(slowly, self.MOVED_SHARE) if moved else slowly
        self._known += follow * (average - self._known)
        self._offset *= 1 - follow
        return bool(moved)


def _place(anchor: Box, box: Box) -> tuple[float, float, float]:
    """Locate the anchor's crop in a box's crop: right and down of its centre, size, in sides."""
    right = (anchor.centre[0] - box.centre[0]) / box.width
    lower = anchor.centre[1] - box.centre[1] + FER_GEOMETRY.raise_by * (box.height - anchor.height)
    return right, lower / box.height, anchor.width / box.width


def _thumbnail(
    crop: NDArray[np.uint8], right: float, down: float, size: float
) -> NDArray[np.uint8]:
    """Cut the middle of the anchor's crop out of another crop."""
    side_px, fine_px = crop.shape[0], 2 * _SIDE_PX
    step = size * _SHARE * side_px / fine_px
    first = (side_px - 1) / 2 - step * (fine_px - 1) / 2
    box_px = side_px / FER_GEOMETRY.scale
    matrix = np.array([[step, 0, first + right * box_px], [0, step, first + down * box_px]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size_px, edge = (fine_px, fine_px), cv2.BORDER_REPLICATE
    fine = cv2.warpAffine(crop, matrix, size_px, flags=how, borderMode=edge)
    small = cv2.resize(fine, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def _difference(
    known: NDArray[np.float64], average: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the movement right, down and closer, in sides, and the largest other change."""
    down, across = _SLOPE @ known, known @ _SLOPE.T
    grows, leans = _ACROSS * across + _DOWN * down, _ACROSS * down - _DOWN * across
    parts = np.concatenate(
        [known, np.ones_like(known), _ACROSS, _DOWN, across, down, grows, leans]
    ).reshape(8, -1)
    # OpenCV's solver, because NumPy's threads spin on so small a matrix.
    normal, right = parts @ parts.T + 0.5 * np.eye(8), parts @ average.ravel()
    shares = cv2.solve(normal, right, flags=cv2.DECOMP_CHOLESKY)[1].ravel()
    rest = (average.ravel() - shares @ parts).reshape(average.shape)
    # Average four neighbours: noise and resampling errors are isolated.
    patches = (rest[1:, 1:] + rest[1:, :-1] + rest[:-1, 1:] + rest[:-1, :-1]) / 4
    side = _SHARE * FER_GEOMETRY.scale
    return -shares[4:7] * (side, side, 1) / max(float(shares[0]), 0.3), float(np.abs(patches).max())

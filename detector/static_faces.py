"""Posters and still pictures, told from people by what they lack: for a minute nothing of them moves or changes.

The detector's box trembles, so every crop is first laid back onto one place of the picture. The crops of a quarter of a
second are averaged, and a thumbnail that slowly follows is fitted to them: first in light and its slope across the face, so
that clouds and exposure do not count, then in place, size and lean. What moves, or does not fit, is life.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from detector.preprocessing import FER_GEOMETRY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.types import Box

STATIC_AFTER_S = 60.0
"""Nobody stands this long without a blink, a glance or a step."""

GAP_S = 3.0
"""Whoever walks past hides a poster for less; after more, another face may be there."""

WINDOW_S = 0.25
"""Long enough against noise, short enough for a blink."""

SHIFT, SCALE, LOOK = 0.012, 0.012, 0.25
"""Least movement and change of size in sides of the face, and least change of look in contrasts of the face, that count."""

COST_S = 10.0
"""Quiet time that each movement takes back: a blink in ten seconds makes a person, one fault of the detector does not."""

PLACE_S = 1.0
FOLLOW_S = 20.0
MOVED_SHARE = 0.3
"""How the average place and the thumbnail follow: in these seconds, the thumbnail faster by this share while it differs."""

FAR = 0.08
"""Distance in sides of the face from which another place is looked at, because the crops do not reach so far."""

_SIDE_PX = 16
_SHARE = 0.8
_STEADYING = 0.5
_ACROSS, _DOWN = np.meshgrid(*2 * [(np.arange(_SIDE_PX) + 0.5) / _SIDE_PX - 0.5])


class StaticFace:
    """Watches one face, and tells whether it is a still picture; a thumbnail of 16 x 16 is all it keeps of it, in memory.

    Args:
        after_s: Seconds without any change after which a face is taken for a picture. Defaults to `STATIC_AFTER_S`.

    Raises:
        ValueError: `after_s` is not a number above 0.
    """

    def __init__(self, after_s: float = STATIC_AFTER_S) -> None:
        if not 0 < after_s < math.inf:
            raise ValueError(f"Invalid after_s: expected a number of seconds above 0, received {after_s}.")
        self._after_s = after_s
        self._cost_s = min(COST_S, after_s / 6)
        self._quiet_s = 0.0
        self._static = False
        self._seen_ns: int | None = None

    def update(self, box: Box, crop: NDArray[np.uint8], captured_ns: int) -> bool:
        """Whether the face is a still picture, as far as is known now.

        Args:
            box: Where the face is, in fractions of the picture.
            crop: `(side, side)` grey levels around the box, as `face_crops` cuts them.
            captured_ns: When; a gap of more than `GAP_S`, or a step back in time, begins anew.
        """
        if self._seen_ns is None or not 0 <= captured_ns - self._seen_ns <= GAP_S * 1e9:
            self._quiet_s = 0.0
            self._static = False
            self._look_at(box, captured_ns)
        self._seen_ns = captured_ns
        place = _placed(self._anchor, box)
        self._looks += _thumbnail(crop, place)
        self._places += place
        self._count += 1
        passed_s = (captured_ns - self._since_ns) / 1e9
        if passed_s >= WINDOW_S:
            if self._moved(box, passed_s, captured_ns):
                self._quiet_s = max(0.0, self._quiet_s - self._cost_s)
            else:
                self._quiet_s = min(self._quiet_s + passed_s, self._after_s)
            # More than one movement in short time: what has been still may have a single fault of the detector.
            lasting = self._static and self._quiet_s >= self._after_s - 1.5 * self._cost_s
            self._static = lasting or self._quiet_s >= self._after_s
        return self._static

    def _look_at(self, box: Box, captured_ns: int) -> None:
        self._anchor = box
        self._known: NDArray[np.float64] | None = None
        self._windows = 0
        self._offset = np.zeros(3)
        self._begin(captured_ns)

    def _begin(self, captured_ns: int) -> None:
        self._since_ns = captured_ns
        self._looks = np.zeros((_SIDE_PX, _SIDE_PX))
        self._places = np.zeros(3)
        self._count = 0

    def _moved(self, box: Box, passed_s: float, captured_ns: int) -> bool:
        """Whether the face differs from what is known of it, in the window that ends now."""
        look, place = self._looks / self._count, self._places / self._count
        if np.abs(place - (0, 0, 1)).max() > FAR:
            self._look_at(box, captured_ns)
            return True
        self._begin(captured_ns)
        look = (look - look.mean()) / max(float(look.std()), 1.0)
        moved = False
        follow = 1.0
        if self._known is None:
            self._known = look
        else:
            offset, rest = _difference(self._known, look)
            self._offset += (1 - math.exp(-passed_s / PLACE_S)) * (offset - self._offset)
            moved = math.hypot(*self._offset[:2]) > SHIFT or abs(self._offset[2]) > SCALE or rest > LOOK
            self._windows += 1
            follow = max(1 / (self._windows + 1), 1 - math.exp(-passed_s / FOLLOW_S), MOVED_SHARE if moved else 0.0)
            self._known += follow * (look - self._known)
            self._offset *= 1 - follow
        return bool(moved)


def _placed(anchor: Box, box: Box) -> NDArray[np.float64]:
    """Where the anchor's crop lies in the crop of a box: x and y from its middle, and size, in sides of that box."""
    size = anchor.width / box.width
    lift = FER_GEOMETRY.raise_by
    return np.array(
        [
            (anchor.centre[0] - box.centre[0]) / box.width,
            (anchor.centre[1] - box.centre[1] + lift * (box.height - anchor.height)) / box.height,
            size,
        ]
    )


def _thumbnail(crop: NDArray[np.uint8], place: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The middle of the anchor's crop, cut out of another crop."""
    side_px = crop.shape[0]
    fine_px = 2 * _SIDE_PX
    step = place[2] * _SHARE * side_px / fine_px
    first = side_px / 2 - 0.5 + place[:2] * side_px / FER_GEOMETRY.scale - step * (fine_px - 1) / 2
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = np.array([[step, 0, first[0]], [0, step, first[1]]])
    fine = cv2.warpAffine(crop, matrix, (fine_px, fine_px), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(fine, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _difference(known: NDArray[np.float64], look: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """How far a face has moved to the right, down and closer, in sides of its box, and its largest other change."""
    down, across = np.gradient(known, 1 / _SIDE_PX)
    grows, leans = _ACROSS * across + _DOWN * down, _ACROSS * down - _DOWN * across
    parts = np.stack([known, np.ones_like(known), _ACROSS, _DOWN, across, down, grows, leans]).reshape(8, -1)
    shares = np.linalg.solve(parts @ parts.T + _STEADYING * np.eye(8), parts @ look.ravel())
    rest = (look.ravel() - shares @ parts).reshape(look.shape)
    # Neighbours together, because noise and the edges of resampled pixels are single.
    patches = (rest[1:, 1:] + rest[1:, :-1] + rest[:-1, 1:] + rest[:-1, :-1]) / 4
    side = _SHARE * FER_GEOMETRY.scale
    return -shares[4:7] * (side, side, 1) / max(shares[0], 0.3), float(np.abs(patches).max())

"""Detect pictures of a camera that show nothing: frozen, black or covered.

Each condition is a fault once it has held without a break for about two seconds, and ends once it
has not held for 0.3 s, so a flash or an encoder's key picture changes nothing.

**Frozen**: every picture equals the one before, bit for bit; sensor noise never repeats. Nothing
less than equality works: a still scene and a paused picture, both in H.264, differ by the same
hundredths of a grey level. So a paused picture encoded with frequent key pictures goes unnoticed,
and an empty scene whose encoder spends no bit counts as frozen until something moves.

**Black**: apart from two of 576 blocks (a pilot light, an exit sign) nothing is brighter than 24 of
255. A face of that brightness has too little contrast to be read (`quality.py`).

**Covered**: the 98th percentile of the second differences between blocks is below 8 grey levels.
Flat or softly shaded pictures have at most 6, people with a tenth of their contrast 14. A bare wall
counts as covered until somebody comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from detector.texts import lazy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.errors import SourceFault
    from detector.types import Frame

_MESSAGES: Final[dict[SourceFault, str]] = {
    "camera_black": lazy("The picture is black: is the light off, or the lens closed?"),
    "camera_covered": lazy("The picture has light but no detail: is the lens covered?"),
    "camera_frozen": lazy(
        "The picture has not changed in a single bit for 2 s: is the source "
        "paused, or does the camera hang?"
    ),
}


@dataclass(frozen=True, slots=True)
class PictureFault:
    """Why pictures show nothing to measure, since the capture time of the first one affected."""

    cause: SourceFault
    since_ns: int
    detail: str


class _Lasting:
    """A condition that becomes active after holding for a while, and ends after not holding."""

    def __init__(self, lasts_ns: int) -> None:
        self._lasts_ns = lasts_ns
        self.since_ns: int | None = None
        self.active = False
        self._observations = 0
        self._otherwise_ns: int | None = None

    def observe(self, holds: bool, since_ns: int, now_ns: int) -> None:
        if holds:
            self._otherwise_ns = None
            if self.since_ns is None:
                self.since_ns, self._observations = since_ns, 0
            self._observations += 1
            # Three pictures at least: two that are far apart prove nothing.
            self.active = self.active or (
                self._observations >= 3 and now_ns - self.since_ns >= self._lasts_ns
            )
            return
        if self._otherwise_ns is None:
            self._otherwise_ns = now_ns
        if not self.active or now_ns - self._otherwise_ns >= FreezeDetector.OVER_NS:
            self.since_ns, self.active = None, False


class FreezeDetector:
    """Watches the pictures of one live source, in the order of their capture times.

    It keeps a reference to the newest picture only. `repeated` tells whether that equals the one
    before bit for bit, so it is no new measurement.
    """

    FROZEN_AFTER_NS, BLANK_AFTER_NS = 2_000_000_000, 1_800_000_000
    """How long a picture repeats, or is black or covered, before that is a fault. The second is
    shorter, so a dead sensor is reported as black rather than frozen."""

    OVER_NS = 300_000_000
    """How long a condition must not hold before the fault ends."""

    def __init__(self) -> None:
        self._frozen = _Lasting(self.FROZEN_AFTER_NS)
        self._black, self._covered = _Lasting(self.BLANK_AFTER_NS), _Lasting(self.BLANK_AFTER_NS)
        self._newest: Frame | None = None
        self._check_due_ns = 0
        self.repeated = False

    def observe(self, frame: Frame) -> PictureFault | None:
        """Add a frame and return what is wrong with the pictures; `None` while all is well.

        Of several faults, black is reported before covered, and covered before frozen.
        """
        now_ns, before = frame.captured_ns, self._newest
        self._newest = frame
        self.repeated = before is not None and _same(before.image, frame.image)
        began_ns = now_ns if before is None else before.captured_ns
        self._frozen.observe(self.repeated, began_ns, now_ns)
        if now_ns >= self._check_due_ns:
            self._check_due_ns = now_ns + 100_000_000
            black, covered = _dark_and_plain(frame.image)
            self._black.observe(black, now_ns, now_ns)
            self._covered.observe(covered and not black, now_ns, now_ns)
        for condition, (cause, message) in zip(
            (self._black, self._covered, self._frozen), _MESSAGES.items(), strict=True
        ):
            if condition.active and condition.since_ns is not None:
                return PictureFault(cause, condition.since_ns, message)
        return None


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    if one.shape != other.shape:
        return False
    # Twelve rows distinguish most pictures at hardly any cost; compare the rest only if they agree.
    step = max(1, one.shape[0] // 12)
    return (
        bool(np.array_equal(one[::step], other[::step])) and cv2.norm(one, other, cv2.NORM_INF) == 0
    )


def _dark_and_plain(image: NDArray[np.uint8]) -> tuple[bool, bool]:
    step = max(1, image.shape[0] // 180)
    # Green carries most of the brightness, and is quicker to gather than a weighted sum.
    sampled = np.ascontiguousarray(image[::step, ::step, 1])
    blocks = cv2.resize(sampled, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
    middle = 2 * blocks[1:-1, 1:-1]
    across = np.abs(blocks[1:-1, 2:] + blocks[1:-1, :-2] - middle)
    down = np.abs(blocks[2:, 1:-1] + blocks[:-2, 1:-1] - middle)
    detail = np.maximum(across, down).ravel()
    place = int(0.98 * detail.size)
    plain = float(np.partition(detail, place)[place]) < 8.0
    return int(np.count_nonzero(blocks > 24.0)) <= 2, plain

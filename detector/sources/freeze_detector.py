"""Whether the pictures of a camera show anything: not frozen, not black, not covered.

Three conditions, each of which is a fault once it has held without a break for about two seconds,
and is over once it has not held for a third of a second, so that a blink of the light or the key
picture of an encoder changes nothing.

**Frozen**: every picture equals the one before in every bit. The noise of a sensor never repeats
itself, so a camera that works never does this, nor does any filmed video; a paused player or a
driver that hangs does. Nothing less than equality will do: measured on a still scene in H.264, a
camera with little noise and a paused picture that is encoded anew differ by the same hundredths of
a grey level. So two cases stay open. A paused picture that is encoded anew with a key picture every
two seconds or less is not noticed (a face in it is known as a still picture after a minute, see
`static_faces.py`); and an empty scene whose encoder has no bit to spare for longer than two seconds
is taken for frozen until something moves.

**Black**: apart from two of 576 blocks (a pilot light, an exit sign) nothing is brighter than 24 of
255. A face of such a brightness has too little contrast to be read (`quality.py`).

**Covered**: the picture has light, but no detail: the 98th percentile of the second differences
between its blocks is below 8 grey levels. Measured: a flat, a vignetted or a softly shaded picture
with noise of up to 5 grey levels has at most 6; photographs and videos of people have 29 and more,
out of focus by a twentieth of the picture's height 30, with a tenth of their contrast 14. A camera
that looks at nothing but a bare wall counts as covered until somebody comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.errors import SourceFault
    from detector.types import Frame

STANDS_NS, SHOWS_NOTHING_NS = 2_000_000_000, 1_800_000_000
"""How long a picture repeats itself, or is black or covered, until that is a fault. The second is shorter, so that what is
black and frozen, as of a dead sensor, is told as black; the first is noticed within three seconds at a picture a second."""

OVER_NS = 300_000_000
"""How long it does not hold until the fault is over."""

LEAST_LOOKS = 3
"""Pictures that a fault takes at least: two pictures far apart prove nothing."""

LOOK_EVERY_NS = 100_000_000
"""Light and detail are looked at this often; whether a picture repeats itself, at every one."""

DARK_LEVEL = 24.0
BRIGHT_BLOCKS = 2
LEAST_DETAIL = 8.0
DETAIL_SHARE = 0.98

_BLOCKS = (32, 18)
_SAMPLED_ROWS = 180
_COMPARED_ROWS = 12

_WORDS: Final[dict[SourceFault, str]] = {
    "camera_black": "The picture is black: is the light off, or the lens closed?",
    "camera_covered": "The picture has light but no detail: is the lens covered?",
    "camera_frozen": "The picture has not changed in a single bit for 2 s: is the source paused, or does the camera hang?",
}


@dataclass(frozen=True, slots=True)
class PictureFault:
    """Why pictures show nothing that can be measured.

    Attributes:
        cause: Its stable name.
        since_ns: Capture time of the first picture of which it was true.
        detail: One sentence for a person.
    """

    cause: SourceFault
    since_ns: int
    detail: str


class _Lasting:
    """A condition that counts once it has held for a while, until it has not held for a while."""

    def __init__(self, lasts_ns: int) -> None:
        self._lasts_ns = lasts_ns
        self.since_ns: int | None = None
        self.active = False
        self._looks = 0
        self._otherwise_ns: int | None = None

    def observe(self, holds: bool, since_ns: int, now_ns: int) -> None:
        """Take in whether it holds.

        Args:
            holds: Whether it does.
            since_ns: When it began, if it has just begun.
            now_ns: When it was looked at; rises from call to call.
        """
        if holds:
            self._otherwise_ns = None
            if self.since_ns is None:
                self.since_ns, self._looks = since_ns, 0
            self._looks += 1
            self.active = self.active or (
                self._looks >= LEAST_LOOKS and now_ns - self.since_ns >= self._lasts_ns
            )
            return
        if self._otherwise_ns is None:
            self._otherwise_ns = now_ns
        if not self.active or now_ns - self._otherwise_ns >= OVER_NS:
            self.since_ns, self.active = None, False


class FreezeDetector:
    """Watches the pictures of one live source, in the order of their capture times.

    It keeps a reference to the newest picture, and nothing else of it.

    Attributes:
        repeated: Whether the newest frame is the one before again, bit for bit, and so no new
            measurement.
    """

    def __init__(self) -> None:
        self._frozen = _Lasting(STANDS_NS)
        self._black, self._covered = _Lasting(SHOWS_NOTHING_NS), _Lasting(SHOWS_NOTHING_NS)
        self._newest: Frame | None = None
        self._look_due_ns = 0
        self.repeated = False

    def observe(self, frame: Frame) -> PictureFault | None:
        """What is wrong with the pictures, as far as the newest one tells; `None` while all is well.

        Several things may be wrong at once; black is told before covered, and covered before
        frozen.
        """
        now_ns, before = frame.captured_ns, self._newest
        self._newest = frame
        self.repeated = before is not None and _same(before.image, frame.image)
        began_ns = now_ns if before is None else before.captured_ns
        self._frozen.observe(self.repeated, began_ns, now_ns)
        if now_ns >= self._look_due_ns:
            self._look_due_ns = now_ns + LOOK_EVERY_NS
            black, covered = _dark_and_plain(frame.image)
            self._black.observe(black, now_ns, now_ns)
            self._covered.observe(covered and not black, now_ns, now_ns)
        return self._fault()

    def _fault(self) -> PictureFault | None:
        for condition, (cause, words) in zip(
            (self._black, self._covered, self._frozen), _WORDS.items(), strict=True
        ):
            if condition.active and condition.since_ns is not None:
                return PictureFault(cause, condition.since_ns, words)
        return None


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    if one.shape != other.shape:
        return False
    # A few rows tell two pictures apart at hardly any cost; all of them are compared only where
    # these agree.
    step = max(1, one.shape[0] // _COMPARED_ROWS)
    return (
        bool(np.array_equal(one[::step], other[::step])) and cv2.norm(one, other, cv2.NORM_INF) == 0
    )


def _dark_and_plain(image: NDArray[np.uint8]) -> tuple[bool, bool]:
    step = max(1, image.shape[0] // _SAMPLED_ROWS)
    # Green carries most of the brightness, and every third byte is quicker to gather than a
    # weighted sum.
    sampled = np.ascontiguousarray(image[::step, ::step, 1])
    blocks = cv2.resize(sampled, _BLOCKS, interpolation=cv2.INTER_AREA).astype(np.float32)
    middle = 2 * blocks[1:-1, 1:-1]
    across = np.abs(blocks[1:-1, 2:] + blocks[1:-1, :-2] - middle)
    down = np.abs(blocks[2:, 1:-1] + blocks[:-2, 1:-1] - middle)
    detail = np.maximum(across, down).ravel()
    place = int(DETAIL_SHARE * detail.size)
    plain = float(np.partition(detail, place)[place]) < LEAST_DETAIL
    return int(np.count_nonzero(blocks > DARK_LEVEL)) <= BRIGHT_BLOCKS, plain

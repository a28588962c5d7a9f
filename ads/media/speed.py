"""Measure whether this machine decodes a clip fast enough to show it."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ads.media.decode import frames
from detector.texts import lazy

if TYPE_CHECKING:
    from pathlib import Path

MEASURED_S = 1.0
"""How long a clip is decoded for."""

CLEAR_S = 0.25
"""Enough for a clip that is decoded several times as fast as it is shown."""


@dataclass(frozen=True, slots=True)
class DecodingSpeed:
    """Pictures per second: how many this machine decodes and scales, and how many the clip has."""

    decoded: float
    needed: float

    @property
    def is_enough(self) -> bool:
        """Whether the clip can be shown at its rate."""
        return self.decoded >= self.needed

    @property
    def sentence(self) -> str:
        """Why the clip is not shown at its rate, if the speed is not enough."""
        return lazy(
            "this machine, as busy as it is now, decodes %(decoded)s of its "
            "%(needed)s pictures a second, so it is shown at a lower rate; convert "
            "it to H.264 in 1920x1080 pixels.",
            decoded=f"{self.decoded:.0f}",
            needed=f"{self.needed:.0f}",
        )


def decoding_speed(path: Path) -> DecodingSpeed | None:
    """Decode a clip for a second, as for a screen of 1920 x 1080; None if it is too short to tell.

    `MediaError` if it cannot be decoded.
    """
    count, began_s, elapsed_s, shown_s = 0, 0.0, 0.0, 0.0
    with closing(frames(path, "video", lambda: (1920, 1080))) as source:  # type: ignore[type-var]
        for frame in source:
            now_s = time.monotonic()
            # Opening the file does not count.
            began_s = began_s or now_s
            elapsed_s, shown_s = now_s - began_s, frame.position_ns / 1e9
            is_clear = elapsed_s > CLEAR_S and shown_s > 3 * elapsed_s
            if is_clear or elapsed_s > MEASURED_S:
                break
            count += 1
    if count < 2 or not shown_s or not elapsed_s:
        return None
    return DecodingSpeed(count / elapsed_s, count / shown_s)

"""Choose the viewer whose probabilities the bars show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.types import FaceReading

LEAD = 1.3
"""How many times larger another face must be to take over, so two people side by side do not alternate."""


def most_prominent(
    readings: Sequence[FaceReading], former: int | None = None
) -> FaceReading | None:
    """Return the reading of the largest face that looks at the screen, or of the largest face.

    Viewers whose emotion is withheld come last. Static faces do not count. The `former` viewer stays
    chosen while nobody is clearly larger.
    """
    viewers = [reading for reading in readings if not reading.static]
    readable = [reading for reading in viewers if reading.withheld is None] or viewers
    candidates = [reading for reading in readable if reading.attentive] or readable
    if not candidates:
        return None
    largest = max(candidates, key=_area)
    for reading in candidates:
        if reading.viewer == former and _area(largest) < LEAD * _area(reading):
            return reading
    return largest


def _area(reading: FaceReading) -> float:
    return reading.box.width * reading.box.height

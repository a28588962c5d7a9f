"""Whose probabilities the bars show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.types import FaceReading

LEAD = 1.3
"""How many times larger another face has to be to take over, so that two people side by side do not alternate."""


def most_prominent(
    readings: Sequence[FaceReading], former: int | None = None
) -> FaceReading | None:
    """The largest face that looks at the screen; the largest one if nobody does.

    A viewer whose emotion is withheld has nothing to show and comes after all others. A static face
    is no viewer.

    Args:
        readings: Of one frame.
        former: Number of the viewer chosen last time, who stays chosen while nobody is clearly
            larger.

    Returns:
        The reading of that viewer; `None` if there is no viewer.
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

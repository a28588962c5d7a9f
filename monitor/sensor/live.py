"""What the overlay shows: the newest analysed frame, a small preview, and the sensor's health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.errors import SourceFault
    from detector.types import AnalysedFrame

SensorState = Literal[
    "starting", "running", "reconnecting", "blind", "restarting", "unavailable", "ended"
]

UNMEASURED: tuple[SensorState, ...] = ("reconnecting", "blind", "restarting", "unavailable")
"""States in which nothing is measured although it should be."""


def fault_state(cause: SourceFault) -> SensorState:
    """Return the state of a sensor whose source has a fault."""
    gives_pictures = cause in {"camera_frozen", "camera_black", "camera_covered"}
    return "blind" if gives_pictures else "reconnecting"


@dataclass(frozen=True, slots=True)
class SensorHealth:
    """How the sensor is doing.

    Attributes:
        state: `starting` until the first frame; `reconnecting` while the source is lost; `blind`
            while its pictures show nothing; `restarting` while the process is restarted;
            `unavailable` while that is given up; `ended` after a recording.
        detail: One short sentence for a person, empty when all is well.
        dropped: Frames replaced by a newer one before they were analysed (`frames`).
        latency_ms: Median time from capture to reading over the last second.
        effort: Share of the usual work, above 0 to 1: less on a machine that cannot keep up.
        cause: Stable name of why nothing is measured, as gaps have it; empty if there is none.
    """

    state: SensorState
    detail: str = ""
    frames: int = 0
    dropped: int = 0
    fps: float = 0.0
    latency_ms: float = 0.0
    effort: float = 1.0
    cause: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LiveView:
    """The newest state of the sensor; no frame or preview before the first."""

    health: SensorHealth
    frame: AnalysedFrame | None = None
    preview: NDArray[np.uint8] | None = None
    """`(height, width, 3)` RGB: a small copy of the frame's picture, in memory only."""
